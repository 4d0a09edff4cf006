/*
 * kernels/cross_entropy.c: loss = log(sum(exp(logits))) - logits[target], row by
 * row: the negative log-likelihood of the target under softmax(logits), in nats.
 *
 * loss, targets: [rows]; logits: [rows, cols], cols at least 1; each target is in
 * 0 .. cols - 1. The exponentials are float32 and added as row_math.h says, all
 * else is float64 until the loss is rounded.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "row_math.h"

void QN_VARIANT(cross_entropy_f32)(float *loss, const float *logits, const int32_t *targets,
                                   size_t rows, size_t cols) {
  for (size_t row = 0; row < rows; row += 1) {
    const float *x = logits + row * cols;
    float largest = qn_row_max(x, cols);
    double sum = qn_row_exp_sum(NULL, x, cols, largest, NULL);
    loss[row] = (float)(log1p(sum / QN_LIFT) + ((double)largest - (double)x[targets[row]]));
  }
}
