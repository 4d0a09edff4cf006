/*
 * test_reduce.c: reductions against plain loops over every element in float64 or int64:
 * each operation and dtype, over random axes and strides, at every length around the
 * number of lanes as rows and as columns, with special and extreme values, with the
 * same bits for any number of threads, and refusing bad arguments.
 */
#include "reduce_reference.h"

#define OPS (QN_REDUCE_COUNT_NONZERO + 1)

static const int32_t dtypes[] = {QN_F32, QN_F64, QN_I32, QN_I64, QN_U8, QN_BOOL, QN_F16, QN_BF16};

/* Axes in any order in memory, some with gaps between them. */
static void test_random_layouts(void) {
  static const uint64_t sizes[] = {1, 2, 3, 5, 16, 17, 40};
  const uint32_t rounds = test_is_slow() ? 400 : 4000;
  for (uint32_t round = 0; round < rounds; round += 1) {
    const uint32_t rank = (uint32_t)(test_random(&test_seed) % (MOST_AXES + 1));
    struct call call = {.op = (int32_t)(round % OPS)};
    call.dtype = dtypes[test_random(&test_seed) % COUNT_OF(dtypes)];
    call.parameter = parameter_of(call.op);
    call.kept = rank == 0 ? 0 : (uint32_t)(test_random(&test_seed) % (rank + 1));
    call.reduced = rank - call.kept;
    const bool places = call.op == QN_REDUCE_ARG_LARGEST || call.op == QN_REDUCE_ARG_SMALLEST;
    if (places && call.reduced != 1) {
      if (rank == 0) continue;
      call.kept = rank - 1;
      call.reduced = 1;
    }
    uint32_t order[MOST_AXES] = {0, 1, 2, 3};
    for (uint32_t i = rank; i > 1; i -= 1) {
      const uint32_t other = (uint32_t)(test_random(&test_seed) % i);
      const uint32_t held = order[i - 1];
      order[i - 1] = order[other];
      order[other] = held;
    }
    uint64_t stride = test_random(&test_seed) % 8 == 0 ? 2 : 1, elements = 1;
    for (uint32_t i = 0; i < rank; i += 1) {
      uint64_t *axis = call.layout + 2 * order[i];
      axis[0] = sizes[test_random(&test_seed) % COUNT_OF(sizes)];
      if (test_random(&test_seed) % 64 == 0 && !needs_elements(call.op)) axis[0] = 0;
      if (elements * axis[0] > 20000) axis[0] = 1;
      elements *= axis[0] == 0 ? 1 : axis[0];
      axis[1] = stride;
      stride *= axis[0] == 0 ? 1 : axis[0];
      if (test_random(&test_seed) % 4 == 0) stride += test_random(&test_seed) % 5;
    }
    check_call(&call, random_elements(span_of(&call), call.dtype));
    release_all();
  }
}

/* Two rows, and as many columns as other lengths. */
static void test_lengths_of_rows_and_columns(void) {
  static const uint64_t cols[] = {1, 3, 16, 17, 64, 131, 300};
  for (int32_t op = 0; op < OPS; op += 1) {
    for (size_t i = 0; i < COUNT_OF(test_lengths); i += 1) {
      const uint64_t n = test_lengths[i];
      if (n == 0 && needs_elements(op)) continue;
      for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
        if (d > 0 && (test_is_slow() || i % 4 != 0)) continue;
        struct call rows = {{2, n, n, 1}, 1, 1, parameter_of(op), op, dtypes[d]};
        check_call(&rows, random_elements(2 * n, dtypes[d]));
        release_all();
        const uint64_t width = cols[i % COUNT_OF(cols)];
        struct call columns = {{width, 1, n, width}, 1, 1, parameter_of(op), op, dtypes[d]};
        check_call(&columns, random_elements(n * width, dtypes[d]));
        release_all();
      }
    }
  }
}

