/*
 * kernels/panel.h: how B lies in memory once it is packed, and how K is cut.
 *
 * B[k, n] is packed in blocks of K, each made of panels of QN_PANEL columns, each
 * row by row; the last panel is filled up with zeros:
 *
 *     block 0: panel 0 [depth][QN_PANEL], panel 1, ...    block 1: panel 0, ...
 *
 * The layout is the same on every instruction set, so what was packed once serves
 * them all: a tile takes some of a panel's columns.
 *
 * Within a block an element of the product is summed in natural order; then the
 * blocks' sums are added in natural order. The cut depends on K alone, so an
 * element's bits depend on its row of A and its column of B alone, whatever the
 * tile, the task and the thread.
 */
#ifndef QN_KERNELS_PANEL_H
#define QN_KERNELS_PANEL_H

#include <stddef.h>

enum {
  QN_PANEL = 64,
  QN_DEPTH = 1024, /* the most of K in a block: its panel is a quarter of the second cache */
};

/* Floats that B[k, n] takes once it is packed. */
static inline size_t qn_packed_floats(size_t n, size_t k) {
  return (n + QN_PANEL - 1) / QN_PANEL * QN_PANEL * k;
}

/* The depth of all blocks but the last, which may have less. */
static inline size_t qn_block_depth(size_t k) {
  if (k == 0) return 1;
  const size_t blocks = (k + QN_DEPTH - 1) / QN_DEPTH;
  return (k + blocks - 1) / blocks;
}

#endif
