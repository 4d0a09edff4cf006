/*
 * test_float64.c: what exists for float32 and float64, in float64: against plain loops in
 * long double, which has more digits than double where the processor has them, at every
 * length around the number of lanes, in place, behind pages that fault, and for any number
 * of threads. What does not depend on the dtype is tested with float32.
 */
#include "kernel_test.h"

enum { MOST = 1000 };

static double *guarded_doubles(size_t count) { return guarded_bytes(count * sizeof(double)); }

static double *random_doubles(size_t count, double low, double high) {
  double *values = guarded_doubles(count);
  for (size_t i = 0; i < count; i += 1) {
    const double unit = (double)(test_random(&test_seed) >> 11) * 0x1p-53;
    values[i] = low + (high - low) * unit;
  }
  return values;
}

static double *copy_doubles(const double *values, size_t count) {
  double *copy = guarded_doubles(count);
  if (count != 0) memcpy(copy, values, count * sizeof(double));
  return copy;
}

static bool same(const double *a, const double *b, size_t count) {
  return count == 0 || memcmp(a, b, count * sizeof(double)) == 0;
}

/* Within `ulps` half-units of the last place of the reference, or both NaN. */
static bool is_near(double value, long double reference, double ulps) {
  if (isnan(reference)) return isnan(value);
  if ((double)reference == value) return true;
  const long double bound = fabsl(reference) * (long double)(ulps * 0x1p-53);
  return fabsl((long double)value - reference) <= bound + 0x1p-1074L;
}

static bool are_near(const double *values, const long double *references, size_t count,
                     double ulps) {
  for (size_t i = 0; i < count; i += 1) {
    if (is_near(values[i], references[i], ulps)) continue;
    printf("element %zu: %.17g is not %.17Lg (%s)\n", i, values[i], references[i],
           qn_isa_name(qn_isa_selected()));
    return false;
  }
  return true;
}

static long double reference[6 * MOST];

/* ---- Functions of one element ----------------------------------------------- */

static long double negative(long double v) { return -v; }
static long double square(long double v) { return v * v; }
static long double reciprocal(long double v) { return 1.0L / v; }
static long double reciprocal_root(long double v) { return 1.0L / sqrtl(v); }
static long double sign_of(long double v) { return v > 0 ? 1 : v < 0 ? -1 : v; }
static long double relu(long double v) { return v < 0 ? 0 : v; }
static long double sigmoid(long double v) { return 1.0L / (1.0L + expl(-v)); }
static long double silu(long double v) { return v / (1.0L + expl(-v)); }
static long double gelu_erf(long double v) {
  return 0.5L * v * erfcl(-v * 0.707106781186547524400844362104849039L);
}
static long double gelu_tanh(long double v) {
  const long double u = 0.797884560802865355879892119868763737L * (v + 0.044715L * v * v * v);
  return v / (1.0L + expl(-2.0L * u));
}

/* `slope` x^2 more where x is negative: the exponent's own rounding. */
static const struct function {
  int32_t op;
  long double (*reference)(long double);
  double ulps, slope;
} functions[] = {
    {QN_EXP, expl, 4, 0},         {QN_LOG, logl, 4, 0},
    {QN_EXPM1, expm1l, 4, 0},     {QN_LOG1P, log1pl, 4, 0},
    {QN_SIN, sinl, 4, 0},         {QN_COS, cosl, 4, 0},
    {QN_TANH, tanhl, 6, 0},       {QN_ERF, erfl, 4, 0},
    {QN_SQRT, sqrtl, 1.01, 0},    {QN_RSQRT, reciprocal_root, 3, 0},
    {QN_ABS, fabsl, 0, 0},        {QN_NEGATIVE, negative, 0, 0},
    {QN_SQUARE, square, 1.01, 0}, {QN_RECIPROCAL, reciprocal, 1.01, 0},
    {QN_SIGN, sign_of, 0, 0},     {QN_FLOOR, floorl, 0, 0},
    {QN_CEIL, ceill, 0, 0},       {QN_ROUND, rintl, 0, 0},
    {QN_RELU, relu, 0, 0},        {QN_SIGMOID, sigmoid, 8, 0},
    {QN_SILU, silu, 10, 0},       {QN_GELU_ERF, gelu_erf, 10, 4},
    {QN_GELU_TANH, gelu_tanh, 10, 6}, {QN_EXP2, exp2l, 4, 0},
    {QN_LOG2, log2l, 4, 0},       {QN_LOG10, log10l, 4, 0},
    {QN_TAN, tanl, 4, 0},         {QN_ATAN, atanl, 4, 0},
};

