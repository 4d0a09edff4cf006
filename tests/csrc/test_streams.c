/*
 * test_streams.c: what is written past the caches has the bytes that ordinary stores give.
 *
 * The kernels are called at every length around a line, with y and x at any place within
 * one. The exported functions stream where y is larger than most of the last cache, so
 * they are given tensors just above that, with odd rows, and are compared with a loop.
 */
#include "base/cpu.h"
#include "dispatch/dispatch.h"
#include "kernel_test.h"

enum { COLS = 1021, LARGEST_CACHE = 64 << 20 };

static void fill_bytes(char *x, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 1) x[i] = (char)(i * 2654435761u >> 13);
}

static void test_copy(void) {
  static const size_t lengths[] = {0, 1, 63, 64, 65, 127, 128, 129, 255, 2047, 2048, 2175, 2240, 5000};
  char x[5100];
  char y[5100];
  fill_bytes(x, sizeof x);
  for (size_t c = 0; c < COUNT_OF(lengths); c += 1) {
    for (size_t from = 0; from < 70; from += 23) {
      for (size_t to = 1; to < 70; to += 17) {
        memset(y, 1, sizeof y);
        qn_kernels->copy(y + to, x + from, lengths[c], x, 1);
        CHECK(memcmp(y + to, x + from, lengths[c]) == 0);
        CHECK(y[to - 1] == 1 && y[to + lengths[c]] == 1);
      }
    }
  }
}

static void test_cast(void) {
  float x[1100];
  double y[1101], expected[1101];
  for (size_t i = 0; i < COUNT_OF(x); i += 1) x[i] = test_random_float(&test_seed, -300, 300);
  static const int32_t dtypes[] = {QN_F32, QN_F16, QN_F64, QN_I32, QN_U8};
  static const size_t lengths[] = {0, 1, 15, 17, 255, 257, 1000};
  for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
    for (size_t c = 0; c < COUNT_OF(lengths); c += 1) {
      memset(y, 0, sizeof y);
      memset(expected, 0, sizeof expected);
      qn_kernels->stream_cast((char *)(y + 1), (char *)(x + 3), lengths[c], dtypes[d], QN_F32);
      qn_kernels->cast((char *)(expected + 1), (char *)(x + 3), lengths[c], dtypes[d], QN_F32);
      CHECK(memcmp(y, expected, sizeof y) == 0);
    }
  }
}

/* Rows of COLS floats that are just streamed; 0 where that would take too much memory. */
static size_t streamed_rows(void) {
  const size_t last = qn_cpu_caches()->last;
  if (last > LARGEST_CACHE || test_is_slow()) return 0;
  return last / 4 * 3 / (COLS * sizeof(float)) + 3;
}

static bool has_rows(const float *y, const float *x, size_t rows, const uint32_t *order) {
  bool same = true;
  for (size_t r = 0; r < rows; r += 1) same = same && same_bits(y + r * COLS, x + order[r] * COLS, COLS);
  return same;
}

static void test_rows(void) {
  const uint32_t rows = (uint32_t)streamed_rows();
  if (rows == 0) return;
  float *x = guarded_floats((size_t)rows * COLS);
  float *y = guarded_floats((size_t)rows * COLS);
  uint32_t *order = guarded_bytes(rows * sizeof *order);
  fill_bytes((char *)x, (size_t)rows * COLS * sizeof *x);

  for (uint32_t r = 0; r < rows; r += 1) order[r] = r;
  CHECK_EQ(qn_copy(y, x, rows, COLS * sizeof *x), QN_OK);
  CHECK(has_rows(y, x, rows, order));

  for (uint32_t r = 0; r < rows; r += 1) order[r] = (uint32_t)((uint64_t)r * 7919 % rows);
  memset(y, 0, (size_t)rows * COLS * sizeof *y);
  const uint64_t table[] = {rows, rows, rows, COLS, COLS, 1, COLS, 1, 1, 0};
  CHECK_EQ(qn_gather(y, x, order, table, 2, 0, 4, QN_I32), QN_OK);
  CHECK(has_rows(y, x, rows, order));

  for (uint32_t r = 0; r < rows; r += 1) order[r] = rows - 1 - r;
  memset(y, 0, (size_t)rows * COLS * sizeof *y);
  const uint64_t backwards[] = {rows, COLS, 0 - (uint64_t)COLS, COLS, 1, 1};
  CHECK_EQ(qn_copy_strided(y, x + (size_t)(rows - 1) * COLS, backwards, 2, 4), QN_OK);
  CHECK(has_rows(y, x, rows, order));
}

static void test_turned_and_cast(void) {
  const uint32_t rows = (uint32_t)streamed_rows();
  if (rows == 0) return;
  float *x = guarded_floats((size_t)rows * COLS);
  float *y = guarded_floats((size_t)rows * COLS);
  for (size_t i = 0; i < (size_t)rows * COLS; i += 1) x[i] = (float)(i % 65536);
  const uint64_t turned[] = {COLS, rows, 1, rows, 1, COLS};
  CHECK_EQ(qn_copy_strided(y, x, turned, 2, 4), QN_OK);
  bool same = true;
  for (size_t c = 0; c < COLS; c += 1) {
    for (size_t r = 0; r < rows; r += 1) same = same && y[c * rows + r] == x[r * COLS + c];
  }
  CHECK(same);
  CHECK_EQ(qn_cast(y, x, rows, COLS, QN_I32, QN_F32), QN_OK);
  same = true;
  const int32_t *words = (const int32_t *)(const void *)y;
  for (size_t i = 0; i < (size_t)rows * COLS; i += 1) same = same && words[i] == (int32_t)x[i];
  CHECK(same);
}

static void test_padded(void) {
  const uint32_t rows = (uint32_t)streamed_rows();
  if (rows == 0) return;
  float *x = guarded_floats((size_t)rows * COLS);
  float *y = guarded_floats((size_t)(rows + 1) * (COLS + 3));
  fill_bytes((char *)x, (size_t)rows * COLS * sizeof *x);
  const uint64_t layout[] = {rows, 0, 1, COLS, 1, 2};
  const uint64_t zero = 0;
  CHECK_EQ(qn_pad(y, x, layout, 2, &zero, 4, QN_PAD_CONSTANT), QN_OK);
  bool same = true;
  for (size_t r = 0; r <= rows; r += 1) {
    const float *row = y + r * (COLS + 3);
    for (size_t c = 0; c < COLS + 3 && r == rows; c += 1) same = same && row[c] == 0;
    if (r < rows) same = same && row[0] == 0 && row[COLS + 1] == 0 && row[COLS + 2] == 0 &&
                         same_bits(row + 1, x + r * COLS, COLS);
  }
  CHECK(same);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_copy, test_cast, test_rows, test_turned_and_cast, test_padded,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
