/*
 * gemm/pack.c: packing, from any strides.
 *
 * Where neighbours along a row, or along a column, lie side by side, whole rows
 * are copied, or squares are turned in registers; other strides go item by item.
 */
#include "gemm/pack.h"

#include <string.h>

#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "kernels/panel.h"

enum { GRAIN_FLOATS = 16384 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* y[rows, cols], rows y_stride apart. */
static void copy_items(float *y, size_t y_stride, const float *x, size_t rows, size_t cols,
                       size_t row_stride, size_t col_stride) {
  for (size_t r = 0; r < rows; r += 1) {
    for (size_t c = 0; c < cols; c += 1) {
      y[r * y_stride + c] = x[r * row_stride + c * col_stride];
    }
  }
}

static void copy_block(float *y, size_t y_stride, const float *x, size_t rows, size_t cols,
                       size_t row_stride, size_t col_stride) {
  if (col_stride == 1) {
    for (size_t r = 0; r < rows; r += 1) {
      memcpy(y + r * y_stride, x + r * row_stride, cols * sizeof *y);
    }
  } else if (row_stride == 1) {
    qn_kernels->transpose((char *)y, (const char *)x, rows, cols, y_stride * sizeof *y,
                          col_stride * sizeof *x, sizeof *x);
  } else {
    copy_items(y, y_stride, x, rows, cols, row_stride, col_stride);
  }
}

void qn_pack_panel(float *packed, const float *b, size_t depth, size_t cols, size_t row_stride,
                   size_t col_stride) {
  if (cols == QN_PANEL && col_stride == 1) {
    for (size_t p = 0; p < depth; p += 1) {
      memcpy(packed + p * QN_PANEL, b + p * row_stride, QN_PANEL * sizeof *packed);
    }
    return;
  }
  copy_block(packed, QN_PANEL, b, depth, cols, row_stride, col_stride);
  if (cols == QN_PANEL) return;
  for (size_t p = 0; p < depth; p += 1) {
    memset(packed + p * QN_PANEL + cols, 0, (QN_PANEL - cols) * sizeof *packed);
  }
}

void qn_pack_rows(float *y, const float *x, size_t rows, size_t cols, size_t row_stride,
                  size_t col_stride) {
  copy_block(y, cols, x, rows, cols, row_stride, col_stride);
}

struct matrix {
  float *packed;
  const float *b;
  size_t n, k, row_stride, col_stride;
};

/* The panels begin .. end - 1 of all blocks. */
static void pack_panels(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct matrix *m = context;
  const size_t depth = qn_block_depth(m->k);
  const size_t panels = (m->n + QN_PANEL - 1) / QN_PANEL;
  for (size_t first = 0; first < m->k; first += depth) {
    const size_t here = smaller(depth, m->k - first);
    float *block = m->packed + first * panels * QN_PANEL;
    const float *b = m->b + first * m->row_stride;
    for (size_t i = begin; i < end; i += 1) {
      const size_t col = i * QN_PANEL;
      qn_pack_panel(block + col * here, b + col * m->col_stride, here,
                    smaller(QN_PANEL, m->n - col), m->row_stride, m->col_stride);
    }
  }
}

void qn_pack_matrix(float *packed, const float *b, size_t n, size_t k, size_t row_stride,
                    size_t col_stride) {
  if (n == 0 || k == 0) return;
  struct matrix matrix = {packed, b, n, k, row_stride, col_stride};
  const size_t grain = GRAIN_FLOATS / QN_PANEL / k + 1;
  qn_parallel_rows((n + QN_PANEL - 1) / QN_PANEL, grain, pack_panels, &matrix);
}
