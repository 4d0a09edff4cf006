/*
 * kernels/dot/quantize.c: activations rounded to 8 bits, for integer dot products.
 *
 * The layout is that of kernels/activations.h. A scale is max|x| / 127 over four
 * consecutive elements, and q = x / scale rounded to the nearest integer, ties to
 * even; the error of an element is at most half a scale and a few units of
 * float32. A group whose largest magnitude is below 2^-100 counts as zero. NaN
 * or infinity anywhere in a group makes its scale NaN, and with it every product
 * of the row, rather than a plausible number.
 */
#include <dot.h>

#include "dispatch/kernel_table.h"
#include "kernels/activations.h"

/* Lane l of element[j] is x[4l + j]: lanes are groups. */
struct groups {
  qn_f32x8 element[4];
};

QN_INLINE struct groups load_groups(const float *x) {
  typedef float block __attribute__((ext_vector_type(32)));
  block v;
  __builtin_memcpy(&v, x, sizeof v);
  struct groups g = {{
      __builtin_shufflevector(v, v, 0, 4, 8, 12, 16, 20, 24, 28),
      __builtin_shufflevector(v, v, 1, 5, 9, 13, 17, 21, 25, 29),
      __builtin_shufflevector(v, v, 2, 6, 10, 14, 18, 22, 26, 30),
      __builtin_shufflevector(v, v, 3, 7, 11, 15, 19, 23, 27, 31),
  }};
  return g;
}

QN_INLINE qn_f32x8 larger_magnitude(qn_f32x8 a, qn_f32x8 b) {
  qn_f32x8 c = __builtin_elementwise_abs(a);
  qn_f32x8 d = __builtin_elementwise_abs(b);
  return c > d ? c : d;
}

QN_INLINE qn_f32x8 largest_magnitude(struct groups g) {
  qn_f32x8 first = larger_magnitude(g.element[0], g.element[1]);
  qn_f32x8 last = larger_magnitude(g.element[2], g.element[3]);
  return larger_magnitude(first, last);
}

/* 0 where all four are finite, NaN elsewhere. */
QN_INLINE qn_f32x8 poison(struct groups g) {
  return (g.element[0] * 0.0f + g.element[1] * 0.0f) + (g.element[2] * 0.0f + g.element[3] * 0.0f);
}

/* The nearest integer, ties to even, of |v| < 2^22: adding 1.5 * 2^23 leaves no
 * bits for a fraction, so the sum's last bits are the integer. */
QN_INLINE qn_i32x8 nearest(qn_f32x8 v) {
  qn_f32x8 shifted = v + 0x1.8p23f;
  qn_i32x8 bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  return bits - 0x4b400000;
}

/* Sums are the same for every instruction set: a fixed tree. */
QN_INLINE float block_sum(struct groups g) {
  return qn_reduce_f32x8((g.element[0] + g.element[1]) + (g.element[2] + g.element[3]));
}

QN_INLINE void quantize_block(struct qn_activation_block *block, struct groups g, int32_t offset) {
  qn_f32x8 largest = largest_magnitude(g);
  qn_i32x8 counts = largest >= 0x1p-100f;
  qn_f32x8 inverse = counts ? 127.0f / largest : (qn_f32x8)0.0f;
  qn_f32x8 scale = (counts ? largest / 127.0f : (qn_f32x8)0.0f) + poison(g);
  qn_i32x8 packed = 0;
  qn_i32x8 sum = 0;
  for (int j = 0; j < 4; j++) {
    qn_i32x8 q = nearest(g.element[j] * inverse);
    sum += q;
    packed |= (q & 255) << (8 * j);
  }
  qn_i32x8 start = sum * -offset;
  __builtin_memcpy(block->q, &packed, sizeof packed);
  __builtin_memcpy(block->scale, &scale, sizeof scale);
  __builtin_memcpy(block->start, &start, sizeof start);
}

void QN_VARIANT(quantize_activations)(void *blocks, float *sums, const float *x, size_t count,
                                      int32_t dtype) {
  struct qn_activation_block *block = blocks;
  int32_t offset = dtype == QN_Q8_0 ? QN_DOT_Q8_OFFSET : 8;
  size_t n = count / QN_BLOCK;
  for (size_t b = 0; b < n; b++) {
    struct groups g = load_groups(x + b * QN_BLOCK);
    quantize_block(block + b, g, offset);
    if (sums) sums[b] = block_sum(g);
  }
  if (!sums) return;
  for (size_t b = n; b < qn_padded_blocks(count); b++) sums[b] = 0.0f;
}
