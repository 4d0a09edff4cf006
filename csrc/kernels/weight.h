/*
 * kernels/weight.h: the weight of a key, from its score less the largest of its row.
 * Include <vec.h> first.
 */
#ifndef QN_KERNELS_WEIGHT_H
#define QN_KERNELS_WEIGHT_H

#include "isa/vec_math.h"

/* 2^t for t <= 0, NaN for NaN; below 2^-126 between 0 and that.
 *
 * t = n + f with |f| <= 1/2, and 2^f = 1 + f P(f), fitted for the least error in ULP.
 * Measured over the floats down to -4 it is below 1.78 ULP; without a fused multiply-add,
 * which rounds twice as often, P is of one degree more, and the error below 1.08 ULP. */
QN_INLINE qn_vf qn_vweight(qn_vf t) {
#if defined(__FMA__) || defined(__aarch64__)
  static const float p[] = {1.0f,           0x1.62e424p-1f, 0x1.ebf9b6p-3f,
                            0x1.c6babap-5f, 0x1.3cec48p-7f, 0x1.5aac90p-10f};
#else
  static const float p[] = {1.0f,           0x1.62e430p-1f, 0x1.ebfbdcp-3f, 0x1.c6af7ap-5f,
                            0x1.3b2dd0p-7f, 0x1.5f0946p-10f, 0x1.417c8ap-13f};
#endif
#if defined(__AVX512F__)
  qn_vf bounded = qn_vmax(qn_vset1(-200.0f), t);
  qn_vf n = __builtin_elementwise_roundeven(bounded);
  return qn_vscale(QN_POLYNOMIAL(bounded - n, p), n);
#else
  const float to_integer = 0x1.8p23f + 127.0f; /* leaves n + 127 in the low bits */
  qn_vf bounded = qn_vmax(qn_vset1(-127.0f), t);
  qn_vf shifted = bounded + to_integer;
  qn_vf f = bounded - (shifted - to_integer);
  return QN_POLYNOMIAL(f, p) * qn_vfrom_bits(qn_vbits(shifted) << 23);
#endif
}

#endif
