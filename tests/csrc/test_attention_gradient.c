/*
 * test_attention_gradient.c: the gradient of attention against its definition in float64, in
 * several layouts. Bits must not depend on threads, nor on which gradients are asked for.
 */
#include "attention_problem.h"

/* What a call writes, and reads of the forward pass. */
struct gradients {
  float *g, *statistics, *dq, *dk, *dv;
};

static const double SCALE = 0.25;

static struct gradients make_gradients(const struct arrays *a, const struct problem *p) {
  const size_t floats = p->batch * a->query_floats;
  const size_t keys = p->batch * a->key_floats;
  return (struct gradients){
      random_floats(floats, -1, 1), guarded_floats((size_t)p->batch * p->tokens * p->heads * 2),
      guarded_floats(floats), guarded_floats(keys), guarded_floats(keys)};
}

static int32_t forward(const struct arrays *a, const struct gradients *to) {
  return qn_attention(a->y, to->statistics, a->q, a->k, a->v, NULL, a->lengths, a->layout, 1, SCALE,
                      QN_F32);
}

static int32_t backward(const struct arrays *a, const struct gradients *to, uint32_t keys) {
  return qn_attention_gradient_f32(to->dq, to->dk, to->dv, to->g, a->y, to->statistics, a->q, a->k,
                                   a->v, a->lengths, a->layout, 1, keys, SCALE);
}

/* ---- The definition ---------------------------------------------------------------- */

struct defined {
  double *dq, *dk, *dv; /* dense, [batch, tokens, heads, head_size] and so on */
};

/* Where the elements of a token of a head begin in a dense array. */
static size_t dense_at(const struct problem *p, size_t b, size_t token, size_t head, bool of_keys) {
  const size_t tokens = of_keys ? p->keys : p->tokens, heads = of_keys ? p->kv_heads : p->heads;
  return ((b * tokens + token) * heads + head) * p->head_size;
}

static double dot(const float *x, const float *y, size_t n) {
  double sum = 0;
  for (size_t d = 0; d < n; d += 1) sum += (double)x[d] * (double)y[d];
  return sum;
}

/* Adds what one query makes. */
static void define_row(const struct defined *to, const struct arrays *a, const struct problem *p,
                       const float *g, size_t b, size_t head, size_t token) {
  static double weights[4096], slopes[4096];
  const uint64_t *at = a->layout;
  const size_t size = p->head_size, kv_head = head / (p->heads / p->kv_heads);
  const float *q = a->q + b * a->query_floats + token * at[QN_ATTENTION_Q_TOKEN] +
                   head * at[QN_ATTENTION_Q_HEAD];
  const size_t first = b * a->key_floats + kv_head * at[QN_ATTENTION_K_HEAD];
  const float *k = a->k + first, *v = a->v + first;
  const size_t step = at[QN_ATTENTION_K_TOKEN];
  const float *slope = g + dense_at(p, b, token, head, false);
  double largest = -INFINITY, sum = 0, mean = 0;
  for (size_t j = 0; j < p->keys; j += 1) {
    weights[j] = sees(a, p, b, head, token, j) ? SCALE * dot(q, k + j * step, size) : -INFINITY;
    largest = fmax(largest, weights[j]);
  }
  if (largest == -INFINITY) return;
  for (size_t j = 0; j < p->keys; j += 1) {
    weights[j] = exp(weights[j] - largest);
    sum += weights[j];
  }
  for (size_t j = 0; j < p->keys; j += 1) {
    weights[j] /= sum;
    slopes[j] = weights[j] == 0 ? 0 : dot(slope, v + j * step, size);
    mean += weights[j] * slopes[j];
  }
  double *dq = to->dq + dense_at(p, b, token, head, false);
  for (size_t j = 0; j < p->keys; j += 1) {
    const double ds = SCALE * weights[j] * (slopes[j] - mean);
    double *dk = to->dk + dense_at(p, b, j, kv_head, true);
    double *dv = to->dv + dense_at(p, b, j, kv_head, true);
    for (size_t d = 0; d < size && weights[j] != 0; d += 1) {
      dq[d] += ds * (double)k[j * step + d];
      dk[d] += ds * (double)q[d];
      dv[d] += weights[j] * (double)slope[d];
    }
  }
}

static double *zeros(size_t count) {
  double *values = guarded_bytes(count * sizeof *values);
  for (size_t i = 0; i < count; i += 1) values[i] = 0;
  return values;
}

static struct defined define(const struct arrays *a, const struct problem *p, const float *g) {
  const struct defined to = {zeros(p->batch * a->query_floats), zeros(p->batch * a->key_floats),
                             zeros(p->batch * a->key_floats)};
  for (size_t b = 0; b < p->batch; b += 1) {
    for (size_t head = 0; head < p->heads; head += 1) {
      for (size_t t = 0; t < p->tokens; t += 1) define_row(&to, a, p, g, b, head, t);
    }
  }
  return to;
}

