/*
 * test_softmax.c: softmax with scale, masks and the causal rule, and its logarithm,
 * against float64. What plain rows give is in test_rows.c.
 */
#include "kernel_test.h"

enum { ROWS = 12, T = 3 };

static double reference[5000];

/* What a test asks for; the mask's rows repeat as quern.h has it. */
struct asked {
  float scale;
  const float *added;
  const int32_t *kept;
  const uint8_t *flags;
  uint32_t outer, inner;
  bool causal;
};

static bool is_seen(const struct asked *asked, size_t row, size_t i, size_t cols) {
  return !asked->causal || i + T <= cols + row % T;
}

/* One row in float64; the scores are float32, as documented. */
static void softmax_reference(const float *x, const struct asked *asked, size_t row, size_t cols) {
  const size_t at = (row / asked->outer * asked->inner + row % asked->inner) * cols;
  double largest = -INFINITY, sum = 0;
  for (size_t i = 0; i < cols; i += 1) {
    volatile float score = x[i] * asked->scale;
    if (asked->added) score = score + asked->added[at + i];
    if (asked->kept && asked->kept[at + i] == 0) score = -INFINITY;
    if (asked->flags && asked->flags[at + i] == 0) score = -INFINITY;
    reference[i] = is_seen(asked, row, i, cols) ? (double)score : -INFINITY;
    largest = fmax(largest, reference[i]);
  }
  for (size_t i = 0; i < cols; i += 1) sum += reference[i] = exp(reference[i] - largest);
  for (size_t i = 0; i < cols; i += 1) reference[i] /= sum;
}

static void run_masked(float *y, const float *x, const struct asked *asked, uint32_t cols) {
  const void *mask = asked->added;
  if (asked->kept) mask = asked->kept;
  if (asked->flags) mask = asked->flags;
  const int32_t dtype = asked->kept ? QN_I32 : asked->flags ? QN_BOOL : QN_F32;
  CHECK_EQ(qn_softmax_masked(y, x, mask, ROWS, cols, asked->scale, dtype, asked->outer,
                                 asked->inner, asked->causal ? T : 0, QN_F32),
           QN_OK);
}

static void check_masked(float *y, const float *x, const struct asked *asked, uint32_t cols) {
  run_masked(y, x, asked, cols);
  for (size_t row = 0; row < ROWS; row += 1) {
    softmax_reference(x + row * cols, asked, row, cols);
    CHECK(all_close(y + row * cols, reference, cols, 1.2e-6, 0));
    for (size_t i = 0; i < cols; i += 1) CHECK(reference[i] != 0.0 || y[row * cols + i] == 0.0f);
  }
}

/* Every kind of mask and every way to repeat its rows: one for all, one for each of
 * two blocks, one for each place in a block, one for each row. */
static void test_masked(void) {
  const uint32_t repeats[][2] = {{ROWS, 1}, {6, 1}, {ROWS, T}, {6, T}, {1, 1}, {ROWS, ROWS}};
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    if (n < T) continue;
    for (size_t r = 0; r < COUNT_OF(repeats); r += 1) {
      const size_t outer = repeats[r][0], inner = repeats[r][1];
      const size_t mask_count = (ROWS + outer - 1) / outer * inner * n;
      float *x = random_floats((size_t)ROWS * n, -5, 5);
      float *y = guarded_floats((size_t)ROWS * n);
      float *added = random_floats(mask_count, -2, 2);
      int32_t *kept = guarded_bytes(mask_count * sizeof(int32_t));
      uint8_t *flags = guarded_bytes(mask_count);
      for (size_t i = 0; i < mask_count; i += 1) {
        flags[i] = i % n == 0 || test_random(&test_seed) % 2 == 0;
        kept[i] = i % n == 0 ? 7 : (int32_t)(test_random(&test_seed) % 2);
        if (i % n != 0 && i % 5 == 0) added[i] = -INFINITY;
      }
      for (int form = 0; form < 8; form += 1) {
        struct asked asked = {1.0f, NULL, NULL, NULL, (uint32_t)outer, (uint32_t)inner, form >= 4};
        if (form % 4 == 0) asked.scale = -1.75f;
        if (form % 4 == 1) asked.added = added;
        if (form % 4 == 2) asked.kept = kept;
        if (form % 4 == 3) asked.flags = flags;
        check_masked(y, x, &asked, n);
        float *copy = copy_floats(x, (size_t)ROWS * n);
        run_masked(copy, copy, &asked, n);
        CHECK(same_bits(copy, y, (size_t)ROWS * n));
      }
      release_all();
    }
  }
}

