/*
 * test_transformer.c: embedding look-up and rotary embedding against float64.
 */
#include "kernel_test.h"

/* ---- Embedding ------------------------------------------------------------- */

static void test_embedding(void) {
  static const size_t bytes_per_32[] = {128, 64, 64, 0, 34, 18, 20};
  enum { VOCABULARY = 11, TOKENS = 7 };
  const int32_t ids[TOKENS] = {3, 10, 0, 3, 9, 1, 10};
  const uint32_t widths[] = {0, 32, 96, 1024};
  for (int32_t dtype = QN_F32; dtype <= QN_Q4_1; dtype += 1) {
    if (dtype == QN_I32) continue;
    for (size_t c = 0; c < COUNT_OF(widths); c += 1) {
      const uint32_t cols = widths[c];
      const size_t row_bytes = cols / 32 * bytes_per_32[dtype];
      uint8_t *table = guarded_bytes(VOCABULARY * row_bytes);
      /* Bytes below 64 are finite numbers in every dtype. */
      for (size_t i = 0; i < VOCABULARY * row_bytes; i += 1) {
        table[i] = (uint8_t)(test_random(&test_seed) % 64);
      }
      float *y = guarded_floats((size_t)TOKENS * cols);
      float *row = guarded_floats(cols);
      CHECK_EQ(qn_embedding(y, table, ids, TOKENS, VOCABULARY, cols, dtype), QN_OK);
      for (size_t t = 0; t < TOKENS; t += 1) {
        CHECK_EQ(qn_dequantize_f32(row, table + (size_t)ids[t] * row_bytes, 1, cols, dtype), QN_OK);
        CHECK(same_bits(y + t * cols, row, cols));
      }
      release_all();
    }
  }
  float *table = random_floats(VOCABULARY * 5, -1, 1); /* a width that is no multiple */
  float *y = guarded_floats(TOKENS * 5);
  CHECK_EQ(qn_embedding(y, table, ids, TOKENS, VOCABULARY, 5, QN_F32), QN_OK);
  for (size_t t = 0; t < TOKENS; t += 1) CHECK(same_bits(y + t * 5, table + ids[t] * 5, 5));
}

static void test_embedding_bad_arguments(void) {
  float table[64] = {0}, y[64] = {42.0f};
  int32_t ids[] = {0, 2, 1};
  CHECK_EQ(qn_embedding(y, table, ids, 3, 2, 32, QN_F32), QN_BAD_INDEX);
  ids[1] = -1;
  CHECK_EQ(qn_embedding(y, table, ids, 3, 2, 32, QN_F32), QN_BAD_INDEX);
  CHECK(y[0] == 42.0f);
  ids[1] = 1;
  CHECK_EQ(qn_embedding(y, table, ids, 1, 0, 32, QN_F32), QN_BAD_INDEX);
  CHECK_EQ(qn_embedding(y, table, ids, 1, 2, 33, QN_Q4_0), QN_BAD_SIZE);
  CHECK_EQ(qn_embedding(y, table, ids, 1, 2, 32, QN_I32), QN_BAD_DTYPE);
  CHECK_EQ(qn_embedding(y, NULL, ids, 1, 2, 32, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_embedding(y, table, NULL, 1, 2, 32, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_embedding(NULL, NULL, NULL, 0, 2, 32, QN_F32), QN_OK);
}

/* ---- Rotary embedding ------------------------------------------------------ */

static void test_rope_table(void) {
  const uint32_t starts[] = {0, 1, 4095, 1000000};
  enum { TOKENS = 5, PAIRS = 33 };
  float *factors = random_floats(PAIRS, 1, 8);
  float *cosines = guarded_floats(TOKENS * PAIRS);
  float *sines = guarded_floats(TOKENS * PAIRS);
  for (size_t c = 0; c < 2 * COUNT_OF(starts); c += 1) {
    const float *f = c % 2 ? factors : NULL;
    const uint32_t start = starts[c / 2];
    CHECK_EQ(qn_rope_table(cosines, sines, f, TOKENS, PAIRS, start, 1e4, 0.5, QN_F32), QN_OK);
    for (size_t i = 0; i < TOKENS * PAIRS; i += 1) {
      const double p = (double)(i % PAIRS), t = (double)(i / PAIRS);
      const double divisor = f ? (double)f[i % PAIRS] : 1.0;
      const double angle = (start + t) * 0.5 * pow(1e4, -p / PAIRS) / divisor;
      CHECK_NEAR((double)cosines[i], cos(angle), 6.1e-8);
      CHECK_NEAR((double)sines[i], sin(angle), 6.1e-8);
    }
  }
}

static void check_rope(uint32_t head_size, uint32_t pairs, int32_t layout) {
  enum { TOKENS = 3, HEADS = 2 };
  const size_t count = (size_t)TOKENS * HEADS * head_size;
  float *x = random_floats(count, -4, 4);
  float *y = guarded_floats(count);
  float *cosines = random_floats((size_t)TOKENS * pairs, -1, 1);
  float *sines = random_floats((size_t)TOKENS * pairs, -1, 1);
  CHECK_EQ(qn_rope(y, x, cosines, sines, TOKENS, HEADS, head_size, pairs, layout, QN_F32), QN_OK);
  for (size_t row = 0; row < TOKENS * HEADS; row += 1) {
    const float *in = x + row * head_size, *out = y + row * head_size;
    for (size_t p = 0; p < pairs; p += 1) {
      const size_t first = layout == QN_ROPE_HALVES ? p : 2 * p;
      const size_t second = layout == QN_ROPE_HALVES ? p + pairs : 2 * p + 1;
      const double c = (double)cosines[row / HEADS * pairs + p];
      const double s = (double)sines[row / HEADS * pairs + p];
      const double a = (double)in[first], b = (double)in[second];
      CHECK_NEAR((double)out[first], a * c - b * s, 1e-6);
      CHECK_NEAR((double)out[second], a * s + b * c, 1e-6);
    }
    for (size_t i = 2 * (size_t)pairs; i < head_size; i += 1) CHECK(out[i] == in[i]);
  }
  CHECK_EQ(qn_rope(x, x, cosines, sines, TOKENS, HEADS, head_size, pairs, layout, QN_F32), QN_OK);
  CHECK(same_bits(x, y, count));
  release_all();
}

static void test_rope(void) {
  for (int32_t layout = QN_ROPE_INTERLEAVED; layout <= QN_ROPE_HALVES; layout += 1) {
    for (uint32_t pairs = 0; pairs < 36; pairs += 1) {
      check_rope(2 * pairs, pairs, layout);
      check_rope(2 * pairs + 5, pairs, layout);
    }
    check_rope(256, 64, layout);
  }
  float x[8] = {0};
  CHECK_EQ(qn_rope(x, x, x, x, 1, 1, 4, 2, 2, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_rope(x, x, x, x, 1, 1, 4, 3, QN_ROPE_HALVES, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_rope(x, x, NULL, x, 1, 1, 4, 2, QN_ROPE_HALVES, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_rope_table(x, x, NULL, 1, 2, 0, 0.0, 1.0, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_rope_table(x, x, NULL, 1, 2, 0, 1e4, INFINITY, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_rope_table(NULL, x, NULL, 1, 2, 0, 1e4, 1.0, QN_F32), QN_NULL_POINTER);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_embedding,
      test_embedding_bad_arguments,
      test_rope_table,
      test_rope,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
