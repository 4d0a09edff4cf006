/*
 * test_transformer.c: embedding look-up, rotary embedding and attention against
 * float64; a row's bits must not depend on its neighbours or on threads.
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

/* ---- Attention ------------------------------------------------------------- */

struct shape {
  uint32_t q_tokens, kv_tokens, heads, kv_heads, head_size;
  int32_t causal;
};

struct arrays {
  float *y, *q, *k, *v;
  size_t query_count, key_count;
};

static struct arrays make_arrays(const struct shape *s, float width) {
  struct arrays a;
  a.query_count = (size_t)s->q_tokens * s->heads * s->head_size;
  a.key_count = (size_t)s->kv_tokens * s->kv_heads * s->head_size;
  a.q = random_floats(a.query_count, -width, width);
  a.k = random_floats(a.key_count, -1, 1);
  a.v = random_floats(a.key_count, -2, 2);
  a.y = guarded_floats(a.query_count);
  return a;
}

static int32_t attend(float *y, const float *q, const struct arrays *a, const struct shape *s) {
  return qn_attention_f32(y, q, a->k, a->v, s->q_tokens, s->kv_tokens, s->heads, s->kv_heads,
                          s->head_size, 0.25f, s->causal);
}

static void attention_reference(double *out, const struct arrays *a, const struct shape *s,
                                size_t token, size_t head) {
  static double weights[4096];
  const size_t size = s->head_size, kv_head = head / (s->heads / s->kv_heads);
  const size_t keys = s->causal ? s->kv_tokens - s->q_tokens + token + 1 : s->kv_tokens;
  const float *q = a->q + (token * s->heads + head) * size;
  double largest = -INFINITY, sum = 0;
  for (size_t j = 0; j < keys; j += 1) {
    const float *k = a->k + (j * s->kv_heads + kv_head) * size;
    double score = 0;
    for (size_t d = 0; d < size; d += 1) score += (double)q[d] * (double)k[d];
    weights[j] = 0.25 * score;
    largest = fmax(largest, weights[j]);
  }
  for (size_t d = 0; d < size; d += 1) out[d] = 0;
  for (size_t j = 0; j < keys; j += 1) {
    const float *v = a->v + (j * s->kv_heads + kv_head) * size;
    const double weight = exp(weights[j] - largest);
    sum += weight;
    for (size_t d = 0; d < size; d += 1) out[d] += weight * (double)v[d];
  }
  for (size_t d = 0; d < size; d += 1) out[d] /= sum;
}

static const struct shape shapes[] = {
    {1, 1, 1, 1, 1, 1},     {1, 1, 1, 1, 64, 0},    {3, 5, 2, 1, 7, 1},    {5, 5, 4, 2, 17, 1},
    {1, 63, 9, 3, 64, 1},   {1, 64, 9, 3, 64, 1},   {1, 65, 9, 3, 64, 1},  {2, 129, 6, 2, 80, 1},
    {33, 33, 3, 1, 64, 1},  {67, 131, 3, 3, 31, 1}, {17, 200, 4, 1, 96, 0}, {4, 70, 2, 2, 512, 1},
    {130, 130, 3, 1, 16, 1}, {3, 9, 5, 1, 33, 0},   {1, 1500, 3, 1, 64, 1},
};

static void test_attention(void) {
  for (size_t c = 0; c < COUNT_OF(shapes); c += 1) {
    const struct shape *s = &shapes[c];
    const float widths[] = {1.0f, 40.0f}; /* flat and sharp distributions */
    for (size_t w = 0; w < COUNT_OF(widths); w += 1) {
      const struct arrays a = make_arrays(s, widths[w]);
      CHECK_EQ(attend(a.y, a.q, &a, s), QN_OK);
      double expected[512];
      for (size_t row = 0; row < (size_t)s->q_tokens * s->heads; row += 1) {
        attention_reference(expected, &a, s, row / s->heads, row % s->heads);
        const double tolerance = w == 0 ? 2e-6 : 2e-4;
        CHECK(all_close(a.y + row * s->head_size, expected, s->head_size, 0, tolerance));
      }
      release_all();
    }
  }
}

