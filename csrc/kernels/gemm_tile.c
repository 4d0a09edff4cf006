/*
 * kernels/gemm_tile.c: the product of rows of A with one panel of B.
 *
 * c: [rows, cols], rows c_stride apart      a: [rows, depth], rows a_stride apart
 * b: [depth, QN_PANEL], rows b_stride apart, of which `cols` columns are wanted;
 *    all QN_PANEL may be read
 *
 * c = alpha * a * b + beta * c; with beta 0, c is not read. A tile keeps its sums
 * in registers: a step over the depth loads some vectors of B, and for each row
 * one element of A into all lanes. Every sum takes its products in natural order,
 * so its bits are the same in each shape of tile.
 */
#include <vec.h>

#include <tile.h>

#include "dispatch/kernel_table.h"
#include "kernels/panel.h"

enum {
  TILE_COLS = QN_TILE_VECTORS * QN_LANES,
  LINE_COLS = QN_LINE_VECTORS * QN_LANES,
  MOST_VECTORS = QN_LINE_VECTORS > QN_TILE_VECTORS ? QN_LINE_VECTORS : QN_TILE_VECTORS,
};

struct operands {
  float *c;
  const float *a;
  const float *b;
  size_t c_stride, a_stride, b_stride;
  size_t depth;
  float alpha, beta;
};

/* One vector of a row of c, `n` lanes of it. */
QN_INLINE void write_sum(const struct operands *at, float *c, qn_vf sum, size_t n) {
  qn_vf value = at->alpha * sum;
  if (n == QN_LANES) {
    if (at->beta != 0.0f) value = qn_vfma(qn_vset1(at->beta), qn_vload(c), value);
    qn_vstore(c, value);
  } else {
    if (at->beta != 0.0f) value = qn_vfma(qn_vset1(at->beta), qn_vload_n(c, n), value);
    qn_vstore_n(c, value, n);
  }
}

/* A tile of `rows` x `vectors`, constants where it is inlined; `n` lanes of the
 * last vector are wanted. */
QN_INLINE void tile(const struct operands *at, size_t n, int rows, int vectors) {
  qn_vf sums[QN_TILE_ROWS][MOST_VECTORS];
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
#pragma unroll
    for (int j = 0; j < vectors; j += 1) sums[i][j] = qn_vzero();
  }
  const float *a = at->a;
  const float *b = at->b;
  const size_t a_stride = at->a_stride;
  const size_t b_stride = at->b_stride;
  for (size_t p = 0; p < at->depth; p += 1) {
    qn_vf across[MOST_VECTORS];
#pragma unroll
    for (int j = 0; j < vectors; j += 1) across[j] = qn_vload(b + j * QN_LANES);
#pragma unroll
    for (int i = 0; i < rows; i += 1) {
      const qn_vf down = qn_vset1(a[(size_t)i * a_stride]);
#pragma unroll
      for (int j = 0; j < vectors; j += 1) sums[i][j] = qn_vfma(down, across[j], sums[i][j]);
    }
    a += 1;
    b += b_stride;
  }
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
    float *c = at->c + (size_t)i * at->c_stride;
#pragma unroll
    for (int j = 0; j < vectors; j += 1) {
      write_sum(at, c + j * QN_LANES, sums[i][j], j == vectors - 1 ? n : QN_LANES);
    }
  }
}

/* Each shape of tile is a function of its own, so that registers are allotted to
 * its loop alone: whole ones, and edges one vector across, of which `n` lanes are
 * wanted. */
#define QN_APART __attribute__((noinline)) static

QN_APART void line(const struct operands *at) { tile(at, QN_LANES, 1, QN_LINE_VECTORS); }
QN_APART void whole_1(const struct operands *at) { tile(at, QN_LANES, 1, QN_TILE_VECTORS); }
QN_APART void whole_2(const struct operands *at) { tile(at, QN_LANES, 2, QN_TILE_VECTORS); }
QN_APART void whole_3(const struct operands *at) { tile(at, QN_LANES, 3, QN_TILE_VECTORS); }
QN_APART void whole_4(const struct operands *at) { tile(at, QN_LANES, 4, QN_TILE_VECTORS); }
QN_APART void edge_1(const struct operands *at, size_t n) { tile(at, n, 1, 1); }
QN_APART void edge_2(const struct operands *at, size_t n) { tile(at, n, 2, 1); }
QN_APART void edge_3(const struct operands *at, size_t n) { tile(at, n, 3, 1); }
QN_APART void edge_4(const struct operands *at, size_t n) { tile(at, n, 4, 1); }
#if QN_TILE_ROWS > 4
QN_APART void whole_5(const struct operands *at) { tile(at, QN_LANES, 5, QN_TILE_VECTORS); }
QN_APART void whole_6(const struct operands *at) { tile(at, QN_LANES, 6, QN_TILE_VECTORS); }
QN_APART void edge_5(const struct operands *at, size_t n) { tile(at, n, 5, 1); }
QN_APART void edge_6(const struct operands *at, size_t n) { tile(at, n, 6, 1); }
#endif

static void whole(const struct operands *at, size_t rows) {
  switch (rows) {
    case 1: whole_1(at); return;
    case 2: whole_2(at); return;
    case 3: whole_3(at); return;
    case 4: whole_4(at); return;
#if QN_TILE_ROWS > 4
    case 5: whole_5(at); return;
    default: whole_6(at); return;
#endif
  }
}

static void edge(const struct operands *at, size_t rows, size_t n) {
  switch (rows) {
    case 1: edge_1(at, n); return;
    case 2: edge_2(at, n); return;
    case 3: edge_3(at, n); return;
    case 4: edge_4(at, n); return;
#if QN_TILE_ROWS > 4
    case 5: edge_5(at, n); return;
    default: edge_6(at, n); return;
#endif
  }
}

/* `rows` rows of a tile's height or fewer, from the first column to the last. */
static void band(struct operands at, size_t rows, size_t cols) {
  size_t done = 0;
  while (done < cols) {
    const size_t rest = cols - done;
    size_t wide = rest < QN_LANES ? rest : QN_LANES;
    if (rows == 1 && rest >= LINE_COLS) {
      line(&at);
      wide = LINE_COLS;
    } else if (rest >= TILE_COLS) {
      whole(&at, rows);
      wide = TILE_COLS;
    } else {
      edge(&at, rows, wide);
    }
    at.c += wide;
    at.b += wide;
    done += wide;
  }
}

void QN_VARIANT(gemm_panel_f32)(float *c, const float *a, const float *b, size_t rows, size_t cols,
                                size_t depth, size_t c_stride, size_t a_stride, size_t b_stride,
                                float alpha, float beta) {
  struct operands at = {c, a, b, c_stride, a_stride, b_stride, depth, alpha, beta};
  while (rows > 0) {
    /* The last two tiles share their rows evenly: a low tile is a slow one. */
    size_t high = rows < QN_TILE_ROWS ? rows : QN_TILE_ROWS;
    if (rows > QN_TILE_ROWS && rows < 2 * QN_TILE_ROWS) high = (rows + 1) / 2;
    band(at, high, cols);
    at.c += high * c_stride;
    at.a += high * a_stride;
    rows -= high;
  }
}
