/*
 * test_gradients.c: gradients against their formulas in float64, at every length around the
 * number of lanes, in place, in both dtypes, and for any number of threads. That the
 * formulas are the slopes of their functions is tested from TypeScript, against differences.
 */
#include "kernel_test.h"

#define EPSILON 1e-5

/* Reals of either dtype, with the same values; `to` is as large and aligned. */
struct reals {
  int32_t dtype;
  void *data;
};

static size_t bytes_of(int32_t dtype) { return dtype == QN_F64 ? sizeof(double) : sizeof(float); }

static double at(struct reals x, size_t i) {
  return x.dtype == QN_F64 ? ((const double *)x.data)[i] : (double)((const float *)x.data)[i];
}

static struct reals make(int32_t dtype, size_t count, float low, float high) {
  const struct reals x = {dtype, guarded_bytes(count * bytes_of(dtype))};
  for (size_t i = 0; i < count; i += 1) {
    const float value = test_random_float(&test_seed, low, high);
    if (dtype == QN_F64) {
      ((double *)x.data)[i] = (double)value;
    } else {
      ((float *)x.data)[i] = value;
    }
  }
  return x;
}

static struct reals copy_of(struct reals x, size_t count) {
  const struct reals copy = {x.dtype, guarded_bytes(count * bytes_of(x.dtype))};
  if (count != 0) memcpy(copy.data, x.data, count * bytes_of(x.dtype));
  return copy;
}

static bool same(struct reals a, struct reals b, size_t count) {
  return count == 0 || memcmp(a.data, b.data, count * bytes_of(a.dtype)) == 0;
}

static bool is_near(struct reals x, size_t i, double expected, double size) {
  const double tolerance = (x.dtype == QN_F64 ? 1e-14 : 1e-6) * (fabs(expected) + size);
  if (fabs(at(x, i) - expected) <= tolerance) return true;
  printf("element %zu of dtype %d: %.17g is not %.17g (%s)\n", i, x.dtype, at(x, i), expected,
         qn_isa_name(qn_isa_selected()));
  return false;
}

static const int32_t dtypes[] = {QN_F32, QN_F64};

/* ---- Elements ----------------------------------------------------------------- */

static double slope_of(int32_t op, double x) {
  if (op == QN_SILU) {
    const double s = 1 / (1 + exp(-x));
    return s + x * s * (1 - s);
  }
  if (op == QN_GELU_ERF) {
    const double density = exp(-x * x / 2) * 0.39894228040143267794;
    return 0.5 * erfc(-x * 0.70710678118654752440) + x * density;
  }
  const double k = 0.79788456080286535588, c = 0.044715;
  const double t = tanh(k * (x + c * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * c * x * x);
}

static const int32_t ops[] = {QN_SILU, QN_GELU_ERF, QN_GELU_TANH};

static void test_unary(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths) * 2; c += 1) {
    const uint32_t n = test_lengths[c / 2];
    const int32_t dtype = dtypes[c % 2];
    const struct reals x = make(dtype, n, -9, 9), g = make(dtype, n, -2, 2);
    for (size_t o = 0; o < COUNT_OF(ops); o += 1) {
      const struct reals dx = make(dtype, n, 0, 0), own = copy_of(g, n), other = copy_of(x, n);
      CHECK_EQ(qn_unary_gradient(dx.data, g.data, x.data, 1, n, ops[o], dtype), QN_OK);
      for (uint32_t i = 0; i < n; i += 1) {
        CHECK(is_near(dx, i, at(g, i) * slope_of(ops[o], at(x, i)), 1));
      }
      CHECK_EQ(qn_unary_gradient(own.data, own.data, x.data, n, 1, ops[o], dtype), QN_OK);
      CHECK_EQ(qn_unary_gradient(other.data, g.data, other.data, 1, n, ops[o], dtype), QN_OK);
      CHECK(same(own, dx, n) && same(other, dx, n));
    }
    release_all();
  }
}

/* Slopes end at 0 and 1; NaN stays. */
static void test_far_elements(void) {
  const float x[] = {-INFINITY, -3e38f, -300, 300, 3e38f, INFINITY, NAN, 0};
  const float expected[] = {0, 0, 0, 1, 1, 1, NAN, 0.5f};
  float g[8], dx[8];
  for (int i = 0; i < 8; i += 1) g[i] = 1;
  for (size_t o = 0; o < COUNT_OF(ops); o += 1) {
    CHECK_EQ(qn_unary_gradient(dx, g, x, 1, 8, ops[o], QN_F32), QN_OK);
    for (int i = 0; i < 8; i += 1) CHECK(is_close(dx[i], (double)expected[i], 1e-6));
  }
}

/* ---- Rows ---------------------------------------------------------------------- */

