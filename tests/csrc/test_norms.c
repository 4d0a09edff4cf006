/*
 * test_norms.c: layer, group and RMS norm, with and without a residual, against
 * float64, at every length around the number of lanes, in place, on rows that are hard
 * for float32, and for any number of threads.
 */
#include "kernel_test.h"

#define EPSILON 1e-5f

static double reference[3 * 5000];

/* Normalises one row in float64, with the mean taken off or not. */
static void normalise(double *to, const float *t, size_t cols, double epsilon, bool centred) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < cols; i += 1) sum += (double)t[i];
  const double mean = centred ? sum / (double)cols : 0.0;
  for (size_t i = 0; i < cols; i += 1) {
    squares += ((double)t[i] - mean) * ((double)t[i] - mean);
  }
  const double factor = 1.0 / sqrt(squares / (double)cols + epsilon);
  for (size_t i = 0; i < cols; i += 1) to[i] = ((double)t[i] - mean) * factor;
}

/* Layer norm of rows against float64: four roundings of the normalised element, one
 * of the result, and one deviation in 2^24 for the mean. A null weight or bias is ones or zeros. */
static bool is_layer_norm(const float *y, const float *t, const float *weight, const float *bias,
                          size_t rows, size_t cols, float epsilon) {
  for (size_t row = 0; row < rows; row += 1, y += cols, t += cols) {
    normalise(reference, t, cols, (double)epsilon, true);
    for (size_t i = 0; i < cols; i += 1) {
      const double w = weight ? (double)weight[i] : 1.0;
      const double exact = reference[i] * w + (bias ? (double)bias[i] : 0.0);
      const double tolerance = 0x1p-24 * (fabs(exact) + fabs(w) * (4 * fabs(reference[i]) + 1));
      if (fabs((double)y[i] - exact) <= tolerance) continue;
      printf("row %zu, element %zu of %zu: %.9g is not %.9g (%s)\n", row, i, cols, (double)y[i],
             exact, qn_isa_name(qn_isa_selected()));
      return false;
    }
  }
  return true;
}

static bool is_rms_norm(const float *y, const float *t, const float *weight, size_t rows,
                        size_t cols) {
  for (size_t row = 0; row < rows; row += 1) {
    normalise(reference, t + row * cols, cols, (double)EPSILON, false);
    for (size_t i = 0; i < cols; i += 1) reference[i] *= weight ? (double)weight[i] : 1.0;
    if (!all_close(y + row * cols, reference, cols, 4e-7, 0)) return false;
  }
  return true;
}

static void test_layer_norm(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    float *x = random_floats((size_t)3 * n, -3, 5);
    float *weight = random_floats(n, -2, 2);
    float *bias = random_floats(n, -2, 2);
    float *y = guarded_floats((size_t)3 * n);
    for (int form = 0; form < 4; form += 1) {
      const float *w = form & 1 ? weight : NULL;
      const float *b = form & 2 ? bias : NULL;
      CHECK_EQ(qn_layer_norm(y, x, w, b, 3, n, EPSILON, QN_F32), QN_OK);
      CHECK(is_layer_norm(y, x, w, b, 3, n, EPSILON));
    }
    CHECK_EQ(qn_layer_norm(x, x, weight, bias, 3, n, EPSILON, QN_F32), QN_OK);
    CHECK(same_bits(x, y, (size_t)3 * n));
    release_all();
  }
}

/* Rows behind a page that faults, and longer than a block of float32 sums. */
static void test_long_rows(void) {
  const uint32_t lengths[] = {1023, 1025, 4096, 5000};
  for (size_t c = 0; c < COUNT_OF(lengths); c += 1) {
    const uint32_t n = lengths[c];
    struct guarded start = guarded_alloc_start(n * sizeof(float));
    float *x = start.data;
    for (uint32_t i = 0; i < n; i += 1) x[i] = test_random_float(&test_seed, 99, 101);
    float *y = guarded_floats(n);
    CHECK_EQ(qn_layer_norm(y, x, NULL, NULL, 1, n, EPSILON, QN_F32), QN_OK);
    CHECK(is_layer_norm(y, x, NULL, NULL, 1, n, EPSILON));
    CHECK_EQ(qn_rms_norm(y, x, NULL, 1, n, EPSILON, QN_F32), QN_OK);
    CHECK(is_rms_norm(y, x, NULL, 1, n));
    guarded_free(start);
    release_all();
  }
}

