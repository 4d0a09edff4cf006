/*
 * api/quantize.c: floats in blocks of 8 or 4 bits, as kernels/dequantize.c describes them.
 *
 * The arithmetic is that of ggml's reference (quantize_row_q8_0_ref and its kin), in single
 * precision at each step, so that the bytes are the same. Every block is worked out by itself.
 * It is done once for a model and waits for memory soon, so one portable form is enough.
 *
 * What the reference leaves to chance is settled: a block that holds NaN or an infinity gets the
 * scale NaN and zeros, so that it is NaN when it is widened; one whose scale is too small to
 * divide by gets zeros, since its scale is zero as a half.
 */
#include <math.h>
#include <string.h>

#include "api/check.h"
#include "base/half.h"
#include "base/threads.h"

enum { BLOCK = 32, HALF_BLOCK = 16, HALF_NAN = 0x7e00 };

static void put_half(uint8_t *y, float value) {
  const uint16_t half = qn_f16_from_f32(value);
  memcpy(y, &half, sizeof half);
}

/* Differences of numbers are zero; those of infinities and NaN are NaN. */
static bool is_finite(const float *x) {
  float sum = 0;
  for (size_t i = 0; i < BLOCK; i += 1) sum += x[i] - x[i];
  return sum == 0;
}

/* What to multiply by instead of dividing by the scale. */
static float inverse_of(float scale) {
  const float inverse = scale == 0 ? 0.0f : 1.0f / scale;
  return isinf(inverse) ? 0.0f : inverse;
}

/* As roundf(): half away from zero. */
static int32_t nearest(float v) {
  const int32_t whole = (int32_t)v;
  const float rest = v - (float)whole;
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

/* Bytes of nibbles: the steps of x from `low`, in units of 1 / inverse. */
static void put_nibbles(uint8_t *y, const float *x, float low, float inverse, float rounding) {
  for (size_t i = 0; i < HALF_BLOCK; i += 1) {
    const int32_t first = (int32_t)((x[i] - low) * inverse + rounding);
    const int32_t second = (int32_t)((x[i + HALF_BLOCK] - low) * inverse + rounding);
    y[i] = (uint8_t)((first < 15 ? first : 15) | (second < 15 ? second : 15) << 4);
  }
}

static void put_q8_0(uint8_t *y, const float *x) {
  float largest = 0;
  for (size_t i = 0; i < BLOCK; i += 1) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
  const float scale = largest / 127.0f;
  const float inverse = inverse_of(scale);
  put_half(y, scale);
  for (size_t i = 0; i < BLOCK; i += 1) y[2 + i] = (uint8_t)nearest(x[i] * inverse);
}

/* The element that is farthest from zero becomes -8, whatever its sign. */
static void put_q4_0(uint8_t *y, const float *x) {
  float extreme = 0;
  for (size_t i = 0; i < BLOCK; i += 1) extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
  const float scale = extreme / -8.0f;
  put_half(y, scale);
  put_nibbles(y + 2, x, 0.0f, inverse_of(scale), 8.5f);
}

static void put_q4_1(uint8_t *y, const float *x) {
  float low = x[0], high = x[0];
  for (size_t i = 1; i < BLOCK; i += 1) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  const float scale = (high - low) / 15.0f;
  put_half(y, scale);
  put_half(y + 2, low);
  /* The span of numbers can be infinite: then there are no steps, and 0 times infinity is NaN. */
  const float inverse = inverse_of(scale);
  if (inverse == 0) memset(y + 4, 0, HALF_BLOCK);
  else put_nibbles(y + 4, x, low, inverse, 0.5f);
}

static void put_block(uint8_t *y, const float *x, const struct qn_dtype_layout *layout,
                      int32_t dtype) {
  if (!is_finite(x)) {
    const uint16_t nan = HALF_NAN;
    memset(y, 0, layout->bytes);
    memcpy(y, &nan, sizeof nan);
    return;
  }
  switch (dtype) {
    case QN_Q8_0: put_q8_0(y, x); return;
    case QN_Q4_0: put_q4_0(y, x); return;
    default: put_q4_1(y, x); return;
  }
}

struct quantize {
  uint8_t *y;
  const float *x;
  struct qn_dtype_layout layout;
  int32_t dtype;
};

static void quantize_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct quantize *task = context;
  for (size_t i = begin; i < end; i += 1) {
    put_block(task->y + i * task->layout.bytes, task->x + i * BLOCK, &task->layout, task->dtype);
  }
}

int32_t qn_quantize(void *y, const float *x, uint32_t rows, uint32_t cols, int32_t dtype) {
  struct quantize task = {.y = y, .x = x, .dtype = dtype};
  QN_TRY(qn_find_layout(&task.layout, dtype));
  if (task.layout.block != BLOCK) return QN_BAD_DTYPE;
  QN_TRY(qn_check_stored(y, rows, cols, &task.layout));
  QN_TRY(qn_check_words(x, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols / BLOCK, QN_GRAIN_ELEMENTS / BLOCK, quantize_range, &task);
  return QN_OK;
}
