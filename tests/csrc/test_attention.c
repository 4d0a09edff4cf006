/*
 * test_attention.c: attention against its definition in float64, with every mask, in
 * several layouts. A row's bits must not depend on its neighbours, on other sequences, on
 * what it does not see, or on threads.
 */
#include "attention_problem.h"

static int32_t attend(float *y, const struct arrays *a) {
  return qn_attention(y, NULL, a->q, a->k, a->v, a->mask, a->lengths, a->layout, 1, 0.25, QN_F32);
}

/* One row in float64: zeros where it sees no key. */
static void define_row(double *out, const struct arrays *a, const struct problem *p, size_t b,
                       size_t token, size_t head) {
  static double weights[4096];
  const uint64_t *layout = a->layout;
  const size_t size = p->head_size;
  const size_t kv_head = head / (p->heads / p->kv_heads);
  const float *q = a->q + b * a->query_floats + token * layout[QN_ATTENTION_Q_TOKEN] +
                   head * layout[QN_ATTENTION_Q_HEAD];
  const size_t begin = b * a->key_floats + kv_head * layout[QN_ATTENTION_K_HEAD];
  double largest = -INFINITY, sum = 0;
  for (size_t j = 0; j < p->keys; j += 1) {
    weights[j] = -INFINITY;
    if (!sees(a, p, b, head, token, j)) continue;
    const float *k = a->k + begin + j * layout[QN_ATTENTION_K_TOKEN];
    double score = 0;
    for (size_t d = 0; d < size; d += 1) score += (double)q[d] * (double)k[d];
    weights[j] = 0.25 * score;
    if (p->mask == QN_F32) {
      weights[j] += (double)((const float *)a->mask)[(head * p->tokens + token) * p->keys + j];
    }
    largest = fmax(largest, weights[j]);
  }
  for (size_t d = 0; d < size; d += 1) out[d] = 0;
  if (largest == -INFINITY) return;
  for (size_t j = 0; j < p->keys; j += 1) {
    if (weights[j] == -INFINITY) continue;
    const float *v = a->v + begin + j * layout[QN_ATTENTION_K_TOKEN];
    const double weight = exp(weights[j] - largest);
    sum += weight;
    for (size_t d = 0; d < size; d += 1) out[d] += weight * (double)v[d];
  }
  for (size_t d = 0; d < size; d += 1) out[d] /= sum;
}

/* tokens, keys, heads, kv_heads, head_size, causal, window, batch, mask, lengths, heads first */
static const struct problem problems[] = {
    {1, 1, 1, 1, 1, 1, 0, 1, NO_MASK, 0, 0},        {1, 1, 1, 1, 64, 0, 0, 1, NO_MASK, 0, 0},
    {3, 5, 2, 1, 7, 1, 0, 1, NO_MASK, 0, 0},        {5, 5, 4, 2, 17, 1, 0, 2, NO_MASK, 0, 1},
    {1, 63, 9, 3, 64, 1, 0, 1, NO_MASK, 0, 0},      {1, 64, 9, 3, 64, 1, 0, 1, NO_MASK, 0, 0},
    {1, 65, 9, 3, 64, 1, 0, 2, NO_MASK, 1, 0},      {2, 129, 6, 2, 80, 1, 0, 1, NO_MASK, 0, 0},
    {33, 33, 3, 1, 64, 1, 0, 1, NO_MASK, 0, 1},     {67, 131, 3, 3, 31, 1, 0, 1, NO_MASK, 0, 0},
    {17, 200, 4, 1, 96, 0, 0, 1, NO_MASK, 0, 0},    {4, 70, 2, 2, 512, 1, 0, 1, NO_MASK, 0, 0},
    {130, 130, 3, 1, 16, 1, 0, 1, NO_MASK, 0, 0},   {3, 9, 5, 1, 33, 0, 0, 1, NO_MASK, 0, 0},
    {1, 1500, 3, 1, 64, 1, 0, 1, NO_MASK, 0, 0},    {7, 1030, 4, 1, 32, 1, 0, 1, NO_MASK, 0, 0},
    {40, 513, 2, 2, 128, 1, 0, 1, NO_MASK, 0, 1},   {13, 512, 1, 1, 8, 0, 0, 2, NO_MASK, 1, 0},
    {37, 37, 4, 2, 64, 1, 5, 1, NO_MASK, 0, 0},     {37, 37, 4, 2, 64, 0, 5, 1, NO_MASK, 0, 0},
    {70, 90, 2, 1, 20, 0, 8, 2, NO_MASK, 1, 0},     {150, 700, 2, 1, 16, 1, 130, 1, NO_MASK, 0, 0},
    {9, 40, 2, 1, 16, 0, 1, 1, NO_MASK, 0, 0},      {20, 20, 2, 2, 40, 1, 1000, 1, NO_MASK, 0, 0},
    {19, 50, 4, 2, 64, 0, 0, 2, QN_BOOL, 0, 0},     {19, 50, 4, 2, 24, 1, 9, 2, QN_F32, 1, 1},
    {2, 70, 4, 2, 64, 0, 0, 1, QN_I32, 1, 0},       {5, 600, 3, 1, 32, 1, 0, 2, QN_F32, 0, 0},
    {8, 3, 2, 1, 16, 1, 0, 2, NO_MASK, 1, 0},       {6, 530, 6, 1, 12, 0, 0, 1, QN_BOOL, 0, 1},
    {12, 6, 2, 2, 16, 0, 3, 1, NO_MASK, 0, 0},      {4, 0, 2, 1, 16, 1, 0, 1, NO_MASK, 0, 0},
};

