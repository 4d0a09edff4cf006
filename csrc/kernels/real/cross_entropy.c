/*
 * kernels/real/cross_entropy.c: loss = log(sum(exp(logits))) - logits[target], row by
 * row: the negative log-likelihood of the target under softmax(logits), in nats.
 *
 * loss, targets: [rows]; logits: [rows, cols], cols at least 1; each target is in
 * 0 .. cols - 1. The exponentials are float32 and added as row_math.h says, all
 * else is float64 until the loss is rounded.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/row_math.h"

static void loss_rows(qn_real *loss, const qn_real *logits, const int32_t *targets, size_t rows,
                      size_t cols) {
  for (size_t row = 0; row < rows; row += 1) {
    const qn_real *x = logits + row * cols;
    qn_real largest = qn_row_max(x, cols);
    double sum = qn_row_exp_sum(NULL, x, cols, largest, NULL);
    loss[row] = (qn_real)(log1p(sum / QN_LIFT) + ((double)largest - (double)x[targets[row]]));
  }
}

void QN_VARIANT(cross_entropy)(void *loss, const void *logits, const int32_t *targets, size_t rows,
                               size_t cols) {
  loss_rows(loss, logits, targets, rows, cols);
}
