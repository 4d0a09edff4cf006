/*
 * kernels/row_tiles.h: c = a b for the few rows of one tile and any number of columns,
 * with B in panels or in place. Include <vec.h> first.
 *
 *   c: [rows, cols], rows c_row apart      a: [rows, depth], rows a_row apart
 *   b: [depth, cols], rows b_row apart, column j at j / QN_PANEL * b_panel + j % QN_PANEL
 *
 * Every sum takes its products in natural order, so its bits are the same in each shape of
 * tile. Columns are whole vectors, all of which are read and written. Tiles follow each
 * other in one function a number of rows, so that the first steps of one overlap the last
 * of the one before: that counts where the depth is small.
 */
#ifndef QN_KERNELS_ROW_TILES_H
#define QN_KERNELS_ROW_TILES_H

#include "kernels/gemm_tile.h"

struct qn_row_tiles {
  float *c;
  const float *a, *b;
  size_t c_row, a_row, b_row, b_panel;
  size_t cols, depth;
};

/* The tile of `rows` x `vectors`, both constants, at column `col`. */
QN_INLINE void qn_row_tile(const struct qn_row_tiles *at, size_t col, int rows, int vectors) {
  qn_vf sums[QN_TILE_ROWS][QN_MOST_VECTORS];
  qn_tile_clear(sums, rows, vectors);
  const size_t a_row = at->a_row;
  const size_t b_row = at->b_row;
  const float *a = at->a;
  const float *b = at->b + col / QN_PANEL * at->b_panel + col % QN_PANEL;
  for (size_t p = at->depth; p > 0; p -= 1) {
    /* Stripes follow each other in a panel. */
    qn_tile_step(sums, a, a_row, b, QN_STRIPE, rows, vectors);
    a += 1;
    b += b_row;
  }
  float *c = at->c + col;
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
#pragma unroll
    for (int j = 0; j < vectors; j += 1) {
      qn_vstore(c + (size_t)i * at->c_row + j * QN_LANES, sums[i][j]);
    }
  }
}

QN_INLINE void qn_row_tiles_of(const struct qn_row_tiles *at, int rows) {
  const int wide = rows == 1 ? QN_LINE_VECTORS : QN_TILE_VECTORS;
  const size_t step = (size_t)wide * QN_LANES;
  size_t col = 0;
  for (; col + step <= at->cols; col += step) qn_row_tile(at, col, rows, wide);
  for (; col < at->cols; col += QN_LANES) qn_row_tile(at, col, rows, 1);
}

/* One function a number of rows, so that registers are allotted to its tiles alone. */
#define QN_APART __attribute__((noinline)) static

QN_APART void qn_row_tiles_1(const struct qn_row_tiles *at) { qn_row_tiles_of(at, 1); }
QN_APART void qn_row_tiles_2(const struct qn_row_tiles *at) { qn_row_tiles_of(at, 2); }
QN_APART void qn_row_tiles_3(const struct qn_row_tiles *at) { qn_row_tiles_of(at, 3); }
QN_APART void qn_row_tiles_4(const struct qn_row_tiles *at) { qn_row_tiles_of(at, 4); }
#if QN_TILE_ROWS > 4
QN_APART void qn_row_tiles_5(const struct qn_row_tiles *at) { qn_row_tiles_of(at, 5); }
QN_APART void qn_row_tiles_6(const struct qn_row_tiles *at) { qn_row_tiles_of(at, 6); }
#endif

/* 1 to QN_TILE_ROWS rows. */
static void qn_multiply_rows(const struct qn_row_tiles *at, size_t rows) {
  switch (rows) {
    case 1: qn_row_tiles_1(at); return;
    case 2: qn_row_tiles_2(at); return;
    case 3: qn_row_tiles_3(at); return;
    case 4: qn_row_tiles_4(at); return;
#if QN_TILE_ROWS > 4
    case 5: qn_row_tiles_5(at); return;
    default: qn_row_tiles_6(at); return;
#endif
  }
}

#endif
