/*
 * test_rows.c: RMS norm, softmax and cross entropy against float64, at
 * every length around the number of lanes, in place, with extreme and special
 * values, and for any number of threads.
 */
#include "kernel_test.h"

#define LONG 50257

static double reference[LONG];

static void rms_norm_reference(const float *x, const float *weight, size_t cols, double epsilon) {
  double sum = 0;
  for (size_t i = 0; i < cols; i += 1) sum += (double)x[i] * (double)x[i];
  const double factor = 1.0 / sqrt(sum / (double)cols + epsilon);
  for (size_t i = 0; i < cols; i += 1) {
    reference[i] = (double)x[i] * factor * (weight ? (double)weight[i] : 1.0);
  }
}

static void test_rms_norm(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    float *x = random_floats((size_t)3 * n, -3, 5);
    float *weight = random_floats(n, -2, 2);
    float *y = guarded_floats((size_t)3 * n);
    for (int plain = 0; plain < 2; plain += 1) {
      const float *w = plain ? NULL : weight;
      CHECK_EQ(qn_rms_norm(y, x, w, 3, n, 1e-5f, QN_F32), QN_OK);
      for (size_t row = 0; row < 3; row += 1) {
        rms_norm_reference(x + row * n, w, n, (double)1e-5f);
        CHECK(all_close(y + row * n, reference, n, 3e-7, 0));
      }
    }
    CHECK_EQ(qn_rms_norm(x, x, NULL, 3, n, 1e-5f, QN_F32), QN_OK);
    CHECK(same_bits(x, y, (size_t)3 * n));
    release_all();
  }
}

/* The squares of these neither fit float32 nor are lost. */
static void test_rms_norm_extremes(void) {
  const float scales[] = {1e30f, 3e38f, 1e-20f, 1e-38f, 1e-42f};
  for (size_t s = 0; s < COUNT_OF(scales); s += 1) {
    float *x = random_floats(67, -1, 1);
    float *weight = random_floats(67, -2, 2);
    for (size_t i = 0; i < 67; i += 1) x[i] *= scales[s];
    float *y = guarded_floats(67);
    CHECK_EQ(qn_rms_norm(y, x, weight, 1, 67, 0.0f, QN_F32), QN_OK);
    rms_norm_reference(x, weight, 67, 0.0);
    CHECK(all_close(y, reference, 67, 4e-7, 0));
  }
  float zeros[5] = {0}, y[5];
  CHECK_EQ(qn_rms_norm(y, zeros, NULL, 1, 5, 1e-6f, QN_F32), QN_OK);
  for (int i = 0; i < 5; i += 1) CHECK(y[i] == 0.0f);
  zeros[2] = NAN;
  CHECK_EQ(qn_rms_norm(y, zeros, NULL, 1, 5, 1e-6f, QN_F32), QN_OK);
  for (int i = 0; i < 5; i += 1) CHECK(isnan(y[i]));
}

/* The largest element and the sum of exponentials above it. */
static double log_sum(const float *x, size_t cols) {
  double largest = -INFINITY, sum = 0;
  for (size_t i = 0; i < cols; i += 1) largest = fmax(largest, (double)x[i]);
  for (size_t i = 0; i < cols; i += 1) sum += exp((double)x[i] - largest);
  return largest + log(sum);
}

static void softmax_reference(const float *x, size_t cols) {
  const double total = log_sum(x, cols);
  for (size_t i = 0; i < cols; i += 1) reference[i] = exp((double)x[i] - total);
}

