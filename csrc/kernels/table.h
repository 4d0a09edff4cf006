/*
 * kernels/table.h: places in a table that is read or written by indices.
 */
#ifndef QN_KERNELS_TABLE_H
#define QN_KERNELS_TABLE_H

#include <string.h>

#include "quern.h"
#include <vec.h>

/* The loops over a table: rows and columns, and how each side steps through them. */
struct table {
  const char *indices;
  size_t rows;
  size_t cols;
  const size_t (*strides)[2]; /* of the dense side, the table and the indices: row, col */
  size_t slice;               /* bytes that an index stands for */
  size_t extent;
};

enum { DENSE_SIDE = 0, TABLE_SIDE = 1, INDEX_SIDE = 2 };

/* Columns whose places are found together: they and a row of as many items stay in the
 * first cache. */
enum { PLACES = 1024, SHORT_ROW = 8192 };

/* Bytes from the place that an index counts from; inlined with `wide` known. */
QN_INLINE size_t step_of(const struct table *table, size_t at, int wide) {
  int64_t index;
  if (wide) {
    memcpy(&index, table->indices + 8 * at, 8);
  } else {
    int32_t narrow;
    memcpy(&narrow, table->indices + 4 * at, 4);
    index = narrow;
  }
  const size_t place = index < 0 ? (size_t)index + table->extent : (size_t)index;
  return place * table->slice;
}

/* Where the columns first .. first + count - 1 of row r are in the table, from that row's
 * first: places[i] is for column first + i. A loop of its own, so that it becomes vectors. */
QN_INLINE void find_places(size_t *restrict places, const struct table *table, size_t r,
                           size_t first, size_t count, int wide) {
  const size_t col_bytes = table->strides[TABLE_SIDE][1];
  const size_t step = table->strides[INDEX_SIDE][1];
  const size_t at = r * table->strides[INDEX_SIDE][0] + first * step;
  if (step == 1) {
    for (size_t i = 0; i < count; i += 1) {
      places[i] = (first + i) * col_bytes + step_of(table, at + i, wide);
    }
    return;
  }
  for (size_t i = 0; i < count; i += 1) {
    places[i] = (first + i) * col_bytes + step_of(table, at + i * step, wide);
  }
}

/* Asks for the row of the table behind `row`, where it is short: its lines are taken in an
 * order that the processor does not foresee. */
QN_INLINE void ask_for_row(const struct table *table, const char *row) {
  const size_t bytes = table->slice * table->extent;
  if (bytes > SHORT_ROW) return;
  row += table->strides[TABLE_SIDE][0];
  for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at, 0, 2);
}

#endif
