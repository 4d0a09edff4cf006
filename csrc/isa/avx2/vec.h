/*
 * isa/avx2/vec.h: eight lanes, for x86-64-v3 (AVX2, FMA, F16C).
 *
 * The vocabulary is described in isa/vec_common.h.
 */
#ifndef QUERN_ISA_VEC_H
#define QUERN_ISA_VEC_H

#include <immintrin.h>

#define QN_LANES 8
#include "../vec_common.h"

/* All bits set in the first n lanes. A masked lane is neither read nor written,
 * so it may lie on a page that does not exist. Where every lane is wanted the plain
 * instructions are taken: masked stores cost many cycles on AMD's processors. */
QN_INLINE __m256i qn_vmask_n(size_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), lane);
}

QN_INLINE qn_vf qn_vload_n(const float *p, size_t n) {
  if (n == QN_LANES) return qn_vload(p);
  return (qn_vf)_mm256_maskload_ps(p, qn_vmask_n(n));
}

QN_INLINE void qn_vstore_n(float *p, qn_vf v, size_t n) {
  if (n == QN_LANES) {
    qn_vstore(p, v);
  } else {
    _mm256_maskstore_ps(p, qn_vmask_n(n), (__m256)v);
  }
}

QN_INLINE qn_vf qn_vfma(qn_vf a, qn_vf b, qn_vf c) { return __builtin_elementwise_fma(a, b, c); }

QN_INLINE qn_vf qn_vload_f16(const void *p) {
  return (qn_vf)_mm256_cvtph_ps(_mm_loadu_si128(p));
}

QN_INLINE qn_vf qn_vscale(qn_vf v, qn_vf n) { return qn_vscale_steps(v, n); }

QN_INLINE void qn_vstore_f16(void *p, qn_vf v) {
  _mm_storeu_si128(p, _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
}

#endif
