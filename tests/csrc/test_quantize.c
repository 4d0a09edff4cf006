/*
 * test_quantize.c: floats in blocks of 8 and 4 bits, byte for byte as ggml's reference
 * defines them, with NaN and infinities, at every number of blocks, with the same bytes for
 * any number of threads, and refusing bad arguments.
 */
#include "base/half.h"
#include "kernel_test.h"

static size_t bytes_of(int32_t dtype) { return dtype == QN_Q8_0 ? 34 : dtype == QN_Q4_0 ? 18 : 20; }

static void put_half(uint8_t *y, float value) {
  const uint16_t half = qn_f16_from_f32(value);
  memcpy(y, &half, sizeof half);
}

static uint8_t nibble(float value) { return value >= 15.0f ? 15 : (uint8_t)value; }

/* One block by its definition, of numbers whose scale is neither tiny nor infinite. */
static void define_block(uint8_t *y, const float *x, int32_t dtype) {
  float low = x[0], high = x[0], extreme = 0;
  for (int i = 0; i < 32; i += 1) {
    low = fminf(low, x[i]);
    high = fmaxf(high, x[i]);
    if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
  }
  const float scale = dtype == QN_Q8_0   ? fabsf(extreme) / 127.0f
                      : dtype == QN_Q4_0 ? extreme / -8.0f
                                         : (high - low) / 15.0f;
  const float inverse = scale == 0 ? 0 : 1.0f / scale;
  put_half(y, scale);
  if (dtype == QN_Q4_1) put_half(y + 2, low);
  uint8_t *q = y + (dtype == QN_Q4_1 ? 4 : 2);
  for (int i = 0; i < (dtype == QN_Q8_0 ? 32 : 16); i += 1) {
    const float first = dtype == QN_Q4_1 ? x[i] - low : x[i];
    const float second = dtype == QN_Q4_1 ? x[(i + 16) % 32] - low : x[(i + 16) % 32];
    const float half = dtype == QN_Q4_1 ? 0.5f : 8.5f;
    const float a = first * inverse;
    const float b = second * inverse;
    q[i] = dtype == QN_Q8_0 ? (uint8_t)(int8_t)roundf(a)
                            : (uint8_t)(nibble(a + half) | nibble(b + half) << 4);
  }
}

static void check_blocks(uint32_t rows, uint32_t blocks, float size, int32_t dtype) {
  const size_t count = (size_t)rows * blocks;
  float *x = random_floats(count * 32, -size, size);
  /* Halves of steps, zeros and single elements. */
  for (size_t i = 0; i < count * 32; i += 1) {
    if (i / 32 % 3 == 1) x[i] = (float)((int)(i * 37 % 255) - 127) / 2;
    if (i / 32 % 3 == 2 && i % 7 != 0) x[i] = 0;
  }
  uint8_t *y = guarded_bytes(count * bytes_of(dtype));
  uint8_t expected[34];
  CHECK_EQ(qn_quantize(y, x, rows, blocks * 32, dtype), QN_OK);
  for (size_t i = 0; i < count; i += 1) {
    define_block(expected, x + i * 32, dtype);
    CHECK(memcmp(y + i * bytes_of(dtype), expected, bytes_of(dtype)) == 0);
  }
  release_all();
}

static void test_definition(void) {
  for (int32_t dtype = QN_Q8_0; dtype <= QN_Q4_1; dtype += 1) {
    for (uint32_t blocks = 0; blocks < 1500; blocks = blocks * 3 + 1) {
      check_blocks(1, blocks, 2, dtype);
      check_blocks(3, blocks, 1e-5f, dtype);
      check_blocks(blocks, 2, 3e4f, dtype);
    }
  }
}

