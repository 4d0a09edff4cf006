/*
 * kernels/gemm_tile.h: the tile of the float32 matrix product: some rows of A by
 * some columns of B, whose sums stay in registers.
 *
 * A step over the depth loads some vectors of B, and for each row one element of A
 * into all lanes. Every sum takes its products in natural order, so its bits are the
 * same in each shape of tile. For kernels that inline it with the shape known.
 */
#ifndef QN_KERNELS_GEMM_TILE_H
#define QN_KERNELS_GEMM_TILE_H

#include <stdint.h>

#include <vec.h>

#include <tile.h>

#include "kernels/panel.h"

enum {
  QN_TILE_COLS = QN_TILE_VECTORS * QN_LANES,
  QN_LINE_COLS = QN_LINE_VECTORS * QN_LANES,
  QN_MOST_VECTORS = QN_LINE_VECTORS > QN_TILE_VECTORS ? QN_LINE_VECTORS : QN_TILE_VECTORS,
  QN_LINE_FLOATS = 16, /* of a cache line */
  QN_ASK_STEPS = 16,   /* between which lines of what comes next are asked for */
  QN_ASK_DEPTH = 128,  /* from which asking for c ahead is worth its time */
};

/* c[rows, cols] = alpha * a[rows, depth] * b[depth, cols] + beta * c, strides in floats. */
struct qn_tile {
  float *c;
  const float *a;
  const float *b;
  size_t c_row, a_row;
  size_t b_row;    /* from a row of b to the next */
  size_t b_stripe; /* from a stripe of b to the next; the columns of a stripe lie side by side */
  size_t depth;
  float alpha, beta; /* with beta 0, c is not read */
  uintptr_t ask; /* the address of what is asked for meanwhile, */
  size_t lines;  /* so many cache lines for each QN_ASK_STEPS steps of depth */
};

/* The first `n` of a vector of sums, to c with its columns c_col apart. */
QN_INLINE void qn_write_sums(float *c, size_t c_col, qn_vf sums, size_t n, float alpha,
                             float beta) {
  qn_vf value = alpha * sums;
  if (c_col != 1) {
    float lanes[QN_LANES] = {0};
    for (size_t i = 0; beta != 0.0f && i < n; i += 1) lanes[i] = c[i * c_col];
    if (beta != 0.0f) value = qn_vfma(qn_vset1(beta), qn_vload(lanes), value);
    qn_vstore(lanes, value);
    for (size_t i = 0; i < n; i += 1) c[i * c_col] = lanes[i];
  } else if (n == QN_LANES) {
    if (beta != 0.0f) value = qn_vfma(qn_vset1(beta), qn_vload(c), value);
    qn_vstore(c, value);
  } else {
    if (beta != 0.0f) value = qn_vfma(qn_vset1(beta), qn_vload_n(c, n), value);
    qn_vstore_n(c, value, n);
  }
}

/* Asks for the lines of c, which are written once the sums are complete. */
QN_INLINE void qn_tile_ask(const struct qn_tile *at, int rows, int vectors) {
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
#pragma unroll
    for (int j = 0; j < vectors * QN_LANES; j += QN_LINE_FLOATS) {
      __builtin_prefetch(at->c + (size_t)i * at->c_row + j, 1);
    }
  }
}

QN_INLINE void qn_tile_clear(qn_vf (*sums)[QN_MOST_VECTORS], int rows, int vectors) {
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
#pragma unroll
    for (int j = 0; j < vectors; j += 1) sums[i][j] = qn_vzero();
  }
}

/* Adds the products of one column of a and one row of b. */
QN_INLINE void qn_tile_step(qn_vf (*sums)[QN_MOST_VECTORS], const float *a, size_t a_row,
                            const float *b, size_t b_stripe, int rows, int vectors) {
  qn_vf across[QN_MOST_VECTORS];
#pragma unroll
  for (int j = 0; j < vectors; j += 1) {
    const size_t col = (size_t)j * QN_LANES;
    across[j] = qn_vload(b + col / QN_STRIPE * b_stripe + col % QN_STRIPE);
  }
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
    const qn_vf down = qn_vset1(a[(size_t)i * a_row]);
#pragma unroll
    for (int j = 0; j < vectors; j += 1) sums[i][j] = qn_vfma(down, across[j], sums[i][j]);
  }
}

/* A tile of `rows` x `vectors`; `n` lanes of the last vector are wanted, and all of it
 * may be read of b. The first column begins a stripe, or lies so far inside one that
 * the tile ends in it. */
QN_INLINE void qn_tile_multiply(const struct qn_tile *at, size_t n, int rows, int vectors) {
  qn_vf sums[QN_TILE_ROWS][QN_MOST_VECTORS];
  qn_tile_clear(sums, rows, vectors);
  if (at->depth >= QN_ASK_DEPTH) qn_tile_ask(at, rows, vectors);
  const float *a = at->a;
  const float *b = at->b;
  const size_t a_row = at->a_row;
  const size_t b_row = at->b_row;
  const size_t b_stripe = at->b_stripe;
  uintptr_t ask = at->ask;
  const size_t steps = at->lines == 0 ? at->depth : QN_ASK_STEPS;
  size_t p = 0;
  while (p < at->depth) {
#pragma nounroll
    for (size_t line = 0; line < at->lines; line += 1) {
      __builtin_prefetch((const void *)ask, 0, 2);
      ask += QN_LINE_FLOATS * sizeof(float);
    }
    const size_t rest = at->depth - p;
    const size_t end = p + (rest < steps ? rest : steps);
    for (; p < end; p += 1) {
      qn_tile_step(sums, a, a_row, b, b_stripe, rows, vectors);
      a += 1;
      b += b_row;
    }
  }
  /* Most products are plain, and a multiplication a vector would be felt at small depths. */
  if (at->alpha == 1.0f && at->beta == 0.0f) {
#pragma unroll
    for (int i = 0; i < rows; i += 1) {
      float *c = at->c + (size_t)i * at->c_row;
#pragma unroll
      for (int j = 0; j < vectors - 1; j += 1) qn_vstore(c + j * QN_LANES, sums[i][j]);
      qn_vstore_n(c + (vectors - 1) * QN_LANES, sums[i][vectors - 1], n);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
    float *c = at->c + (size_t)i * at->c_row;
#pragma unroll
    for (int j = 0; j < vectors; j += 1) {
      qn_write_sums(c + j * QN_LANES, 1, sums[i][j], j == vectors - 1 ? n : QN_LANES, at->alpha,
                    at->beta);
    }
  }
}

#endif