/* Long enough for several pieces, by themselves and as columns. */
static void test_pieces(void) {
  for (int32_t op = 0; op < OPS; op += 1) {
    for (size_t d = 0; d < (test_is_slow() ? 1 : COUNT_OF(dtypes)); d += 1) {
      const bool multiplies = op == QN_REDUCE_PRODUCT && !is_whole(dtypes[d]);
      if (multiplies) continue;
      void *x = random_elements(MOST, dtypes[d]);
      struct call all = {{MOST, 1}, 0, 1, parameter_of(op), op, dtypes[d]};
      check_call(&all, x);
      struct call columns = {{2, 1, MOST / 2, 2}, 1, 1, parameter_of(op), op, dtypes[d]};
      check_call(&columns, x);
      release_all();
    }
  }
}

static float reduce_floats(int32_t op, const float *x, uint64_t n, uint64_t stride,
                           double parameter) {
  const uint64_t layout[] = {n, stride};
  float y = 0;
  CHECK_EQ(qn_reduce(&y, x, layout, 0, 1, parameter, op, QN_F32), QN_OK);
  return y;
}

/* The same elements as a row, and as one of several columns. */
static void check_floats(int32_t op, const float *x, uint64_t n, double parameter, double expected,
                         double relative) {
  const float row = reduce_floats(op, x, n, 1, parameter);
  CHECK(is_close(row, expected, relative));
  if (!is_close(row, expected, relative)) {
    printf("op %d of %" PRIu64 ": %.9g is not %.9g\n", op, n, (double)row, expected);
  }
  float *columns = guarded_floats(n * 5);
  for (size_t i = 0; i < n * 5; i += 1) columns[i] = x[i / 5];
  const uint64_t layout[] = {5, 1, n, 5};
  float y[5];
  CHECK_EQ(qn_reduce(y, columns, layout, 1, 1, parameter, op, QN_F32), QN_OK);
  for (int c = 0; c < 5; c += 1) CHECK(is_close(y[c], expected, relative));
}

static void test_hard_numbers(void) {
  enum { N = 1000 };
  float *x = guarded_floats(N);
  const float scales[] = {1e30f, 3e38f, 1e-20f, 1e-38f, 1e-42f};
  for (size_t s = 0; s < COUNT_OF(scales); s += 1) {
    double squares = 0;
    for (size_t i = 0; i < N; i += 1) {
      x[i] = test_random_float(&test_seed, -0.01f, 0.01f) * scales[s];
      squares += (double)x[i] * (double)x[i];
      value[i] = (double)x[i];
    }
    const double deviation = sqrt(spread(N, 1));
    check_floats(QN_REDUCE_NORM_2, x, N, 0, sqrt(squares), 1e-6);
    check_floats(QN_REDUCE_NORM_P, x, N, 2, sqrt(squares), 1e-6);
    check_floats(QN_REDUCE_DEVIATION, x, N, 1, deviation, 1e-6);
  }
  const float offsets[] = {1e6f, -1e6f, 1.0f, 1e30f};
  const float widths[] = {0.25f, 1e-3f, 1e-4f, 1e24f};
  for (size_t o = 0; o < COUNT_OF(offsets); o += 1) {
    for (size_t i = 0; i < N; i += 1) {
      x[i] = offsets[o] + test_random_float(&test_seed, -widths[o], widths[o]);
      value[i] = (double)x[i];
    }
    const double expected = spread(N, 0);
    check_floats(QN_REDUCE_DEVIATION, x, N, 0, sqrt(expected), 1e-5);
    x[0] = offsets[o] * 2; /* far from all others */
    value[0] = (double)x[0];
    const double with_outlier = sqrt(spread(N, 0));
    check_floats(QN_REDUCE_DEVIATION, x, N, 0, with_outlier, 1e-5);
  }
  for (size_t i = 0; i < N; i += 1) x[i] = 0.1f;
  check_floats(QN_REDUCE_VARIANCE, x, N, 0, 0, 0);
  check_floats(QN_REDUCE_SUM, x, N, 0, 1000 * (double)0.1f, 0x1p-20);
  for (size_t i = 0; i < N; i += 1) x[i] = 1000.0f;
  check_floats(QN_REDUCE_LOG_SUM_EXP, x, N, 0, 1000 + log(1000), 1e-6);
}