/* A difference of 60 rounded to float32 moves its exponential by 2e-6 of itself. */
static void test_softmax(void) {
  const float offsets[] = {0.0f, 1000.0f, -1000.0f};
  const float widths[] = {1, 30, 30};
  const double relative[] = {4e-7, 3e-6, 3e-6};
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    for (size_t o = 0; o < COUNT_OF(offsets); o += 1) {
      float *x = random_floats((size_t)2 * n, offsets[o] - widths[o], offsets[o] + widths[o]);
      float *y = guarded_floats((size_t)2 * n);
      CHECK_EQ(qn_softmax(y, x, 2, n, QN_F32), QN_OK);
      for (size_t row = 0; row < 2; row += 1) {
        softmax_reference(x + row * n, n);
        CHECK(all_close(y + row * n, reference, n, relative[o], 0));
      }
      CHECK_EQ(qn_softmax(x, x, 2, n, QN_F32), QN_OK);
      CHECK(same_bits(x, y, (size_t)2 * n));
    }
    release_all();
  }
  float *x = random_floats(LONG, -12, 12);
  softmax_reference(x, LONG);
  CHECK_EQ(qn_softmax(x, x, 1, LONG, QN_F32), QN_OK);
  CHECK(all_close(x, reference, LONG, 1.5e-6, 0));
}

static void test_softmax_special_values(void) {
  for (uint32_t n = 1; n < 40; n += 1) {
    float *x = random_floats(n, -1, 1);
    float *y = guarded_floats(n);
    for (uint32_t i = 0; i < n; i += 1) x[i] = -INFINITY;
    CHECK_EQ(qn_softmax(y, x, 1, n, QN_F32), QN_OK);
    for (uint32_t i = 0; i < n; i += 1) CHECK(isnan(y[i]));
    x[n / 2] = -5.0f;
    CHECK_EQ(qn_softmax(y, x, 1, n, QN_F32), QN_OK);
    for (uint32_t i = 0; i < n; i += 1) CHECK(y[i] == (i == n / 2 ? 1.0f : 0.0f));
    x[n - 1] = NAN;
    CHECK_EQ(qn_softmax(y, x, 1, n, QN_F32), QN_OK);
    for (uint32_t i = 0; i < n; i += 1) CHECK(isnan(y[i]));
    release_all();
  }
  const float far[] = {3e38f, -3e38f, 3e38f};
  float y[3];
  CHECK_EQ(qn_softmax(y, far, 1, 3, QN_F32), QN_OK);
  CHECK(y[0] == 0.5f && y[1] == 0.0f && y[2] == 0.5f);
}

static void test_cross_entropy(void) {
  const float offsets[] = {0.0f, 10000.0f, -10000.0f};
  for (size_t c = 1; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    for (size_t o = 0; o < COUNT_OF(offsets); o += 1) {
      float *x = random_floats((size_t)2 * n, offsets[o] - 20, offsets[o] + 20);
      const int32_t targets[] = {0, (int32_t)n - 1};
      float *loss = guarded_floats(2);
      CHECK_EQ(qn_cross_entropy(loss, x, targets, 2, n, 0, -100, QN_F32), QN_OK);
      for (size_t row = 0; row < 2; row += 1) {
        const float *logits = x + row * n;
        const double expected = log_sum(logits, n) - (double)logits[targets[row]];
        CHECK_NEAR((double)loss[row], expected, 1e-9 + 1.5e-7 * expected);
      }
    }
    release_all();
  }
}

