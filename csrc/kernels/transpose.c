/*
 * kernels/transpose.c: a block of a matrix, turned, for each size of an item.
 *
 * Contract: dispatch/kernels.inc. The work is done in kernels/turn.h.
 */
#include "dispatch/kernel_table.h"
#include "kernels/turn.h"

void QN_VARIANT(transpose)(char *y, const char *x, size_t rows, size_t cols, size_t y_bytes,
                           size_t x_bytes, size_t item_bytes) {
  switch (item_bytes) {
    case 1: qn_turn_block(y, x, rows, cols, y_bytes, x_bytes, 1); return;
    case 2: qn_turn_block(y, x, rows, cols, y_bytes, x_bytes, 2); return;
    case 4: qn_turn_block(y, x, rows, cols, y_bytes, x_bytes, 4); return;
    default: qn_turn_block(y, x, rows, cols, y_bytes, x_bytes, 8); return;
  }
}
