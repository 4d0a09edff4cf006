/*
 * test_unary.c: the functions of one element, and geglu, against float64 over all of
 * float32, at every length around the number of lanes, in place, and for any number
 * of threads.
 */
#include "dispatch/dispatch.h"
#include "kernel_test.h"

#define MANY 40001 /* more than a thread's share, and odd */

static double sign_of(double v) { return v > 0.0 ? 1.0 : v < 0.0 ? -1.0 : v == 0.0 ? 0.0 : v; }
static double negative(double v) { return -v; }
static double square(double v) { return v * v; }
static double reciprocal(double v) { return 1.0 / v; }
static double reciprocal_square_root(double v) { return 1.0 / sqrt(v); }
static double relu(double v) { return v < 0.0 ? 0.0 : v; }
static double sigmoid(double v) { return 1.0 / (1.0 + exp(-v)); }
static double silu(double v) { return v / (1.0 + exp(-v)); }
static double gelu_erf(double v) { return 0.5 * v * erfc(-v * 0.70710678118654752440); }

/* The published form 1 + tanh(u), without its cancellation. */
static double gelu_tanh(double v) {
  const double u = 0.79788456080286535588 * (v + 0.044715 * v * v * v);
  return v / (1.0 + exp(-2.0 * u));
}

/* How far a result may be from the reference: `ulps` of it and `slope` x^2 more where
 * x is negative, and `absolute` where it is tiny. */
static const struct function {
  const char *name;
  int32_t op;
  double (*reference)(double);
  double ulps;
  double slope;
  double absolute;
} functions[] = {
    {"exp", QN_EXP, exp, 1.01, 0, 0},
    {"log", QN_LOG, log, 0.9, 0, 0},
    {"expm1", QN_EXPM1, expm1, 0.51, 0, 0},
    {"log1p", QN_LOG1P, log1p, 0.51, 0, 0},
    {"sin", QN_SIN, sin, 0.51, 0, 0},
    {"cos", QN_COS, cos, 0.51, 0, 0},
    {"tanh", QN_TANH, tanh, 1.4, 0, 0},
    {"erf", QN_ERF, erf, 1.5, 0, 0},
    {"sqrt", QN_SQRT, sqrt, 0.5, 0, 0},
    {"rsqrt", QN_RSQRT, reciprocal_square_root, 1.5, 0, 0},
    {"abs", QN_ABS, fabs, 0, 0, 0},
    {"negative", QN_NEGATIVE, negative, 0, 0, 0},
    {"square", QN_SQUARE, square, 0.5, 0, 0},
    {"reciprocal", QN_RECIPROCAL, reciprocal, 0.5, 0, 0},
    {"sign", QN_SIGN, sign_of, 0, 0, 0},
    {"floor", QN_FLOOR, floor, 0, 0, 0},
    {"ceil", QN_CEIL, ceil, 0, 0, 0},
    {"round", QN_ROUND, rint, 0, 0, 0},
    {"relu", QN_RELU, relu, 0, 0, 0},
    {"sigmoid", QN_SIGMOID, sigmoid, 2.5, 0, 0},
    {"silu", QN_SILU, silu, 3, 0, 0x1p-142},
    {"gelu_erf", QN_GELU_ERF, gelu_erf, 4.6, 1.6, 0x1p-142},
    {"gelu_tanh", QN_GELU_TANH, gelu_tanh, 2.5, 2.2, 0x1p-142},
    {"exp2", QN_EXP2, exp2, 1.05, 0, 0},
    {"log2", QN_LOG2, log2, 0.51, 0, 0},
    {"log10", QN_LOG10, log10, 0.51, 0, 0},
    {"tan", QN_TAN, tan, 0.51, 0, 0},
    {"atan", QN_ATAN, atan, 0.51, 0, 0},
};

/* The distance between the float32 numbers around a value. */
static double ulp_at(double value) {
  int exponent;
  frexp(value, &exponent);
  return ldexp(1.0, (exponent > -125 ? exponent : -125) - 24);
}