/* One token after the other gives the bits of all at once, whatever the threads. */
static void test_attention_batches(void) {
  for (size_t c = 0; c < COUNT_OF(shapes); c += 1) {
    const struct shape *s = &shapes[c];
    const struct arrays a = make_arrays(s, 3.0f);
    CHECK_EQ(qn_threads_set(1), QN_OK);
    CHECK_EQ(attend(a.y, a.q, &a, s), QN_OK);
    float *again = guarded_floats(a.query_count);
    for (size_t t = 1; t < COUNT_OF(test_thread_counts); t += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
      CHECK_EQ(attend(again, a.q, &a, s), QN_OK);
      CHECK(same_bits(again, a.y, a.query_count));
    }
    const size_t width = (size_t)s->heads * s->head_size;
    for (uint32_t t = 0; t < s->q_tokens; t += 1) {
      struct shape one = *s;
      one.q_tokens = 1;
      if (s->causal) one.kv_tokens = s->kv_tokens - s->q_tokens + t + 1;
      CHECK_EQ(attend(again, a.q + t * width, &a, &one), QN_OK);
      CHECK(same_bits(again, a.y + t * width, width));
    }
    release_all();
  }
}

/* A key that a query does not see must not reach it, whatever it holds. */
static void test_attention_unseen_keys(void) {
  const struct shape s = {70, 70, 2, 1, 24, 1};
  const struct arrays a = make_arrays(&s, 1.0f);
  CHECK_EQ(attend(a.y, a.q, &a, &s), QN_OK);
  float *again = guarded_floats(a.query_count);
  const float poison[] = {NAN, INFINITY, -INFINITY};
  for (size_t p = 0; p < COUNT_OF(poison); p += 1) {
    for (size_t d = 0; d < 24; d += 1) {
      a.k[66 * 24 + d] = poison[p];
      a.v[66 * 24 + d] = poison[p];
    }
    CHECK_EQ(attend(again, a.q, &a, &s), QN_OK);
    CHECK(same_bits(again, a.y, 66 * 48));
    for (size_t i = (size_t)66 * 48; i < a.query_count; i += 48) {
      CHECK(p != 0 || isnan(again[i]));
    }
  }
}

/* Scores far outside what exp can hold; keys of score -inf count nothing. */
static void test_attention_extremes(void) {
  enum { KEYS = 130 };
  const struct shape s = {1, KEYS, 1, 1, 1, 1};
  const struct arrays a = make_arrays(&s, 1.0f);
  a.q[0] = 4.0f; /* with the scale, a score is the key itself */
  for (size_t j = 0; j < KEYS; j += 1) a.k[j] = -1e30f;
  a.k[100] = 1e30f;
  CHECK_EQ(attend(a.y, a.q, &a, &s), QN_OK);
  CHECK(a.y[0] == a.v[100]);
  for (size_t j = 0; j < KEYS; j += 1) a.k[j] = -INFINITY;
  a.k[100] = -7.0f;
  CHECK_EQ(attend(a.y, a.q, &a, &s), QN_OK);
  CHECK(a.y[0] == a.v[100]);
  a.k[100] = -INFINITY;
  CHECK_EQ(attend(a.y, a.q, &a, &s), QN_OK);
  CHECK(isnan(a.y[0]));
}

static void test_attention_bad_arguments(void) {
  float x[64] = {0};
  float *odd = (float *)(void *)((char *)x + 1);
  CHECK_EQ(qn_attention_f32(x, x, x, x, 2, 1, 1, 1, 4, 1.0f, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_attention_f32(x, x, x, x, 2, 0, 1, 1, 4, 1.0f, 0), QN_BAD_SIZE);
  CHECK_EQ(qn_attention_f32(x, x, x, x, 1, 1, 3, 2, 4, 1.0f, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_attention_f32(x, x, x, x, 1, 1, 3, 0, 4, 1.0f, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_attention_f32(x, x, x, x, 1, 1, 1, 1, 513, 1.0f, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_attention_f32(x, x, x, x, 1, 1, 1, 1, 4, NAN, 1), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_attention_f32(x, x, NULL, x, 1, 1, 1, 1, 4, 1.0f, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_attention_f32(x, x, x, odd, 1, 1, 1, 1, 4, 1.0f, 1), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_attention_f32(NULL, NULL, NULL, NULL, 0, 0, 1, 1, 4, 1.0f, 1), QN_OK);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_embedding,          test_embedding_bad_arguments, test_rope_table,
      test_rope,               test_attention,               test_attention_batches,
      test_attention_unseen_keys, test_attention_extremes,   test_attention_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