/* ---- Tests ------------------------------------------------------------------------- */

/* tokens, keys, heads, kv_heads, head_size, causal, window, batch, mask, lengths, heads first */
static const struct problem problems[] = {
    {1, 1, 1, 1, 1, 1, 0, 1, NO_MASK, 0, 0},        {1, 1, 1, 1, 64, 0, 0, 1, NO_MASK, 0, 0},
    {3, 5, 2, 1, 7, 1, 0, 1, NO_MASK, 0, 0},        {5, 5, 4, 2, 17, 1, 0, 2, NO_MASK, 0, 1},
    {1, 65, 9, 3, 64, 1, 0, 2, NO_MASK, 1, 0},      {2, 129, 6, 2, 80, 1, 0, 1, NO_MASK, 0, 0},
    {15, 15, 2, 2, 16, 1, 0, 1, NO_MASK, 0, 0},     {16, 16, 2, 2, 16, 1, 0, 1, NO_MASK, 0, 0},
    {17, 17, 2, 2, 16, 1, 0, 1, NO_MASK, 0, 0},     {63, 63, 2, 1, 32, 1, 0, 1, NO_MASK, 0, 1},
    {64, 64, 4, 4, 32, 1, 0, 2, NO_MASK, 0, 0},     {65, 65, 2, 1, 31, 1, 0, 1, NO_MASK, 0, 0},
    {67, 131, 3, 3, 31, 1, 0, 1, NO_MASK, 0, 0},    {128, 128, 3, 1, 33, 0, 0, 1, NO_MASK, 0, 0},
    {17, 200, 4, 1, 96, 0, 0, 1, NO_MASK, 0, 0},    {4, 70, 2, 2, 512, 1, 0, 1, NO_MASK, 0, 0},
    {257, 257, 2, 1, 16, 1, 0, 1, NO_MASK, 0, 0},   {40, 513, 2, 2, 128, 1, 0, 1, NO_MASK, 0, 1},
    {37, 37, 4, 2, 64, 1, 5, 1, NO_MASK, 0, 0},     {37, 37, 4, 2, 64, 0, 5, 1, NO_MASK, 0, 0},
    {70, 90, 2, 1, 20, 0, 8, 2, NO_MASK, 1, 0},     {150, 700, 2, 1, 16, 1, 130, 1, NO_MASK, 0, 0},
    {200, 200, 2, 1, 16, 1, 70, 1, NO_MASK, 0, 0},  {130, 131, 1, 1, 12, 0, 90, 1, NO_MASK, 0, 0},
    {9, 40, 2, 1, 16, 0, 1, 1, NO_MASK, 0, 0},      {140, 140, 1, 1, 8, 1, 1, 1, NO_MASK, 0, 0},
    {8, 3, 2, 1, 16, 1, 0, 2, NO_MASK, 1, 0},       {90, 150, 2, 1, 24, 1, 0, 3, NO_MASK, 1, 1},
    {12, 6, 2, 2, 16, 0, 3, 1, NO_MASK, 0, 0},      {4, 0, 2, 1, 16, 1, 0, 1, NO_MASK, 0, 0},
    {100, 20, 2, 1, 16, 0, 0, 1, NO_MASK, 0, 0},    {90, 30, 2, 1, 16, 0, 7, 1, NO_MASK, 0, 0},
};

static void test_definition(void) {
  for (size_t c = 0; c < COUNT_OF(problems); c += 1) {
    const struct problem *p = &problems[c];
    const float widths[] = {1.0f, 20.0f}; /* flat and sharp distributions */
    for (size_t w = 0; w < COUNT_OF(widths); w += 1) {
      const struct arrays a = make_arrays(p, widths[w]);
      const struct gradients found = make_gradients(&a, p);
      CHECK_EQ(forward(&a, &found), QN_OK);
      CHECK_EQ(backward(&a, &found, p->keys), QN_OK);
      const struct defined defined = define(&a, p, found.g);
      const double near = w == 0 ? 4e-6 : 4e-4, relative = w == 0 ? 4e-6 : 2e-4;
      CHECK(all_close(found.dq, defined.dq, p->batch * a.query_floats, relative, near));
      CHECK(all_close(found.dk, defined.dk, p->batch * a.key_floats, relative, near));
      CHECK(all_close(found.dv, defined.dv, p->batch * a.key_floats, relative, near));
      release_all();
    }
  }
}

