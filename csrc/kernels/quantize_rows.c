/*
 * kernels/quantize_rows.c: rows of floats in 8 bits, with one scale a row.
 *
 * Contract: dispatch/kernels.inc. The scale is max|x| / 127 and q = x / scale rounded to
 * the nearest integer, ties to even: every element divides by itself and is rounded once
 * more, so its bits are the same on every instruction set.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

/* The nearest integer, ties to even, of |v| < 2^22: adding 1.5 * 2^23 leaves no bits for
 * a fraction. */
QN_INLINE qn_vi nearest(qn_vf v) { return qn_vbits(v + 0x1.8p23f) - 0x4b400000; }

QN_INLINE float largest_magnitude(const float *x, size_t cols) {
  qn_vf largest = qn_vzero();
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) {
    largest = qn_vmax(qn_vabs(qn_vload(x + i)), largest);
  }
  if (i < cols) largest = qn_vmax(qn_vabs(qn_vload_n(x + i, cols - i)), largest);
  return qn_vreduce_max(largest);
}

QN_INLINE void store(int8_t *y, qn_vf v, float scale, size_t count) {
  const qn_vf q = qn_vmax(qn_vmin(v / scale, qn_vset1(127)), qn_vset1(-127));
  int32_t lanes[QN_LANES];
  qn_vstore_i32(lanes, nearest(q));
  for (size_t i = 0; i < count; i += 1) y[i] = (int8_t)lanes[i];
}

void QN_VARIANT(quantize_rows)(int8_t *y, float *scales, const float *x, size_t rows,
                               size_t cols) {
  for (size_t row = 0; row < rows; row += 1, x += cols, y += cols) {
    const float scale = largest_magnitude(x, cols) / 127.0f;
    scales[row] = scale;
    for (size_t i = 0; i < cols; i += QN_LANES) {
      const size_t count = cols - i < QN_LANES ? cols - i : QN_LANES;
      const qn_vf v = qn_vload_n(x + i, count);
      store(y + i, scale > 0 ? v : qn_vzero(), scale > 0 ? scale : 1.0f, count);
    }
  }
}
