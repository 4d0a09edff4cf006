/*
 * isa/generic/vec.h: four lanes that any processor has, by the compiler's own
 * vector types alone. It is the reference for the other headers.
 *
 * The vocabulary is described in isa/vec_common.h.
 */
#ifndef QUERN_ISA_VEC_H
#define QUERN_ISA_VEC_H

#include "base/half.h"

#define QN_LANES 4
#include "../vec_common.h"

QN_INLINE qn_vf qn_vload_n(const float *p, size_t n) { return qn_vload_n_loop(p, n); }
QN_INLINE void qn_vstore_n(float *p, qn_vf v, size_t n) { qn_vstore_n_loop(p, v, n); }

/* Without the instruction a fused multiply-add would be a call of libm for each
 * lane, so it is then two operations. */
QN_INLINE qn_vf qn_vfma(qn_vf a, qn_vf b, qn_vf c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

/* By integer and float operations alone: the exponent moves to its place with
 * its old bias, and the product with 2^112 puts the bias right, for subnormal
 * halves too; only infinity and NaN need a choice. A signalling NaN becomes
 * quiet, as the processors' own instructions have it. */
QN_INLINE qn_vf qn_vload_f16(const void *p) {
  typedef uint16_t half_words __attribute__((ext_vector_type(QN_LANES)));
  half_words h;
  __builtin_memcpy(&h, p, sizeof h);
  qn_vi bits = __builtin_convertvector(h, qn_vi);
  qn_vi magnitude = (bits & 0x7fff) << 13;
  qn_vi sign = (bits & 0x8000) << 16;
  qn_vi finite = qn_vbits(qn_vfrom_bits(magnitude) * 0x1p112f);
  qn_vi quiet = (magnitude > 0x0f800000) & 0x00400000;
  qn_vi special = magnitude | 0x7f800000 | quiet;
  return qn_vfrom_bits(sign | qn_vselect_i32(magnitude >= 0x0f800000, special, finite));
}

QN_INLINE qn_vf qn_vscale(qn_vf v, qn_vf n) { return qn_vscale_steps(v, n); }

QN_INLINE void qn_vstore_f16(void *p, qn_vf v) {
  uint16_t halves[QN_LANES];
  for (size_t i = 0; i < QN_LANES; i += 1) halves[i] = qn_f16_from_f32(v[i]);
  __builtin_memcpy(p, halves, sizeof halves);
}

#endif