static void test_definition(void) {
  for (size_t c = 0; c < COUNT_OF(problems); c += 1) {
    const struct problem *p = &problems[c];
    const float widths[] = {1.0f, 40.0f}; /* flat and sharp distributions */
    for (size_t w = 0; w < COUNT_OF(widths); w += 1) {
      const struct arrays a = make_arrays(p, widths[w]);
      CHECK_EQ(attend(a.y, &a), QN_OK);
      double expected[MOST_HEAD];
      const size_t rows = (size_t)p->tokens * p->heads;
      for (size_t row = 0; row < p->batch * rows; row += 1) {
        const size_t in_sequence = row % rows;
        define_row(expected, &a, p, row / rows, in_sequence / p->heads, in_sequence % p->heads);
        const double tolerance = w == 0 ? 4e-6 : 2e-4;
        CHECK(all_close(a.y + row * p->head_size, expected, p->head_size, 0, tolerance));
      }
      release_all();
    }
  }
}

/* One token after the other gives the bits of all at once, whatever the threads. */
static void test_bits(void) {
  for (size_t c = 0; c < COUNT_OF(problems); c += 1) {
    const struct problem *p = &problems[c];
    const struct arrays a = make_arrays(p, 3.0f);
    CHECK_EQ(qn_threads_set(1), QN_OK);
    CHECK_EQ(attend(a.y, &a), QN_OK);
    const size_t floats = p->batch * a.query_floats;
    float *again = guarded_floats(floats);
    for (size_t t = 1; t < COUNT_OF(test_thread_counts); t += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
      CHECK_EQ(attend(again, &a), QN_OK);
      CHECK(same_bits(again, a.y, floats));
    }
    if (p->mask != NO_MASK || p->lengths || p->keys < p->tokens || p->batch != 1) {
      release_all();
      continue;
    }
    const size_t width = (size_t)p->heads * p->head_size;
    for (uint32_t t = 0; t < p->tokens; t += 1) {
      struct arrays one = a;
      one.q += t * a.layout[QN_ATTENTION_Q_TOKEN];
      one.layout[QN_ATTENTION_TOKENS] = 1;
      if (p->causal) one.layout[QN_ATTENTION_KEYS] = p->keys - p->tokens + t + 1;
      else if (p->window != 0) continue;
      CHECK_EQ(attend(again, &one), QN_OK);
      CHECK(same_bits(again, a.y + t * width, width));
    }
    release_all();
  }
}

/* Keys that no query sees hold NaN and infinities: the bits are those of before. Then
 * one key is seen by some rows, which alone may change. */
