/*
 * isa/avx2/dot.h: integer dot products for processors without VNNI.
 *
 * PMADDUBSW multiplies unsigned by signed bytes and adds pairs with saturation
 * to 16 bits, so its operands are chosen such that it never saturates: nibbles
 * give at most 2 * 15 * 127, and the magnitudes of Q8_0 (the weight -128
 * becomes the unsigned 128) with activations that took over the sign at most
 * 2 * 128 * 127 = 32512. Making the activations unsigned instead would fail:
 * the sign of -128 cannot be moved to a weight of -128.
 *
 * The vocabulary is described in isa/dot_common.h.
 */
#ifndef QUERN_ISA_DOT_H
#define QUERN_ISA_DOT_H

#include <immintrin.h>

#include "../dot_common.h"

#define QN_DOT_ROWS 2
#define QN_DOT_Q8_OFFSET 0

/* Byte j holds element j in its low half and element j + 16 in its high half. */
QN_INLINE qn_i8x32 qn_unpack_q4(const void *p) {
  __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128(p));
  __m256i shifted = _mm256_srlv_epi32(twice, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
  return (qn_i8x32)_mm256_and_si256(shifted, _mm256_set1_epi8(15));
}

QN_INLINE qn_i8x32 qn_unpack_q8(const void *p) { return qn_load_i8x32(p); }

/* Eight sums of four from sixteen sums of two. */
QN_INLINE qn_i32x8 qn_dot_widen(__m256i pairs) {
  return (qn_i32x8)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

QN_INLINE qn_i32x8 qn_dot_q4(qn_i32x8 start, qn_i8x32 w, qn_i8x32 x) {
  return start + qn_dot_widen(_mm256_maddubs_epi16((__m256i)w, (__m256i)x));
}

QN_INLINE qn_i32x8 qn_dot_q8(qn_i32x8 start, qn_i8x32 w, qn_i8x32 x) {
  (void)start;
  __m256i magnitude = _mm256_abs_epi8((__m256i)w);
  __m256i signed_x = _mm256_sign_epi8((__m256i)x, (__m256i)w);
  return qn_dot_widen(_mm256_maddubs_epi16(magnitude, signed_x));
}

#endif