/* Every place that the sum and the result may go to. */
static void test_residual(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    const size_t all = (size_t)2 * n;
    const float *x = random_floats(all, -3, 5);
    const float *residual = random_floats(all, -9, 9);
    const float *weight = random_floats(n, -2, 2);
    const float *bias = random_floats(n, -2, 2);
    float *t = guarded_floats(all);
    for (size_t i = 0; i < all; i += 1) t[i] = x[i] + residual[i];
    for (int rms = 0; rms < 2; rms += 1) {
      float *expected = guarded_floats(all);
      /* 0: apart; 1: into x; 2: into the residual; for the result, then for the sum,
       * which 3 leaves out. */
      for (int place = 0; place < 12; place += 1) {
        const int result_place = place % 3, sum_place = place / 3;
        if (result_place != 0 && result_place == sum_place) continue;
        float *a = copy_floats(x, all), *b = copy_floats(residual, all);
        float *places[] = {guarded_floats(all), a, b};
        float *sums[] = {guarded_floats(all), a, b, NULL};
        float *y = places[result_place], *sum = sums[sum_place];
        const int32_t status =
            rms ? qn_rms_norm_residual(y, sum, a, b, weight, 2, n, EPSILON, QN_F32)
                : qn_layer_norm_residual(y, sum, a, b, weight, bias, 2, n, EPSILON, QN_F32);
        CHECK_EQ(status, QN_OK);
        if (place == 0) {
          memcpy(expected, y, all * sizeof(float));
          CHECK(rms ? is_rms_norm(y, t, weight, 2, n)
                    : is_layer_norm(y, t, weight, bias, 2, n, EPSILON));
        }
        CHECK(same_bits(y, expected, all));
        CHECK(sum == NULL || same_bits(sum, t, all));
        CHECK(result_place == 1 || sum_place == 1 || same_bits(a, x, all));
        CHECK(result_place == 2 || sum_place == 2 || same_bits(b, residual, all));
        for (int i = 0; i < 4; i += 1) guarded_free(test_arena.buffers[--test_arena.count]);
      }
    }
    release_all();
  }
}

/* A row of one value has variance 0, whatever that value: the result is the bias. */
static void test_constant_rows(void) {
  const float values[] = {0.0f, 0.1f, -1e6f / 3, 1e30f, 3.3e38f, 1e-30f, 1e-42f};
  const uint32_t lengths[] = {1, 3, 5, 17, 100, 1000, 4999};
  for (size_t v = 0; v < COUNT_OF(values); v += 1) {
    for (size_t c = 0; c < COUNT_OF(lengths); c += 1) {
      const uint32_t n = lengths[c];
      float *x = guarded_floats(n);
      for (uint32_t i = 0; i < n; i += 1) x[i] = values[v];
      float *weight = random_floats(n, -2, 2);
      float *bias = random_floats(n, -2, 2);
      CHECK_EQ(qn_layer_norm(x, x, weight, bias, 1, n, EPSILON, QN_F32), QN_OK);
      CHECK(same_bits(x, bias, n));
      release_all();
    }
  }
}

/* Offsets that float32 hardly resolves, an outlier where the shift is taken, steps, and
 * numbers whose squares it cannot hold. */
static void test_hard_rows(void) {
  enum { N = 1000 };
  for (int kind = 0; kind < 8; kind += 1) {
    float *x = random_floats(N, -1, 1);
    for (int i = 0; i < N; i += 1) {
      switch (kind) {
        case 0: x[i] = 1e6f + x[i] * 1e-3f; break; /* one value, mostly */
        case 1: x[i] = 1e6f + x[i] * 0.3f; break;
        case 2: x[i] = i < 16 ? 1e6f : x[i]; break;
        case 3: x[i] = i < 500 ? 1e4f + x[i] : -1e4f + x[i]; break;
        case 4: x[i] = x[i] * 1e30f; break;
        case 5: x[i] = x[i] * 3e38f; break;
        case 6: x[i] = 1e30f + x[i] * 1e25f; break;
        default: x[i] = x[i] * 1e-30f; break;
      }
    }
    if (kind == 0) x[777] = 1e6f + 0.0625f;
    const float epsilon = kind == 7 ? 0.0f : kind == 0 ? 1e-12f : EPSILON;
    float *y = guarded_floats(N);
    CHECK_EQ(qn_layer_norm(y, x, NULL, NULL, 1, N, epsilon, QN_F32), QN_OK);
    CHECK(is_layer_norm(y, x, NULL, NULL, 1, N, epsilon));
    CHECK_EQ(qn_group_norm(y, x, NULL, NULL, 1, 10, 100, 1, epsilon, QN_F32), QN_OK);
    CHECK(is_layer_norm(y, x, NULL, NULL, 1, N, epsilon));
    release_all();
  }
}

/* A NaN or an infinity makes NaN of its row and leaves the others alone. */
static void test_special_values(void) {
  const float values[] = {NAN, INFINITY, -INFINITY};
  for (size_t v = 0; v < COUNT_OF(values); v += 1) {
    for (uint32_t n = 1; n < 40; n += 1) {
      float *x = random_floats((size_t)2 * n, -1, 1);
      float *y = guarded_floats((size_t)2 * n);
      x[n / 2] = values[v];
      CHECK_EQ(qn_layer_norm(y, x, NULL, NULL, 2, n, EPSILON, QN_F32), QN_OK);
      for (uint32_t i = 0; i < n; i += 1) CHECK(isnan(y[i]) && !isnan(y[n + i]));
      CHECK_EQ(qn_group_norm(y, x, NULL, NULL, 2, 1, n, 1, EPSILON, QN_F32), QN_OK);
      for (uint32_t i = 0; i < n; i += 1) CHECK(isnan(y[i]) && !isnan(y[n + i]));
      CHECK_EQ(qn_rms_norm(y, x, NULL, 2, n, EPSILON, QN_F32), QN_OK);
      CHECK(isnan(y[n / 2]) && !isnan(y[n]));
      release_all();
    }
  }
}

