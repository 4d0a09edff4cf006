/*
 * isa/avx512/vec.h: sixteen lanes, for x86-64-v4 (AVX-512 F, BW, CD, DQ, VL).
 *
 * The vocabulary is described in isa/vec_common.h.
 */
#ifndef QUERN_ISA_VEC_H
#define QUERN_ISA_VEC_H

#include <immintrin.h>

#define QN_LANES 16
#include "../vec_common.h"

/* One bit for each of the first n lanes. A masked lane is neither read nor
 * written, so it may lie on a page that does not exist. */
QN_INLINE __mmask16 qn_vmask_n(size_t n) { return (__mmask16)((1u << n) - 1u); }

QN_INLINE qn_vf qn_vload_n(const float *p, size_t n) {
  return (qn_vf)_mm512_maskz_loadu_ps(qn_vmask_n(n), p);
}

QN_INLINE void qn_vstore_n(float *p, qn_vf v, size_t n) {
  _mm512_mask_storeu_ps(p, qn_vmask_n(n), (__m512)v);
}

QN_INLINE qn_vf qn_vfma(qn_vf a, qn_vf b, qn_vf c) { return __builtin_elementwise_fma(a, b, c); }

QN_INLINE qn_vf qn_vload_f16(const void *p) {
  return (qn_vf)_mm512_cvtph_ps(_mm256_loadu_si256(p));
}

QN_INLINE qn_vf qn_vscale(qn_vf v, qn_vf n) {
  return (qn_vf)_mm512_scalef_ps((__m512)v, (__m512)n);
}

QN_INLINE void qn_vstore_f16(void *p, qn_vf v) {
  _mm256_storeu_si256(p, _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
}

#endif
