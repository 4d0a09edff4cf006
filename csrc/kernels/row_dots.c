/*
 * kernels/row_dots.c: what rows of vectors have in common with a few others: one product a
 * pair, of rows in float32, float16 or int8.
 *
 * Contract: dispatch/kernels.inc. Rows are widened to float32 as they are read, so that a
 * search through more rows than the caches hold runs at the speed of memory, and reads a
 * quarter of it where they are int8. Rows are read one behind the other, as the processor
 * expects them: several side by side can take it twice as long. One row goes together
 * with several queries; with a single query, four rows of int8, which are as short as one.
 *
 * Each pair has one accumulator, which is summed by the same tree however many pairs there
 * are, so a product's bits depend on the pair alone.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

enum {
  QUERIES = 8,   /* whose accumulators fit the registers */
  AHEAD = 16384, /* bytes; of int8, the processor asks for too few by itself */
};

QN_INLINE size_t bytes_of(int32_t dtype) { return dtype == QN_F32 ? 4 : dtype == QN_F16 ? 2 : 1; }

QN_INLINE qn_vf load(const char *p, int32_t dtype) {
  if (dtype == QN_F32) return qn_vload((const float *)(const void *)p);
  return dtype == QN_F16 ? qn_vload_f16(p) : qn_vload_i8(p);
}

/* The first n lanes; nothing behind them is read. */
QN_INLINE qn_vf load_n(const char *p, size_t n, int32_t dtype) {
  if (dtype == QN_F32) return qn_vload_n((const float *)(const void *)p, n);
  if (dtype == QN_F16) return qn_vload_f16_n(p, n);
  char lanes[QN_LANES];
  for (size_t i = 0; i < QN_LANES; i += 1) lanes[i] = i < n ? p[i] : 0;
  return qn_vload_i8(lanes);
}

/* y[count] = the sums of some vectors' lanes, four at a time where there are as many. */
QN_INLINE void reduce(float *y, const qn_vf *sums, size_t count) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const qn_vf4 four = qn_vreduce_add_4(sums[i], sums[i + 1], sums[i + 2], sums[i + 3]);
    __builtin_memcpy(y + i, &four, sizeof four);
  }
  for (; i < count; i += 1) y[i] = qn_vreduce_add(sums[i]);
}

/* y[queries, rows], y_stride apart, of one query or one row. */
QN_INLINE void dots(float *y, const float *queries, const char *x, const float *scales,
                    size_t query_count, size_t row_count, size_t dim, size_t y_stride,
                    int32_t dtype) {
  const size_t pairs = query_count * row_count;
  const size_t item = bytes_of(dtype);
  qn_vf sums[QUERIES];
  for (size_t p = 0; p < pairs; p += 1) sums[p] = qn_vzero();
  size_t i = 0;
  for (; i + QN_LANES <= dim; i += QN_LANES) {
    for (size_t p = 0; p < pairs; p += 1) {
      const char *row = x + (p / query_count * dim + i) * item;
      if (dtype == QN_I8 && query_count == 1) __builtin_prefetch(row + AHEAD, 0, 2);
      sums[p] = qn_vfma(load(row, dtype), qn_vload(queries + p / row_count * dim + i), sums[p]);
    }
  }
  if (i < dim) {
    for (size_t p = 0; p < pairs; p += 1) {
      const char *row = x + (p / query_count * dim + i) * item;
      const qn_vf query = qn_vload_n(queries + p / row_count * dim + i, dim - i);
      sums[p] = qn_vfma(load_n(row, dim - i, dtype), query, sums[p]);
    }
  }
  float results[QUERIES];
  reduce(results, sums, pairs);
  for (size_t p = 0; p < pairs; p += 1) {
    const size_t q = p / row_count, r = p / query_count;
    y[q * y_stride + (row_count == 1 ? 0 : r)] =
        dtype == QN_I8 ? results[p] * scales[row_count == 1 ? 0 : r] : results[p];
  }
}

/* All queries with one row. */
QN_INLINE void one_row(float *y, const float *queries, const char *x, const float *scale,
                       size_t query_count, size_t dim, size_t y_stride, int32_t dtype) {
  size_t q = 0;
  for (; q + QUERIES <= query_count; q += QUERIES) {
    dots(y + q * y_stride, queries + q * dim, x, scale, QUERIES, 1, dim, y_stride, dtype);
  }
  for (; q < query_count; q += 1) {
    dots(y + q * y_stride, queries + q * dim, x, scale, 1, 1, dim, y_stride, dtype);
  }
}

QN_INLINE void all_rows(float *y, const float *queries, const char *x, const float *scales,
                        size_t query_count, size_t row_count, size_t dim, size_t y_stride,
                        int32_t dtype) {
  const size_t together = dtype == QN_I8 ? 4 : 1;
  const size_t row_bytes = dim * bytes_of(dtype);
  size_t r = 0;
  for (; query_count == 1 && r + together <= row_count; r += together) {
    const float *factors = dtype == QN_I8 ? scales + r : NULL;
    dots(y + r, queries, x + r * row_bytes, factors, 1, together, dim, y_stride, dtype);
  }
  for (; r < row_count; r += 1) {
    const float *factor = dtype == QN_I8 ? scales + r : NULL;
    one_row(y + r, queries, x + r * row_bytes, factor, query_count, dim, y_stride, dtype);
  }
}

void QN_VARIANT(row_dots)(float *y, const float *queries, const void *x, const float *scales,
                          size_t query_count, size_t row_count, size_t dim, size_t y_stride,
                          int32_t dtype) {
  if (dtype == QN_F32) {
    all_rows(y, queries, x, scales, query_count, row_count, dim, y_stride, QN_F32);
  } else if (dtype == QN_F16) {
    all_rows(y, queries, x, scales, query_count, row_count, dim, y_stride, QN_F16);
  } else {
    all_rows(y, queries, x, scales, query_count, row_count, dim, y_stride, QN_I8);
  }
}