/* A NaN, or an infinity, at each place. */
static void test_special_values(void) {
  for (uint32_t n = 1; n < 80; n += n < 34 ? 1 : 15) {
    for (uint32_t at = 0; at < n; at += 1) {
      float *x = random_floats(n, -1, 1);
      x[at] = NAN;
      for (int32_t op = QN_REDUCE_SUM; op <= QN_REDUCE_LOG_SUM_EXP; op += 1) {
        if (op == QN_REDUCE_ARG_LARGEST || op == QN_REDUCE_ARG_SMALLEST || op == QN_REDUCE_NORM_0) {
          continue;
        }
        check_floats(op, x, n, parameter_of(op), (double)NAN, 0);
      }
      x[at] = -INFINITY;
      check_floats(QN_REDUCE_SUM, x, n, 0, -INFINITY, 0);
      check_floats(QN_REDUCE_SMALLEST, x, n, 0, -INFINITY, 0);
      check_floats(QN_REDUCE_NORM_2, x, n, 0, INFINITY, 0);
      check_floats(QN_REDUCE_NORM_P, x, n, 3, INFINITY, 0);
      check_floats(QN_REDUCE_VARIANCE, x, n, 0, (double)NAN, 0);
      x[at] = INFINITY;
      check_floats(QN_REDUCE_LOG_SUM_EXP, x, n, 0, INFINITY, 0);
      release_all();
    }
  }
  float *none = guarded_floats(70);
  for (int i = 0; i < 70; i += 1) none[i] = -INFINITY;
  check_floats(QN_REDUCE_LOG_SUM_EXP, none, 70, 0, -INFINITY, 0);
  check_floats(QN_REDUCE_LOG_SUM_EXP, none, 3, 0, -INFINITY, 0);
  check_floats(QN_REDUCE_LARGEST, none, 70, 0, -INFINITY, 0);
  none[60] = -500.0f;
  check_floats(QN_REDUCE_LOG_SUM_EXP, none, 70, 0, -500, 1e-7);
}

/* Each place of the largest, a tie behind it, then NaN before and behind it. */
static void test_places(void) {
  for (uint32_t n = 1; n < 300; n += n < 70 ? 1 : 51) {
    for (uint32_t at = 0; at < n; at += 1) {
      float *x = random_floats(n, -2, 1);
      const uint64_t layout[] = {n, 1};
      int32_t y = -1;
      for (int32_t op = QN_REDUCE_ARG_LARGEST; op <= QN_REDUCE_ARG_SMALLEST; op += 1) {
        const float best = op == QN_REDUCE_ARG_LARGEST ? 5.0f : -5.0f;
        x[at] = x[n - 1] = best;
        CHECK_EQ(qn_reduce(&y, x, layout, 0, 1, 0, op, QN_F32), QN_OK);
        CHECK_EQ(y, at);
        x[n - 1] = NAN;
        CHECK_EQ(qn_reduce(&y, x, layout, 0, 1, 0, op, QN_F32), QN_OK);
        CHECK_EQ(y, n - 1);
        x[at] = NAN;
        CHECK_EQ(qn_reduce(&y, x, layout, 0, 1, 0, op, QN_F32), QN_OK);
        CHECK_EQ(y, at);
      }
      release_all();
    }
  }
  const float rows[] = {-0.0f, 0.0f, -INFINITY, -INFINITY, -3.0f, INFINITY};
  const uint64_t layout[] = {3, 2, 2, 1};
  int32_t y[3];
  CHECK_EQ(qn_reduce(y, rows, layout, 1, 1, 0, QN_REDUCE_ARG_LARGEST, QN_F32), QN_OK);
  CHECK(y[0] == 0 && y[1] == 0 && y[2] == 1);
}