static bool is_right(const struct function *f, float x, float y) {
  const double expected = f->reference((double)x);
  if (isnan(expected)) return isnan(y);
  if (y == 0.0f && expected == 0.0) return !signbit(y) == !signbit(expected);
  if (isinf(expected)) return (double)y == expected;
  /* What rounds to infinity is as far as the next number would be. */
  const double value = isinf(y) ? copysign(0x1p128, (double)y) : (double)y;
  if (isinf(y) && fabs(expected) > 0x1p128) return signbit(value) == signbit(expected);
  const double slope = x < 0 && f->slope > 0 ? f->slope * (double)x * (double)x : 0.0;
  const double bound = (f->ulps + slope) * ulp_at(expected) + f->absolute;
  return fabs(value - expected) <= bound;
}

static void check_function(const struct function *f, const float *x, const float *y,
                           size_t count) {
  for (size_t i = 0; i < count; i += 1) {
    if (!test_count(is_right(f, x[i], y[i]))) continue;
    printf("%s(%a) = %a, not %a (%s)\n", f->name, (double)x[i], (double)y[i],
           f->reference((double)x[i]), qn_isa_name(qn_isa_selected()));
  }
}

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

/* One number of each piece of all float32 numbers, the special ones among them. */
static void test_all_magnitudes(void) {
  const uint32_t step = test_is_slow() ? 1u << 19 : 1u << 13;
  const size_t count = (size_t)(0x100000000u / step);
  float *x = guarded_floats(count);
  float *y = guarded_floats(count);
  for (size_t f = 0; f < COUNT_OF(functions); f += 1) {
    for (size_t i = 0; i < count; i += 1) {
      x[i] = float_of((uint32_t)i * step + (uint32_t)(test_random(&test_seed) % step));
    }
    CHECK_EQ(qn_unary(y, x, 1, (uint32_t)count, functions[f].op, QN_F32), QN_OK);
    check_function(&functions[f], x, y, count);
  }
}

/* The numbers next to where a function changes: its poles and roots, the ends of its
 * range, and where the kernels take another way. */
static void test_edges(void) {
  static const float edges[] = {
      0.0f,     0x1p-149f, 0x1p-126f, 0x1p-24f,  0x1p-20f, 0.5f,     0.625f, 2.0f / 3.0f, 0.93f,
      1.0f,     1.5f,      2.5f,      4.0f,      4.05f,    12.0f,    14.4f,  15.0f,       87.3f,
      88.7228f, 103.972f,  0x1p22f,   0x1p23f,   0x1p24f,  0x1p26f,  1e30f,  0x1.fffffep127f,
      INFINITY, NAN,       0.785398f, 1.570796f, 3.14159f, 6.28319f, 1e10f,  0.41421356f,
      2.414213f, 126.0f,  127.5f,    128.0f,    149.0f,   149.5f,   0.70710678f, 1.41421356f};
  enum { AROUND = 9, COUNT = COUNT_OF(edges) * AROUND * 2 };
  float x[COUNT], y[COUNT];
  for (size_t i = 0; i < COUNT; i += 1) {
    const float edge = edges[i / (2 * AROUND)];
    uint32_t bits;
    memcpy(&bits, &edge, sizeof(bits));
    const uint32_t around = bits + (uint32_t)(i / 2 % AROUND) - AROUND / 2;
    x[i] = float_of((around & 0x7fffffffu) | (uint32_t)(i % 2) << 31);
  }
  for (size_t f = 0; f < COUNT_OF(functions); f += 1) {
    CHECK_EQ(qn_unary(y, x, 2, COUNT / 2, functions[f].op, QN_F32), QN_OK);
    check_function(&functions[f], x, y, COUNT);
  }
}

/* Numbers of which some take the rare ways: an element's bits are the same beside any
 * others, in place, and in arrays of every length that end at a page that faults. */
