/*
 * isa/avx512vnni/dot.h: integer dot products by VPDPBUSD, which multiplies
 * unsigned by signed bytes and adds fours to 32 bits, without saturation.
 *
 * Weights are the unsigned operand, so those of Q8_0 are moved up by 128 (their
 * sign bit is flipped); what that adds is taken off by the start value, which
 * the quantised activations carry.
 *
 * The vocabulary is described in isa/dot_common.h.
 */
#ifndef QUERN_ISA_DOT_H
#define QUERN_ISA_DOT_H

#include <immintrin.h>

#include "../dot_common.h"

#define QN_DOT_ROWS 4
#define QN_DOT_Q8_OFFSET 128

/* Byte j holds element j in its low half and element j + 16 in its high half. */
QN_INLINE qn_i8x32 qn_unpack_q4(const void *p) {
  __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128(p));
  __m256i shifted = _mm256_srlv_epi32(twice, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
  return (qn_i8x32)_mm256_and_si256(shifted, _mm256_set1_epi8(15));
}

QN_INLINE qn_i8x32 qn_unpack_q8(const void *p) {
  return (qn_i8x32)_mm256_xor_si256((__m256i)qn_load_i8x32(p), _mm256_set1_epi8(-128));
}

QN_INLINE qn_i32x8 qn_dot_q4(qn_i32x8 start, qn_i8x32 w, qn_i8x32 x) {
  return (qn_i32x8)_mm256_dpbusd_epi32((__m256i)start, (__m256i)w, (__m256i)x);
}

QN_INLINE qn_i32x8 qn_dot_q8(qn_i32x8 start, qn_i8x32 w, qn_i8x32 x) {
  return qn_dot_q4(start, w, x);
}

#endif