/* Threads, and gradients that are left out, change nothing. */
static void test_bits(void) {
  for (size_t c = 0; c < COUNT_OF(problems); c += 1) {
    const struct problem *p = &problems[c];
    const struct arrays a = make_arrays(p, 3.0f);
    const struct gradients first = make_gradients(&a, p);
    struct gradients again = make_gradients(&a, p);
    const size_t floats = p->batch * a.query_floats, keys = p->batch * a.key_floats;
    again.g = first.g;
    again.statistics = first.statistics;
    CHECK_EQ(qn_threads_set(1), QN_OK);
    CHECK_EQ(forward(&a, &first), QN_OK);
    CHECK_EQ(backward(&a, &first, p->keys), QN_OK);
    for (size_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
      for (uint32_t wanted = 1; wanted < 8; wanted += 1) {
        struct gradients some = again;
        if ((wanted & 1) == 0) some.dq = NULL;
        if ((wanted & 2) == 0) some.dk = NULL;
        if ((wanted & 4) == 0) some.dv = NULL;
        memset(again.dq, 0xff, floats * sizeof(float));
        if (keys != 0) memset(again.dk, 0xff, keys * sizeof(float));
        if (keys != 0) memset(again.dv, 0xff, keys * sizeof(float));
        CHECK_EQ(backward(&a, &some, p->keys), QN_OK);
        if (some.dq != NULL) CHECK(same_bits(some.dq, first.dq, floats));
        if (some.dk != NULL) CHECK(same_bits(some.dk, first.dk, keys));
        if (some.dv != NULL) CHECK(same_bits(some.dv, first.dv, keys));
      }
    }
    release_all();
  }
}

/* The statistics do not change the result of the forward pass. */
static void test_forward(void) {
  for (size_t c = 0; c < COUNT_OF(problems); c += 1) {
    const struct problem *p = &problems[c];
    const struct arrays a = make_arrays(p, 3.0f);
    const struct gradients found = make_gradients(&a, p);
    float *y = guarded_floats(p->batch * a.query_floats);
    CHECK_EQ(forward(&a, &found), QN_OK);
    CHECK_EQ(qn_attention(y, NULL, a.q, a.k, a.v, NULL, a.lengths, a.layout, 1, SCALE, QN_F32),
             QN_OK);
    CHECK(same_bits(y, a.y, p->batch * a.query_floats));
    release_all();
  }
}

/* Keys beyond those in use hold NaN, and more of them change nothing; theirs become 0. */
static void test_unused_keys(void) {
  const struct problem p = {70, 100, 2, 1, 24, 1, 0, 1, NO_MASK, 0, 0};
  const struct arrays a = make_arrays(&p, 1.0f);
  const struct gradients found = make_gradients(&a, &p);
  struct arrays fewer = a;
  fewer.layout[QN_ATTENTION_KEYS] = 80;
  CHECK_EQ(forward(&fewer, &found), QN_OK);
  CHECK_EQ(backward(&fewer, &found, 80), QN_OK);
  const size_t used = 80 * 24;
  const float *dk = copy_floats(found.dk, used), *dv = copy_floats(found.dv, used);
  for (size_t i = used; i < a.key_floats; i += 1) a.k[i] = a.v[i] = NAN;
  CHECK_EQ(backward(&fewer, &found, p.keys), QN_OK);
  CHECK(same_bits(found.dk, dk, used) && same_bits(found.dv, dv, used));
  for (size_t i = used; i < a.key_floats; i += 1) CHECK(found.dk[i] == 0 && found.dv[i] == 0);
}

/* Segments give the bits that each has alone. */
static void test_segments(void) {
  static const int32_t offsets[] = {0, 3, 3, 20, 21, 90, 197};
  const struct problem whole = {197, 197, 6, 2, 40, 1, 0, 1, NO_MASK, 0, 0};
  for (int32_t causal = 0; causal < 2; causal += 1) {
    struct arrays a = make_arrays(&whole, 2.0f);
    a.layout[QN_ATTENTION_CAUSAL] = (uint64_t)causal;
    const struct gradients alone = make_gradients(&a, &whole);
    struct gradients packed = make_gradients(&a, &whole);
    packed.g = alone.g;
    const size_t width = (size_t)whole.heads * whole.head_size;
    const size_t key_width = (size_t)whole.kv_heads * whole.head_size;
    for (size_t s = 0; s + 1 < COUNT_OF(offsets); s += 1) {
      const size_t begin = (size_t)offsets[s];
      struct arrays one = a;
      const uint64_t tokens = (uint64_t)(offsets[s + 1] - offsets[s]);
      one.layout[QN_ATTENTION_TOKENS] = one.layout[QN_ATTENTION_KEYS] = tokens;
      one.q += begin * width;
      one.y += begin * width;
      one.k += begin * key_width;
      one.v += begin * key_width;
      const struct gradients part = {
          alone.g + begin * width, alone.statistics + begin * whole.heads * 2,
          alone.dq + begin * width, alone.dk + begin * key_width, alone.dv + begin * key_width};
      CHECK_EQ(forward(&one, &part), QN_OK);
      CHECK_EQ(backward(&one, &part, (uint32_t)tokens), QN_OK);
    }
    a.layout[QN_ATTENTION_SEGMENTS] = COUNT_OF(offsets) - 1;
    for (size_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
      CHECK_EQ(qn_attention(a.y, packed.statistics, a.q, a.k, a.v, NULL, offsets, a.layout, 0,
                            SCALE, QN_F32), QN_OK);
      CHECK_EQ(qn_attention_gradient_f32(packed.dq, packed.dk, packed.dv, packed.g, a.y,
                                         packed.statistics, a.q, a.k, a.v, offsets, a.layout, 0,
                                         whole.keys, SCALE), QN_OK);
      CHECK(same_bits(packed.dq, alone.dq, a.query_floats));
      CHECK(same_bits(packed.dk, alone.dk, a.key_floats));
      CHECK(same_bits(packed.dv, alone.dv, a.key_floats));
    }
    release_all();
  }
}

