/*
 * vec_math_wide.h: functions of float32 vectors that are computed in float64, where
 * float32 would need each number in two parts: sin, cos and tan, whose argument is
 * reduced by multiples of pi / 2, atan, log2 and log10, and expm1 and log1p, which must
 * not cancel.
 * Include <vec.h> first.
 *
 * The result is rounded once, from one with an error below 2^-30: less than 0.51
 * ULP, for every float32 and on every instruction set.
 */
#ifndef QUERN_ISA_VEC_MATH_WIDE_H
#define QUERN_ISA_VEC_MATH_WIDE_H

#if QN_REAL_BITS == 64
#include "isa/float64/vec_math.h"
#else

#include "isa/vec_double.h"

/* The rest of |x| >= 2^26 after whole quarter turns, in -pi/4 .. pi/4, and the number
 * of these modulo 4; NaN for infinity.
 *
 * x = m 2^e with a mantissa m of 24 bits. Of 2 / pi, the bits that make multiples of
 * 4 with 2^e are left out, and the next 96 multiplied with m: the error is below
 * 2^-60, while the rest is above 2^-32 for every float32 (Payne and Hanek, "Radian
 * reduction for trigonometric functions", 1983). */
QN_INLINE double qn_reduce_large(float x, uint64_t *quarters) {
  static const uint32_t two_over_pi[] = {0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0,
                                         0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561};
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const int32_t exponent = (int32_t)(bits >> 23 & 255) - 150;
  *quarters = 0;
  if (exponent > 104) return (double)(x - x);
  const uint64_t mantissa = (bits & 0x7fffff) | 0x800000;
  /* The bit of weight 2^-k stands at k - 1. */
  const uint32_t first = (uint32_t)exponent - 2;
  const uint32_t *words = two_over_pi + first / 32;
  const uint32_t shift = first % 32;
  uint64_t high = (uint64_t)words[0] << 32 | words[1];
  uint64_t low = (uint64_t)words[2] << 32 | words[3];
  if (shift != 0) {
    high = high << shift | low >> (64 - shift);
    low <<= shift;
  }
  /* Quarter turns, with two bits before the point and 62 after it. */
  const uint64_t turns = mantissa * high + (mantissa * (low >> 32) >> 32);
  const uint64_t whole = (turns + ((uint64_t)1 << 61)) >> 62;
  const double rest = (double)(int64_t)(turns - (whole << 62)) * (0x1.921fb54442d18p+0 * 0x1p-62);
  *quarters = bits >> 31 ? (uint64_t)0 - whole : whole;
  return bits >> 31 ? -rest : rest;
}

/* x without whole quarter turns, in -pi/4 .. pi/4, and the number of these modulo 4.
 * Below 2^26, pi / 2 is taken off in three parts, of which the first two have 27 bits,
 * so that their products are exact. */
QN_INLINE qn_vd qn_vreduce_turns(qn_vf x, qn_vul *quarters) {
  qn_vd wide = qn_vto_double(x);
  qn_vd shifted = wide * 0x1.45f306dc9c883p-1 + QN_TO_INTEGER_DOUBLE;
  qn_vd n = shifted - QN_TO_INTEGER_DOUBLE;
  qn_vd r = wide - n * 0x1.921fb54p+0 - n * 0x1.10b461p-30 - n * 0x1.a62633145c06ep-58;
  qn_vul turns = qn_vbits_double(shifted);
  qn_vi large = qn_vabs(x) >= 0x1p26f;
  if (qn_vany(large)) {
    for (int lane = 0; lane < QN_LANES; lane += 1) {
      if (!large[lane]) continue;
      uint64_t whole;
      r[lane] = qn_reduce_large(x[lane], &whole);
      turns[lane] = whole;
    }
  }
  *quarters = turns;
  return r;
}

/* sin(r) and cos(r) for |r| <= pi/4. */
QN_INLINE qn_vd qn_vsin_reduced(qn_vd r) {
  static const double sine[] = {1.0, -0x1.5555554cbcd1ap-3, 0x1.1111089801880p-7,
                                -0x1.a00f9eda37bd4p-13, 0x1.6cd89b074b3a4p-19};
  return r * QN_POLYNOMIAL_DOUBLE(r * r, sine);
}

