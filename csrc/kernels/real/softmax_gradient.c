/*
 * kernels/real/softmax_gradient.c: dx = y * (g - sum(g * y)) * scale, row by row: the gradient
 * of x where y = softmax(x * scale).
 *
 * dx, g, y: [rows, cols]; dx may be g or y. Up to 16 products a lane are added as reals,
 * then in float64.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

/* Elements whose sums are reals. */
enum { BLOCK = 64 * QN_LANES };

static double row_product(const qn_real *g, const qn_real *y, size_t cols) {
  qn_vd total = (qn_vd)0.0;
  for (size_t i = 0; i < cols;) {
    const size_t end = cols - i < BLOCK ? cols : i + BLOCK;
    qn_vf sums[4] = {qn_vzero(), qn_vzero(), qn_vzero(), qn_vzero()};
    for (; i + 4 * QN_LANES <= end; i += 4 * QN_LANES) {
      for (size_t c = 0; c < 4; c += 1) {
        const size_t at = i + c * QN_LANES;
        sums[c] = qn_vfma(qn_vload(g + at), qn_vload(y + at), sums[c]);
      }
    }
    for (; i + QN_LANES <= end; i += QN_LANES) {
      sums[0] = qn_vfma(qn_vload(g + i), qn_vload(y + i), sums[0]);
    }
    if (i < end) {
      sums[1] = qn_vfma(qn_vload_n(g + i, end - i), qn_vload_n(y + i, end - i), sums[1]);
      i = end;
    }
    total += qn_vto_double((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
  return qn_vreduce_add_double(total);
}

static void gradient_row(qn_real *dx, const qn_real *g, const qn_real *y, size_t cols,
                         qn_real product, qn_real scale) {
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) {
    qn_vstore(dx + i, (qn_vload(g + i) - product) * qn_vload(y + i) * scale);
  }
  if (i < cols) {
    const size_t rest = cols - i;
    qn_vstore_n(dx + i, (qn_vload_n(g + i, rest) - product) * qn_vload_n(y + i, rest) * scale,
                rest);
  }
}

void QN_VARIANT(softmax_gradient)(void *dx, const void *g, const void *y, size_t rows, size_t cols,
                                  double scale) {
  for (size_t row = 0; row < rows; row += 1) {
    const size_t at = row * cols;
    const qn_real *own_g = (const qn_real *)g + at, *own_y = (const qn_real *)y + at;
    const qn_real product = (qn_real)row_product(own_g, own_y, cols);
    gradient_row((qn_real *)dx + at, own_g, own_y, cols, product, (qn_real)scale);
  }
}
