/*
 * kernels/gemm_sweep.c: the product of one or two rows of A with a B whose rows are dense.
 *
 * A tile would go down some columns of B, and touch another page with each row. Here
 * some rows of B are read side by side, from the left to the right:
 *
 *     for each strip of columns
 *       for some rows of b at a time
 *         for each vector of the strip       sums += a[p] * b[p] + a[p + 1] * b[p + 1] ...
 *
 * The sums of a strip stay in the first cache. Each takes its products in natural
 * order, so its bits are those that a tile gives. Rows of a strip are long enough for the
 * processor to see where they lead; asking ahead for the next ones takes longer.
 */
#include <string.h>

#include "dispatch/kernel_table.h"
#include "kernels/gemm_tile.h"

enum { STRIP = 2048, MOST_ROWS = 2 };

struct sweep {
  float *sums; /* [rows][STRIP] */
  const float *a;
  const float *b;
  size_t a_row, a_col, b_row;
  size_t depth, wide;
};

/* One vector of the strip, `n` lanes of it, by `steps` rows of b. */
QN_INLINE void add_vector(const struct sweep *at, const qn_vf (*down)[8], size_t col, size_t n,
                          int rows, int steps) {
  qn_vf sums[MOST_ROWS];
#pragma unroll
  for (int i = 0; i < rows; i += 1) sums[i] = qn_vload(at->sums + i * STRIP + col);
#pragma unroll
  for (int p = 0; p < steps; p += 1) {
    const float *b = at->b + (size_t)p * at->b_row + col;
    const qn_vf across = n == QN_LANES ? qn_vload(b) : qn_vload_n(b, n);
#pragma unroll
    for (int i = 0; i < rows; i += 1) sums[i] = qn_vfma(down[i][p], across, sums[i]);
  }
#pragma unroll
  for (int i = 0; i < rows; i += 1) qn_vstore(at->sums + i * STRIP + col, sums[i]);
}

/* `steps` rows of b; both counts are constants where it is inlined. */
QN_INLINE void add_rows(const struct sweep *at, int rows, int steps) {
  qn_vf down[MOST_ROWS][8];
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
#pragma unroll
    for (int p = 0; p < steps; p += 1) {
      down[i][p] = qn_vset1(at->a[(size_t)i * at->a_row + (size_t)p * at->a_col]);
    }
  }
  size_t col = 0;
  for (; col + QN_LANES <= at->wide; col += QN_LANES) {
    add_vector(at, down, col, QN_LANES, rows, steps);
  }
  if (col < at->wide) add_vector(at, down, col, at->wide - col, rows, steps);
}

QN_INLINE void add_strip(struct sweep at, int rows, int steps) {
  size_t p = 0;
  for (; p + (size_t)steps <= at.depth; p += (size_t)steps) {
    add_rows(&at, rows, steps);
    at.a += (size_t)steps * at.a_col;
    at.b += (size_t)steps * at.b_row;
  }
  for (; p < at.depth; p += 1) {
    add_rows(&at, rows, 1);
    at.a += at.a_col;
    at.b += at.b_row;
  }
}

void QN_VARIANT(gemm_sweep_f32)(float *c, const float *a, const float *b, size_t rows, size_t cols,
                                size_t depth, size_t c_row, size_t c_col, size_t a_row,
                                size_t a_col, size_t b_row, float alpha, float beta) {
  _Alignas(64) float sums[MOST_ROWS * STRIP];
  for (size_t col = 0; col < cols; col += STRIP) {
    const size_t wide = cols - col < STRIP ? cols - col : STRIP;
    for (size_t i = 0; i < rows; i += 1) memset(sums + i * STRIP, 0, wide * sizeof *sums);
    const struct sweep at = {sums, a, b + col, a_row, a_col, b_row, depth, wide};
    if (rows == 1) {
      add_strip(at, 1, 8);
    } else {
      add_strip(at, 2, 4);
    }
    for (size_t i = 0; i < rows; i += 1) {
      float *to = c + i * c_row + col * c_col;
      for (size_t j = 0; j < wide; j += QN_LANES) {
        const size_t n = wide - j < QN_LANES ? wide - j : QN_LANES;
        qn_write_sums(to + j * c_col, c_col, qn_vload(sums + i * STRIP + j), n, alpha, beta);
      }
    }
  }
}