QN_INLINE qn_vd qn_vcos_reduced(qn_vd r) {
  static const double cosine[] = {1.0, -0.5, 0x1.5555554f53bd6p-5, -0x1.6c16b89db5d37p-10,
                                  0x1.a01122f6efc39p-16, -0x1.242b5a487f8f2p-22};
  return QN_POLYNOMIAL_DOUBLE(r * r, cosine);
}

/* sin(x + quarters pi / 2). */
QN_INLINE qn_vf qn_vsin_shifted(qn_vf x, uint64_t quarters) {
  qn_vul turns;
  qn_vd r = qn_vreduce_turns(x, &turns);
  turns += quarters;
  qn_vd y = qn_vselect_double((turns & 1) != 0, qn_vcos_reduced(r), qn_vsin_reduced(r));
  return qn_vto_single(qn_vfrom_bits_double(qn_vbits_double(y) ^ (turns & 2) << 62));
}

/* sin(x) and cos(x) for every float32; NaN for infinity. */
QN_INLINE qn_vf qn_vsin(qn_vf x) { return qn_vsin_shifted(x, 0); }
QN_INLINE qn_vf qn_vcos(qn_vf x) { return qn_vsin_shifted(x, 1); }

/* tan(x) for every float32; NaN for infinity. After an odd number of quarter turns it
 * is -cos / sin. */
QN_INLINE qn_vf qn_vtan(qn_vf x) {
  qn_vul turns;
  qn_vd r = qn_vreduce_turns(x, &turns);
  qn_vd sine = qn_vsin_reduced(r);
  qn_vd cosine = qn_vcos_reduced(r);
  qn_vl odd = (turns & 1) != 0;
  qn_vd over = qn_vselect_double(odd, -cosine, sine);
  return qn_vto_single(over / qn_vselect_double(odd, sine, cosine));
}

/* atan(x) for every float32. With t = x, (x - 1) / (x + 1) or -1 / x, so that |t| is at
 * most tan(pi/8), it is 0, pi/4 or pi/2 more than atan(t) = t + t^3 P(t^2), whose error
 * is 2^-38. */
QN_INLINE qn_vf qn_vatan(qn_vf x) {
  static const double p[] = {-0x1.5555555504af8p-2, 0x1.9999982dd2f87p-3, -0x1.2491c2acde4dbp-3,
                             0x1.c6f6eea363473p-4,  -0x1.71d83037d6a72p-4, 0x1.2459c0e827a5bp-4,
                             -0x1.4b8dd11325702p-5};
  const double eighth = 0x1.a827999fcef32p-2; /* tan(pi/8) */
  qn_vd wide = qn_vto_double(qn_vabs(x));
  qn_vl middle = wide > eighth;
  qn_vl large = wide > 1.0 / eighth;
  qn_vd over = qn_vselect_double(large, qn_vset1_double(-1.0), wide - 1.0);
  qn_vd under = qn_vselect_double(large, wide, wide + 1.0);
  qn_vd t = qn_vselect_double(middle, over, wide) /
            qn_vselect_double(middle, under, qn_vset1_double(1.0));
  qn_vd start = qn_vselect_double(large, qn_vset1_double(0x1.921fb54442d18p+0),
                                  qn_vset1_double(0x1.921fb54442d18p-1));
  qn_vd square = t * t;
  qn_vd y = t + t * square * QN_POLYNOMIAL_DOUBLE(square, p);
  y += qn_vselect_double(middle, start, qn_vset1_double(0.0));
  return qn_vcopysign(qn_vto_single(y), x);
}

/* log2(x) times `factor` for every float32: -infinity at 0, NaN below. */
QN_INLINE qn_vf qn_vlog2_scaled(qn_vf x, double factor) {
  qn_vf y = qn_vto_single(qn_vlog2_double(qn_vto_double(x)) * factor);
  y = qn_vselect(x == 0.0f, qn_vset1(-__builtin_inff()), y);
  y = qn_vselect(x < 0.0f, qn_vset1(__builtin_nanf("")), y);
  return qn_vselect(x < __builtin_inff(), y, x);
}

