/*
 * kernels/gather.c: elements, or whole slices, of a table by their indices.
 *
 * Contract: dispatch/kernels.inc. Where all columns of a row have the same index and
 * lie side by side, a row is a slice and copied as one; otherwise items are moved one
 * by one. The processor has many loads under way at a time, so that gather
 * instructions, which take as many loads, would gain nothing.
 */
#include <stdbool.h>

#include "base/copy.h"
#include "dispatch/kernel_table.h"
#include "kernels/table.h"

enum {
  AHEAD = 4,         /* slices that are asked for before they are copied */
  ASKED_BYTES = 256, /* of each of them: what follows, the processor foresees */
  LINE = 64,
};

QN_INLINE void ask_for(const char *x, size_t bytes) {
  for (size_t at = 0; at < bytes && at < ASKED_BYTES; at += LINE) __builtin_prefetch(x + at);
}

QN_INLINE void gather_slices(char *y, const char *x, const struct table *table, size_t bytes,
                             int wide) {
  const size_t y_row = table->strides[DENSE_SIDE][0];
  const size_t x_row = table->strides[TABLE_SIDE][0];
  const size_t index_row = table->strides[INDEX_SIDE][0];
  for (size_t r = 0; r < table->rows; r += 1) {
    if (r + AHEAD < table->rows) {
      const size_t later = r + AHEAD;
      ask_for(x + later * x_row + step_of(table, later * index_row, wide), bytes);
    }
    qn_copy_bytes(y + r * y_row, x + r * x_row + step_of(table, r * index_row, wide), bytes);
  }
}

QN_INLINE void gather_items(char *y, const char *x, const struct table *table, size_t item,
                            int wide) {
  const size_t y_col = table->strides[DENSE_SIDE][1];
  const size_t x_col = table->strides[TABLE_SIDE][1];
  const size_t index_col = table->strides[INDEX_SIDE][1];
  for (size_t r = 0; r < table->rows; r += 1) {
    char *to = y + r * table->strides[DENSE_SIDE][0];
    const char *from = x + r * table->strides[TABLE_SIDE][0];
    const size_t at = r * table->strides[INDEX_SIDE][0];
    for (size_t c = 0; c < table->cols; c += 1) {
      memcpy(to + c * y_col, from + c * x_col + step_of(table, at + c * index_col, wide), item);
    }
  }
}

QN_INLINE void gather_any(char *y, const char *x, const struct table *table, size_t item,
                          int wide) {
  const bool dense = table->strides[DENSE_SIDE][1] == item && table->strides[TABLE_SIDE][1] == item;
  if (table->strides[INDEX_SIDE][1] == 0 && dense) {
    gather_slices(y, x, table, table->cols * item, wide);
    return;
  }
  switch (item) {
    case 1: gather_items(y, x, table, 1, wide); return;
    case 2: gather_items(y, x, table, 2, wide); return;
    case 4: gather_items(y, x, table, 4, wide); return;
    default: gather_items(y, x, table, 8, wide); return;
  }
}

void QN_VARIANT(gather)(char *y, const char *x, const void *indices, size_t rows, size_t cols,
                        const size_t strides[3][2], size_t slice, size_t extent,
                        size_t item_bytes, int32_t index_dtype) {
  const struct table table = {indices, rows, cols, strides, slice, extent};
  if (index_dtype == QN_I64) gather_any(y, x, &table, item_bytes, 1);
  else gather_any(y, x, &table, item_bytes, 0);
}

/* Written without an exit, so that it becomes vectors. */
int32_t QN_VARIANT(are_indices)(const void *indices, size_t count, int64_t least, int64_t most,
                                int32_t index_dtype) {
  int64_t outside = 0;
  if (index_dtype == QN_I64) {
    const int64_t *values = indices;
    for (size_t i = 0; i < count; i += 1) outside |= (values[i] < least) | (values[i] > most);
    return outside == 0;
  }
  const int32_t *values = indices;
  const int32_t low = least < INT32_MIN ? INT32_MIN : (int32_t)least;
  const int32_t high = most > INT32_MAX ? INT32_MAX : (int32_t)most;
  int32_t out = 0;
  for (size_t i = 0; i < count; i += 1) out |= (values[i] < low) | (values[i] > high);
  return out == 0;
}
