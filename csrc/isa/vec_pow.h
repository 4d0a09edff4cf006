/*
 * vec_pow.h: x to the power of y, on vectors. Include <vec.h> first.
 *
 * The error of exp(y log x) is that of log x times y log x, which may be 88; so
 * both are worked out in double precision, where the result is right to about 2^-40
 * and is rounded to float32 once: below 0.51 ULP, subnormal results included.
 */
#ifndef QUERN_ISA_VEC_POW_H
#define QUERN_ISA_VEC_POW_H

#include "isa/vec_double.h"

/* 2^v for |v| <= 200, by Taylor's series of exp around the nearest integer. */
QN_INLINE qn_vd qn_vexp2_double(qn_vd v) {
  static const double taylor[] = {1.0,         1.0,         0.5,          1.0 / 6.0,
                                  1.0 / 24.0,  1.0 / 120.0, 1.0 / 720.0,  1.0 / 5040.0,
                                  1.0 / 40320.0, 1.0 / 362880.0, 1.0 / 3628800.0};
  const qn_vd n = qn_vround_double(v);
  const qn_vd r = (v - n) * 0x1.62e42fefa39efp-1;
  const qn_vd p = QN_POLYNOMIAL_DOUBLE(r, taylor);
  const qn_vl exponent = __builtin_convertvector(__builtin_convertvector(n, qn_vi), qn_vl);
  return p * qn_vfrom_bits_double((qn_vul)(exponent + 1023) << 52);
}

/* x^y with the special cases of IEEE 754: 1 for y = 0 and for x = 1, whatever the
 * other is; NaN for a negative x and a y that is no integer. */
QN_INLINE qn_vf qn_vpow(qn_vf x_float, qn_vf y_float) {
  const qn_vd x = qn_vto_double(x_float);
  const qn_vd y = qn_vto_double(y_float);
  const qn_vd magnitude = qn_vfrom_bits_double(qn_vbits_double(x) & (uint64_t)INT64_MAX);
  const qn_vd infinity = (qn_vd)__builtin_inf();

  qn_vd log = qn_vlog2_double(magnitude);
  log = qn_vselect_double(magnitude == 0.0, -infinity, log);
  log = qn_vselect_double((magnitude == infinity) | (x != x), magnitude, log);
  const qn_vd product = y * log;
  qn_vd bounded = qn_vselect_double(product < 200.0, product, (qn_vd)200.0);
  bounded = qn_vselect_double(bounded > -200.0, bounded, (qn_vd)-200.0);
  qn_vd power = qn_vexp2_double(bounded);

  /* From 2^24 on every float is an even integer. */
  const qn_vd y_size = qn_vfrom_bits_double(qn_vbits_double(y) & (uint64_t)INT64_MAX);
  const qn_vl small = y_size < 0x1p24;
  const qn_vd y_small = qn_vselect_double(small, y, (qn_vd)0.0);
  const qn_vl fraction = qn_vround_double(y_small) != y_small;
  const qn_vd half = y_small * 0.5;
  const qn_vl odd = ~fraction & (qn_vround_double(half) != half);
  const qn_vul sign = qn_vbits_double(x) & (uint64_t)INT64_MIN;
  power = qn_vfrom_bits_double(qn_vbits_double(power) | (sign & (qn_vul)odd));
  const qn_vl no_root = (x < 0.0) & fraction & (magnitude != infinity);
  power = qn_vselect_double(no_root | (product != product), (qn_vd)__builtin_nan(""), power);
  power = qn_vselect_double((y == 0.0) | (x == 1.0) | ((x == -1.0) & (y_size == infinity)),
                            (qn_vd)1.0, power);
  return qn_vto_single(power);
}

#endif
