/*
 * kernels/shared/fold_math.h: one element, or one fold, joins a fold of float64 or int64, for the
 * kernels that make folds and merge them. Include <vec.h> first.
 *
 * Sums of float64 carry what rounding took from them (Knuth, "Seminumerical Algorithms",
 * 4.2.2), so their error does not grow with the number of elements.
 */
#ifndef QN_KERNELS_SHARED_FOLD_MATH_H
#define QN_KERNELS_SHARED_FOLD_MATH_H

#include <math.h>
#include <stdbool.h>

QN_INLINE void add_carried(double *value, double *extra, double x) {
  const double sum = *value + x;
  const double back = sum - *value;
  *extra += (*value - (sum - back)) + (x - back);
  *value = sum;
}

/* Whether a comes before b, where NaN comes before all else. */
QN_INLINE bool is_further(double a, double b, bool largest) {
  return (largest ? a > b : a < b) | ((a != a) & (b == b));
}

QN_INLINE bool is_further_whole(int64_t a, int64_t b, bool largest) {
  return largest ? a > b : a < b;
}

typedef double (*scale_function)(double x, double top, double parameter);

static inline double scaled_exp(double x, double top, double parameter) {
  (void)parameter;
  return exp(x - top);
}

static inline double scaled_power(double x, double top, double parameter) {
  return pow(x / top, parameter);
}

/* Adds a sum in terms of x to one in terms of the largest so far, `value`. */
QN_INLINE void add_scaled(double *value, double *extra, double x, double sum, scale_function scale,
                          double parameter) {
  if (x > *value) {
    *extra = *extra * scale(*value, x, parameter) + sum;
    *value = x;
  } else {
    *extra += sum * (x == *value ? 1.0 : scale(x, *value, parameter));
  }
}

#endif