/* torch.nn.functional.cross_entropy in PyTorch 2.15, in float64. */
static void test_label_smoothing(void) {
  const float logits[] = {1, 2, 3, 0.5f, -1, 4};
  const int32_t targets[] = {2, 0};
  const double expected[][2] = {{0.4076059644443804, 3.5362695651247793},
                                {0.5076059644443804, 3.4696028984581124},
                                {1.4076059644443804, 2.8696028984581123}};
  const double smoothing[] = {0, 0.1, 1};
  for (size_t s = 0; s < COUNT_OF(smoothing); s += 1) {
    float loss[2];
    CHECK_EQ(qn_cross_entropy(loss, logits, targets, 2, 3, smoothing[s], -100, QN_F32), QN_OK);
    for (int row = 0; row < 2; row += 1) CHECK_NEAR((double)loss[row], expected[s][row], 4e-7);
  }
  float loss[2];
  const int32_t ignored[] = {-7, 1};
  CHECK_EQ(qn_cross_entropy(loss, logits, ignored, 2, 3, 0.1, -7, QN_F32), QN_OK);
  CHECK(loss[0] == 0.0f && loss[1] > 1.0f);
  CHECK_EQ(qn_cross_entropy(loss, logits, ignored, 2, 3, 0, 1, QN_F32), QN_BAD_INDEX);
  CHECK_EQ(qn_cross_entropy(loss, logits, targets, 2, 3, 1.5, -7, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_cross_entropy(loss, logits, targets, 2, 3, NAN, -7, QN_F32), QN_BAD_ARGUMENT);
}

static void test_threads(void) {
  enum { ROWS = 37, COLS = 2051 };
  float *x = random_floats(ROWS * COLS, -9, 9);
  int32_t *targets = guarded_bytes(ROWS * sizeof(int32_t));
  for (int32_t i = 0; i < ROWS; i += 1) targets[i] = i * 50;
  float *first[3] = {NULL};
  float *y = guarded_floats(ROWS * COLS);
  float *loss = guarded_floats(ROWS);
  for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
    CHECK_EQ(qn_rms_norm(y, x, x, ROWS, COLS, 1e-5f, QN_F32), QN_OK);
    if (c == 0) first[0] = copy_floats(y, ROWS * COLS);
    CHECK(same_bits(y, first[0], ROWS * COLS));
    CHECK_EQ(qn_softmax(y, x, ROWS, COLS, QN_F32), QN_OK);
    if (c == 0) first[1] = copy_floats(y, ROWS * COLS);
    CHECK(same_bits(y, first[1], ROWS * COLS));
    CHECK_EQ(qn_cross_entropy(loss, x, targets, ROWS, COLS, 0, -100, QN_F32), QN_OK);
    if (c == 0) first[2] = copy_floats(loss, ROWS);
    CHECK(same_bits(loss, first[2], ROWS));
  }
  /* A row by itself, at another alignment, has the bits that it had among others. */
  CHECK_EQ(qn_softmax(y, x + 5 * COLS, 1, COLS, QN_F32), QN_OK);
  CHECK(same_bits(y, first[1] + 5 * COLS, COLS));
  CHECK_EQ(qn_rms_norm(y, x + 5 * COLS, x, 1, COLS, 1e-5f, QN_F32), QN_OK);
  CHECK(same_bits(y, first[0] + 5 * COLS, COLS));
}

static void test_bad_arguments(void) {
  float x[8] = {0}, y[8];
  int32_t ids[2] = {0, 4};
  float *odd = (float *)(void *)((char *)x + 2);
  CHECK_EQ(qn_rms_norm(NULL, x, NULL, 1, 8, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_rms_norm(y, odd, NULL, 1, 4, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_rms_norm(y, x, odd, 1, 4, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_rms_norm(y, x, NULL, 1, 8, -1.0f, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_rms_norm(y, x, NULL, 1, 8, NAN, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_rms_norm(NULL, NULL, NULL, 0, 8, 0, QN_F32), QN_OK);
  CHECK_EQ(qn_softmax(y, NULL, 1, 8, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_softmax(y, x, UINT32_MAX, UINT32_MAX, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_softmax(NULL, NULL, 5, 0, QN_F32), QN_OK);
  y[0] = 42.0f;
  CHECK_EQ(qn_cross_entropy(y, x, ids, 2, 4, 0, -100, QN_F32), QN_BAD_INDEX);
  ids[1] = -1;
  CHECK_EQ(qn_cross_entropy(y, x, ids, 2, 4, 0, -100, QN_F32), QN_BAD_INDEX);
  CHECK(y[0] == 42.0f);
  CHECK_EQ(qn_cross_entropy(y, x, ids, 1, 0, 0, -100, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_cross_entropy(y, x, NULL, 1, 4, 0, -100, QN_F32), QN_NULL_POINTER);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_rms_norm,      test_rms_norm_extremes, test_softmax,       test_softmax_special_values,
      test_cross_entropy, test_label_smoothing,   test_threads,       test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