/* The same bits for any number of threads, and for a result alone. */
static void test_threads(void) {
  enum { N = 400000, COLS = 320, ROWS = 1200 };
  static const uint64_t layouts[][4] = {
      {1, N, N, 1}, {4, 1, N / 4, 4}, {COLS, 1, ROWS, COLS}, {ROWS, COLS, COLS, 1}};
  float *x = random_floats(N, -9, 9);
  for (int32_t op = 0; op < OPS; op += 1) {
    if (test_is_slow() && op % 3 != 0) continue;
    if (op == QN_REDUCE_NORM_P || op == QN_REDUCE_PRODUCT) continue; /* slow; overflow */
    for (size_t l = 0; l < COUNT_OF(layouts); l += 1) {
      const uint64_t *layout = layouts[l];
      const size_t bytes = layout[0] * item_of(result_dtype(op, QN_F32));
      char *first = guarded_bytes(bytes);
      char *y = guarded_bytes(bytes);
      for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
        CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
        CHECK_EQ(qn_reduce(y, x, layout, 1, 1, 0, op, QN_F32), QN_OK);
        if (c == 0) memcpy(first, y, bytes);
        CHECK(memcmp(y, first, bytes) == 0);
      }
      const uint64_t some[] = {layout[0] < 17 ? 1 : 17, layout[1], layout[2], layout[3]};
      const size_t from = layout[0] < 17 ? 0 : 13;
      CHECK_EQ(qn_reduce(y, x + from * layout[1], some, 1, 1, 0, op, QN_F32), QN_OK);
      const size_t item = bytes / layout[0];
      CHECK(memcmp(y, first + from * item, some[0] * item) == 0);
    }
    while (test_arena.count > 1) guarded_free(test_arena.buffers[--test_arena.count]);
  }
}

static void test_bad_arguments(void) {
  double y[8] = {0}, x[8] = {0};
  const uint64_t layout[] = {2, 4, 4, 1};
  const uint64_t empty[] = {2, 0, 0, 1};
  const uint64_t huge[] = {UINT64_MAX, 1, 4, 1};
  const int32_t sum = QN_REDUCE_SUM, largest = QN_REDUCE_LARGEST;
  void *odd = (char *)x + 2;
  CHECK_EQ(qn_reduce(y, x, layout, 1, 1, 0, -1, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_reduce(y, x, layout, 1, 1, 0, OPS, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_reduce(y, x, layout, 1, 1, NAN, QN_REDUCE_VARIANCE, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_reduce(y, x, layout, 1, 1, 0, QN_REDUCE_NORM_P, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_reduce(y, x, layout, 1, 1, 0, sum, QN_Q8_0), QN_BAD_DTYPE);
  CHECK_EQ(qn_reduce(y, x, layout, 1, 1, 0, sum, 99), QN_BAD_DTYPE);
  CHECK_EQ(qn_reduce(y, x, layout, 10, 7, 0, sum, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_reduce(y, x, layout, UINT32_MAX, 2, 0, sum, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_reduce(y, x, NULL, 1, 1, 0, sum, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_reduce(NULL, x, layout, 1, 1, 0, sum, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_reduce(y, NULL, layout, 1, 1, 0, sum, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_reduce(odd, x, layout, 1, 1, 0, sum, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_reduce(y, odd, layout, 1, 1, 0, sum, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_reduce(y, x, huge, 1, 1, 0, sum, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_reduce(y, x, empty, 1, 1, 0, largest, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_reduce(y, x, empty, 1, 1, 0, QN_REDUCE_ARG_LARGEST, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_reduce(y, x, layout, 0, 2, 0, QN_REDUCE_ARG_LARGEST, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_reduce(NULL, NULL, empty + 2, 1, 1, 0, largest, QN_F32), QN_OK);
  y[0] = 42;
  CHECK_EQ(qn_reduce(y, NULL, empty, 1, 1, 0, sum, QN_F64), QN_OK);
  CHECK(y[0] == 0 && y[1] == 0);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_random_layouts, test_lengths_of_rows_and_columns,
      test_pieces,         test_hard_numbers,
      test_special_values, test_places,
      test_threads,        test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
