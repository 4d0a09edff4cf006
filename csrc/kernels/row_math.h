/*
 * kernels/row_math.h: folds over one row that several kernels share.
 *
 * All take a row of `count` reals with no alignment, read it once, and give a
 * result whose bits depend on the row alone.
 */
#ifndef QN_KERNELS_ROW_MATH_H
#define QN_KERNELS_ROW_MATH_H

#include <math.h>

#include "isa/vec_math.h"

/* The largest element, NaN left out; -inf for an empty row or one of NaN only. */
QN_INLINE qn_real qn_row_max(const qn_real *x, size_t count) {
  qn_vf largest = qn_vset1(-INFINITY);
  qn_vf others[3] = {largest, largest, largest};
  size_t i = 0;
  for (; i + 4 * QN_LANES <= count; i += 4 * QN_LANES) {
    largest = qn_vmax(qn_vload(x + i), largest);
    for (size_t c = 0; c < 3; c += 1) {
      others[c] = qn_vmax(qn_vload(x + i + (c + 1) * QN_LANES), others[c]);
    }
  }
  for (; i + QN_LANES <= count; i += QN_LANES) largest = qn_vmax(qn_vload(x + i), largest);
  largest = qn_vmax(qn_vmax(largest, others[0]), qn_vmax(others[1], others[2]));
  qn_real result = qn_vreduce_max(largest);
  for (; i < count; i += 1) result = x[i] > result ? x[i] : result;
  return result;
}

/* Whether any element is NaN. */
QN_INLINE int qn_row_has_nan(const qn_real *x, size_t count) {
  qn_vi found = qn_vset1_i32(0);
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) {
    qn_vf v = qn_vload(x + i);
    found |= v != v;
  }
  int result = qn_vany(found);
  for (; i < count; i += 1) result |= x[i] != x[i];
  return result;
}

/* The first index of the largest element, NaN counting as largest; the row is
 * not empty. */
QN_INLINE size_t qn_row_argmax(const qn_real *x, size_t count) {
  size_t i = 0;
  if (qn_row_has_nan(x, count)) {
    while (x[i] == x[i]) i += 1;
    return i;
  }
  qn_real largest = qn_row_max(x, count);
  while (i + QN_LANES <= count && !qn_vany(qn_vload(x + i) == qn_vset1(largest))) i += QN_LANES;
  while (x[i] != largest) i += 1;
  return i;
}

#if QN_REAL_BITS == 64
/* Doubles have room for subnormal results: nothing is lifted. */
#define QN_LIFT 1.0

QN_INLINE qn_vf qn_vexp_lifted(qn_vf x) { return qn_vexp(x); }
#else
/* 2^64 exp(x) for x <= 0, as if x were -104 where it is below that or NaN: 0 after
 * a product with 2^-64. Lifted so, it is normal down to there, needs no second step
 * for subnormal results, and a softmax takes the factor back for nothing.
 *
 * As qn_vexp, but 1 + r + r^2 P(r) ends at r^6: a relative error of 3.2e-9. Measured
 * over the floats from -104 to 0 the error is below 0.91 ULP, and below 1.18 without
 * a fused multiply-add. */
#define QN_LIFT 0x1p64

QN_INLINE qn_vf qn_vexp_lifted(qn_vf x) {
  const float to_integer = 0x1.8p23f + 64.0f; /* leaves n + 64 in the low bits */
  qn_vf bounded = qn_vmax(x, qn_vset1(-104.0f));
  qn_vf shifted = qn_vfma(bounded, qn_vset1(0x1.715476p0f), qn_vset1(to_integer));
  qn_vf n = shifted - to_integer;
  qn_vf r = qn_vfma(n, qn_vset1(-0x1.63p-1f), bounded);
  r = qn_vfma(n, qn_vset1(0x1.bd0106p-13f), r);

  qn_vf p = qn_vset1(0x1.6a4154p-10f);
  p = qn_vfma(p, r, qn_vset1(0x1.1239c6p-7f));
  p = qn_vfma(p, r, qn_vset1(0x1.5558bcp-5f));
  p = qn_vfma(p, r, qn_vset1(0x1.555492p-3f));
  p = qn_vfma(p, r, qn_vset1(0x1.fffffcp-2f));
  p = qn_vfma(p, r, qn_vset1(1.0f));
  p = qn_vfma(p, r, qn_vset1(1.0f));
  return qn_vfrom_bits(qn_vbits(p) + (qn_vbits(shifted) << 23));
}
#endif

/* Where qn_row_exp_sum finds the largest element of the next row on its way. */
struct qn_next_row {
  const qn_real *x;
  qn_real largest;
};

