/*
 * kernels/panel.h: how B lies in memory once it is packed, and how K is cut.
 *
 * B[k, n] is packed in blocks of K, each made of stripes of QN_STRIPE columns, each
 * row by row; the last stripe is filled up with zeros:
 *
 *     block 0: stripe 0 [depth][QN_STRIPE], stripe 1, ...    block 1: stripe 0, ...
 *
 * The layout is the same on every instruction set, so what was packed once serves
 * them all: a tile takes part of a stripe, one, or some neighbours, and each that it
 * takes is one sequence of whole cache lines. (With rows of 64 columns, a tile of 16
 * would read each fourth line: 85 instead of 110 GFLOP/s.) A panel is what is worked
 * on at a time: up to QN_PANEL columns, which are whole stripes.
 *
 * Within a block an element of the product is summed in natural order; then the
 * blocks' sums are added in natural order. The cut depends on K alone, so an
 * element's bits depend on its row of A and its column of B alone, whatever the
 * tile, the task, the thread and the sizes of the caches.
 */
#ifndef QN_KERNELS_PANEL_H
#define QN_KERNELS_PANEL_H

#include <stddef.h>

enum {
  QN_STRIPE = 16,
  QN_PANEL = 64,
  QN_DEPTH = 1024, /* the most of K in a block */
};

/* Columns once the last stripe is filled up. */
static inline size_t qn_padded_cols(size_t n) {
  return (n + QN_STRIPE - 1) / QN_STRIPE * QN_STRIPE;
}

/* Floats that B[k, n] takes once it is packed. */
static inline size_t qn_packed_floats(size_t n, size_t k) { return qn_padded_cols(n) * k; }

/* The depth of all blocks but the last, which may have less. */
static inline size_t qn_block_depth(size_t k) {
  if (k == 0) return 1;
  const size_t blocks = (k + QN_DEPTH - 1) / QN_DEPTH;
  return (k + blocks - 1) / blocks;
}

#endif