static void test_softmax(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths) * 2; c += 1) {
    const uint32_t n = test_lengths[c / 2];
    const int32_t dtype = dtypes[c % 2];
    const struct reals y = make(dtype, 3 * n, 0, 1), g = make(dtype, 3 * n, -2, 2);
    const struct reals dx = make(dtype, 3 * n, 0, 0), own = copy_of(g, 3 * n),
                       other = copy_of(y, 3 * n);
    CHECK_EQ(qn_softmax_gradient(dx.data, g.data, y.data, 3, n, 0.5, dtype), QN_OK);
    for (size_t row = 0; row < 3; row += 1) {
      double product = 0, size = 0;
      for (size_t i = row * n; i < (row + 1) * n; i += 1) {
        product += at(g, i) * at(y, i);
        size += fabs(at(g, i) * at(y, i));
      }
      for (size_t i = row * n; i < (row + 1) * n; i += 1) {
        CHECK(is_near(dx, i, at(y, i) * (at(g, i) - product) * 0.5, size));
      }
    }
    CHECK_EQ(qn_softmax_gradient(own.data, own.data, y.data, 3, n, 0.5, dtype), QN_OK);
    CHECK_EQ(qn_softmax_gradient(other.data, g.data, other.data, 3, n, 0.5, dtype), QN_OK);
    CHECK(same(own, dx, 3 * n) && same(other, dx, 3 * n));
    release_all();
  }
}

static void test_cross_entropy(void) {
  const double smoothings[] = {0, 0.2, 1};
  for (size_t c = 2; c < COUNT_OF(test_lengths) * 2; c += 1) {
    const uint32_t n = test_lengths[c / 2];
    const int32_t dtype = dtypes[c % 2];
    const struct reals x = make(dtype, 3 * n, -9, 9), g = make(dtype, 3, -2, 2);
    const int32_t targets[] = {(int32_t)n - 1, -7, 0};
    for (size_t s = 0; s < COUNT_OF(smoothings); s += 1) {
      const double smoothing = smoothings[s];
      const struct reals dx = make(dtype, 3 * n, 1, 1), own = copy_of(x, 3 * n);
      CHECK_EQ(qn_cross_entropy_gradient(dx.data, g.data, x.data, targets, 3, n, smoothing, -7,
                                         dtype),
               QN_OK);
      for (size_t row = 0; row < 3; row += 1) {
        double sum = 0;
        for (size_t i = 0; i < n; i += 1) sum += exp(at(x, row * n + i));
        for (size_t i = 0; i < n; i += 1) {
          const double hit = (int32_t)i == targets[row] ? 1 - smoothing : 0;
          const double slope = exp(at(x, row * n + i)) / sum - hit - smoothing / n;
          CHECK(is_near(dx, row * n + i, row == 1 ? 0 : at(g, row) * slope, row == 1 ? 0 : 1));
        }
      }
      CHECK_EQ(qn_cross_entropy_gradient(own.data, g.data, own.data, targets, 3, n, smoothing, -7,
                                         dtype),
               QN_OK);
      CHECK(same(own, dx, 3 * n));
    }
    release_all();
  }
}

/* ---- Norms ---------------------------------------------------------------------- */

/* Checks dx of a row, and adds what it is worth to the columns. */
static bool is_norm_gradient(struct reals dx, struct reals g, struct reals x, const double *weight,
                             size_t row, size_t cols, bool centred, double *columns) {
  double mean = 0, squares = 0, level = 0, lengthwise = 0, size = 0;
  const size_t first = row * cols;
  for (size_t i = 0; i < cols; i += 1) mean += centred ? at(x, first + i) / (double)cols : 0;
  for (size_t i = 0; i < cols; i += 1) squares += pow(at(x, first + i) - mean, 2);
  const double factor = 1 / sqrt(squares / (double)cols + EPSILON);
  for (size_t i = 0; i < cols; i += 1) {
    const double t = at(g, first + i) * weight[i], n = (at(x, first + i) - mean) * factor;
    level += centred ? t / (double)cols : 0;
    lengthwise += t * n / (double)cols;
    size += fabs(t) * (1 + fabs(n)) / (double)cols;
    columns[i] += at(g, first + i) * n;
  }
  for (size_t i = 0; i < cols; i += 1) {
    const double t = at(g, first + i) * weight[i], n = (at(x, first + i) - mean) * factor;
    const double expected = factor * (t - level - n * lengthwise);
    if (!is_near(dx, first + i, expected, 4 * factor * (fabs(t) + size * (1 + fabs(n))))) return false;
  }
  return true;
}