static bool is_function(const struct function *f, const double *y, const double *x, size_t count) {
  for (size_t i = 0; i < count; i += 1) {
    const double slope = x[i] < 0 ? f->slope * x[i] * x[i] : 0;
    if (is_near(y[i], f->reference((long double)x[i]), f->ulps + slope)) continue;
    printf("op %d of %a = %a (%s)\n", (int)f->op, x[i], y[i], qn_isa_name(qn_isa_selected()));
    return false;
  }
  return true;
}

static void test_unary(void) {
  static const double special[] = {0.0,    -0.0,     1.0,  -1.0, 0.5,     -0.5,   1.5,   2.5,
                                   -2.5,   0x1p52,   -0x1p53, 1e300, INFINITY, -INFINITY, NAN,
                                   0x1p-1030, 0.3, -0.3, 4503599627370495.5, -1e-300, 700.0};
  for (size_t k = 0; k < COUNT_OF(functions); k += 1) {
    const struct function *f = &functions[k];
    double *x = random_doubles(MOST, -8, 8);
    memcpy(x, special, sizeof special);
    double *whole = guarded_doubles(MOST);
    CHECK_EQ(qn_unary(whole, x, 1, MOST, f->op, QN_F64), QN_OK);
    CHECK(is_function(f, whole, x, MOST));
    for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
      const uint32_t n = test_lengths[c];
      double *part = copy_doubles(x + (MOST - n), n);
      CHECK_EQ(qn_unary(part, part, n, 1, f->op, QN_F64), QN_OK);
      CHECK(same(part, whole + (MOST - n), n));
    }
    release_all();
  }
}

static void test_pairs(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    double *gate = random_doubles(n, -6, 6), *up = random_doubles(n, -8, 8);
    double *y = guarded_doubles(n);
    CHECK_EQ(qn_swiglu(y, gate, up, 1, n, QN_F64), QN_OK);
    for (uint32_t i = 0; i < n; i += 1) reference[i] = silu((long double)gate[i]) * (long double)up[i];
    CHECK(are_near(y, reference, n, 12));
    for (int kind = 0; kind < 2; kind += 1) {
      const int32_t gelu = kind == 0 ? QN_GELU_ERF : QN_GELU_TANH;
      CHECK_EQ(qn_geglu(y, gate, up, n, 1, gelu, QN_F64), QN_OK);
      for (uint32_t i = 0; i < n; i += 1) {
        const long double v = (long double)gate[i];
        reference[i] = (kind == 0 ? gelu_erf(v) : gelu_tanh(v)) * (long double)up[i];
      }
      CHECK(are_near(y, reference, n, 260));
    }
    CHECK_EQ(qn_clamp(gate, gate, 1, n, -0.1, 2.0 / 3.0, QN_F64), QN_OK);
    for (uint32_t i = 0; i < n; i += 1) CHECK(gate[i] >= -0.1 && gate[i] <= 2.0 / 3.0);
    release_all();
  }
}

/* ---- Rows -------------------------------------------------------------------- */

/* Two passes; with `rms` the mean is taken as 0. */
static void normalise(const double *x, const double *w, const double *b, size_t n, bool rms) {
  long double mean = 0, squares = 0;
  for (size_t i = 0; i < n && !rms; i += 1) mean += (long double)x[i] / (long double)n;
  for (size_t i = 0; i < n; i += 1) {
    const long double d = (long double)x[i] - mean;
    squares += d * d / (long double)n;
  }
  const long double factor = 1 / sqrtl(squares + 1e-5L);
  for (size_t i = 0; i < n; i += 1) {
    reference[i] = ((long double)x[i] - mean) * factor * (w ? (long double)w[i] : 1) +
                   (b ? (long double)b[i] : 0);
  }
}

/* Off by what the mean is rounded by, which the factor multiplies by up to 300. */
static bool is_normalised(const double *y, size_t n) {
  for (size_t i = 0; i < n; i += 1) {
    if (fabsl((long double)y[i] - reference[i]) > 4e-13L) return false;
  }
  return true;
}