/* What qn_row_exp_sum gathers: several of each, so that none waits for itself. */
struct qn_exp_sums {
  qn_vf sum[4];
  qn_vf difference[2];
  qn_vf next_largest[2];
  qn_vi tops; /* without y: how many terms are 2^64 */
};

/* One vector of qn_row_exp_sum, at i. Whether y and next are null is known where
 * this is inlined. */
QN_INLINE void qn_exp_step(struct qn_exp_sums *sums, size_t c, qn_real *y, const qn_real *x,
                           size_t i, qn_real shift, const qn_real *next, size_t count) {
  qn_vf difference = qn_vload(x + i) - shift;
  qn_vf e = qn_vexp_lifted(difference);
  if (y) {
    qn_vstore(y + i, e);
  } else {
    qn_vi top = difference == 0.0f;
    e = qn_vselect(top, qn_vzero(), e);
    sums->tops -= top;
  }
  sums->sum[c] += e;
  sums->difference[c % 2] += difference;
  if (next) {
    sums->next_largest[c % 2] = qn_vmax(qn_vload(next + i), sums->next_largest[c % 2]);
    if (y && c * QN_LANES % 16 == 0) {
      __builtin_prefetch(next + count + i, 0, 2);
      __builtin_prefetch(y + count + i, 1, 2);
    }
  }
}

/* The sum of the terms 2^64 exp(x[i] - shift), where no x[i] is above the shift; NaN
 * where an element is, or where the shift is infinite: the exponential loses a NaN,
 * but the sum of differences does not. Up to 16 terms a lane are added in float32,
 * then float64. Writes the terms to y, which may be x. Where y is null, one term of
 * 2^64 is left out of the sum, which is then exact in proportion to itself however
 * small it is: fit for log1p.
 *
 * Exponentials leave time for memory: where a next row is given, its largest element
 * is found, and the rows of x and y behind it are brought into the second cache. */
QN_INLINE double qn_row_exp_sum(qn_real *y, const qn_real *x, size_t count, qn_real shift,
                                struct qn_next_row *next_row) {
  const qn_real *next = NULL;
  if (next_row) {
    next = next_row->x;
    __builtin_assume(next != NULL);
  }
  qn_vd total = (qn_vd)0.0;
  struct qn_exp_sums sums = {.tops = qn_vset1_i32(0)};
  for (size_t c = 0; c < 2; c += 1) {
    sums.difference[c] = qn_vzero();
    sums.next_largest[c] = qn_vset1(-INFINITY);
  }
  for (size_t i = 0; i < count;) {
    size_t end = count - i < 64 * QN_LANES ? count : i + 64 * QN_LANES;
    for (size_t c = 0; c < 4; c += 1) sums.sum[c] = qn_vzero();
    for (; i + 4 * QN_LANES <= end; i += 4 * QN_LANES) {
      for (size_t c = 0; c < 4; c += 1) {
        qn_exp_step(&sums, c, y, x, i + c * QN_LANES, shift, next, count);
      }
    }
    for (; i + QN_LANES <= end; i += QN_LANES) qn_exp_step(&sums, 0, y, x, i, shift, next, count);
    if (i < end) {
      size_t rest = end - i;
      qn_vi inside = qn_vlane_index() < (int32_t)rest;
      qn_vf difference = qn_vload_n(x + i, rest) - shift;
      qn_vf e = qn_vexp_lifted(difference);
      if (y) {
        qn_vstore_n(y + i, e, rest);
      } else {
        qn_vi top = difference == 0.0f;
        e = qn_vselect(top, qn_vzero(), e);
        sums.tops -= top & inside;
      }
      sums.sum[1] += qn_vselect(inside, e, qn_vzero());
      sums.difference[1] += qn_vselect(inside, difference, qn_vzero());
      if (next) {
        qn_vf v = qn_vselect(inside, qn_vload_n(next + i, rest), qn_vset1(-INFINITY));
        sums.next_largest[1] = qn_vmax(v, sums.next_largest[1]);
      }
      i = end;
    }
    total += qn_vto_double((sums.sum[0] + sums.sum[1]) + (sums.sum[2] + sums.sum[3]));
  }
  if (next) {
    next_row->largest = qn_vreduce_max(qn_vmax(sums.next_largest[0], sums.next_largest[1]));
  }
  qn_vf differences = sums.difference[0] + sums.difference[1];
  if (qn_vany(differences != differences)) return (double)NAN;
  double sum = qn_vreduce_add_double(total);
  if (!y) sum += QN_LIFT * (double)(qn_vreduce_add_i32(sums.tops) - 1);
  return sum;
}

#endif
