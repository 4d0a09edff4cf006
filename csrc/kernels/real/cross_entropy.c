/*
 * kernels/real/cross_entropy.c: loss = log(sum(exp(logits))) - logits[target], row by
 * row: the negative log-likelihood of the target under softmax(logits), in nats. With
 * label smoothing (Szegedy et al., 2016) a part of the target is spread over all classes.
 *
 * loss, targets: [rows]; logits: [rows, cols], cols at least 1; each target is in
 * 0 .. cols - 1, or ignored: its loss is 0. The exponentials are float32 and added as row_math.h says, all
 * else is float64 until the loss is rounded.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/row_math.h"

/* How far the elements are below the largest, on average. */
static double mean_below(const qn_real *x, size_t cols, qn_real largest) {
  qn_vd sum = (qn_vd)0.0;
  for (size_t i = 0; i < cols; i += QN_LANES) {
    const size_t rest = cols - i < QN_LANES ? cols - i : QN_LANES;
    const qn_vf below = largest - qn_vload_n(x + i, rest);
    sum += qn_vto_double(qn_vselect(qn_vlane_index() < (int32_t)rest, below, qn_vzero()));
  }
  return qn_vreduce_add_double(sum) / (double)cols;
}

static double loss_of(const qn_real *x, size_t cols, int32_t target, double smoothing) {
  const qn_real largest = qn_row_max(x, cols);
  const double sum = qn_row_exp_sum(NULL, x, cols, largest, NULL);
  const double above = (double)largest - (double)x[target];
  const double log_sum = log1p(sum / QN_LIFT);
  if (smoothing == 0.0) return log_sum + above;
  return log_sum + ((1.0 - smoothing) * above + smoothing * mean_below(x, cols, largest));
}

void QN_VARIANT(cross_entropy)(void *loss, const void *logits, const int32_t *targets, size_t rows,
                               size_t cols, double smoothing, int32_t ignored) {
  qn_real *y = loss;
  const qn_real *x = logits;
  for (size_t row = 0; row < rows; row += 1, x += cols) {
    const int32_t target = targets[row];
    y[row] = target == ignored ? 0.0f : (qn_real)loss_of(x, cols, target, smoothing);
  }
}