static void test_norms(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    const double *x = random_doubles(n, 7, 9), *residual = random_doubles(n, -1, 1);
    const double *w = random_doubles(n, -2, 2), *b = random_doubles(n, -2, 2);
    double *y = guarded_doubles(n), *sum = guarded_doubles(n), *total = guarded_doubles(n);
    for (uint32_t i = 0; i < n; i += 1) sum[i] = x[i] + residual[i];
    CHECK_EQ(qn_layer_norm(y, x, w, b, 1, n, 1e-5, QN_F64), QN_OK);
    normalise(x, w, b, n, false);
    CHECK(is_normalised(y, n));
    CHECK_EQ(qn_layer_norm_residual(y, total, x, residual, w, NULL, 1, n, 1e-5, QN_F64), QN_OK);
    normalise(sum, w, NULL, n, false);
    CHECK(is_normalised(y, n) && same(total, sum, n));
    CHECK_EQ(qn_rms_norm(y, x, w, 1, n, 1e-5, QN_F64), QN_OK);
    normalise(x, w, NULL, n, true);
    CHECK(is_normalised(y, n));
    CHECK_EQ(qn_rms_norm_residual(y, NULL, x, residual, NULL, 1, n, 1e-5, QN_F64), QN_OK);
    normalise(sum, NULL, NULL, n, true);
    CHECK(is_normalised(y, n));
    release_all();
  }
}

/* Offsets of a billion spreads, and squares that double cannot hold. */
static void test_hard_rows(void) {
  for (int kind = 0; kind < 3; kind += 1) {
    double *x = random_doubles(MOST, -1, 1), *y = guarded_doubles(MOST);
    for (int i = 0; i < MOST; i += 1) {
      if (kind == 0) x[i] = 1e9 + x[i];
      if (kind == 1) x[i] *= 1e200;
      if (kind == 2) x[i] = 5.0;
    }
    CHECK_EQ(qn_layer_norm(y, x, NULL, NULL, 1, MOST, 1e-5, QN_F64), QN_OK);
    long double sum = 0, squares = 0;
    for (int i = 0; i < MOST; i += 1) {
      sum += (long double)y[i];
      squares += (long double)y[i] * (long double)y[i];
    }
    if (kind == 1) continue; /* finite, or NaN where the squares overflow */
    CHECK(fabsl(sum) < (kind == 0 ? 1e-3L : 1e-9L));
    CHECK(kind == 2 ? squares == 0 : fabsl(squares / MOST - 1) < 1e-4L);
    release_all();
  }
}

static void test_group_norm(void) {
  enum { IMAGES = 2, CHANNELS = 6, GROUPS = 3 };
  for (size_t c = 1; c < COUNT_OF(test_lengths) - 3; c += 1) {
    const uint32_t n = test_lengths[c];
    const size_t row = CHANNELS / GROUPS * n;
    double *x = random_doubles(IMAGES * CHANNELS * n, 3, 5);
    double *w = random_doubles(CHANNELS, -2, 2), *b = random_doubles(CHANNELS, -2, 2);
    double *wide_w = guarded_doubles(CHANNELS * n), *wide_b = guarded_doubles(CHANNELS * n);
    for (size_t i = 0; i < CHANNELS * n; i += 1) {
      wide_w[i] = w[i / n];
      wide_b[i] = b[i / n];
    }
    double *y = guarded_doubles(IMAGES * CHANNELS * n);
    CHECK_EQ(qn_group_norm(y, x, w, b, IMAGES, CHANNELS, n, GROUPS, 1e-5, QN_F64), QN_OK);
    for (size_t r = 0; r < IMAGES * GROUPS; r += 1) {
      const size_t at = r % GROUPS * row;
      normalise(x + r * row, wide_w + at, wide_b + at, row, false);
      CHECK(is_normalised(y + r * row, row));
    }
    release_all();
  }
}

/* The difference to the largest is rounded before its exponential: up to half of 35 ULP. Of
 * the first `seen` scores, with a mask that is added, or that keeps where it is not 0. */
