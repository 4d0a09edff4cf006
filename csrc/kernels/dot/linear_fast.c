/*
 * kernels/dot/linear_fast.c: products of quantised activations with quantised rows.
 *
 * A tile is QN_DOT_ROWS x QN_STRIP dot products, each in eight float lanes of
 * its own. For each block of 32 inputs, in natural order:
 *
 *   sum[lane] += (integer dot product)[lane] * scale of x[lane] * scale of w
 *
 * Integer products are exact; the only roundings are those of the activations
 * (kernels/dot/quantize.c) and of float32. Every output is computed by the same
 * operations whatever the tile it falls in, so its bits depend on its own two
 * rows alone.
 *
 * Q4_1 is w = d * q + m = d * (q - 8) + (m + 8 d): the first part is a product
 * as for Q4_0, the second meets the exact sums of the blocks of x. Centred like
 * this the rounding of x is multiplied by numbers of half the size.
 *
 * Scales stand inside the blocks as halves. They are widened once for a strip,
 * into scratch, which is cheaper than in the loop even for a single row of x.
 */
#include <dot.h>

#include "dispatch/kernel_table.h"
#include "kernels/activations.h"

/* At most so much of a strip is asked for ahead of its use. */
enum { PREFETCH_BYTES = 8192 };

/* Four rows of weights, of which some may be the same row. */
struct strip {
  const uint8_t *row[QN_STRIP];
  const float *scale[QN_STRIP];   /* [blocks] */
  const float *minimum[QN_STRIP]; /* [padded blocks], Q4_1 only: m + 8 d */
  size_t count;                   /* rows that are wanted */
};

/* The scales of eight blocks, `stride` bytes apart. */
QN_INLINE qn_f32x8 gather_scales(const uint8_t *p, size_t stride) {
  qn_u16x8 halves = 0;
#pragma unroll
  for (size_t i = 0; i < 8; i++) {
    uint16_t half;
    __builtin_memcpy(&half, p + i * stride, sizeof half);
    halves[i] = half;
  }
  return qn_widen_f16x8(halves);
}

/* The scales and minima of four blocks, in turn: a pair is one load. */
QN_INLINE qn_f32x8 gather_pairs(const uint8_t *p, size_t stride) {
  typedef uint32_t words __attribute__((ext_vector_type(4)));
  words pairs = 0;
#pragma unroll
  for (size_t i = 0; i < 4; i++) {
    uint32_t pair;
    __builtin_memcpy(&pair, p + i * stride, sizeof pair);
    pairs[i] = pair;
  }
  return qn_widen_f16x8((qn_u16x8)pairs);
}

/* Eight scales and, for Q4_1, eight centred minima. */
QN_INLINE void widen_eight(float *scale, float *minimum, const uint8_t *p, int32_t dtype) {
  size_t stride = qn_block_bytes(dtype);
  if (dtype != QN_Q4_1) {
    qn_store_f32x8(scale, gather_scales(p, stride));
    return;
  }
  qn_f32x8 first = gather_pairs(p, stride);
  qn_f32x8 last = gather_pairs(p + 4 * stride, stride);
  qn_f32x8 d = __builtin_shufflevector(first, last, 0, 2, 4, 6, 8, 10, 12, 14);
  qn_f32x8 m = __builtin_shufflevector(first, last, 1, 3, 5, 7, 9, 11, 13, 15);
  qn_store_f32x8(scale, d);
  qn_store_f32x8(minimum, m + d * 8.0f);
}

/* Fewer than eight blocks: their bytes are copied to where eight can be read. */
QN_INLINE void widen_few(float *scale, float *minimum, const uint8_t *p, size_t blocks,
                         int32_t dtype) {
  uint8_t copy[8 * 34] = {0};
  __builtin_memcpy(copy, p, blocks * qn_block_bytes(dtype));
  widen_eight(scale, minimum, copy, dtype);
}

/* scale[padded blocks] and, for Q4_1, minimum[padded blocks] of a row; what pads
 * the minima is zero. The last eight may overlap those before them. */
QN_INLINE void widen_scales(float *scale, float *minimum, const uint8_t *row, size_t blocks,
                            int32_t dtype) {
  size_t stride = qn_block_bytes(dtype);
  size_t padded = (blocks + QN_SUMS_PADDING - 1) / QN_SUMS_PADDING * QN_SUMS_PADDING;
  if (dtype == QN_Q4_1) {
    for (size_t b = padded - QN_SUMS_PADDING; b < padded; b += 8) {
      qn_store_f32x8(minimum + b, (qn_f32x8)0.0f);
    }
  }
  if (blocks < 8) {
    widen_few(scale, minimum, row, blocks, dtype);
    return;
  }
  for (size_t b = 0; b + 8 <= blocks; b += 8) {
    widen_eight(scale + b, minimum + b, row + b * stride, dtype);
  }
  if (blocks % 8 == 0) return;
  widen_eight(scale + blocks - 8, minimum + blocks - 8, row + (blocks - 8) * stride, dtype);
}

QN_INLINE struct strip prepare_strip(const uint8_t *weight, float *scratch, size_t count,
                                     size_t inputs, int32_t dtype) {
  struct strip s = {.count = count};
  size_t padded = qn_padded_blocks(inputs);
  for (size_t j = 0; j < QN_STRIP; j++) {
    size_t row = j < count ? j : count - 1;
    float *scale = scratch + 2 * row * padded;
    s.row[j] = weight + row * qn_weight_row_bytes(inputs, dtype);
    s.scale[j] = scale;
    s.minimum[j] = scale + padded;
    if (j < count) widen_scales(scale, scale + padded, s.row[j], inputs / QN_BLOCK, dtype);
  }
  return s;
}

