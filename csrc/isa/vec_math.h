/*
 * vec_math.h: exp and what is built on it, on vectors. Include <vec.h> first.
 *
 * Measured over the float32 numbers against float64: the error of qn_vexp is below
 * 1.01 ULP, with a fused multiply-add or without, subnormal results included.
 */
#ifndef QUERN_ISA_VEC_MATH_H
#define QUERN_ISA_VEC_MATH_H

/* exp(x) for every float: 0 below -103.98, infinity above 88.73, NaN for NaN, and
 * correctly subnormal results between.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, and exp(x) = 2^n (1 + r + r^2 P(r)), where
 * P is fitted for the least largest relative error (1.1e-9 with its coefficients
 * rounded). ln 2 is split so that n times its first part is exact. The product
 * with 2^n is made in two steps, so that n may be 128 and a subnormal result is
 * rounded once. */
QN_INLINE qn_vf qn_vexp(qn_vf x) {
  const float to_integer = 0x1.8p23f; /* adding it leaves an integer in the low bits */
  qn_vf bounded = qn_vmin(qn_vset1(89.0f), qn_vmax(qn_vset1(-104.0f), x));
  qn_vf shifted = qn_vfma(bounded, qn_vset1(0x1.715476p0f), qn_vset1(to_integer));
  qn_vf n = shifted - to_integer;
  qn_vf r = qn_vfma(n, qn_vset1(-0x1.63p-1f), bounded);
  r = qn_vfma(n, qn_vset1(0x1.bd0106p-13f), r);

  qn_vf p = qn_vset1(0x1.9f0888p-13f);
  p = qn_vfma(p, r, qn_vset1(0x1.6d8d1ap-10f));
  p = qn_vfma(p, r, qn_vset1(0x1.111270p-7f));
  p = qn_vfma(p, r, qn_vset1(0x1.55548ep-5f));
  p = qn_vfma(p, r, qn_vset1(0x1.555554p-3f));
  p = qn_vfma(p, r, qn_vset1(0.5f));
  qn_vf e = 1.0f + qn_vfma(p * r, r, r);

  qn_vi exponent = qn_vbits(shifted) - qn_vbits(qn_vset1(to_integer));
  qn_vi half = exponent >> 1;
  qn_vf first = qn_vfrom_bits((half + 127) << 23);
  qn_vf second = qn_vfrom_bits((exponent - half + 127) << 23);
  return e * first * second;
}

/* 1 / (1 + exp(-x)), without overflow on either side. */
QN_INLINE qn_vf qn_vsigmoid(qn_vf x) {
  qn_vf e = qn_vexp(-qn_vabs(x));
  return qn_vselect(x < 0.0f, e, qn_vset1(1.0f)) / (1.0f + e);
}

/* x / (1 + exp(-x)): NaN at -infinity, as the formula has it. */
QN_INLINE qn_vf qn_vsilu(qn_vf x) { return x * qn_vsigmoid(x); }

#endif