static void test_norms(void) {
  enum { ROWS = 67 };
  for (size_t c = 0; c < COUNT_OF(test_lengths) * 4; c += 1) {
    const uint32_t n = test_lengths[c / 4];
    const int32_t dtype = dtypes[c % 2], centred = c / 2 % 2;
    const size_t all = (size_t)ROWS * n;
    const struct reals x = make(dtype, all, 3, 9), g = make(dtype, all, -2, 2),
                       w = make(dtype, n, -2, 2), dx = make(dtype, all, 0, 0),
                       own = copy_of(g, all), other = copy_of(x, all),
                       moments = make(dtype, 3 * ROWS, 0, 0), dw = make(dtype, n, 1, 1),
                       db = make(dtype, n, 1, 1);
    static double weight[1000], products[1000], sums[1000];
    for (int form = 0; form < 2; form += 1) {
      const void *given = form == 0 ? NULL : w.data;
      for (uint32_t i = 0; i < n; i += 1) {
        weight[i] = form == 0 ? 1 : at(w, i);
        products[i] = sums[i] = 0;
      }
      CHECK_EQ(qn_norm_gradient(dx.data, moments.data, g.data, x.data, given, ROWS, n, EPSILON,
                                centred, dtype),
               QN_OK);
      for (size_t row = 0; row < ROWS; row += 1) {
        CHECK(is_norm_gradient(dx, g, x, weight, row, n, centred != 0, products));
        for (uint32_t i = 0; i < n; i += 1) sums[i] += at(g, row * n + i);
      }
    }
    CHECK_EQ(qn_norm_gradient(own.data, NULL, own.data, x.data, w.data, ROWS, n, EPSILON, centred,
                              dtype),
             QN_OK);
    CHECK_EQ(qn_norm_gradient(other.data, NULL, g.data, other.data, w.data, ROWS, n, EPSILON,
                              centred, dtype),
             QN_OK);
    CHECK(same(own, dx, all) && same(other, dx, all));
    CHECK_EQ(qn_norm_columns(dw.data, db.data, g.data, x.data, moments.data, ROWS, n, dtype),
             QN_OK);
    for (uint32_t i = 0; i < n; i += 1) {
      CHECK(is_near(dw, i, products[i], ROWS * 2));
      CHECK(is_near(db, i, sums[i], ROWS * 2));
    }
    /* The moments alone, and each column's sum alone, have the same bits. */
    const struct reals moments_alone = make(dtype, 3 * ROWS, 0, 0), dw_alone = make(dtype, n, 0, 0),
                       db_alone = make(dtype, n, 0, 0);
    CHECK_EQ(qn_norm_gradient(NULL, moments_alone.data, NULL, x.data, NULL, ROWS, n, EPSILON,
                              centred, dtype),
             QN_OK);
    CHECK(n == 0 || same(moments_alone, moments, 3 * ROWS));
    CHECK_EQ(qn_norm_columns(dw_alone.data, NULL, g.data, x.data, moments.data, ROWS, n, dtype),
             QN_OK);
    CHECK_EQ(qn_norm_columns(NULL, db_alone.data, g.data, NULL, NULL, ROWS, n, dtype), QN_OK);
    CHECK(same(dw_alone, dw, n) && same(db_alone, db, n));
    CHECK_EQ(qn_norm_columns(dw.data, db.data, NULL, NULL, NULL, 0, n, dtype), QN_OK);
    for (uint32_t i = 0; i < n; i += 1) CHECK(at(dw, i) == 0 && at(db, i) == 0);
    release_all();
  }
}

/* A row far from 0, and rows whose squares float32 does not hold. */
static void test_hard_rows(void) {
  const float far[] = {1e6f, 1e6f + 1, 1e6f + 2, 1e6f + 3}, g[] = {1, 0, 0, 0};
  float near[] = {0, 1, 2, 3}, dx[4], expected[4];
  CHECK_EQ(qn_norm_gradient(expected, NULL, g, near, NULL, 1, 4, EPSILON, 1, QN_F32), QN_OK);
  CHECK_EQ(qn_norm_gradient(dx, NULL, g, far, NULL, 1, 4, EPSILON, 1, QN_F32), QN_OK);
  for (int i = 0; i < 4; i += 1) CHECK_NEAR((double)dx[i], (double)expected[i], 1e-6);
  for (int centred = 0; centred < 2; centred += 1) {
    float huge[] = {1e30f, -1e30f, 3e30f, 2e30f}, small[] = {1, -1, 3, 2};
    CHECK_EQ(qn_norm_gradient(expected, NULL, g, small, NULL, 1, 4, 0, centred, QN_F32), QN_OK);
    CHECK_EQ(qn_norm_gradient(dx, NULL, g, huge, NULL, 1, 4, 0, centred, QN_F32), QN_OK);
    for (int i = 0; i < 4; i += 1) {
      CHECK_NEAR((double)dx[i] * 1e30, (double)expected[i], 1e-6);
    }
  }
}

