/*
 * kernels/activations.h: the layout of quantised activations, and the blocks of
 * GGUF's quantised weights.
 *
 * A row of activations becomes one qn_activation_block for each 32 elements:
 *
 *   element 0 .. 3 | 4 .. 7 | ... | 28 .. 31     q: int8, within -127 .. 127
 *   lane    0      | 1      | ... | 7            scale, start
 *
 * x is close to q * scale[lane]. One float scale for four elements is what an
 * int32 lane of a dot product allows at no cost (isa/dot_common.h), and keeps
 * the error well below that of one scale for 32.
 *
 * Weights enter the integer product as w + offset, where the offset makes them
 * what the instruction wants (unsigned, or a plain nibble); start[lane] is
 * -offset * (the sum of the lane's four q), with which the product begins.
 */
#ifndef QN_KERNELS_ACTIVATIONS_H
#define QN_KERNELS_ACTIVATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "quern.h"

#define QN_BLOCK 32
#define QN_BLOCK_LANES 8

struct qn_activation_block {
  int8_t q[QN_BLOCK];
  float scale[QN_BLOCK_LANES];
  int32_t start[QN_BLOCK_LANES];
};

/* Rows of weights that a tile of the matrix product takes together. */
#define QN_STRIP 4

/* Arrays with one float for each block of a row are padded to this many. */
#define QN_SUMS_PADDING 8

static inline size_t qn_padded_blocks(size_t inputs) {
  size_t blocks = inputs / QN_BLOCK;
  return (blocks + QN_SUMS_PADDING - 1) / QN_SUMS_PADDING * QN_SUMS_PADDING;
}

static inline int qn_is_block_dtype(int32_t dtype) {
  return dtype == QN_Q8_0 || dtype == QN_Q4_0 || dtype == QN_Q4_1;
}

/* Bytes of a block of weights, and of what stands in it before the quants. */
static inline size_t qn_block_bytes(int32_t dtype) {
  return dtype == QN_Q8_0 ? 34 : dtype == QN_Q4_0 ? 18 : 20;
}

static inline size_t qn_block_header_bytes(int32_t dtype) { return dtype == QN_Q4_1 ? 4 : 2; }

/* Bytes of a row of weights; with a block dtype, inputs is a multiple of 32. */
static inline size_t qn_weight_row_bytes(size_t inputs, int32_t dtype) {
  if (qn_is_block_dtype(dtype)) return inputs / QN_BLOCK * qn_block_bytes(dtype);
  return inputs * (dtype == QN_F32 ? 4 : 2);
}

#endif
