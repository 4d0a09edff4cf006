/*
 * kernels/scatter_add.c: elements, or whole slices, added to a table by their indices.
 *
 * Contract: dispatch/kernels.inc. Rows go one after the other, and the columns of a row
 * too, so that what goes to one place is added in the order of the indices.
 */
#include <stdbool.h>

#include "base/half.h"
#include "base/sizes.h"
#include "dispatch/kernel_table.h"
#include "kernels/table.h"

/* One element of y += one of x; both are aligned. Integers wrap around. Halves are added
 * as floats, and each sum is rounded. */
QN_INLINE void add_f32(char *y, const char *x) {
  *(float *)(void *)y += *(const float *)(const void *)x;
}

QN_INLINE void add_f64(char *y, const char *x) {
  *(double *)(void *)y += *(const double *)(const void *)x;
}

QN_INLINE void add_i32(char *y, const char *x) {
  *(uint32_t *)(void *)y += *(const uint32_t *)(const void *)x;
}

QN_INLINE void add_i64(char *y, const char *x) {
  *(uint64_t *)(void *)y += *(const uint64_t *)(const void *)x;
}

QN_INLINE void add_f16(char *y, const char *x) {
  uint16_t *sum = (void *)y;
  const uint16_t *part = (const void *)x;
  *sum = qn_f16_from_f32(qn_f32_from_f16(*sum) + qn_f32_from_f16(*part));
}

QN_INLINE void add_bf16(char *y, const char *x) {
  uint16_t *sum = (void *)y;
  const uint16_t *part = (const void *)x;
  *sum = qn_bf16_from_f32(qn_f32_from_bf16(*sum) + qn_f32_from_bf16(*part));
}

/* Slices of elements side by side: a loop that becomes vectors, as x is not y. */
QN_INLINE void add_slice(char *restrict y, const char *restrict x, size_t count, size_t item,
                         void (*add)(char *y, const char *x)) {
  for (size_t i = 0; i < count; i += 1) add(y + i * item, x + i * item);
}

QN_INLINE void add_slices(char *y, const char *x, const struct table *table, size_t item,
                          int wide, void (*add)(char *y, const char *x)) {
  for (size_t r = 0; r < table->rows; r += 1) {
    char *to = y + r * table->strides[TABLE_SIDE][0];
    const char *from = x + r * table->strides[DENSE_SIDE][0];
    add_slice(to + step_of(table, r * table->strides[INDEX_SIDE][0], wide), from, table->cols,
              item, add);
  }
}

/* Rows that share their indices share the places too. */
QN_INLINE void add_items(char *y, const char *x, const struct table *table, int wide,
                         void (*add)(char *y, const char *x)) {
  const size_t x_col = table->strides[DENSE_SIDE][1];
  size_t places[PLACES];
  for (size_t first = 0; first < table->cols; first += PLACES) {
    const size_t count = qn_min_size(PLACES, table->cols - first);
    for (size_t r = 0; r < table->rows; r += 1) {
      char *to = y + r * table->strides[TABLE_SIDE][0];
      const char *from = x + r * table->strides[DENSE_SIDE][0] + first * x_col;
      if (r == 0 || table->strides[INDEX_SIDE][0] != 0) {
        find_places(places, table, r, first, count, wide);
      }
      if (r + 1 < table->rows) ask_for_row(table, to);
      for (size_t c = 0; c < count; c += 1) add(to + places[c], from + c * x_col);
    }
  }
}

QN_INLINE void add_all(char *y, const char *x, const struct table *table, size_t item, int wide,
                       void (*add)(char *y, const char *x)) {
  const bool dense = table->strides[DENSE_SIDE][1] == item && table->strides[TABLE_SIDE][1] == item;
  if (table->strides[INDEX_SIDE][1] == 0 && dense) add_slices(y, x, table, item, wide, add);
  else add_items(y, x, table, wide, add);
}

QN_INLINE void add_any(char *y, const char *x, const struct table *table, int32_t dtype,
                       int wide) {
  switch (dtype) {
    case QN_F32: add_all(y, x, table, 4, wide, add_f32); return;
    case QN_F64: add_all(y, x, table, 8, wide, add_f64); return;
    case QN_F16: add_all(y, x, table, 2, wide, add_f16); return;
    case QN_BF16: add_all(y, x, table, 2, wide, add_bf16); return;
    case QN_I32: add_all(y, x, table, 4, wide, add_i32); return;
    default: add_all(y, x, table, 8, wide, add_i64); return;
  }
}

void QN_VARIANT(scatter_add)(char *y, const char *x, const void *indices, size_t rows, size_t cols,
                             const size_t strides[3][2], size_t slice, size_t extent,
                             int32_t dtype, int32_t index_dtype) {
  const struct table table = {indices, rows, cols, strides, slice, extent};
  if (index_dtype == QN_I64) add_any(y, x, &table, dtype, 1);
  else add_any(y, x, &table, dtype, 0);
}