/* What a row does not see, it is not touched by. A row that sees nothing is NaN. */
static void test_unseen_values(void) {
  float x[] = {1, NAN, INFINITY, 2};
  const int32_t kept[] = {1, 0, 0, -1};
  const int32_t none[] = {0, 0, 0, 0};
  float y[8];
  CHECK_EQ(qn_softmax_masked(y, x, kept, 1, 4, 1.0f, QN_I32, 1, 1, 0, QN_F32), QN_OK);
  CHECK_NEAR((double)y[0], 0.26894142136999512, 3e-8);
  CHECK(y[1] == 0.0f && y[2] == 0.0f);
  CHECK_NEAR((double)y[3], 0.73105857863000488, 6e-8);
  CHECK_EQ(qn_softmax_masked(y, x, none, 1, 4, 1.0f, QN_I32, 1, 1, 0, QN_F32), QN_OK);
  for (int i = 0; i < 4; i += 1) CHECK(isnan(y[i]));
  CHECK_EQ(qn_softmax_masked(y, x, NULL, 4, 1, 1.0f, QN_F32, 1, 1, 1, QN_F32), QN_OK);
  CHECK(y[0] == 1.0f && isnan(y[1]) && isnan(y[2]) && y[3] == 1.0f);
  CHECK_EQ(qn_softmax_masked(y, x, NULL, 2, 2, 1.0f, QN_F32, 1, 1, 2, QN_F32), QN_OK);
  CHECK(y[0] == 1.0f && y[1] == 0.0f && isnan(y[2]) && isnan(y[3]));
}

/* Results down to the smallest float, and long rows with the maximum anywhere. */
static void test_tails(void) {
  enum { N = 3000 };
  float *x = guarded_floats(4 * N), *y = guarded_floats(4 * N);
  for (size_t i = 0; i < 4 * N; i += 1) x[i] = -(float)(i % N) * 0.036f;
  x[N] = -50.0f;
  x[2 * N - 1] = 1.5f; /* the second row ends with its maximum */
  CHECK_EQ(qn_softmax(y, x, 4, N, QN_F32), QN_OK);
  const struct asked plain = {1.0f, NULL, NULL, NULL, 4, 1, false};
  for (size_t row = 0; row < 4; row += 1) {
    softmax_reference(x + row * N, &plain, 0, N);
    CHECK(all_close(y + row * N, reference, N, 4e-6, 0));
  }
  CHECK_EQ(qn_softmax(x, x, 4, N, QN_F32), QN_OK);
  CHECK(same_bits(x, y, 4 * N));
}

/* Of numbers whose differences are exact: the result is, in proportion, too. */
static void test_log_softmax(void) {
  const float offsets[] = {0.0f, 1000.0f, -1e6f};
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    for (size_t o = 0; o < COUNT_OF(offsets); o += 1) {
      float *x = random_floats((size_t)2 * n, offsets[o] - 20, offsets[o] + 20);
      float *y = guarded_floats((size_t)2 * n);
      for (size_t i = 0; i < (size_t)2 * n; i += 1) x[i] = rintf(x[i] * 64) / 64;
      CHECK_EQ(qn_log_softmax(y, x, 2, n, QN_F32), QN_OK);
      for (size_t row = 0; row < 2; row += 1) {
        const float *values = x + row * n;
        double others = 0;
        size_t top = 0;
        for (size_t i = 0; i < n; i += 1) top = values[i] > values[top] ? i : top;
        for (size_t i = 0; i < n; i += 1) {
          reference[i] = (double)values[i] - (double)values[top];
          if (i != top) others += exp(reference[i]);
        }
        for (size_t i = 0; i < n; i += 1) reference[i] -= log1p(others);
        CHECK(all_close(y + row * n, reference, n, 2.5e-7, 0));
      }
      CHECK_EQ(qn_log_softmax(x, x, 2, n, QN_F32), QN_OK);
      CHECK(same_bits(x, y, (size_t)2 * n));
      release_all();
    }
  }
  const float special[] = {0, -INFINITY, 0, 0, NAN, 1, -INFINITY, -INFINITY, -INFINITY};
  float y[9];
  CHECK_EQ(qn_log_softmax(y, special, 3, 3, QN_F32), QN_OK);
  CHECK_NEAR((double)y[0], -0.69314718055994531, 3e-8);
  CHECK(y[1] == -INFINITY && y[2] == y[0]);
  for (int i = 3; i < 9; i += 1) CHECK(isnan(y[i]));
}

