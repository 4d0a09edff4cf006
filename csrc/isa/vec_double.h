/*
 * vec_double.h: what functions that compute in double precision share: bits of
 * doubles, choices between them, polynomials, logarithms. Include <vec.h> first.
 */
#ifndef QUERN_ISA_VEC_DOUBLE_H
#define QUERN_ISA_VEC_DOUBLE_H

/* Integers of the size of a double, as masks and as its bits. What comparing doubles
 * gives is int64_t, by whatever name the system has for it. */
typedef __typeof__((qn_vd)0.0 < (qn_vd)0.0) qn_vl;
typedef uint64_t qn_vul __attribute__((ext_vector_type(QN_LANES)));

QN_INLINE qn_vd qn_vset1_double(double x) { return (qn_vd)x; }
QN_INLINE qn_vf qn_vto_single(qn_vd v) { return __builtin_convertvector(v, qn_vf); }
QN_INLINE qn_vd qn_vselect_double(qn_vl mask, qn_vd a, qn_vd b) { return mask ? a : b; }

QN_INLINE qn_vul qn_vbits_double(qn_vd v) {
  qn_vul bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  return bits;
}

QN_INLINE qn_vd qn_vfrom_bits_double(qn_vul bits) {
  qn_vd v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}

/* coefficients[0] + coefficients[1] x + ...; the loop has a constant length. */
QN_INLINE qn_vd qn_vpolynomial_double(qn_vd x, const double *coefficients, size_t count) {
  qn_vd sum = qn_vset1_double(coefficients[count - 1]);
  for (size_t i = count - 1; i-- > 0;) sum = sum * x + coefficients[i];
  return sum;
}

#define QN_POLYNOMIAL_DOUBLE(x, coefficients) \
  qn_vpolynomial_double(x, coefficients, sizeof(coefficients) / sizeof((coefficients)[0]))

/* Adding this leaves the nearest integer in the low bits, for |x| < 2^51. */
#define QN_TO_INTEGER_DOUBLE 0x1.8p52

/* The nearest integer, for |v| < 2^51. */
QN_INLINE qn_vd qn_vround_double(qn_vd v) {
  return (v + QN_TO_INTEGER_DOUBLE) - QN_TO_INTEGER_DOUBLE;
}

/* log2 of positive, finite floats that were widened: x = 2^k m with m between the
 * roots of 1/2 and 2, and log m = 2 artanh t, t = (m - 1) / (m + 1), |t| < 0.172. */
QN_INLINE qn_vd qn_vlog2_double(qn_vd x) {
  static const double artanh[] = {1.0 / 3.0,  1.0 / 5.0,  1.0 / 7.0,  1.0 / 9.0,
                                  1.0 / 11.0, 1.0 / 13.0, 1.0 / 15.0, 1.0 / 17.0};
  const int64_t root_half = 0x3fe6a09e667f3bcd;
  const qn_vl offset = (qn_vl)qn_vbits_double(x) - root_half;
  const qn_vl exponent = offset >> 52;
  const qn_vd m = qn_vfrom_bits_double(qn_vbits_double(x) - (qn_vul)(exponent << 52));
  /* Through 32 bits, since few processors convert 64. */
  const qn_vd k = __builtin_convertvector(__builtin_convertvector(exponent, qn_vi), qn_vd);
  const qn_vd t = (m - 1.0) / (m + 1.0);
  const qn_vd z = t * t;
  const qn_vd p = QN_POLYNOMIAL_DOUBLE(z, artanh);
  const double two_over_ln2 = 0x1.71547652b82fep1;
  return k + t * (two_over_ln2 + two_over_ln2 * (z * p));
}

#endif
