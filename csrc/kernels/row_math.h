/*
 * kernels/row_math.h: folds over one row that several kernels share.
 *
 * All take a row of `count` floats with no alignment, read it once, and give a
 * result whose bits depend on the row alone.
 */
#ifndef QN_KERNELS_ROW_MATH_H
#define QN_KERNELS_ROW_MATH_H

#include <math.h>

#include "isa/vec_math.h"

/* The largest element, NaN left out; -inf for an empty row or one of NaN only. */
QN_INLINE float qn_row_max(const float *x, size_t count) {
  qn_vf largest = qn_vset1(-INFINITY);
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) largest = qn_vmax(qn_vload(x + i), largest);
  float result = qn_vreduce_max(largest);
  for (; i < count; i += 1) result = x[i] > result ? x[i] : result;
  return result;
}

/* Whether any element is NaN. */
QN_INLINE int qn_row_has_nan(const float *x, size_t count) {
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
QN_INLINE size_t qn_row_argmax(const float *x, size_t count) {
  size_t i = 0;
  if (qn_row_has_nan(x, count)) {
    while (x[i] == x[i]) i += 1;
    return i;
  }
  float largest = qn_row_max(x, count);
  while (i + QN_LANES <= count && !qn_vany(qn_vload(x + i) == qn_vset1(largest))) i += QN_LANES;
  while (x[i] != largest) i += 1;
  return i;
}

/* The sum of exp(x[i] - shift), each to float32, added in float64. Writes the
 * terms to y unless it is null; y may be x. */
QN_INLINE double qn_row_exp_sum(float *y, const float *x, size_t count, float shift) {
  qn_vd sum = (qn_vd)0.0;
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) {
    qn_vf e = qn_vexp(qn_vload(x + i) - shift);
    if (y) qn_vstore(y + i, e);
    sum += qn_vto_double(e);
  }
  if (i < count) {
    size_t rest = count - i;
    qn_vf e = qn_vexp(qn_vload_n(x + i, rest) - shift);
    if (y) qn_vstore_n(y + i, e, rest);
    e = qn_vselect(qn_vlane_index() < (int32_t)rest, e, qn_vzero());
    sum += qn_vto_double(e);
  }
  return qn_vreduce_add_double(sum);
}

#endif
