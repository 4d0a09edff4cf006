/*
 * gemm/pack.c: packing, from any strides.
 *
 * Where neighbours along a row, or along a column, lie side by side, whole rows
 * are copied, or squares are turned in registers; other strides go item by item.
 */
#include "gemm/pack.h"

#include <stdint.h>
#include <string.h>

#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "kernels/panel.h"

enum { GRAIN_FLOATS = 16384, ROWS_AHEAD = 16 };

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

/* Whole stripes of dense rows, each row of b at once. Rows to come are asked for: they
 * lie too far apart for the processor to see where they lead. */
static void pack_dense(float *packed, const float *b, size_t depth, size_t cols,
                       size_t row_stride) {
  for (size_t p = 0; p < depth; p += 1) {
    const uintptr_t ahead = (uintptr_t)b + (p + ROWS_AHEAD) * row_stride * sizeof *b;
    for (size_t col = 0; col < cols; col += QN_STRIPE) {
      if (p + ROWS_AHEAD < depth) __builtin_prefetch((const void *)(ahead + col * sizeof *b));
      memcpy(packed + col * depth + p * QN_STRIPE, b + p * row_stride + col,
             QN_STRIPE * sizeof *packed);
    }
  }
}

/* One stripe, which may not be whole. */
static void pack_stripe(float *packed, const float *b, size_t depth, size_t cols,
                        size_t row_stride, size_t col_stride) {
  copy_block(packed, QN_STRIPE, b, depth, cols, row_stride, col_stride);
  if (cols == QN_STRIPE) return;
  for (size_t p = 0; p < depth; p += 1) {
    memset(packed + p * QN_STRIPE + cols, 0, (QN_STRIPE - cols) * sizeof *packed);
  }
}

void qn_pack_panel(float *packed, const float *b, size_t depth, size_t cols, size_t row_stride,
                   size_t col_stride) {
  size_t col = 0;
  if (col_stride == 1) {
    col = cols - cols % QN_STRIPE;
    pack_dense(packed, b, depth, col, row_stride);
  }
  for (; col < cols; col += QN_STRIPE) {
    pack_stripe(packed + col * depth, b + col * col_stride, depth, smaller(QN_STRIPE, cols - col),
                row_stride, col_stride);
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
  const size_t first_col = begin * QN_PANEL;
  const size_t cols = smaller(end * QN_PANEL, m->n) - first_col;
  for (size_t first = 0; first < m->k; first += depth) {
    const size_t here = smaller(depth, m->k - first);
    float *block = m->packed + first * qn_padded_cols(m->n);
    const float *b = m->b + first * m->row_stride;
    for (size_t col = 0; col < cols; col += QN_PANEL) {
      qn_pack_panel(block + (first_col + col) * here, b + (first_col + col) * m->col_stride, here,
                    smaller(QN_PANEL, cols - col), m->row_stride, m->col_stride);
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