static long double softmax(const double *x, const double *added, const int32_t *kept, double scale,
                           size_t seen) {
  long double largest = -INFINITY, sum = 0;
  for (size_t i = 0; i < seen; i += 1) {
    const double score = x[i] * scale;
    reference[i] = (long double)(added ? score + added[i] : score);
    if (kept && kept[i] == 0) reference[i] = -INFINITY;
    if (reference[i] > largest) largest = reference[i];
  }
  for (size_t i = 0; i < seen; i += 1) sum += reference[i] = expl(reference[i] - largest);
  for (size_t i = 0; i < seen; i += 1) reference[i] /= sum;
  return logl(sum) + largest;
}

static void test_softmax(void) {
  for (size_t c = 1; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    const double *x = random_doubles(2 * n, -20, 10);
    double *y = guarded_doubles(2 * n), *added = random_doubles(n, -5, 5);
    int32_t *kept = guarded_bytes(n * sizeof *kept), target[] = {0, (int32_t)n / 2};
    uint8_t *flags = guarded_bytes(n);
    for (uint32_t i = 0; i < n; i += 1) flags[i] = (uint8_t)(kept[i] = i % 3 == 0);
    CHECK_EQ(qn_softmax(y, x, 2, n, QN_F64), QN_OK);
    for (int row = 0; row < 2; row += 1) {
      softmax(x + row * n, NULL, NULL, 1, n);
      CHECK(are_near(y + row * n, reference, n, 50));
    }
    CHECK_EQ(qn_softmax_masked(y, x, added, 2, n, 0.1, QN_F64, 2, 1, 0, QN_F64), QN_OK);
    softmax(x, added, NULL, 0.1, n);
    CHECK(are_near(y, reference, n, 50));
    CHECK_EQ(qn_softmax_masked(y, x, kept, 2, n, 0.1, QN_I32, 2, 1, n > 1 ? 2 : 0, QN_F64), QN_OK);
    softmax(x, NULL, kept, 0.1, n > 1 ? n - 1 : 1);
    CHECK(are_near(y, reference, n > 1 ? n - 1 : 1, 50) && (n == 1 || y[n - 1] == 0.0));
    CHECK_EQ(qn_softmax_masked(y, x, flags, 2, n, 0.1, QN_BOOL, 2, 1, 0, QN_F64), QN_OK);
    softmax(x, NULL, kept, 0.1, n);
    CHECK(are_near(y, reference, n, 50));
    CHECK_EQ(qn_log_softmax(y, x, 2, n, QN_F64), QN_OK);
    double losses[2];
    CHECK_EQ(qn_cross_entropy(losses, x, target, 2, n, 0, -100, QN_F64), QN_OK);
    for (int row = 0; row < 2; row += 1) {
      const double *at = x + row * n;
      const long double whole = softmax(at, NULL, NULL, 1, n);
      for (uint32_t i = 0; i < n; i += 1) {
        const long double expected = (long double)at[i] - whole;
        CHECK(fabsl((long double)y[row * n + i] - expected) <= 4e-16L * fabsl(expected) + 2e-13L);
      }
      const long double loss = whole - (long double)at[target[row]];
      CHECK(fabsl((long double)losses[row] - loss) <= 4e-16L * loss + 2e-13L);
    }
    release_all();
  }
}

/* ---- The rest ---------------------------------------------------------------- */

static void test_rope(void) {
  enum { TOKENS = 3, HEADS = 2 };
  static const uint32_t pair_counts[] = {1, 2, 3, 4, 5, 9, 32};
  for (size_t c = 0; c < COUNT_OF(pair_counts); c += 1) {
    const uint32_t pairs = pair_counts[c], size = 2 * pairs + 1;
    double *cosines = guarded_doubles(TOKENS * pairs), *sines = guarded_doubles(TOKENS * pairs);
    CHECK_EQ(qn_rope_table(cosines, sines, NULL, TOKENS, pairs, 9, 100.0, 0.5, QN_F64), QN_OK);
    double *x = random_doubles(TOKENS * HEADS * size, -2, 2);
    double *y = guarded_doubles(TOKENS * HEADS * size);
    for (int32_t layout = QN_ROPE_INTERLEAVED; layout <= QN_ROPE_HALVES; layout += 1) {
      CHECK_EQ(qn_rope(y, x, cosines, sines, TOKENS, HEADS, size, pairs, layout, QN_F64), QN_OK);
      for (size_t head = 0; head < TOKENS * HEADS; head += 1) {
        const double *from = x + head * size, *to = y + head * size;
        for (uint32_t p = 0; p < pairs; p += 1) {
          const uint32_t i = layout == QN_ROPE_HALVES ? p : 2 * p;
          const uint32_t j = layout == QN_ROPE_HALVES ? p + pairs : 2 * p + 1;
          const long double angle = (9 + (long double)(head / HEADS)) * 0.5L *
                                    powl(100.0L, -(long double)p / (long double)pairs);
          const long double a = (long double)from[i], b = (long double)from[j];
          CHECK(fabsl((long double)to[i] - (a * cosl(angle) - b * sinl(angle))) < 1e-14L);
          CHECK(fabsl((long double)to[j] - (a * sinl(angle) + b * cosl(angle))) < 1e-14L);
        }
        CHECK(to[size - 1] == from[size - 1]);
      }
    }
    release_all();
  }
}

