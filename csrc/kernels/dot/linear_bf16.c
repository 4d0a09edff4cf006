/*
 * kernels/dot/linear_bf16.c: products of rows with packed weights, both of bfloat16, summed
 * in float32.
 *
 * A tile is some rows by some vectors of columns, whose sums stay in registers; it takes
 * two products of each element at a time. Every sum begins with what it is added to and
 * takes its pairs in natural order, so its bits are the same in each shape of tile and
 * depend on its own row and column alone. The contract stands in dispatch/dot_kernels.inc.
 */
#include <dot.h>

#include "dispatch/kernel_table.h"
#include "kernels/panel.h"

enum { TILE_COLS = QN_BF16_VECTORS * QN_LANES };

struct tile {
  float *y;
  const float *start;
  const uint32_t *x;
  const uint32_t *weight;
  size_t pairs, y_row;
};

QN_INLINE qn_vwords load_words(const uint32_t *p) {
  qn_vwords v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

/* The first `n` lanes of the last vector are wanted. */
QN_INLINE void multiply(const struct tile *at, size_t n, int rows, int vectors) {
  qn_vf sums[QN_BF16_ROWS][QN_BF16_VECTORS];
  const size_t stripe = QN_STRIPE * at->pairs;
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
#pragma unroll
    for (int j = 0; j < vectors; j += 1) {
      const float *start = at->start + (size_t)i * at->y_row + j * QN_LANES;
      sums[i][j] = qn_vzero();
      if (at->start != NULL) sums[i][j] = qn_vload_n(start, j == vectors - 1 ? n : QN_LANES);
    }
  }
  const uint32_t *x = at->x;
  const uint32_t *weight = at->weight;
  for (size_t p = 0; p < at->pairs; p += 1) {
    qn_vwords across[QN_BF16_VECTORS];
#pragma unroll
    for (int j = 0; j < vectors; j += 1) {
      const size_t col = (size_t)j * QN_LANES;
      across[j] = load_words(weight + col / QN_STRIPE * stripe + col % QN_STRIPE);
    }
#pragma unroll
    for (int i = 0; i < rows; i += 1) {
      const qn_vwords down = (qn_vwords)(int32_t)x[(size_t)i * at->pairs];
#pragma unroll
      for (int j = 0; j < vectors; j += 1) sums[i][j] = qn_dot_bf16(sums[i][j], down, across[j]);
    }
    x += 1;
    weight += QN_STRIPE;
  }
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
#pragma unroll
    for (int j = 0; j < vectors; j += 1) {
      float *y = at->y + (size_t)i * at->y_row + j * QN_LANES;
      qn_vstore_n(y, sums[i][j], j == vectors - 1 ? n : QN_LANES);
    }
  }
}

/* Each shape is a function of its own, so that registers are allotted to its loop alone:
 * whole tiles, and edges one vector across. */
#define QN_APART __attribute__((noinline)) static

QN_APART void whole_1(const struct tile *t) { multiply(t, QN_LANES, 1, QN_BF16_VECTORS); }
QN_APART void whole_2(const struct tile *t) { multiply(t, QN_LANES, 2, QN_BF16_VECTORS); }
QN_APART void whole_3(const struct tile *t) { multiply(t, QN_LANES, 3, QN_BF16_VECTORS); }
QN_APART void whole_4(const struct tile *t) { multiply(t, QN_LANES, 4, QN_BF16_VECTORS); }
QN_APART void edge_1(const struct tile *t, size_t n) { multiply(t, n, 1, 1); }
QN_APART void edge_2(const struct tile *t, size_t n) { multiply(t, n, 2, 1); }
QN_APART void edge_3(const struct tile *t, size_t n) { multiply(t, n, 3, 1); }
QN_APART void edge_4(const struct tile *t, size_t n) { multiply(t, n, 4, 1); }
#if QN_BF16_ROWS > 4
QN_APART void whole_5(const struct tile *t) { multiply(t, QN_LANES, 5, QN_BF16_VECTORS); }
QN_APART void whole_6(const struct tile *t) { multiply(t, QN_LANES, 6, QN_BF16_VECTORS); }
QN_APART void edge_5(const struct tile *t, size_t n) { multiply(t, n, 5, 1); }
QN_APART void edge_6(const struct tile *t, size_t n) { multiply(t, n, 6, 1); }
#endif

static void whole(const struct tile *at, size_t rows) {
  switch (rows) {
    case 1: whole_1(at); return;
    case 2: whole_2(at); return;
    case 3: whole_3(at); return;
    case 4: whole_4(at); return;
#if QN_BF16_ROWS > 4
    case 5: whole_5(at); return;
    default: whole_6(at); return;
#endif
  }
}

static void edge(const struct tile *at, size_t rows, size_t n) {
  switch (rows) {
    case 1: edge_1(at, n); return;
    case 2: edge_2(at, n); return;
    case 3: edge_3(at, n); return;
    case 4: edge_4(at, n); return;
#if QN_BF16_ROWS > 4
    case 5: edge_5(at, n); return;
    default: edge_6(at, n); return;
#endif
  }
}

/* `rows` rows of a tile's height or fewer, from the first column to the last. */
static void band(struct tile at, size_t rows, size_t cols) {
  const uint32_t *weight = at.weight;
  const size_t stripe = QN_STRIPE * at.pairs;
  size_t done = 0;
  while (done < cols) {
    const size_t rest = cols - done;
    size_t wide = rest < QN_LANES ? rest : QN_LANES;
    if (rest >= TILE_COLS) {
      whole(&at, rows);
      wide = TILE_COLS;
    } else {
      edge(&at, rows, wide);
    }
    done += wide;
    at.y += wide;
    if (at.start != NULL) at.start += wide;
    at.weight = weight + done / QN_STRIPE * stripe + done % QN_STRIPE;
  }
}

void QN_VARIANT(linear_bf16)(float *y, const float *start, const uint32_t *x,
                             const uint32_t *weight, size_t rows, size_t cols, size_t pairs,
                             size_t y_row) {
  struct tile at = {y, start, x, weight, pairs, y_row};
  while (rows > 0) {
    /* The last two tiles share their rows evenly: a low tile is a slow one. */
    size_t high = rows < QN_BF16_ROWS ? rows : QN_BF16_ROWS;
    if (rows > QN_BF16_ROWS && rows < 2 * QN_BF16_ROWS) high = (rows + 1) / 2;
    band(at, high, cols);
    at.y += high * y_row;
    if (at.start != NULL) at.start += high * y_row;
    at.x += high * pairs;
    rows -= high;
  }
}