/* A NaN spreads to what sees it: rows of dq, and all keys that such rows see. */
static void test_not_a_number(void) {
  const struct problem p = {4, 4, 1, 1, 16, 1, 0, 1, NO_MASK, 0, 0};
  const struct arrays a = make_arrays(&p, 1.0f);
  const struct gradients found = make_gradients(&a, &p);
  a.k[2 * 16] = NAN;
  CHECK_EQ(forward(&a, &found), QN_OK);
  CHECK_EQ(backward(&a, &found, p.keys), QN_OK);
  CHECK(isnan(found.dq[2 * 16]) && isnan(found.dq[3 * 16 + 5]));
  CHECK(isnan(found.dk[0]) && isnan(found.dv[3 * 16]));
}

static int32_t call_with(const float *g, const int32_t *lengths, const uint64_t *layout,
                         uint32_t axes, uint32_t key_rows, double scale) {
  static float x[256], dq[256], dk[256], dv[256];
  return qn_attention_gradient_f32(dq, dk, dv, g == NULL ? x : g, x, x, x, x, x, lengths, layout,
                                   axes, key_rows, scale);
}

static void test_bad_arguments(void) {
  _Alignas(8) static float x[256];
  const float *odd = (const float *)(const void *)((const char *)x + 1);
  uint64_t layout[] = {2, 2, 2, 1, 4, 0, 0, 0, 0, 8, 4, 4, 4, 4, 4, 0, 0, 1, 0, 0, 0, 0};
  CHECK_EQ(call_with(NULL, NULL, layout, 1, 2, 1.0), QN_OK);
  CHECK_EQ(call_with(NULL, NULL, layout, 1, 3, 1.0), QN_OK);
  CHECK_EQ(call_with(NULL, NULL, layout, 1, 1, 1.0), QN_BAD_SIZE);
  CHECK_EQ(call_with(NULL, NULL, layout, 1, UINT32_MAX, 1.0), QN_BAD_SIZE);
  CHECK_EQ(call_with(odd, NULL, layout, 1, 2, 1.0), QN_BAD_ALIGNMENT);
  CHECK_EQ(call_with(NULL, NULL, layout, 1, 2, NAN), QN_BAD_ARGUMENT);
  CHECK_EQ(call_with(NULL, NULL, layout, 14, 2, 1.0), QN_BAD_SIZE);
  CHECK_EQ(call_with(NULL, NULL, NULL, 1, 2, 1.0), QN_NULL_POINTER);
  const int32_t late[] = {3}, offsets[] = {0, 1, 2};
  CHECK_EQ(call_with(NULL, late, layout, 1, 2, 1.0), QN_BAD_INDEX);
  CHECK_EQ(qn_attention_gradient_f32(x, x, x, x, NULL, x, x, x, x, NULL, layout, 1, 2, 1.0),
           QN_NULL_POINTER);
  CHECK_EQ(qn_attention_gradient_f32(x, x, x, NULL, x, x, x, x, x, NULL, layout, 1, 2, 1.0),
           QN_NULL_POINTER);
  CHECK_EQ(qn_attention_gradient_f32(x, x, x, x, x, NULL, x, x, x, NULL, layout, 1, 2, 1.0),
           QN_NULL_POINTER);
  CHECK_EQ(qn_attention_gradient_f32(x, x, x, x, x, x, NULL, x, x, NULL, layout, 1, 2, 1.0),
           QN_NULL_POINTER);
  layout[QN_ATTENTION_SEGMENTS] = 2;
  CHECK_EQ(call_with(NULL, offsets, layout, 0, 2, 1.0), QN_OK);
  CHECK_EQ(call_with(NULL, offsets, layout, 0, 3, 1.0), QN_BAD_SIZE);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_definition, test_bits,         test_forward,       test_unused_keys,
      test_segments,   test_not_a_number, test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
