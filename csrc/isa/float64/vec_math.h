/*
 * isa/float64/vec_math.h: the functions of isa/vec_math.h and isa/vec_math_wide.h for
 * doubles: each lane by the system's own, which are right to one or two ULP. What is
 * computed in float64 is the reference of what is computed in float32: it shall be
 * right, not fast.
 */
#ifndef QUERN_ISA_FLOAT64_VEC_MATH_H
#define QUERN_ISA_FLOAT64_VEC_MATH_H

#include <math.h>

QN_INLINE qn_vf qn_veach(qn_vf x, double (*f)(double)) {
  for (int lane = 0; lane < QN_LANES; lane += 1) x[lane] = f(x[lane]);
  return x;
}

QN_INLINE qn_vf qn_vexp(qn_vf x) { return qn_veach(x, exp); }
QN_INLINE qn_vf qn_vexp2(qn_vf x) { return qn_veach(x, exp2); }
QN_INLINE qn_vf qn_vexpm1(qn_vf x) { return qn_veach(x, expm1); }
QN_INLINE qn_vf qn_vlog(qn_vf x) { return qn_veach(x, log); }
QN_INLINE qn_vf qn_vlog1p(qn_vf x) { return qn_veach(x, log1p); }
QN_INLINE qn_vf qn_vsin(qn_vf x) { return qn_veach(x, sin); }
QN_INLINE qn_vf qn_vcos(qn_vf x) { return qn_veach(x, cos); }
QN_INLINE qn_vf qn_vtan(qn_vf x) { return qn_veach(x, tan); }
QN_INLINE qn_vf qn_vatan(qn_vf x) { return qn_veach(x, atan); }
QN_INLINE qn_vf qn_vtanh(qn_vf x) { return qn_veach(x, tanh); }
QN_INLINE qn_vf qn_verf(qn_vf x) { return qn_veach(x, erf); }

/* Through log, since some systems' log2 and log10 are right to 2^-30 alone. x = 2^k m with m
 * between the roots of 1/2 and 2, so that powers of 2 are exact; 1 / ln 10 in two parts. */
static inline double qn_log2_double(double x) {
  int k;
  double m = frexp(x, &k);
  if (!(m > 0.0 && m < 1.0)) return log(x);
  if (m < 0.70710678118654752440) {
    m += m;
    k -= 1;
  }
  return (double)k + log(m) * 1.44269504088896340736;
}

static inline double qn_log10_double(double x) {
  double y = log(x);
  return isinf(y) ? y : y * 0x1.bcb7b1526e50ep-2 + y * 0x1.95355baaafad3p-57;
}

QN_INLINE qn_vf qn_vlog2(qn_vf x) { return qn_veach(x, qn_log2_double); }
QN_INLINE qn_vf qn_vlog10(qn_vf x) { return qn_veach(x, qn_log10_double); }

QN_INLINE qn_vf qn_vgelu_erf(qn_vf x) {
  return x * 0.5 * qn_veach(x * -0.70710678118654752440, erfc);
}

QN_INLINE qn_vf qn_vgelu_erf_slope(qn_vf x) {
  x = qn_vmin(qn_vset1(40.0), qn_vmax(qn_vset1(-40.0), x));
  qn_vf below = 0.5 + 0.5 * qn_verf(x * 0.70710678118654752440);
  return qn_vfma(x * qn_vexp(x * x * -0.5), qn_vset1(0.39894228040143267794), below);
}

/* As vec_math.h has it for floats, with u = sqrt(2 / pi) (x + 0.044715 x^3). */
QN_INLINE qn_vf qn_vgelu_tanh(qn_vf x) {
  qn_vf u = 0.79788456080286535588 * (x + 0.044715 * x * x * x);
  return x / (1.0 + qn_vexp(u * -2.0));
}

#endif