static void test_special_values(void) {
  const float values[] = {NAN, -NAN, INFINITY, -INFINITY};
  for (int32_t dtype = QN_Q8_0; dtype <= QN_Q4_1; dtype += 1) {
    for (size_t v = 0; v < COUNT_OF(values); v += 1) {
      for (size_t at = 0; at < 32; at += 1) {
        float *x = random_floats(96, -1, 1);
        float *back = guarded_floats(96);
        uint8_t *y = guarded_bytes(3 * bytes_of(dtype));
        x[32 + at] = values[v];
        CHECK_EQ(qn_quantize(y, x, 3, 32, dtype), QN_OK);
        CHECK_EQ(qn_dequantize_f32(back, y, 3, 32, dtype), QN_OK);
        for (size_t i = 0; i < 96; i += 1) CHECK((isnan(back[i]) != 0) == (i / 32 == 1));
        release_all();
      }
    }
  }
}

/* Nothing here may divide by a number whose inverse is infinite, nor turn NaN into an integer. */
static void test_extremes(void) {
  const float sizes[] = {1e-45f, 1e-40f, 1e-38f, 3e-37f, 1e30f, 3.4e38f};
  for (int32_t dtype = QN_Q8_0; dtype <= QN_Q4_1; dtype += 1) {
    for (size_t s = 0; s < COUNT_OF(sizes); s += 1) {
      float x[32], back[32];
      for (int i = 0; i < 32; i += 1) x[i] = i % 2 ? sizes[s] : i % 3 ? -sizes[s] : 0;
      _Alignas(2) uint8_t y[34];
      CHECK_EQ(qn_quantize(y, x, 1, 32, dtype), QN_OK);
      CHECK_EQ(qn_dequantize_f32(back, y, 1, 32, dtype), QN_OK);
      for (int i = 0; i < 32; i += 1) {
        CHECK(sizes[s] < 1 ? back[i] == 0 : !isfinite(back[i]) || x[i] == 0);
      }
    }
  }
}

static void test_threads(void) {
  enum { BLOCKS = 5000 };
  float *x = random_floats((size_t)BLOCKS * 32, -3, 3);
  for (int32_t dtype = QN_Q8_0; dtype <= QN_Q4_1; dtype += 1) {
    const size_t bytes = BLOCKS * bytes_of(dtype);
    uint8_t *first = guarded_bytes(bytes), *y = guarded_bytes(bytes);
    for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
      CHECK_EQ(qn_quantize(y, x, 10, BLOCKS / 10 * 32, dtype), QN_OK);
      if (c == 0) memcpy(first, y, bytes);
      CHECK(memcmp(y, first, bytes) == 0);
    }
  }
}

static void test_bad_arguments(void) {
  _Alignas(8) float words[64] = {0};
  _Alignas(8) uint8_t bytes[80] = {0};
  CHECK_EQ(qn_quantize(bytes, words, 1, 32, QN_F32), QN_BAD_DTYPE);
  CHECK_EQ(qn_quantize(bytes, words, 1, 32, QN_F16), QN_BAD_DTYPE);
  CHECK_EQ(qn_quantize(bytes, words, 1, 32, QN_I32), QN_BAD_DTYPE);
  CHECK_EQ(qn_quantize(bytes, words, 1, 32, -1), QN_BAD_DTYPE);
  CHECK_EQ(qn_quantize(bytes, words, 2, 16, QN_Q8_0), QN_BAD_SIZE);
  CHECK_EQ(qn_quantize(NULL, words, 1, 32, QN_Q8_0), QN_NULL_POINTER);
  CHECK_EQ(qn_quantize(bytes, NULL, 1, 32, QN_Q8_0), QN_NULL_POINTER);
  CHECK_EQ(qn_quantize(NULL, NULL, 0, 32, QN_Q8_0), QN_OK);
  CHECK_EQ(qn_quantize(bytes + 1, words, 1, 32, QN_Q8_0), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_quantize(bytes, (float *)(void *)((char *)words + 1), 1, 32, QN_Q8_0),
           QN_BAD_ALIGNMENT);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {test_definition, test_special_values, test_extremes,
                                        test_threads, test_bad_arguments};
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