static void test_unseen_keys(void) {
  const float poison[] = {NAN, INFINITY, -INFINITY};
  for (size_t c = 0; c < COUNT_OF(problems); c += 1) {
    const struct problem *p = &problems[c];
    if (p->keys == 0) continue;
    const struct arrays a = make_arrays(p, 1.0f);
    CHECK_EQ(attend(a.y, &a), QN_OK);
    float *again = guarded_floats(p->batch * a.query_floats);
    const size_t key = p->keys - 1 - (p->keys > 3 ? 2 : 0);
    for (size_t i = 0; i < COUNT_OF(poison); i += 1) {
      for (size_t b = 0; b < p->batch; b += 1) {
        for (size_t h = 0; h < p->kv_heads; h += 1) {
          const size_t at = b * a.key_floats + key * a.layout[QN_ATTENTION_K_TOKEN] +
                            h * a.layout[QN_ATTENTION_K_HEAD];
          for (size_t d = 0; d < p->head_size; d += 1) a.k[at + d] = a.v[at + d] = poison[i];
        }
      }
      CHECK_EQ(attend(again, &a), QN_OK);
      for (size_t row = 0; row < (size_t)p->batch * p->tokens * p->heads; row += 1) {
        const size_t in_sequence = row % ((size_t)p->tokens * p->heads);
        const bool seen = sees(&a, p, row / ((size_t)p->tokens * p->heads),
                               in_sequence % p->heads, in_sequence / p->heads, key);
        const float *y = again + row * p->head_size;
        if (!seen) CHECK(same_bits(y, a.y + row * p->head_size, p->head_size));
        if (seen && i == 0) CHECK(isnan(y[0]) && isnan(y[p->head_size - 1]));
      }
    }
    release_all();
  }
}

/* Segments give the bits that each has alone. */
static void test_segments(void) {
  static const int32_t offsets[] = {0, 3, 3, 20, 21, 90, 97};
  const struct problem whole = {97, 97, 6, 2, 40, 1, 0, 1, QN_F32, 0, 0};
  for (int32_t causal = 0; causal < 2; causal += 1) {
    struct arrays a = make_arrays(&whole, 2.0f);
    a.layout[QN_ATTENTION_CAUSAL] = (uint64_t)causal;
    float *alone = guarded_floats(a.query_floats);
    const size_t width = (size_t)whole.heads * whole.head_size;
    for (size_t s = 0; s + 1 < COUNT_OF(offsets); s += 1) {
      const size_t begin = (size_t)offsets[s];
      struct arrays one = a;
      one.layout[QN_ATTENTION_TOKENS] = one.layout[QN_ATTENTION_KEYS] =
          (uint64_t)(offsets[s + 1] - offsets[s]);
      one.q += begin * width;
      one.k += begin * whole.kv_heads * whole.head_size;
      one.v += begin * whole.kv_heads * whole.head_size;
      one.mask = (float *)one.mask + begin * whole.keys + begin;
      CHECK_EQ(attend(alone + begin * width, &one), QN_OK);
    }
    struct arrays packed = a;
    packed.layout[QN_ATTENTION_SEGMENTS] = COUNT_OF(offsets) - 1;
    for (size_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
      CHECK_EQ(qn_attention(a.y, NULL, a.q, a.k, a.v, a.mask, offsets, packed.layout, 0, 0.25, QN_F32),
               QN_OK);
      CHECK(same_bits(a.y, alone, a.query_floats));
    }
    release_all();
  }
}

/* Scores far outside what exp can hold; keys of score -inf count nothing. */
static void test_extremes(void) {
  enum { KEYS = 130 };
  const struct problem p = {1, KEYS, 1, 1, 1, 0, 0, 1, NO_MASK, 0, 0};
  const struct arrays a = make_arrays(&p, 1.0f);
  a.q[0] = 4.0f; /* with the scale, a score is the key itself */
  for (size_t j = 0; j < KEYS; j += 1) a.k[j] = -1e30f;
  a.k[100] = 1e30f;
  CHECK_EQ(attend(a.y, &a), QN_OK);
  CHECK(a.y[0] == a.v[100]);
  for (size_t j = 0; j < KEYS; j += 1) a.k[j] = -INFINITY;
  a.k[100] = -7.0f;
  CHECK_EQ(attend(a.y, &a), QN_OK);
  CHECK(a.y[0] == a.v[100]);
  a.k[100] = -INFINITY; /* it sees keys, but none has a weight */
  CHECK_EQ(attend(a.y, &a), QN_OK);
  CHECK(isnan(a.y[0]));
  a.k[100] = INFINITY;
  CHECK_EQ(attend(a.y, &a), QN_OK);
  CHECK(isnan(a.y[0]));
}

