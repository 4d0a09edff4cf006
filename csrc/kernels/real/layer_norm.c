/*
 * kernels/real/layer_norm.c: y = (t - mean(t)) / sqrt(variance(t) + epsilon) * weight + bias,
 * row by row, where t is x or x + residual (Ba, Kiros and Hinton, "Layer
 * normalization", 2016).
 *
 * y, x, residual, total: [rows, cols]; weight, bias: [cols], null for ones and zeros.
 * With a residual, t is written to `total`, or, where that is null, to y on the way.
 * y and total may each be x or residual, and are not the same. cols is at least 1.
 *
 * How exact: each element minus the mean is rounded in proportion to itself, times
 * the factor, the weight and plus the bias twice more; norm_math.h has the rest. A
 * row with a NaN or an infinity becomes NaN.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/norm_math.h"

static void normalise_rows(qn_real *y, qn_real *total, const qn_real *x, const qn_real *residual,
                           const qn_real *weight, const qn_real *bias, size_t rows, size_t cols,
                           qn_real epsilon) {
  for (size_t row = 0; row < rows; row += 1) {
    size_t at = row * cols;
    struct qn_moments moments;
    const qn_real *t = x + at;
    if (residual) {
      qn_real *sums = (total ? total : y) + at;
      moments = qn_row_moments(sums, x + at, residual + at, cols, epsilon);
      t = sums;
    } else {
      moments = qn_row_moments(NULL, x + at, NULL, cols, epsilon);
    }
    qn_normalise_row(y + at, t, weight, bias, cols, epsilon, &moments);
  }
}

void QN_VARIANT(layer_norm)(void *y, void *total, const void *x, const void *residual,
                            const void *weight, const void *bias, size_t rows, size_t cols,
                            double epsilon) {
  normalise_rows(y, total, x, residual, weight, bias, rows, cols, (qn_real)epsilon);
}
