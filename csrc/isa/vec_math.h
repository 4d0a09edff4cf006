/*
 * vec_math.h: exp, log, tanh, erf and what is built on them, on vectors of float32.
 * Include <vec.h> first. vec_math_wide.h has those that compute in float64. Where a
 * qn_real is a double, isa/float64/vec_math.h stands in for both.
 *
 * Errors, measured over the float32 numbers against float64, subnormal results
 * included; without a fused multiply-add where there are two:
 *
 *   qn_vexp   0.98        ULP       qn_vsigmoid     2.4                  ULP
 *   qn_vlog   0.82        ULP       qn_vsilu        2.8                  ULP
 *   qn_vtanh  1.34        ULP       qn_vgelu_erf    4.4 (4.6) + 1.6 x^2  ULP
 *   qn_verf   1.19 (1.45) ULP       qn_vgelu_tanh   2.3 + 2.2 x^2        ULP
 *
 * x^2 is for negative x, where the exponent's own rounding shows; silu below -87
 * and gelu below -12 have an absolute error of at most 2^-142 besides.
 *
 * Polynomials and rational functions are fitted for the least largest error, their
 * coefficients rounded one after the other while the rest is fitted again.
 */
#ifndef QUERN_ISA_VEC_MATH_H
#define QUERN_ISA_VEC_MATH_H

#if QN_REAL_BITS == 64
#include "isa/float64/vec_math.h"
#else

/* coefficients[0] + coefficients[1] x + ... by Horner's scheme, which takes the fewest
 * operations; the loop has a constant length. */
QN_INLINE qn_vf qn_vpolynomial(qn_vf x, const float *coefficients, size_t count) {
  qn_vf sum = qn_vset1(coefficients[count - 1]);
  for (size_t i = count - 1; i-- > 0;) sum = qn_vfma(sum, x, qn_vset1(coefficients[i]));
  return sum;
}

#define QN_POLYNOMIAL(x, coefficients) \
  qn_vpolynomial(x, coefficients, sizeof(coefficients) / sizeof((coefficients)[0]))

/* The integer nearest to x, ties to even, for |x| < 2^22. */
QN_INLINE qn_vf qn_vnearest(qn_vf x) {
  const float to_integer = 0x1.8p23f; /* from there on, neighbours are 1 apart */
  return (x + to_integer) - to_integer;
}

/* exp(x) for every float: 0 below -103.98, infinity above 88.73, NaN for NaN, and
 * correctly subnormal results between.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, and exp(x) = 2^n (1 + r + r^2 P(r)), where
 * the relative error of the bracket is 1.1e-9. ln 2 is split so that n times its
 * first part is exact. */
QN_INLINE qn_vf qn_vexp(qn_vf x) {
  static const float p[] = {0.5f,           0x1.555554p-3f,  0x1.55548ep-5f,
                            0x1.111270p-7f, 0x1.6d8d1ap-10f, 0x1.9f0888p-13f};
  qn_vf bounded = qn_vmin(qn_vset1(89.0f), qn_vmax(qn_vset1(-104.0f), x));
  qn_vf n = qn_vnearest(bounded * 0x1.715476p0f);
  qn_vf r = qn_vfma(n, qn_vset1(-0x1.63p-1f), bounded);
  r = qn_vfma(n, qn_vset1(0x1.bd0106p-13f), r);
  qn_vf e = 1.0f + qn_vfma(QN_POLYNOMIAL(r, p) * r, r, r);
  return qn_vscale(e, n);
}

/* 2^x for -250 <= x <= 129, NaN for NaN. With f = x - n and |f| <= 1/2, the error
 * of 1 + f P(f) is 3.0e-9. */
QN_INLINE qn_vf qn_vexp2_bounded(qn_vf x) {
  static const float p[] = {0x1.62e430p-1f, 0x1.ebfbdcp-3f,  0x1.c6af7ap-5f,
                            0x1.3b2dd0p-7f, 0x1.5f0946p-10f, 0x1.417c8ap-13f};
  qn_vf n = qn_vnearest(x);
  qn_vf f = x - n;
  return qn_vscale(qn_vfma(QN_POLYNOMIAL(f, p), f, qn_vset1(1.0f)), n);
}