/* The weight of one key beside another: y = w / (1 + w) with w = 2^t. The scale is the
 * number whose product with log2 e is 1. */
static void test_weights(void) {
  const struct problem p = {1, 2, 1, 1, 1, 0, 0, 1, NO_MASK, 0, 0};
  const struct arrays a = make_arrays(&p, 1.0f);
  a.q[0] = 1.0f;
  a.k[0] = 0.0f;
  a.v[0] = 0.0f;
  a.v[1] = 1.0f;
  for (float t = -124.0f; t <= 0.0f; t += 0.0371f) {
    a.k[1] = t;
    CHECK_EQ(qn_attention(a.y, NULL, a.q, a.k, a.v, NULL, NULL, a.layout, 1, 0x1.62e430p-1, QN_F32),
             QN_OK);
    const double weight = exp2((double)t);
    CHECK(is_close(a.y[0], weight / (1.0 + weight), 4.5 * 0x1p-24));
  }
}

static double *widened(const float *values, size_t count) {
  double *wide = guarded_bytes(count * sizeof *wide);
  for (size_t i = 0; i < count; i += 1) wide[i] = (double)values[i];
  return wide;
}

/* float64 is as exact as that, with any number of threads; what nobody sees is not read. */
static void test_float64(void) {
  for (size_t c = 0; c < COUNT_OF(problems); c += 1) {
    const struct problem *p = &problems[c];
    struct arrays a = make_arrays(p, 2.0f);
    const size_t count = p->batch * a.query_floats, keys = p->batch * a.key_floats;
    const double *q = widened(a.q, count), *k = widened(a.k, keys), *v = widened(a.v, keys);
    const void *mask = a.mask;
    if (p->mask == QN_F32) {
      mask = widened(a.mask, (size_t)p->heads * p->tokens * p->keys);
      a.layout[QN_ATTENTION_MASK_DTYPE] = QN_F64;
    }
    double *y = guarded_bytes(count * sizeof *y), *first = guarded_bytes(count * sizeof *y);
    for (size_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
      CHECK_EQ(qn_attention(y, NULL, q, k, v, mask, a.lengths, a.layout, 1, 0.25, QN_F64), QN_OK);
      if (t == 0) memcpy(first, y, count * sizeof *y);
      CHECK(memcmp(first, y, count * sizeof *y) == 0);
    }
    double expected[MOST_HEAD];
    const size_t rows = (size_t)p->tokens * p->heads;
    for (size_t row = 0; row < p->batch * rows; row += 1) {
      const size_t in_sequence = row % rows;
      define_row(expected, &a, p, row / rows, in_sequence / p->heads, in_sequence % p->heads);
      for (size_t d = 0; d < p->head_size; d += 1) {
        CHECK(fabs(y[row * p->head_size + d] - expected[d]) <= 1e-13);
      }
    }
    release_all();
  }
}

static int32_t call_with(const float *q, const int32_t *lengths, const uint64_t *layout,
                         uint32_t axes, float scale) {
  static float x[256], y[256];
  return qn_attention(y, NULL, q == NULL ? x : q, x, x, NULL, lengths, layout, axes, scale, QN_F32);
}

static int32_t call_changed(uint32_t field, uint64_t value) {
  uint64_t layout[] = {2, 2, 2, 1, 4, 0, 0, 0, 0, 8, 4, 4, 4, 4, 4, 0, 0, 1, 0, 0, 0, 0};
  layout[field] = value;
  return call_with(NULL, NULL, layout, 1, 1.0f);
}

