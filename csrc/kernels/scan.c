/*
 * kernels/scan.c: running sums and products.
 *
 * Contract: dispatch/kernels.inc. A sum so far is float64 for float32 and float64, and
 * int64, which wraps around, for int64; it is rounded to an element, and goes on
 * unrounded. A row of float32 is taken by fours, whose own running sums wait for none of
 * those before: so one addition in four is on the way from the first to the last.
 */
#include <string.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

enum { MOST_COLS = 256 };

/* What a sum and a product begin with; -0 leaves a -0 as it is. */
QN_INLINE double first_real(int multiplies) { return multiplies ? 1.0 : -0.0; }

QN_INLINE double join_real(double a, double b, int multiplies) {
  return multiplies ? a * b : a + b;
}

QN_INLINE void scan_row(float *y, const float *x, size_t count, int multiplies) {
  double total = first_real(multiplies);
  for (size_t i = 0; i < count; i += 4) {
    const size_t rest = count - i < 4 ? count - i : 4;
    double d[4];
    for (size_t k = 0; k < 4; k += 1) d[k] = k < rest ? (double)x[i + k] : first_real(multiplies);
    d[1] = join_real(d[0], d[1], multiplies);
    d[3] = join_real(d[2], d[3], multiplies);
    d[2] = join_real(d[1], d[2], multiplies);
    d[3] = join_real(d[1], d[3], multiplies);
    for (size_t k = 0; k < rest; k += 1) y[i + k] = (float)join_real(total, d[k], multiplies);
    total = join_real(total, d[3], multiplies);
  }
}

QN_INLINE void scan_singles(float *y, const float *x, size_t count, size_t cols, size_t stride,
                            int multiplies) {
  double total[MOST_COLS];
  for (size_t c = 0; c < cols; c += 1) total[c] = first_real(multiplies);
  for (size_t row = 0; row < count; row += 1, y += stride, x += stride) {
    for (size_t c = 0; c < cols; c += 1) {
      total[c] = join_real(total[c], (double)x[c], multiplies);
      y[c] = (float)total[c];
    }
  }
}

QN_INLINE void scan_doubles(double *y, const double *x, size_t count, size_t cols, size_t stride,
                            int multiplies) {
  double total[MOST_COLS];
  for (size_t c = 0; c < cols; c += 1) total[c] = first_real(multiplies);
  for (size_t row = 0; row < count; row += 1, y += stride, x += stride) {
    for (size_t c = 0; c < cols; c += 1) {
      total[c] = join_real(total[c], x[c], multiplies);
      y[c] = total[c];
    }
  }
}

QN_INLINE void scan_wholes(uint64_t *y, const uint64_t *x, size_t count, size_t cols,
                           size_t stride, int multiplies) {
  uint64_t total[MOST_COLS];
  for (size_t c = 0; c < cols; c += 1) total[c] = multiplies ? 1 : 0;
  for (size_t row = 0; row < count; row += 1, y += stride, x += stride) {
    for (size_t c = 0; c < cols; c += 1) {
      total[c] = multiplies ? total[c] * x[c] : total[c] + x[c];
      y[c] = total[c];
    }
  }
}

QN_INLINE void scan_any(void *y, const void *x, size_t count, size_t cols, size_t stride,
                        int multiplies, int32_t dtype) {
  if (dtype == QN_F64) {
    scan_doubles(y, x, count, cols, stride, multiplies);
  } else if (dtype == QN_I64) {
    scan_wholes(y, x, count, cols, stride, multiplies);
  } else if (stride == 1) {
    scan_row(y, x, count, multiplies);
  } else {
    scan_singles(y, x, count, cols, stride, multiplies);
  }
}

void QN_VARIANT(scan)(void *y, const void *x, size_t count, size_t cols, size_t stride,
                      int32_t multiplies, int32_t dtype) {
  if (multiplies) scan_any(y, x, count, cols, stride, 1, dtype);
  else scan_any(y, x, count, cols, stride, 0, dtype);
}
