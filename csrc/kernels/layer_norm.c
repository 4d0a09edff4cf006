/*
 * kernels/layer_norm.c: y = (t - mean(t)) / sqrt(variance(t) + epsilon) * weight + bias,
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

#include "norm_math.h"

void QN_VARIANT(layer_norm_f32)(float *y, float *total, const float *x, const float *residual,
                                const float *weight, const float *bias, size_t rows, size_t cols,
                                float epsilon) {
  for (size_t row = 0; row < rows; row += 1) {
    size_t at = row * cols;
    struct qn_moments moments;
    const float *t = x + at;
    if (residual) {
      float *sums = (total ? total : y) + at;
      moments = qn_row_moments(sums, x + at, residual + at, cols, epsilon);
      t = sums;
    } else {
      moments = qn_row_moments(NULL, x + at, NULL, cols, epsilon);
    }
    qn_normalise_row(y + at, t, weight, bias, cols, epsilon, &moments);
  }
}