/* NaN of every kind, and at every place, makes NaN of its row. */
static void test_nan(void) {
  const uint32_t patterns[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0x7fffffff, 0xffbfffff};
  for (size_t p = 0; p < COUNT_OF(patterns); p += 1) {
    for (uint32_t at = 0; at < 150; at += 1) {
      float *x = random_floats(300, -1, 1), *y = guarded_floats(300);
      memcpy(&x[at], &patterns[p], 4);
      CHECK_EQ(qn_softmax(y, x, 2, 150, QN_F32), QN_OK);
      bool as_it_should = true;
      for (int i = 0; i < 300; i += 1) as_it_should &= (i < 150) == !!isnan(y[i]);
      CHECK(as_it_should);
      release_all();
    }
  }
}

static void test_threads(void) {
  enum { MANY = 36, COLS = 1500 };
  float *x = random_floats(MANY * COLS, -9, 9);
  float *mask = random_floats(T * COLS, -9, 9);
  float *y = guarded_floats(MANY * COLS);
  float *first[2] = {NULL};
  for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
    CHECK_EQ(qn_softmax_masked(y, x, mask, MANY, COLS, 0.3f, QN_F32, MANY, T, T, QN_F32), QN_OK);
    if (c == 0) first[0] = copy_floats(y, MANY * COLS);
    CHECK(same_bits(y, first[0], MANY * COLS));
    CHECK_EQ(qn_log_softmax(y, x, MANY, COLS, QN_F32), QN_OK);
    if (c == 0) first[1] = copy_floats(y, MANY * COLS);
    CHECK(same_bits(y, first[1], MANY * COLS));
  }
  CHECK_EQ(qn_log_softmax(y, x + 5 * COLS, 1, COLS, QN_F32), QN_OK);
  CHECK(same_bits(y, first[1] + 5 * COLS, COLS));
}

static void test_bad_arguments(void) {
  float x[8] = {0}, y[8];
  float *odd = (float *)(void *)((char *)x + 2);
  CHECK_EQ(qn_log_softmax(y, NULL, 1, 8, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_log_softmax(NULL, NULL, 5, 0, QN_F32), QN_OK);
  CHECK_EQ(qn_softmax_masked(NULL, x, NULL, 1, 8, 1, 0, 1, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_softmax_masked(y, x, odd, 1, 4, 1, QN_F32, 1, 1, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_softmax_masked(y, x, x, 1, 4, 1, QN_F16, 1, 1, 0, QN_F32), QN_BAD_DTYPE);
  CHECK_EQ(qn_softmax_masked(y, x, x, 1, 4, 1, QN_F32, 0, 1, 0, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_softmax_masked(y, x, x, 1, 4, 1, QN_F32, 1, 2, 0, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_softmax_masked(y, x, NULL, 1, 4, 1, QN_F32, 1, 1, 5, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_softmax_masked(y, x, NULL, 1, 4, NAN, QN_F32, 1, 1, 0, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_softmax_masked(NULL, NULL, NULL, 4, 0, 1, QN_F32, 1, 1, 0, QN_F32), QN_OK);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_masked, test_unseen_values, test_tails,        test_log_softmax,
      test_nan,    test_threads,       test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