/* Both ways to store A and B, two matrices that share B, and c kept where beta says so. */
static void test_product(void) {
  static const uint32_t heights[] = {1, 7, 8, 9, 17}, widths[] = {1, 4, 63, 64, 65, 130};
  static const uint32_t depths[] = {0, 1, 2, 33};
  for (uint32_t at = 0; at < 5 * 6 * 4; at += 1) {
    const uint32_t m = heights[at % 5], n = widths[at / 5 % 6], k = depths[at / 30];
    const bool a_turned = at % 2 == 1, b_turned = at / 2 % 2 == 1;
    const double *a = random_doubles(2 * m * k, -1, 1), *b = random_doubles(k * n, -1, 1);
    const double *before = random_doubles(2 * m * n, -1, 1);
    double *c = copy_doubles(before, 2 * m * n), beta = at % 3 == 0 ? 0.0 : 0.5;
    const uint64_t layout[] = {m, n, k, a_turned ? 1 : k, a_turned ? m : 1, b_turned ? 1 : n,
                               b_turned ? k : 1, n, 2, m * n, m * k, 0};
    if (beta == 0.0) c[0] = NAN;
    CHECK_EQ(qn_matmul(c, a, b, layout, 1, 1.5, beta, QN_F64), QN_OK);
    for (uint32_t i = 0; i < 2 * m * n; i += 1) {
      const uint32_t row = i / n % m, col = i % n;
      const double *matrix = a + i / n / m * m * k;
      long double sum = 0, size = 1;
      for (uint32_t p = 0; p < k; p += 1) {
        const long double x = (long double)matrix[a_turned ? p * m + row : row * k + p];
        const long double y = (long double)b[b_turned ? col * k + p : p * n + col];
        sum += x * y;
        size += fabsl(x * y);
      }
      const long double expected = 1.5L * sum + (beta == 0.0 ? 0 : 0.5L * (long double)before[i]);
      CHECK(fabsl((long double)c[i] - expected) <= (k + 3) * 0x1p-53L * 1.5L * size);
    }
    release_all();
  }
}

static void test_embedding(void) {
  double *table = random_doubles(5 * 7, -9, 9), *y = guarded_doubles(3 * 7);
  const int32_t ids[] = {4, 0, 4};
  CHECK_EQ(qn_embedding(y, table, ids, 3, 5, 7, QN_F64), QN_OK);
  for (int i = 0; i < 3; i += 1) CHECK(same(y + 7 * i, table + 7 * ids[i], 7));
}

/* The numbers are those of float32 before they are rounded. */
static void test_normal(void) {
  double *y = guarded_doubles(MOST);
  float *rounded = guarded_floats(MOST);
  CHECK_EQ(qn_random_normal(y, 1, MOST, 7, 9, 0.25, 2.0, QN_F64), QN_OK);
  CHECK_EQ(qn_random_normal(rounded, 1, MOST, 7, 9, 0.25, 2.0, QN_F32), QN_OK);
  for (int i = 0; i < MOST; i += 1) CHECK((float)y[i] == rounded[i]);
}