/* Each group is a row whose weights and biases are repeated over the places. */
static void test_group_norm(void) {
  const uint32_t places[] = {0, 1, 2, 3, 7, 15, 16, 17, 33, 64, 100};
  const uint32_t groups[] = {1, 2, 3, 6};
  for (size_t p = 0; p < COUNT_OF(places); p += 1) {
    for (size_t g = 0; g < COUNT_OF(groups); g += 1) {
      enum { IMAGES = 2, CHANNELS = 6 };
      const size_t all = (size_t)IMAGES * CHANNELS * places[p];
      float *x = random_floats(all, 9, 12);
      float *weight = random_floats(CHANNELS, -2, 2), *bias = random_floats(CHANNELS, -2, 2);
      float *y = guarded_floats(all), *w = guarded_floats(all), *b = guarded_floats(all);
      for (size_t i = 0; i < all; i += 1) {
        w[i] = weight[i / places[p] % CHANNELS];
        b[i] = bias[i / places[p] % CHANNELS];
      }
      CHECK_EQ(qn_group_norm(y, x, weight, bias, IMAGES, CHANNELS, places[p], groups[g],
                                 EPSILON, QN_F32),
               QN_OK);
      const size_t row = (size_t)CHANNELS / groups[g] * places[p];
      for (size_t at = 0; at < all; at += row) {
        CHECK(is_layer_norm(y + at, x + at, w + at, b + at, 1, row, EPSILON));
      }
      CHECK_EQ(qn_group_norm(x, x, weight, bias, IMAGES, CHANNELS, places[p], groups[g],
                                 EPSILON, QN_F32),
               QN_OK);
      CHECK(same_bits(x, y, all));
      release_all();
    }
  }
}

static void test_threads(void) {
  enum { ROWS = 40, COLS = 2051 };
  float *x = random_floats(ROWS * COLS, -9, 9);
  float *y = guarded_floats(ROWS * COLS), *sum = guarded_floats(ROWS * COLS);
  float *first[4] = {NULL};
  for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
    for (int kind = 0; kind < 4; kind += 1) {
      switch (kind) {
        case 0: qn_layer_norm(y, x, x, x + 9, ROWS, COLS, EPSILON, QN_F32); break;
        case 1: qn_layer_norm_residual(y, sum, x, x, x, NULL, ROWS, COLS, EPSILON, QN_F32); break;
        case 2: qn_rms_norm_residual(y, NULL, x, x, x, ROWS, COLS, EPSILON, QN_F32); break;
        default: qn_group_norm(y, x, x, NULL, 4, 10, COLS, 5, EPSILON, QN_F32); break;
      }
      if (c == 0) first[kind] = copy_floats(y, ROWS * COLS);
      CHECK(same_bits(y, first[kind], ROWS * COLS));
    }
  }
  /* A row by itself, at another alignment, has the bits that it had among others. */
  CHECK_EQ(qn_layer_norm(y, x + 5 * COLS, x, x + 9, 1, COLS, EPSILON, QN_F32), QN_OK);
  CHECK(same_bits(y, first[0] + 5 * COLS, COLS));
}

static void test_bad_arguments(void) {
  float x[8] = {0}, y[8];
  float *odd = (float *)(void *)((char *)x + 2);
  CHECK_EQ(qn_layer_norm(NULL, x, NULL, NULL, 1, 8, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_layer_norm(y, NULL, NULL, NULL, 1, 8, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_layer_norm(y, x, odd, NULL, 1, 4, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_layer_norm(y, x, NULL, odd, 1, 4, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_layer_norm(y, x, NULL, NULL, 1, 8, -1.0f, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_layer_norm(y, x, NULL, NULL, 1, 8, NAN, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_layer_norm(NULL, NULL, NULL, NULL, 8, 0, 0, QN_F32), QN_OK);
  CHECK_EQ(qn_layer_norm_residual(y, NULL, x, NULL, NULL, NULL, 1, 8, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_layer_norm_residual(y, odd, x, x, NULL, NULL, 1, 4, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_rms_norm_residual(y, NULL, x, NULL, NULL, 1, 8, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_rms_norm_residual(y, odd, x, x, NULL, 1, 4, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_rms_norm_residual(y, NULL, x, x, NULL, 1, 8, INFINITY, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_group_norm(y, x, NULL, NULL, 1, 8, 1, 0, 0, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_group_norm(y, x, NULL, NULL, 1, 8, 1, 3, 0, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_group_norm(y, NULL, NULL, NULL, 1, 8, 1, 2, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_group_norm(y, x, odd, NULL, 1, 4, 1, 2, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_group_norm(y, x, NULL, NULL, 1, 8, 1, 2, -1.0f, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_group_norm(NULL, NULL, NULL, NULL, 0, 8, 1, 2, 0, QN_F32), QN_OK);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_layer_norm, test_long_rows,      test_residual,   test_constant_rows,
      test_hard_rows,  test_special_values, test_group_norm, test_threads,
      test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