/* ---- All -------------------------------------------------------------------------- */

static void test_threads(void) {
  enum { ROWS = 130, COLS = 1031, ALL = ROWS * COLS };
  const float *x = random_floats(ALL, -2, 3), *g = random_floats(ALL, -2, 2);
  int32_t *targets = guarded_bytes(ROWS * sizeof(int32_t));
  for (int32_t i = 0; i < ROWS; i += 1) targets[i] = i * 7;
  float *first[5] = {NULL}, *y = guarded_floats(ALL), *moments = guarded_floats(3 * ROWS);
  float *sums = guarded_floats(2 * COLS);
  for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
    for (int which = 0; which < 5; which += 1) {
      size_t count = ALL;
      float *result = y;
      int32_t status = QN_OK;
      if (which == 0) status = qn_unary_gradient(y, g, x, ROWS, COLS, QN_GELU_ERF, QN_F32);
      if (which == 1) status = qn_softmax_gradient(y, g, x, ROWS, COLS, 1, QN_F32);
      if (which == 2) {
        status = qn_cross_entropy_gradient(y, g, x, targets, ROWS, COLS, 0.1, -1, QN_F32);
      }
      if (which == 3) {
        status = qn_norm_gradient(y, moments, g, x, g, ROWS, COLS, EPSILON, 1, QN_F32);
      }
      if (which == 4) {
        status = qn_norm_columns(sums, sums + COLS, g, x, moments, ROWS, COLS, QN_F32);
        result = sums;
        count = 2 * COLS;
      }
      CHECK_EQ(status, QN_OK);
      if (c == 0) first[which] = copy_floats(result, count);
      CHECK(same_bits(result, first[which], count));
    }
  }
  CHECK_EQ(qn_norm_gradient(y, NULL, g + 5 * COLS, x + 5 * COLS, g, 1, COLS, EPSILON, 1, QN_F32),
           QN_OK);
  CHECK(same_bits(y, first[3] + 5 * COLS, COLS));
}

static void test_bad_arguments(void) {
  float x[8] = {0}, y[8];
  const int32_t targets[] = {0, 4};
  float *odd = (float *)(void *)((char *)x + 2);
  CHECK_EQ(qn_unary_gradient(y, x, x, 1, 8, QN_EXP, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_unary_gradient(y, x, x, 1, 8, QN_SILU, QN_F16), QN_BAD_DTYPE);
  CHECK_EQ(qn_unary_gradient(y, NULL, x, 1, 8, QN_SILU, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_unary_gradient(y, x, odd, 1, 4, QN_SILU, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_unary_gradient(NULL, NULL, NULL, 5, 0, QN_SILU, QN_F32), QN_OK);
  CHECK_EQ(qn_softmax_gradient(y, x, NULL, 1, 8, 1, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_softmax_gradient(y, x, x, UINT32_MAX, UINT32_MAX, 1, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_softmax_gradient(NULL, NULL, NULL, 0, 8, 1, QN_F32), QN_OK);
  CHECK_EQ(qn_softmax_gradient(NULL, NULL, NULL, 8, 0, 1, QN_F32), QN_OK);
  CHECK_EQ(qn_cross_entropy_gradient(y, x, x, targets, 2, 4, 0, -1, QN_F32), QN_BAD_INDEX);
  CHECK_EQ(qn_cross_entropy_gradient(y, x, x, targets, 1, 0, 0, -1, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_cross_entropy_gradient(y, x, x, NULL, 1, 4, 0, -1, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_cross_entropy_gradient(y, x, x, targets, 1, 4, 2, -1, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_cross_entropy_gradient(NULL, NULL, NULL, NULL, 0, 4, 0, -1, QN_F32), QN_OK);
  CHECK_EQ(qn_norm_gradient(y, NULL, x, x, NULL, 1, 8, -1, 1, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_norm_gradient(y, NULL, NULL, x, NULL, 1, 8, 0, 1, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_norm_gradient(y, NULL, x, x, odd, 1, 4, 0, 1, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_norm_gradient(y, odd, x, x, NULL, 1, 4, 0, 1, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_norm_gradient(NULL, NULL, NULL, NULL, NULL, 0, 4, 0, 1, QN_F32), QN_OK);
  CHECK_EQ(qn_norm_columns(y, NULL, x, NULL, x, 1, 4, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_norm_columns(y, NULL, x, x, NULL, 1, 4, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_norm_columns(NULL, odd, x, NULL, NULL, 1, 4, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_norm_columns(y, y, x, x, x, 1, 4, QN_BOOL), QN_BAD_DTYPE);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_unary, test_far_elements, test_softmax, test_cross_entropy,
      test_norms, test_hard_rows,    test_threads, test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