static void test_bad_arguments(void) {
  _Alignas(8) float x[64] = {0};
  const float *odd = (const float *)(const void *)((const char *)x + 1);
  const uint64_t layout[] = {2, 2, 2, 1, 4, 0, 0, 0, 0, 8, 4, 4, 4, 4, 4, 0, 0, 1, 0, 0, 0, 0};
  CHECK_EQ(call_changed(QN_ATTENTION_CAUSAL, 1), QN_OK);
  CHECK_EQ(call_changed(QN_ATTENTION_KV_HEADS, 0), QN_BAD_SIZE);
  CHECK_EQ(call_changed(QN_ATTENTION_KV_HEADS, 3), QN_BAD_SIZE);
  CHECK_EQ(call_changed(QN_ATTENTION_HEAD_SIZE, 513), QN_BAD_SIZE);
  CHECK_EQ(call_changed(QN_ATTENTION_TOKENS, (uint64_t)1 << 40), QN_BAD_SIZE);
  CHECK_EQ(call_changed(QN_ATTENTION_Q_TOKEN, UINT64_MAX), QN_BAD_SIZE);
  CHECK_EQ(call_changed(QN_ATTENTION_V_TOKEN, UINT64_MAX / 2), QN_BAD_SIZE);
  CHECK_EQ(call_changed(QN_ATTENTION_BATCH, (uint64_t)1 << 40), QN_BAD_SIZE);
  CHECK_EQ(call_changed(QN_ATTENTION_BATCH, 0), QN_OK);
  CHECK_EQ(call_changed(QN_ATTENTION_SEGMENTS, 1), QN_BAD_SIZE);
  CHECK_EQ(call_with(NULL, NULL, layout, 14, 1.0f), QN_BAD_SIZE);
  CHECK_EQ(call_with(NULL, NULL, NULL, 0, 1.0f), QN_NULL_POINTER);
  CHECK_EQ(call_with(NULL, NULL, layout, 1, NAN), QN_BAD_ARGUMENT);
  CHECK_EQ(call_with(odd, NULL, layout, 1, 1.0f), QN_BAD_ALIGNMENT);
  const int32_t lengths[] = {3}, negative[] = {-1}, whole[] = {2};
  CHECK_EQ(call_with(NULL, lengths, layout, 1, 1.0f), QN_BAD_INDEX);
  CHECK_EQ(call_with(NULL, negative, layout, 1, 1.0f), QN_BAD_INDEX);
  CHECK_EQ(call_with(NULL, whole, layout, 1, 1.0f), QN_OK);
  uint64_t packed[QN_ATTENTION_BATCH];
  memcpy(packed, layout, sizeof packed);
  packed[QN_ATTENTION_SEGMENTS] = 2;
  const int32_t good[] = {0, 1, 2}, late[] = {1, 1, 2}, falling[] = {0, 3, 2}, short_[] = {0, 1, 1};
  CHECK_EQ(call_with(NULL, good, packed, 0, 1.0f), QN_OK);
  CHECK_EQ(call_with(NULL, late, packed, 0, 1.0f), QN_BAD_INDEX);
  CHECK_EQ(call_with(NULL, falling, packed, 0, 1.0f), QN_BAD_INDEX);
  CHECK_EQ(call_with(NULL, short_, packed, 0, 1.0f), QN_BAD_INDEX);
  CHECK_EQ(call_with(NULL, NULL, packed, 0, 1.0f), QN_NULL_POINTER);
  CHECK_EQ(qn_attention(x, NULL, NULL, x, x, NULL, NULL, layout, 1, 1.0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_attention(x, NULL, x, x, NULL, NULL, NULL, layout, 1, 1.0, QN_F32), QN_NULL_POINTER);
  uint64_t masked[COUNT_OF(layout)];
  memcpy(masked, layout, sizeof masked);
  masked[QN_ATTENTION_MASK_DTYPE] = QN_F64;
  CHECK_EQ(qn_attention(x, NULL, x, x, x, x, NULL, masked, 1, 1.0, QN_F32), QN_BAD_DTYPE);
  masked[QN_ATTENTION_MASK_DTYPE] = QN_F32;
  CHECK_EQ(qn_attention(x, NULL, x, x, x, x, NULL, masked, 1, 1.0, QN_F64), QN_BAD_DTYPE);
  CHECK_EQ(qn_attention(x, NULL, x, x, x, NULL, NULL, layout, 1, 1.0, QN_I32), QN_BAD_DTYPE);
  CHECK_EQ(qn_attention(x, NULL, x, x, x, NULL, NULL, layout, 1, 1e300, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_attention(x, NULL, (char *)x + 4, x, x, NULL, NULL, layout, 1, 1.0, QN_F64),
           QN_BAD_ALIGNMENT);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_definition, test_bits,    test_unseen_keys,   test_segments,
      test_extremes,   test_weights, test_float64,       test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