/* Rows are so short that the processor's own prefetcher comes late: asks for the
 * strip after the next. An address past the weights is harmless. */
QN_INLINE void prefetch_strip(const uint8_t *strip, size_t strip_bytes) {
  const uint8_t *ahead = strip + 2 * strip_bytes;
  size_t bytes = strip_bytes < PREFETCH_BYTES ? strip_bytes : PREFETCH_BYTES;
  for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(ahead + at, 0, 2);
}

/* sum over blocks of minimum * sum, in eight lanes. */
QN_INLINE qn_f32x8 dot_minimum(const float *minimum, const float *sums, size_t padded) {
  qn_f32x8 total = 0.0f;
  for (size_t b = 0; b < padded; b += 8) {
    total = qn_fma_f32x8(qn_load_f32x8(minimum + b), qn_load_f32x8(sums + b), total);
  }
  return total;
}

QN_INLINE qn_f32x8 accumulate(qn_f32x8 sum, qn_i8x32 weight, float scale,
                              const struct qn_activation_block *x, int32_t dtype) {
  qn_i32x8 start = qn_load_i32x8(x->start);
  qn_i8x32 q = qn_load_i8x32(x->q);
  qn_i32x8 dot = dtype == QN_Q8_0 ? qn_dot_q8(start, weight, q) : qn_dot_q4(start, weight, q);
  qn_f32x8 scaled = __builtin_convertvector(dot, qn_f32x8) * qn_load_f32x8(x->scale);
  return qn_fma_f32x8(scaled, (qn_f32x8)scale, sum);
}

/* y[rows, count] of rows x QN_STRIP products; x[rows, blocks], sums[rows, padded]. */
QN_INLINE void tile(float *y, const struct qn_activation_block *x, const float *sums,
                    const struct strip *s, size_t inputs, size_t y_stride, int32_t dtype,
                    int rows) {
  size_t blocks = inputs / QN_BLOCK;
  size_t padded = qn_padded_blocks(inputs);
  qn_f32x8 total[QN_DOT_ROWS][QN_STRIP];
#pragma unroll
  for (int i = 0; i < rows; i++) {
#pragma unroll
    for (int j = 0; j < QN_STRIP; j++) {
      total[i][j] = 0.0f;
    }
  }
  for (size_t b = 0; b < blocks; b++) {
    size_t at = b * qn_block_bytes(dtype) + qn_block_header_bytes(dtype);
#pragma unroll
    for (int j = 0; j < QN_STRIP; j++) {
      const uint8_t *p = s->row[j] + at;
      qn_i8x32 weight = dtype == QN_Q8_0 ? qn_unpack_q8(p) : qn_unpack_q4(p);
#pragma unroll
      for (int i = 0; i < rows; i++) {
        total[i][j] = accumulate(total[i][j], weight, s->scale[j][b], x + (size_t)i * blocks + b,
                                 dtype);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < rows; i++) {
#pragma unroll
    for (int j = 0; j < QN_STRIP; j++) {
      qn_f32x8 sum = total[i][j];
      if (dtype == QN_Q4_1) sum += dot_minimum(s->minimum[j], sums + (size_t)i * padded, padded);
      if ((size_t)j < s->count) y[(size_t)i * y_stride + (size_t)j] = qn_reduce_f32x8(sum);
    }
  }
}

/* The sums of a row; none but Q4_1's are there. */
QN_INLINE const float *row_sums(const float *sums, size_t row, size_t padded) {
  return padded == 0 ? NULL : sums + row * padded;
}

/* All rows of x for all strips; the compiler makes a copy for each dtype. */
QN_INLINE void product(float *y, const struct qn_activation_block *x, const float *sums,
                       const uint8_t *weight, float *scratch, size_t rows, size_t outputs,
                       size_t inputs, size_t y_stride, int32_t dtype) {
  size_t blocks = inputs / QN_BLOCK;
  size_t padded = dtype == QN_Q4_1 ? qn_padded_blocks(inputs) : 0;
  for (size_t o = 0; o < outputs; o += QN_STRIP) {
    size_t count = outputs - o < QN_STRIP ? outputs - o : QN_STRIP;
    const uint8_t *first = weight + o * qn_weight_row_bytes(inputs, dtype);
    prefetch_strip(first, QN_STRIP * qn_weight_row_bytes(inputs, dtype));
    struct strip s = prepare_strip(first, scratch, count, inputs, dtype);
    size_t r = 0;
    for (; QN_DOT_ROWS > 1 && r + QN_DOT_ROWS <= rows; r += QN_DOT_ROWS) {
      tile(y + r * y_stride + o, x + r * blocks, row_sums(sums, r, padded), &s, inputs,
           y_stride, dtype, QN_DOT_ROWS);
    }
    for (; r < rows; r++) {
      tile(y + r * y_stride + o, x + r * blocks, row_sums(sums, r, padded), &s, inputs, y_stride,
           dtype, 1);
    }
  }
}

void QN_VARIANT(linear_fast)(float *y, const void *blocks, const float *sums, const void *weight,
                             float *scratch, size_t rows, size_t outputs, size_t inputs,
                             size_t y_stride, int32_t dtype) {
  if (dtype == QN_Q8_0) {
    product(y, blocks, sums, weight, scratch, rows, outputs, inputs, y_stride, QN_Q8_0);
  } else if (dtype == QN_Q4_0) {
    product(y, blocks, sums, weight, scratch, rows, outputs, inputs, y_stride, QN_Q4_0);
  } else {
    product(y, blocks, sums, weight, scratch, rows, outputs, inputs, y_stride, QN_Q4_1);
  }
}
