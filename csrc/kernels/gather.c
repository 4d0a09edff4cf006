/*
 * kernels/gather.c: elements, or whole slices, of a table by their indices.
 *
 * Contract: dispatch/kernels.inc. Where all columns of a row have the same index and
 * lie side by side, a row is a slice and copied as one; otherwise the places of items
 * are computed as vectors and the items moved one by one. The processor has many loads under way at a time, so that gather
 * instructions, which take as many loads, would gain nothing.
 */
#include <stdbool.h>

#include "base/copy.h"
#include "base/sizes.h"
#include "dispatch/kernel_table.h"
#include "kernels/stream.h"
#include "kernels/table.h"

enum {
  AHEAD = 4,         /* slices that are asked for before they are copied */
  ASKED_BYTES = 256, /* of each of them: what follows, the processor foresees */
  LINE = 64,
};

QN_INLINE void ask_for(const char *x, size_t bytes) {
  for (size_t at = 0; at < bytes && at < ASKED_BYTES; at += LINE) __builtin_prefetch(x + at);
}

QN_INLINE const char *slice_of(const char *x, const struct table *table, size_t r, int wide) {
  return x + r * table->strides[TABLE_SIDE][0] +
         step_of(table, r * table->strides[INDEX_SIDE][0], wide);
}

QN_INLINE void gather_slices(char *y, const char *x, const struct table *table, size_t bytes,
                             int wide, int streams) {
  const size_t y_row = table->strides[DENSE_SIDE][0];
  const size_t rows = table->rows;
  for (size_t r = 0; r < rows && streams; r += 1) {
    const char *next = slice_of(x, table, qn_min_size(r + 1, rows - 1), wide);
    qn_stream_bytes(y + r * y_row, slice_of(x, table, r, wide), bytes, next);
  }
  for (size_t r = 0; r < rows && !streams; r += 1) {
    if (r + AHEAD < rows) ask_for(slice_of(x, table, r + AHEAD, wide), bytes);
    qn_store_bytes(y + r * y_row, slice_of(x, table, r, wide), bytes);
  }
}

/* y and x do not overlap. Several items a step, since a step counts as much as an item. */
QN_INLINE void take_items(char *restrict y, const char *restrict x, const size_t *places,
                          size_t count, size_t item) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    memcpy(y + i * item, x + places[i], item);
    memcpy(y + (i + 1) * item, x + places[i + 1], item);
    memcpy(y + (i + 2) * item, x + places[i + 2], item);
    memcpy(y + (i + 3) * item, x + places[i + 3], item);
  }
  for (; i < count; i += 1) memcpy(y + i * item, x + places[i], item);
}

/* Rows that share their indices share the places too. */
QN_INLINE void gather_items(char *y, const char *x, const struct table *table, size_t item,
                            int wide) {
  const size_t y_col = table->strides[DENSE_SIDE][1];
  size_t places[PLACES];
  for (size_t first = 0; first < table->cols; first += PLACES) {
    const size_t count = qn_min_size(PLACES, table->cols - first);
    for (size_t r = 0; r < table->rows; r += 1) {
      char *to = y + r * table->strides[DENSE_SIDE][0] + first * y_col;
      const char *from = x + r * table->strides[TABLE_SIDE][0];
      if (r == 0 || table->strides[INDEX_SIDE][0] != 0) {
        find_places(places, table, r, first, count, wide);
      }
      if (r + 1 < table->rows) ask_for_row(table, from);
      if (y_col == item) take_items(to, from, places, count, item);
      else for (size_t c = 0; c < count; c += 1) memcpy(to + c * y_col, from + places[c], item);
    }
  }
}

QN_INLINE void gather_any(char *y, const char *x, const struct table *table, size_t item,
                          int wide, int streams) {
  const bool dense = table->strides[DENSE_SIDE][1] == item && table->strides[TABLE_SIDE][1] == item;
  if (table->strides[INDEX_SIDE][1] == 0 && dense) {
    gather_slices(y, x, table, table->cols * item, wide, streams);
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
                        size_t item_bytes, int32_t index_dtype, int32_t streams) {
  const struct table table = {indices, rows, cols, strides, slice, extent};
  if (index_dtype == QN_I64) gather_any(y, x, &table, item_bytes, 1, streams);
  else gather_any(y, x, &table, item_bytes, 0, streams);
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