QN_INLINE qn_vf qn_vlog2(qn_vf x) { return qn_vlog2_scaled(x, 1.0); }
QN_INLINE qn_vf qn_vlog10(qn_vf x) { return qn_vlog2_scaled(x, 0x1.34413509f79ffp-2); }

/* exp(x) - 1 for every float32: x = n ln 2 + r, and with e = r + r^2 P(r) the result
 * is 2^n e + (2^n - 1). */
QN_INLINE qn_vf qn_vexpm1(qn_vf x) {
  static const double p[] = {0x1.fffffffff467ep-2, 0x1.5555557380c2bp-3, 0x1.5555557cf6aa9p-5,
                             0x1.1110b1d0e695cp-7, 0x1.6c1638bf7ec71p-10, 0x1.a16fdb197f2ecp-13,
                             0x1.a17575c7f2135p-16};
  qn_vd bounded = qn_vto_double(qn_vmin(qn_vset1(90.0f), qn_vmax(qn_vset1(-40.0f), x)));
  qn_vd shifted = bounded * 0x1.71547652b82fep+0 + QN_TO_INTEGER_DOUBLE;
  qn_vd n = shifted - QN_TO_INTEGER_DOUBLE;
  qn_vd r = bounded - n * 0x1.62e42fefa39efp-1;
  qn_vd e = r + r * r * QN_POLYNOMIAL_DOUBLE(r, p);
  qn_vd power = qn_vfrom_bits_double((qn_vbits_double(shifted) + 1023) << 52);
  qn_vf y = qn_vto_single(power * e + (power - 1.0));
  return qn_vselect(x == 0.0f, x, y); /* keeps the sign of zero */
}

/* log(1 + x) for every float32: -infinity at -1, NaN below.
 *
 * 1 + x = 2^e m with sqrt(1/2) <= m < sqrt(2), and with s = (m - 1) / (m + 1),
 * log(m) = 2 s + s^3 P(s^2). Where the sum 1 + x would lose too much of x, it is
 * x - x^2 / 2. */
QN_INLINE qn_vf qn_vlog1p(qn_vf x) {
  static const double p[] = {0x1.555554fdbf1fdp-1, 0x1.999a7a60e4674p-2, 0x1.2438df3d3d94ap-2,
                             0x1.e2f5892fcfd68p-3};
  const uint64_t root = 0x3fe6a09e667f3bcd; /* the bits of sqrt(1/2) */
  const uint64_t exponents = 0xfff0000000000000;
  qn_vd wide = qn_vto_double(x);
  qn_vd sum = 1.0 + wide;
  /* 1024 more than e in the exponent's place, so that it is positive. */
  qn_vul biased = (qn_vbits_double(sum) - root + ((uint64_t)1024 << 52)) & exponents;
  qn_vd m = qn_vfrom_bits_double(qn_vbits_double(sum) - biased + ((uint64_t)1024 << 52));
  qn_vd e = qn_vfrom_bits_double(biased >> 52 | qn_vbits_double(qn_vset1_double(0x1p52)));
  e -= 0x1p52 + 1024.0;
  qn_vd s = (m - 1.0) / (m + 1.0);
  qn_vd square = s * s;
  qn_vd y = s * (square * QN_POLYNOMIAL_DOUBLE(square, p) + 2.0) + e * 0x1.62e42fefa39efp-1;
  y = qn_vselect_double((wide < 0x1p-20) & (wide > -0x1p-20), wide - wide * wide * 0.5, y);
  qn_vf result = qn_vto_single(y);
  /* The ends: -infinity at -1, NaN below, infinity and NaN themselves. */
  qn_vf special = qn_vselect(x < -1.0f, qn_vset1(__builtin_nanf("")), x);
  special = qn_vselect(x == -1.0f, qn_vset1(-__builtin_inff()), special);
  qn_vi ordinary = (x > -1.0f) & (x < __builtin_inff()) & (x != 0.0f);
  return qn_vselect(ordinary, result, special);
}

#endif

#endif
