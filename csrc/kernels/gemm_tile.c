/*
 * kernels/gemm_tile.c: the product of rows of A with one panel of B, in the tiles of
 * kernels/gemm_tile.h. The contract stands in dispatch/kernels.inc.
 */
#include "kernels/gemm_tile.h"

#include "dispatch/kernel_table.h"

enum { LEAST_ASKING = 4 };

QN_INLINE void tile(const struct qn_tile *at, size_t n, int rows, int vectors) {
  qn_tile_multiply(at, n, rows, vectors);
}

/* Each shape of tile is a function of its own, so that registers are allotted to
 * its loop alone: whole ones, and edges one vector across, of which `n` lanes are
 * wanted. */
#define QN_APART __attribute__((noinline)) static

QN_APART void line(const struct qn_tile *t) { tile(t, QN_LANES, 1, QN_LINE_VECTORS); }
QN_APART void whole_1(const struct qn_tile *t) { tile(t, QN_LANES, 1, QN_TILE_VECTORS); }
QN_APART void whole_2(const struct qn_tile *t) { tile(t, QN_LANES, 2, QN_TILE_VECTORS); }
QN_APART void whole_3(const struct qn_tile *t) { tile(t, QN_LANES, 3, QN_TILE_VECTORS); }
QN_APART void whole_4(const struct qn_tile *t) { tile(t, QN_LANES, 4, QN_TILE_VECTORS); }
QN_APART void edge_1(const struct qn_tile *t, size_t n) { tile(t, n, 1, 1); }
QN_APART void edge_2(const struct qn_tile *t, size_t n) { tile(t, n, 2, 1); }
QN_APART void edge_3(const struct qn_tile *t, size_t n) { tile(t, n, 3, 1); }
QN_APART void edge_4(const struct qn_tile *t, size_t n) { tile(t, n, 4, 1); }
#if QN_TILE_ROWS > 4
QN_APART void whole_5(const struct qn_tile *t) { tile(t, QN_LANES, 5, QN_TILE_VECTORS); }
QN_APART void whole_6(const struct qn_tile *t) { tile(t, QN_LANES, 6, QN_TILE_VECTORS); }
QN_APART void edge_5(const struct qn_tile *t, size_t n) { tile(t, n, 5, 1); }
QN_APART void edge_6(const struct qn_tile *t, size_t n) { tile(t, n, 6, 1); }
#endif

static void whole(const struct qn_tile *at, size_t rows) {
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

static void edge(const struct qn_tile *at, size_t rows, size_t n) {
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

static size_t asked_bytes(const struct qn_tile *at) {
  return (at->depth + QN_ASK_STEPS - 1) / QN_ASK_STEPS * at->lines * QN_LINE_FLOATS * sizeof(float);
}

/* `rows` rows of a tile's height or fewer, from the first column to the last; returns what is
 * to be asked for next. */
static uintptr_t band(struct qn_tile at, size_t rows, size_t cols) {
  const float *b = at.b;
  size_t done = 0;
  while (done < cols) {
    const size_t rest = cols - done;
    size_t wide = rest < QN_LANES ? rest : QN_LANES;
    if (rows == 1 && rest >= QN_LINE_COLS) {
      line(&at);
      wide = QN_LINE_COLS;
    } else if (rest >= QN_TILE_COLS) {
      whole(&at, rows);
      wide = QN_TILE_COLS;
    } else {
      edge(&at, rows, wide);
    }
    at.c += wide;
    at.ask += asked_bytes(&at);
    done += wide;
    at.b = b + done / QN_STRIPE * at.b_stripe + done % QN_STRIPE;
  }
  return at.ask;
}

void QN_VARIANT(gemm_panel_f32)(float *c, const float *a, const float *b, size_t rows, size_t cols,
                                size_t depth, size_t c_row, size_t a_row, size_t b_row,
                                size_t b_stripe, float alpha, float beta, const float *next) {
  const size_t bands = (rows + QN_TILE_ROWS - 1) / QN_TILE_ROWS;
  const size_t tiles = bands * ((cols + QN_TILE_COLS - 1) / QN_TILE_COLS);
  /* Few tiles pass through b as fast as it comes: asking for more only gets in its way. */
  const size_t lines = next == NULL || tiles < LEAST_ASKING ? 0 : (cols + tiles - 1) / tiles;
  struct qn_tile at = {.c = c, .a = a, .b = b, .c_row = c_row, .a_row = a_row, .b_row = b_row,
                       .b_stripe = b_stripe, .depth = depth, .alpha = alpha, .beta = beta,
                       .ask = (uintptr_t)next, .lines = lines};
  while (rows > 0) {
    /* The last two tiles share their rows evenly: a low tile is a slow one. */
    size_t high = rows < QN_TILE_ROWS ? rows : QN_TILE_ROWS;
    if (rows > QN_TILE_ROWS && rows < 2 * QN_TILE_ROWS) high = (rows + 1) / 2;
    at.ask = band(at, high, cols);
    at.c += high * c_row;
    at.a += high * a_row;
    rows -= high;
  }
}