/* 2^x for every float: 0 below -150, infinity from 128 on, NaN for NaN. */
QN_INLINE qn_vf qn_vexp2(qn_vf x) {
  return qn_vexp2_bounded(qn_vmin(qn_vset1(129.0f), qn_vmax(qn_vset1(-151.0f), x)));
}

/* log(x) of a positive normal x, plus `offset`.
 *
 * x = 2^e (1 + f) with 2/3 <= 1 + f < 4/3, and log(1 + f) = f - f^2 / 2 + f^3 P(f);
 * `offset` is added to e. */
QN_INLINE qn_vf qn_vlog_normal(qn_vf x, qn_vf offset) {
  static const float p[] = {0x1.55550cp-2f, -0x1.fffe5ep-3f, 0x1.99ce34p-3f, -0x1.55b7eep-3f,
                            0x1.1ef264p-3f, -0x1.f03b86p-4f, 0x1.1defc4p-3f, -0x1.0e2bb2p-3f};
  const int32_t two_thirds = 0x3f2aaaab;
  qn_vi exponent = (qn_vbits(x) - two_thirds) >> 23;
  qn_vf f = qn_vfrom_bits(qn_vbits(x) - (exponent << 23)) - 1.0f;
  qn_vf e = qn_vto_float(exponent) + offset;
  qn_vf square = f * f;
  qn_vf y = QN_POLYNOMIAL(f, p) * f * square;
  y = qn_vfma(e, qn_vset1(-0x1.bd0106p-13f), y); /* ln 2 in two parts, as in qn_vexp */
  y = qn_vfma(square, qn_vset1(-0.5f), y);
  return qn_vfma(e, qn_vset1(0x1.63p-1f), f + y);
}

/* log(x) for every float: -infinity at 0, NaN below. Only a vector that holds zero,
 * subnormal, negative or infinite numbers or NaN takes the second way, on which the
 * other lanes have the same bits. */
QN_INLINE qn_vf qn_vlog(qn_vf x) {
  qn_vi ordinary = (x >= 0x1p-126f) & (x < __builtin_inff());
  if (!qn_vany(~ordinary)) return qn_vlog_normal(x, qn_vzero());
  qn_vi tiny = x < 0x1p-126f;
  qn_vf y = qn_vlog_normal(qn_vselect(tiny, x * 0x1p23f, x),
                           qn_vselect(tiny, qn_vset1(-23.0f), qn_vzero()));
  y = qn_vselect(x == 0.0f, qn_vset1(-__builtin_inff()), y);
  y = qn_vselect(x < 0.0f, qn_vset1(__builtin_nanf("")), y);
  return qn_vselect(x < __builtin_inff(), y, x);
}

/* x + x^3 P(x^2) below 5/8, and 1 - 2 / (exp(2 x) + 1) above. */
QN_INLINE qn_vf qn_vtanh(qn_vf x) {
  static const float p[] = {-0x1.55552ep-2f, 0x1.1105e8p-3f, -0x1.b80dc2p-5f, 0x1.50de2ap-6f,
                            -0x1.6fd138p-8f};
  qn_vf magnitude = qn_vabs(x);
  qn_vf square = x * x;
  qn_vf near = qn_vfma(QN_POLYNOMIAL(square, p) * square, x, x);
  qn_vf far = 1.0f - 2.0f / (qn_vexp(magnitude + magnitude) + 1.0f);
  return qn_vcopysign(qn_vselect(magnitude < 0.625f, near, far), x);
}

/* x + x P(x^2) below 0.93, and 1 - 2^-L(x) above, where L is the logarithm of
 * 1 - erf(x); above 4.05 that is below the half of an ULP of 1. */
