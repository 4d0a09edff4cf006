/*
 * kernels/real/rms_norm.c: y = t / sqrt(mean(t^2) + epsilon) * weight, row by row, where t
 * is x or x + residual (Zhang and Sennrich, "Root mean square layer normalization",
 * 2019).
 *
 * y, x, residual, total: [rows, cols]; weight: [cols] or null for ones. With a
 * residual, t is written to `total`, or, where that is null, to y on the way. y and
 * total may each be x or residual, and are not the same. cols is at least 1.
 *
 * Up to 16 squares a lane are added in float32, then float64. The factor of a row is
 * rounded to float32, then t by it, then by the weight. Where float32 does not hold
 * the squares or the factor, a row is computed in float64 and rounded once.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/norm_math.h"

static double sum_of_squares(const qn_real *x, size_t cols) {
  double sum = 0.0;
  for (size_t i = 0; i < cols; i += 1) sum += (double)x[i] * (double)x[i];
  return sum;
}

QN_INLINE void scale(qn_real *y, const qn_real *t, const qn_real *weight, size_t cols,
                     qn_real factor) {
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) {
    qn_vf v = qn_vload(t + i) * factor;
    qn_vstore(y + i, weight ? v * qn_vload(weight + i) : v);
  }
  if (i < cols) {
    qn_vf v = qn_vload_n(t + i, cols - i) * factor;
    qn_vstore_n(y + i, weight ? v * qn_vload_n(weight + i, cols - i) : v, cols - i);
  }
}

static void scale_wide(qn_real *y, const qn_real *t, const qn_real *weight, size_t cols,
                       qn_real epsilon) {
  double factor = 1.0 / sqrt(sum_of_squares(t, cols) / (double)cols + (double)epsilon);
  for (size_t i = 0; i < cols; i += 1) {
    y[i] = (qn_real)((double)t[i] * factor * (weight ? (double)weight[i] : 1.0));
  }
}

static void normalise_rows(qn_real *y, qn_real *total, const qn_real *x, const qn_real *residual,
                           const qn_real *weight, size_t rows, size_t cols, qn_real epsilon) {
  for (size_t row = 0; row < rows; row += 1) {
    size_t at = row * cols;
    const qn_real *t = x + at;
    double squares;
    if (residual) {
      qn_real *sums = (total ? total : y) + at;
      squares = qn_row_spread(sums, x + at, residual + at, cols, 0.0f).squares;
      t = sums;
    } else {
      squares = qn_row_spread(NULL, t, NULL, cols, 0.0f).squares;
    }
    double divisor = squares / (double)cols + (double)epsilon;
    if (!(divisor > 0x1p-100 && squares < 0x1p100)) {
      scale_wide(y + at, t, weight, cols, epsilon);
    } else if (weight) {
      scale(y + at, t, weight, cols, (qn_real)(1.0 / sqrt(divisor)));
    } else {
      scale(y + at, t, NULL, cols, (qn_real)(1.0 / sqrt(divisor)));
    }
  }
}

void QN_VARIANT(rms_norm)(void *y, void *total, const void *x, const void *residual,
                          const void *weight, size_t rows, size_t cols, double epsilon) {
  normalise_rows(y, total, x, residual, weight, rows, cols, (qn_real)epsilon);
}