static void test_power(void) {
  const uint64_t layout[] = {MOST, 1, 1};
  double *a = random_doubles(MOST, 0.1, 9), *b = random_doubles(MOST, -20, 20);
  double *y = guarded_doubles(MOST);
  CHECK_EQ(qn_binary(y, a, b, layout, 1, 0, QN_POWER, QN_F64), QN_OK);
  for (int i = 0; i < MOST; i += 1) {
    CHECK(is_near(y[i], powl((long double)a[i], (long double)b[i]), 4));
  }
}

/* Results have the same bits for any number of threads. */
static void test_threads(void) {
  enum { ROWS = 40, COLS = 1031, ALL = ROWS * COLS };
  double *x = random_doubles(ALL, -9, 9), *y = guarded_doubles(ALL);
  double *first[6] = {NULL};
  const uint64_t layout[] = {ROWS, ROWS, COLS, COLS, 1, 1, COLS, ROWS};
  memset(y, 0, ALL * sizeof *y);
  for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
    for (int kind = 0; kind < 6; kind += 1) {
      switch (kind) {
        case 0: qn_unary(y, x, ROWS, COLS, QN_EXP, QN_F64); break;
        case 1: qn_layer_norm(y, x, x, x + 9, ROWS, COLS, 1e-5, QN_F64); break;
        case 2: qn_softmax(y, x, ROWS, COLS, QN_F64); break;
        case 3: qn_group_norm(y, x, x, NULL, 4, 10, COLS, 5, 1e-5, QN_F64); break;
        case 4: qn_matmul(y, x, x, layout, 0, 1.0, 0.0, QN_F64); break;
        default: qn_swiglu(y, x, x, ROWS, COLS, QN_F64); break;
      }
      if (c == 0) first[kind] = copy_doubles(y, ALL);
      CHECK(same(y, first[kind], ALL));
    }
  }
}

static void test_bad_arguments(void) {
  double x[8] = {0};
  const double *odd = (const double *)(const void *)((const char *)x + 4);
  const int32_t targets[] = {0};
  const uint64_t sizes[] = {1, 1, 1, 1, 1, 1, 1, 1};
  static const int32_t others[] = {QN_F16, QN_BF16, QN_I32, QN_Q8_0, QN_I64, QN_U8, QN_BOOL, 11, -1};
  for (size_t c = 0; c < COUNT_OF(others); c += 1) {
    const int32_t dtype = others[c];
    CHECK_EQ(qn_unary(x, x, 1, 4, QN_EXP, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_clamp(x, x, 1, 4, 0, 1, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_swiglu(x, x, x, 1, 4, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_geglu(x, x, x, 1, 4, QN_GELU_ERF, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_rms_norm(x, x, NULL, 1, 4, 0, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_rms_norm_residual(x, NULL, x, x, NULL, 1, 4, 0, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_layer_norm(x, x, NULL, NULL, 1, 4, 0, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_layer_norm_residual(x, NULL, x, x, NULL, NULL, 1, 4, 0, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_group_norm(x, x, NULL, NULL, 1, 4, 1, 2, 0, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_softmax(x, x, 1, 4, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_log_softmax(x, x, 1, 4, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_softmax_masked(x, x, NULL, 1, 4, 1, QN_F32, 1, 1, 0, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_cross_entropy(x, x, targets, 1, 4, 0, -100, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_rope_table(x, x, NULL, 1, 4, 0, 10, 1, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_rope(x, x, x, x, 1, 1, 4, 2, QN_ROPE_HALVES, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_matmul(x, x, x, sizes, 0, 1, 0, dtype), QN_BAD_DTYPE);
    CHECK_EQ(qn_random_normal(x, 1, 4, 0, 0, 0, 1, dtype), QN_BAD_DTYPE);
  }
  CHECK_EQ(qn_unary(x, odd, 1, 4, QN_EXP, QN_F64), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_layer_norm(x, x, odd, NULL, 1, 4, 0, QN_F64), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_softmax_masked(x, x, x, 1, 4, 1, QN_F32, 1, 1, 0, QN_F64), QN_BAD_DTYPE);
  CHECK_EQ(qn_matmul(x + 1, x, odd, sizes, 0, 1, 0, QN_F64), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_softmax(x, x, UINT32_MAX, 1u << 30, QN_F64), QN_BAD_SIZE);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_unary,   test_pairs, test_norms,  test_hard_rows, test_group_norm,
      test_softmax, test_rope,  test_normal, test_power,     test_threads,
      test_product, test_embedding, test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
