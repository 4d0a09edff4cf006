/*
 * kernels/real/cross_entropy_gradient.c: the gradient of the logits of cross_entropy.c, row by
 * row: g times the probabilities less the target, of which `smoothing` is spread over all
 * classes.
 *
 * dx, logits: [rows, cols], dx may be logits; g, targets: [rows]. cols is at least 1; each
 * target is in 0 .. cols - 1, or ignored: then the row is 0, whatever its logits are.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/row_math.h"

static void zero_row(qn_real *y, size_t cols) {
  for (size_t i = 0; i < cols; i += 1) y[i] = 0.0f;
}

/* The exponentials are scaled once their sum is known. */
static void gradient_row(qn_real *dx, const qn_real *x, size_t cols, int32_t target, double g,
                         double smoothing) {
  const double sum = qn_row_exp_sum(dx, x, cols, qn_row_max(x, cols), NULL);
  const qn_real factor = (qn_real)(g / sum);
  const qn_real spread = (qn_real)(g * smoothing / (double)cols);
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) {
    qn_vstore(dx + i, qn_vload(dx + i) * factor - spread);
  }
  if (i < cols) qn_vstore_n(dx + i, qn_vload_n(dx + i, cols - i) * factor - spread, cols - i);
  dx[target] -= (qn_real)(g * (1.0 - smoothing));
}

void QN_VARIANT(cross_entropy_gradient)(void *dx, const void *g, const void *logits,
                                        const int32_t *targets, size_t rows, size_t cols,
                                        double smoothing, int32_t ignored) {
  qn_real *to = dx;
  const qn_real *x = logits;
  for (size_t row = 0; row < rows; row += 1, x += cols, to += cols) {
    if (targets[row] == ignored) {
      zero_row(to, cols);
    } else {
      gradient_row(to, x, cols, targets[row], (double)((const qn_real *)g)[row], smoothing);
    }
  }
}
