/*
 * kernels/softmax.c: y = exp(x - max(x)) / sum(exp(x - max(x))), row by row.
 *
 * y, x: [rows, cols], y may be x. The exponentials are float32 and summed in
 * float64; the sum's inverse is rounded to float32. A row of only -inf, or with
 * a NaN or +inf, gives NaN everywhere.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "row_math.h"

static void scale_row(float *y, size_t cols, float factor) {
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) qn_vstore(y + i, qn_vload(y + i) * factor);
  for (; i < cols; i += 1) y[i] *= factor;
}

void QN_VARIANT(softmax_f32)(float *y, const float *x, size_t rows, size_t cols) {
  for (size_t row = 0; row < rows; row += 1, x += cols, y += cols) {
    double sum = qn_row_exp_sum(y, x, cols, qn_row_max(x, cols));
    scale_row(y, cols, (float)(1.0 / sum));
  }
}
