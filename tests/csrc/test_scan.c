/*
 * test_scan.c: running sums and products, and top-k, against plain loops and a sort, at
 * every length around the number of lanes, with ties, NaN and infinities, with the same
 * bits for any number of threads, and refusing bad arguments.
 */
#include "kernel_test.h"

/* Both kinds, down the middle axis of x[2, n, inner]. */
static void check_scan(uint32_t n, uint32_t inner, int32_t multiplies) {
  const size_t size = (size_t)2 * n * inner;
  float *x = random_floats(size, multiplies ? 0.9f : -3, multiplies ? 1.1f : 5);
  double *wide = guarded_bytes(size * 8);
  int64_t *whole = guarded_bytes(size * 8);
  for (size_t i = 0; i < size; i += 1) wide[i] = (double)x[i], whole[i] = (int64_t)(100 * x[i]);
  float *y = guarded_floats(size);
  double *y_wide = guarded_bytes(size * 8);
  int64_t *y_whole = guarded_bytes(size * 8);
  CHECK_EQ(qn_scan(y, x, 2, n, inner, multiplies, QN_F32), QN_OK);
  CHECK_EQ(qn_scan(y_wide, wide, 2, n, inner, multiplies, QN_F64), QN_OK);
  CHECK_EQ(qn_scan(y_whole, whole, 2, n, inner, multiplies, QN_I64), QN_OK);
  bool good = true;
  for (size_t column = 0; column < (size_t)2 * inner; column += 1) {
    const size_t first = column / inner * n * inner + column % inner;
    double total = multiplies, sizes = 0;
    uint64_t whole_total = (uint64_t)multiplies;
    for (size_t i = 0; i < n; i += 1) {
      const size_t at = first + i * inner;
      total = multiplies ? total * wide[at] : total + wide[at];
      sizes += fabs(multiplies ? total : wide[at]);
      whole_total = multiplies ? whole_total * (uint64_t)whole[at]
                               : whole_total + (uint64_t)whole[at];
      good &= fabs((double)y[at] - total) <= 0x1p-24 * fabs(total) + 1e-15 * sizes;
      good &= fabs(y_wide[at] - total) <= 1e-14 * sizes;
      good &= y_whole[at] == (int64_t)whole_total;
    }
  }
  CHECK(good);
  CHECK_EQ(qn_scan(x, x, 2, n, inner, multiplies, QN_F32), QN_OK);
  CHECK(same_bits(x, y, size));
  release_all();
}

static void test_scan(void) {
  static const uint32_t inners[] = {1, 2, 17, 300};
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    for (size_t i = 0; i < COUNT_OF(inners); i += 1) {
      if (inners[i] > 17 && test_lengths[c] > 100) continue;
      check_scan(test_lengths[c], inners[i], 0);
      check_scan(test_lengths[c], inners[i], 1);
    }
  }
}

static void test_scan_special_values(void) {
  const float values[] = {1, INFINITY, 2, -INFINITY, 3, NAN, 4};
  float y[7];
  CHECK_EQ(qn_scan(y, values, 1, 7, 1, 0, QN_F32), QN_OK);
  CHECK(y[0] == 1 && isinf(y[1]) && isinf(y[2]));
  for (int i = 3; i < 7; i += 1) CHECK(isnan(y[i]));
  const float zeros[] = {-0.0f, -0.0f, 0.0f};
  CHECK_EQ(qn_scan(y, zeros, 1, 3, 1, 0, QN_F32), QN_OK);
  CHECK(signbit(y[0]) && signbit(y[1]) && !signbit(y[2]));
}

/* ---- Top-k --------------------------------------------------------------------- */

static const float *sorted_row;
static bool sorted_largest;

/* Whether a comes before b: by value, NaN being the largest, then by index. */
static int compare(const void *left, const void *right) {
  const int32_t i = *(const int32_t *)left;
  const int32_t j = *(const int32_t *)right;
  const float a = sorted_row[i];
  const float b = sorted_row[j];
  int order = 0;
  if (isnan(a) || isnan(b)) order = isnan(a) == isnan(b) ? 0 : isnan(a) ? -1 : 1;
  else if (a != b) order = a > b ? -1 : 1;
  if (!sorted_largest) order = -order;
  return order != 0 ? order : i < j ? -1 : 1;
}

