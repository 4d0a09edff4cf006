/*
 * kernels/dequantize.c: any weight dtype widened to float32.
 *
 * y: [count] floats; x: [count] elements of `dtype`, with any alignment; they do
 * not overlap. For a block dtype, count is a multiple of 32. Every value is exact
 * but those of Q4_1, whose sum d * q + m is rounded once.
 *
 * Blocks, as GGUF lays them out (halves are little-endian):
 *   Q8_0   d: half | q: 32 x int8                         34 bytes
 *   Q4_0   d: half | q: 16 bytes                          18 bytes
 *   Q4_1   d: half | m: half | q: 16 bytes                20 bytes
 * Byte j of a 4-bit block holds element j in its low half and j + 16 in its high.
 */
#include <string.h>

#include "base/half.h"
#include "dispatch/kernel_table.h"
#include <vec.h>

enum { BLOCK = 32, Q8_0_BYTES = 34, Q4_0_BYTES = 18, Q4_1_BYTES = 20 };

static inline float half_at(const uint8_t *p) {
  uint16_t half;
  memcpy(&half, p, sizeof half);
  return qn_f32_from_f16(half);
}

static void widen_f16(float *y, const uint8_t *x, size_t count) {
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) qn_vstore(y + i, qn_vload_f16(x + 2 * i));
  if (i < count) qn_vstore_n(y + i, qn_vload_f16_n(x + 2 * i, count - i), count - i);
}

static void widen_bf16(float *y, const uint8_t *x, size_t count) {
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) qn_vstore(y + i, qn_vload_bf16(x + 2 * i));
  if (i < count) qn_vstore_n(y + i, qn_vload_bf16_n(x + 2 * i, count - i), count - i);
}

static void widen_q8_0(float *y, const uint8_t *x, size_t count) {
  for (size_t i = 0; i < count; i += BLOCK, x += Q8_0_BYTES) {
    float scale = half_at(x);
    for (size_t j = 0; j < BLOCK; j += QN_LANES) {
      qn_vstore(y + i + j, scale * qn_vload_i8(x + 2 + j));
    }
  }
}

static void widen_q4_0(float *y, const uint8_t *x, size_t count) {
  for (size_t i = 0; i < count; i += BLOCK, x += Q4_0_BYTES) {
    float scale = half_at(x);
    for (size_t j = 0; j < BLOCK / 2; j += QN_LANES) {
      qn_vstore(y + i + j, scale * (qn_vload_u4_low(x + 2 + j) - 8.0f));
      qn_vstore(y + i + j + BLOCK / 2, scale * (qn_vload_u4_high(x + 2 + j) - 8.0f));
    }
  }
}

static void widen_q4_1(float *y, const uint8_t *x, size_t count) {
  for (size_t i = 0; i < count; i += BLOCK, x += Q4_1_BYTES) {
    float scale = half_at(x);
    float minimum = half_at(x + 2);
    for (size_t j = 0; j < BLOCK / 2; j += QN_LANES) {
      qn_vstore(y + i + j, scale * qn_vload_u4_low(x + 4 + j) + minimum);
      qn_vstore(y + i + j + BLOCK / 2, scale * qn_vload_u4_high(x + 4 + j) + minimum);
    }
  }
}

void QN_VARIANT(dequantize_f32)(float *y, const void *x, size_t count, int32_t dtype) {
  switch (dtype) {
    case QN_F32: memcpy(y, x, count * sizeof *y); break;
    case QN_F16: widen_f16(y, x, count); break;
    case QN_BF16: widen_bf16(y, x, count); break;
    case QN_Q8_0: widen_q8_0(y, x, count); break;
    case QN_Q4_0: widen_q4_0(y, x, count); break;
    case QN_Q4_1: widen_q4_1(y, x, count); break;
    default: break;
  }
}
