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

#endif