static void check_top_k(const float *x, uint32_t n, uint32_t k, int32_t largest) {
  float *values = guarded_floats(k);
  int32_t *indices = guarded_bytes(k * sizeof(int32_t));
  int32_t *order = guarded_bytes(n * sizeof(int32_t));
  for (uint32_t i = 0; i < n; i += 1) order[i] = (int32_t)i;
  sorted_row = x;
  sorted_largest = largest != 0;
  qsort(order, n, sizeof order[0], compare);
  CHECK_EQ(qn_top_k_f32(values, indices, x, 1, n, k, largest), QN_OK);
  bool good = true;
  for (uint32_t i = 0; i < k; i += 1) {
    good &= indices[i] == order[i];
    good &= memcmp(&values[i], &x[order[i]], sizeof(float)) == 0;
  }
  CHECK(good);
  for (int i = 0; i < 3; i += 1) guarded_free(test_arena.buffers[--test_arena.count]);
}

static void check_row(const float *x, uint32_t n) {
  const uint32_t counts[] = {1, 2, 10, 63, 64, 65, n / 2, n};
  for (size_t i = 0; i < COUNT_OF(counts); i += 1) {
    if (counts[i] == 0 || counts[i] > n) continue;
    check_top_k(x, n, counts[i], 1);
    check_top_k(x, n, counts[i], 0);
  }
}

static void test_top_k(void) {
  for (size_t c = 1; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    float *x = random_floats(n, -5, 5);
    check_row(x, n);
    for (uint32_t i = 0; i < n; i += 1) x[i] = floorf(x[i]) * 0.0f + floorf(x[i]); /* ties, -0 */
    check_row(x, n);
    for (uint32_t i = 0; i < n; i += 3) x[i] = i % 2 == 0 ? NAN : -NAN;
    check_row(x, n);
    for (uint32_t i = 1; i < n; i += 3) x[i] = i % 2 == 0 ? INFINITY : -INFINITY;
    check_row(x, n);
    release_all();
  }
  const uint32_t n = test_is_slow() ? 3000 : 50000;
  float *x = random_floats(n, -1, 1);
  check_row(x, n);
  for (uint32_t i = 0; i < n; i += 1) x[i] = (float)i; /* each element comes before the last */
  check_row(x, n);
  for (uint32_t i = 0; i < n; i += 1) x[i] = -(float)i;
  check_row(x, n);
  for (uint32_t i = 0; i < n; i += 1) x[i] = NAN;
  check_row(x, n);
}

/* ---- Both ---------------------------------------------------------------------- */

static void test_threads(void) {
  enum { ROWS = 33, COLS = 2051, K = 20 };
  float *x = random_floats(ROWS * COLS, -9, 9);
  float *y = guarded_floats(ROWS * COLS);
  float *values = guarded_floats(ROWS * K);
  int32_t *indices = guarded_bytes(ROWS * K * sizeof(int32_t));
  float *first[3] = {NULL};
  for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
    for (uint32_t axis = 0; axis < 2; axis += 1) {
      const uint32_t inner = axis == 0 ? COLS : 1;
      CHECK_EQ(qn_scan(y, x, axis == 0 ? 1 : ROWS, axis == 0 ? ROWS : COLS, inner, 0, QN_F32),
               QN_OK);
      if (c == 0) first[axis] = copy_floats(y, ROWS * COLS);
      CHECK(same_bits(y, first[axis], ROWS * COLS));
    }
    CHECK_EQ(qn_top_k_f32(values, indices, x, ROWS, COLS, K, 1), QN_OK);
    if (c == 0) first[2] = copy_floats(values, ROWS * K);
    CHECK(same_bits(values, first[2], ROWS * K));
  }
}

static void test_bad_arguments(void) {
  float x[8] = {0}, y[8];
  int32_t ids[8];
  float *odd = (float *)(void *)((char *)x + 2);
  CHECK_EQ(qn_scan(y, x, 1, 8, 1, 0, QN_I32), QN_BAD_DTYPE);
  CHECK_EQ(qn_scan(NULL, x, 1, 8, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_scan(y, odd, 1, 4, 1, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_scan(y, x, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_scan(NULL, NULL, 0, 8, 1, 0, QN_F32), QN_OK);
  CHECK_EQ(qn_top_k_f32(y, ids, x, 1, 8, 9, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_top_k_f32(y, NULL, x, 1, 8, 2, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_top_k_f32(y, ids, odd, 1, 4, 2, 1), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_top_k_f32(NULL, NULL, x, 1, 8, 0, 1), QN_OK);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_scan, test_scan_special_values, test_top_k, test_threads, test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
