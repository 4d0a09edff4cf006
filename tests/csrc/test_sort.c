/*
 * Rows in order, against the C library's sort of indices by values in double precision and
 * by index: for every dtype, both directions, and lengths on both sides of every change of
 * method. Elements must keep their bits: -0 among 0, and each NaN.
 */
#include <math.h>

#include "kernel_test.h"
#include "quern.h"

static const int32_t dtypes[] = {QN_F32, QN_F64, QN_F16, QN_BF16, QN_I32, QN_I64, QN_U8, QN_BOOL};

static size_t item_bytes(int32_t dtype) {
  switch (dtype) {
    case QN_F64:
    case QN_I64: return 8;
    case QN_F16:
    case QN_BF16: return 2;
    case QN_U8:
    case QN_BOOL: return 1;
    default: return 4;
  }
}

static bool is_float(int32_t dtype) {
  return dtype == QN_F32 || dtype == QN_F64 || dtype == QN_F16 || dtype == QN_BF16;
}

static double half_of(uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
  const double fraction = (double)(bits & ((1 << fraction_bits) - 1)) / (1 << fraction_bits);
  const double sign = bits >> 15 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) return fraction == 0.0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * ldexp(fraction, 1 - bias);
  return sign * ldexp(1.0 + fraction, exponent - bias);
}

/* What the order depends on. int64 is compared as it is. */
static double value_at(const char *x, size_t i, int32_t dtype) {
  float single;
  double real;
  int32_t whole;
  uint16_t half;
  switch (dtype) {
    case QN_F32: memcpy(&single, x + 4 * i, 4); return (double)single;
    case QN_F64: memcpy(&real, x + 8 * i, 8); return real;
    case QN_I32: memcpy(&whole, x + 4 * i, 4); return (double)whole;
    case QN_F16: memcpy(&half, x + 2 * i, 2); return half_of(half, 5);
    case QN_BF16: memcpy(&half, x + 2 * i, 2); return half_of(half, 8);
    default: return (double)(uint8_t)x[i];
  }
}

static struct {
  const char *x;
  int32_t dtype;
  int32_t descending;
} sorted;

static int order_of(size_t i, size_t j) {
  if (sorted.dtype == QN_I64) {
    int64_t a, b;
    memcpy(&a, sorted.x + 8 * i, 8);
    memcpy(&b, sorted.x + 8 * j, 8);
    const int order = (a > b) - (a < b);
    return sorted.descending ? -order : order;
  }
  const double a = value_at(sorted.x, i, sorted.dtype);
  const double b = value_at(sorted.x, j, sorted.dtype);
  if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
  const int order = (a > b) - (a < b);
  return sorted.descending ? -order : order;
}

static int compare(const void *left, const void *right) {
  const int32_t i = *(const int32_t *)left;
  const int32_t j = *(const int32_t *)right;
  const int order = order_of((size_t)i, (size_t)j);
  return order != 0 ? order : (i > j) - (i < j);
}

static void check_row(const char *x, uint32_t n, int32_t dtype, int32_t descending) {
  const size_t item = item_bytes(dtype);
  int32_t *order = guarded_bytes(n * sizeof(int32_t));
  int32_t *indices = guarded_bytes(n * sizeof(int32_t));
  int32_t *alone = guarded_bytes(n * sizeof(int32_t));
  char *expected = guarded_bytes(n * item);
  char *values = guarded_bytes(n * item);
  char *both = guarded_bytes(n * item);
  for (uint32_t i = 0; i < n; i += 1) order[i] = (int32_t)i;
  sorted.x = x;
  sorted.dtype = dtype;
  sorted.descending = descending;
  qsort(order, n, sizeof order[0], compare);
  for (uint32_t i = 0; i < n; i += 1) {
    memcpy(expected + i * item, x + (size_t)order[i] * item, item);
  }
  CHECK_EQ(qn_sort(values, NULL, x, 1, n, descending, dtype), QN_OK);
  CHECK_EQ(qn_sort(NULL, alone, x, 1, n, descending, dtype), QN_OK);
  CHECK_EQ(qn_sort(both, indices, x, 1, n, descending, dtype), QN_OK);
  CHECK(n == 0 || memcmp(values, expected, n * item) == 0);
  CHECK(n == 0 || memcmp(both, expected, n * item) == 0);
  CHECK(n == 0 || memcmp(alone, order, n * sizeof order[0]) == 0);
  CHECK(n == 0 || memcmp(indices, order, n * sizeof order[0]) == 0);
  /* In place. */
  memcpy(both, x, n * item);
  CHECK_EQ(qn_sort(both, NULL, both, 1, n, descending, dtype), QN_OK);
  CHECK(n == 0 || memcmp(both, expected, n * item) == 0);
  for (int i = 0; i < 6; i += 1) guarded_free(test_arena.buffers[--test_arena.count]);
}