QN_INLINE qn_vf qn_verf(qn_vf x) {
  static const float p[] = {0x1.06eba8p-3f, -0x1.812740p-2f,  0x1.ce2d60p-4f, -0x1.b80080p-6f,
                            0x1.54426ep-8f, -0x1.a5ba96p-11f, 0x1.4e459cp-14f};
  static const float l[] = {0x1.392acap-12f,  0x1.a07770p+0f, 0x1.d6b8fap-1f, 0x1.32dbcep-3f,
                            -0x1.0640a8p-5f, 0x1.1ed5b0p-8f, -0x1.26eb00p-12f};
  qn_vf magnitude = qn_vmin(qn_vset1(4.05f), qn_vabs(x));
  qn_vf near = qn_vfma(QN_POLYNOMIAL(x * x, p), x, x);
  qn_vf far = 1.0f - qn_vexp2_bounded(-QN_POLYNOMIAL(magnitude, l));
  return qn_vcopysign(qn_vselect(magnitude < 0.93f, near, far), x);
}

/* 1 - Phi(t), the tail of the normal distribution, for 0 <= t <= 15, and e = exp(-t^2 / 2).
 *
 * The tail is e P(t) / D(t), with a relative error of 4.1e-8 (1 + t^2) up to t = 14.4, from where
 * on it is 0: that of the exponential grows as fast. All coefficients are positive, so nothing
 * cancels. */
QN_INLINE qn_vf qn_vnormal_tail(qn_vf t, qn_vf *e) {
  static const float p[] = {0.5f, 0x1.5b0370p-2f, 0x1.b3ec56p-4f, 0x1.ca6d70p-7f};
  static const float d[] = {1.0f, 0x1.79c3c4p+0f, 0x1.c7d166p-1f, 0x1.10bd88p-2f, 0x1.1f6200p-5f};
  *e = qn_vexp2_bounded(t * t * -0x1.715476p-1f);
  return *e * (QN_POLYNOMIAL(t, p) / QN_POLYNOMIAL(t, d));
}

/* x Phi(x), where Phi(x) = (1 + erf(x / sqrt 2)) / 2 is the normal distribution
 * (Hendrycks and Gimpel, "Gaussian error linear units", 2016): NaN at -infinity, as
 * the formula has it, and precise to the smallest results. */
QN_INLINE qn_vf qn_vgelu_erf(qn_vf x) {
  qn_vf e;
  qn_vf tail = qn_vnormal_tail(qn_vmin(qn_vset1(15.0f), qn_vabs(x)), &e);
  return x * qn_vselect(x < 0.0f, tail, 1.0f - tail);
}

/* Its slope, Phi(x) + x phi(x) with the density phi of the normal distribution: 0 and 1 at the
 * infinities, and precise to a few units in the last place of 1. */
QN_INLINE qn_vf qn_vgelu_erf_slope(qn_vf x) {
  x = qn_vmin(qn_vset1(15.0f), qn_vmax(qn_vset1(-15.0f), x));
  qn_vf e;
  qn_vf tail = qn_vnormal_tail(qn_vabs(x), &e);
  return qn_vfma(x * e, qn_vset1(0x1.988454p-2f), qn_vselect(x < 0.0f, tail, 1.0f - tail));
}

/* x / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), which is the form with
 * tanh(u) without its cancellation: NaN at -infinity, as the formula has it. */
QN_INLINE qn_vf qn_vgelu_tanh(qn_vf x) {
  qn_vf t = qn_vmin(qn_vset1(12.0f), qn_vabs(x));
  /* 2 u / ln 2; the coefficients are 2 sqrt(2 / pi) / ln 2, and 0.044715 times it. */
  qn_vf z = t * qn_vfma(t * t, qn_vset1(0x1.a5a7d0p-4f), qn_vset1(0x1.26aec2p+1f));
  qn_vf e = qn_vexp2_bounded(-z);
  return x * (qn_vselect(x < 0.0f, e, qn_vset1(1.0f)) / (1.0f + e));
}

#endif

/* 1 / (1 + exp(-x)), without overflow on either side. */
QN_INLINE qn_vf qn_vsigmoid(qn_vf x) {
  qn_vf e = qn_vexp(-qn_vabs(x));
  return qn_vselect(x < 0.0f, e, qn_vset1(1.0f)) / (1.0f + e);
}

/* x / (1 + exp(-x)): NaN at -infinity, as the formula has it. */
QN_INLINE qn_vf qn_vsilu(qn_vf x) { return x * qn_vsigmoid(x); }

#endif