static void test_lengths_and_places(void) {
  const uint32_t most = 1000;
  float *x = random_floats(most, -20, 20);
  for (uint32_t i = 0; i < most; i += 37) x[i] = float_of((uint32_t)test_random(&test_seed));
  float *whole = guarded_floats(most);
  for (size_t f = 0; f < COUNT_OF(functions); f += 1) {
    const int32_t op = functions[f].op;
    CHECK_EQ(qn_unary(whole, x, 1, most, op, QN_F32), QN_OK);
    for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
      const uint32_t n = test_lengths[c];
      const struct guarded from = guarded_alloc(n * sizeof(float));
      const struct guarded to = guarded_alloc(n * sizeof(float));
      if (n > 0) memcpy(from.data, x + (most - n), n * sizeof(float));
      CHECK_EQ(qn_unary(to.data, from.data, 1, n, op, QN_F32), QN_OK);
      CHECK(same_bits(to.data, whole + (most - n), n));
      CHECK_EQ(qn_unary(from.data, from.data, n, 1, op, QN_F32), QN_OK);
      CHECK(same_bits(from.data, to.data, n));
      guarded_free(from);
      guarded_free(to);
    }
  }
}

static void test_geglu(void) {
  static const int32_t kinds[] = {QN_GELU_ERF, QN_GELU_TANH};
  for (size_t k = 0; k < COUNT_OF(kinds); k += 1) {
    for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
      const uint32_t n = test_lengths[c];
      float *gate = random_floats(n, -6, 6);
      float *up = random_floats(n, -8, 8);
      float *y = guarded_floats(n);
      CHECK_EQ(qn_geglu(y, gate, up, 1, n, kinds[k], QN_F32), QN_OK);
      for (uint32_t i = 0; i < n; i += 1) {
        const double v = (double)gate[i];
        const double gelu = k == 0 ? gelu_erf(v) : gelu_tanh(v);
        CHECK(is_close(y[i], gelu * (double)up[i], (v < 0 ? 5.6 + 2.2 * v * v : 5.6) * 0x1p-23));
      }
      float *in_place = copy_floats(up, n);
      CHECK_EQ(qn_geglu(in_place, gate, in_place, n, 1, kinds[k], QN_F32), QN_OK);
      CHECK(same_bits(in_place, y, n));
      CHECK_EQ(qn_geglu(gate, gate, up, 1, n, kinds[k], QN_F32), QN_OK);
      CHECK(same_bits(gate, y, n));
      release_all();
    }
  }
}

/* Results have the same bits for any number of threads. */
static void test_threads(void) {
  float *x = random_floats(MANY, -20, 20);
  float *up = random_floats(MANY, -20, 20);
  float *one = guarded_floats(MANY), *y = guarded_floats(MANY);
  for (int32_t op = 0; op <= QN_UNARY_COUNT; op += 1) {
    for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
      float *result = c == 0 ? one : y;
      if (op == QN_UNARY_COUNT) {
        CHECK_EQ(qn_geglu(result, x, up, MANY, 1, QN_GELU_ERF, QN_F32), QN_OK);
      } else {
        CHECK_EQ(qn_unary(result, x, 1, MANY, op, QN_F32), QN_OK);
      }
      CHECK(same_bits(result, one, MANY));
    }
  }
}

static void test_bad_arguments(void) {
  _Alignas(8) float words[64] = {0};
  float *null = NULL;
  float *odd = (float *)(void *)((char *)words + 1);
  CHECK_EQ(qn_unary(words, words, 1, 5, -1, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_unary(words, words, 1, 5, QN_UNARY_COUNT, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_unary(null, null, 0, 5, QN_EXP, QN_F32), QN_OK);
  CHECK_EQ(qn_unary(null, words, 1, 5, QN_EXP, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_unary(words, odd, 1, 5, QN_EXP, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_unary(words, words, UINT32_MAX, UINT32_MAX, QN_EXP, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_geglu(words, words, words, 1, 5, QN_SILU, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_geglu(null, words, words, 1, 5, QN_GELU_ERF, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_geglu(words, null, words, 1, 5, QN_GELU_ERF, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_geglu(words, words, odd, 1, 5, QN_GELU_TANH, QN_F32), QN_BAD_ALIGNMENT);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_all_magnitudes, test_edges,   test_lengths_and_places,
      test_geglu,          test_threads, test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