/* Any bits, or few different elements: for floats with zeros of both signs and NaN. */
static void fill(char *x, uint32_t n, int32_t dtype, bool few) {
  const size_t item = item_bytes(dtype);
  for (uint32_t i = 0; i < n; i += 1) {
    uint64_t bits = test_random(&test_seed);
    if (dtype == QN_BOOL) bits &= 1;
    if (few) bits &= is_float(dtype) ? 0x8180c08081c0c181ull : 0x0101000000000101ull;
    memcpy(x + i * item, &bits, item);
    if (is_float(dtype) && few && i % 3 == 0) memset(x + i * item, 0, item);
    if (is_float(dtype) && few && i % 6 == 0) x[(i + 1) * item - 1] = (char)0x80;
    if (is_float(dtype) && few && i % 7 == 0) memset(x + i * item, i % 2 == 0 ? 0x7f : 0xff, item);
  }
}

static void check_length(uint32_t n) {
  for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
    for (int few = 0; few < 2; few += 1) {
      char *x = guarded_bytes(n * item_bytes(dtypes[d]));
      fill(x, n, dtypes[d], few != 0);
      check_row(x, n, dtypes[d], 0);
      check_row(x, n, dtypes[d], 1);
      release_all();
    }
  }
}

static void test_lengths_and_dtypes(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) check_length(test_lengths[c]);
  const uint32_t more[] = {128, 159, 161, 255, 256, 257, 700};
  for (size_t c = 0; c < COUNT_OF(more); c += 1) check_length(more[c]);
  if (!test_is_slow()) check_length(20000);
}

static void test_sorted_rows(void) {
  const uint32_t n = 2000;
  float *x = guarded_floats(n);
  for (uint32_t i = 0; i < n; i += 1) x[i] = (float)i;
  check_row((const char *)x, n, QN_F32, 0);
  check_row((const char *)x, n, QN_F32, 1);
  for (uint32_t i = 0; i < n; i += 1) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
  check_row((const char *)x, n, QN_F32, 0);
  check_row((const char *)x, n, QN_F32, 1);
  for (uint32_t i = 0; i < n; i += 1) x[i] = NAN;
  check_row((const char *)x, n, QN_F32, 0);
  check_row((const char *)x, n, QN_F32, 1);
}

static void test_threads(void) {
  enum { ROWS = 70, COLS = 700 };
  float *x = random_floats(ROWS * COLS, -9, 9);
  float *values = guarded_floats(ROWS * COLS);
  int32_t *indices = guarded_bytes(ROWS * COLS * sizeof(int32_t));
  for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
    CHECK_EQ(qn_sort(values, indices, x, ROWS, COLS, 0, QN_F32), QN_OK);
    bool good = true;
    for (size_t i = 0; i < ROWS * COLS; i += 1) {
      const size_t row = i / COLS * COLS;
      good &= values[i] == x[row + (size_t)indices[i]];
      good &= i == row || values[i - 1] <= values[i];
    }
    CHECK(good);
  }
}

static void test_bad_arguments(void) {
  float x[8] = {0}, y[8];
  int32_t ids[8];
  float *odd = (float *)(void *)((char *)x + 2);
  CHECK_EQ(qn_sort(y, ids, x, 1, 8, 0, QN_Q8_0), QN_BAD_DTYPE);
  CHECK_EQ(qn_sort(y, ids, x, 1, 8, 0, 99), QN_BAD_DTYPE);
  CHECK_EQ(qn_sort(NULL, NULL, x, 1, 8, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_sort(y, ids, NULL, 1, 8, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_sort(y, ids, odd, 1, 4, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_sort(odd, ids, x, 1, 4, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_sort(y, (int32_t *)(void *)odd, x, 1, 4, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_sort(y, ids, x, 1, UINT32_MAX, 0, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_sort(NULL, NULL, NULL, 0, 8, 0, QN_F32), QN_OK);
  CHECK_EQ(qn_sort(NULL, NULL, NULL, 8, 0, 0, QN_F32), QN_OK);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_lengths_and_dtypes, test_sorted_rows, test_threads, test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
