/*
 * kernels/linear_exact.c: products of float32 rows with float32 rows.
 *
 * A tile is ROWS x QN_STRIP dot products, each in a vector accumulator of its
 * own that takes the inputs in natural order and is reduced once at the end.
 * Every output is therefore computed by the same operations whatever the tile
 * it falls in, and its bits depend on its own two rows alone. The rounding error
 * of an output is at most (inputs + 3) * 2^-24 * sum |x| |w|.
 */
#include <vec.h>

#include "dispatch/kernel_table.h"
#include "kernels/activations.h"

/* Rows of x in a tile: as many as the registers hold accumulators for. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define ROWS 4
#else
#define ROWS 2
#endif

/* One step over the inputs: `n` of them, QN_LANES or fewer at the end. */
QN_INLINE void accumulate(qn_vf sums[ROWS][QN_STRIP], const float *x, const float *const *weight,
                          size_t at, size_t n, size_t inputs, int rows) {
  qn_vf a[ROWS];
#pragma unroll
  for (int i = 0; i < rows; i++) {
    const float *p = x + (size_t)i * inputs + at;
    a[i] = n == QN_LANES ? qn_vload(p) : qn_vload_n(p, n);
  }
#pragma unroll
  for (int j = 0; j < QN_STRIP; j++) {
    qn_vf w = n == QN_LANES ? qn_vload(weight[j] + at) : qn_vload_n(weight[j] + at, n);
#pragma unroll
    for (int i = 0; i < rows; i++) sums[i][j] = qn_vfma(a[i], w, sums[i][j]);
  }
}

/* y[rows, count] of rows x QN_STRIP products; weight[j] may repeat a row. */
QN_INLINE void tile(float *y, const float *x, const float *const *weight, size_t count,
                    size_t inputs, size_t y_stride, int rows) {
  qn_vf sums[ROWS][QN_STRIP];
#pragma unroll
  for (int i = 0; i < rows; i++) {
#pragma unroll
    for (int j = 0; j < QN_STRIP; j++) sums[i][j] = qn_vzero();
  }
  size_t at = 0;
  for (; at + QN_LANES <= inputs; at += QN_LANES) {
    accumulate(sums, x, weight, at, QN_LANES, inputs, rows);
  }
  if (at < inputs) accumulate(sums, x, weight, at, inputs - at, inputs, rows);
#pragma unroll
  for (int i = 0; i < rows; i++) {
#pragma unroll
    for (int j = 0; j < QN_STRIP; j++) {
      if ((size_t)j < count) y[(size_t)i * y_stride + (size_t)j] = qn_vreduce_add(sums[i][j]);
    }
  }
}

/* All strips for `rows` rows of x. */
QN_INLINE void sweep(float *y, const float *x, const float *weight, size_t outputs, size_t inputs,
                     size_t y_stride, int rows) {
  for (size_t o = 0; o < outputs; o += QN_STRIP) {
    size_t count = outputs - o < QN_STRIP ? outputs - o : QN_STRIP;
    const float *strip[QN_STRIP];
    for (size_t j = 0; j < QN_STRIP; j++) {
      strip[j] = weight + (o + (j < count ? j : count - 1)) * inputs;
    }
    tile(y + o, x, strip, count, inputs, y_stride, rows);
  }
}

void QN_VARIANT(linear_exact)(float *y, const float *x, const float *weight, size_t rows,
                              size_t outputs, size_t inputs, size_t y_stride) {
  size_t r = 0;
  for (; r + ROWS <= rows; r += ROWS) {
    sweep(y + r * y_stride, x + r * inputs, weight, outputs, inputs, y_stride, ROWS);
  }
  for (; r < rows; r++) {
    sweep(y + r * y_stride, x + r * inputs, weight, outputs, inputs, y_stride, 1);
  }
}
