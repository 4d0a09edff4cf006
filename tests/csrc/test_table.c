/*
 * test_table.c: qn_gather and qn_scatter_add against a loop over every index, for whole
 * slices and single elements, every size of an item, both dtypes of indices, any number
 * of threads, and on every instruction set.
 *
 * All arrays end at a page that faults. Sums are of floats in the order of the indices,
 * so their bits must be those of the loop.
 */
#include "base/half.h"
#include "kernel_test.h"

#define MOST_AXES 4

/* The axes of a call; `sides` are the strides of the dense side, the table and the indices. */
struct plan {
  uint64_t layout[QN_TABLE_AXES + 4 * 16];
  uint32_t rank;
  uint32_t axis;
  size_t dense; /* items that each side spans */
  size_t table;
  size_t indices;
};

static uint64_t *axis_of(struct plan *plan, uint32_t axis) {
  return plan->layout + QN_TABLE_AXES + 4 * axis;
}

static void find_spans(struct plan *plan) {
  size_t last[3] = {0, 0, 0};
  bool is_empty = false;
  for (uint32_t i = 0; i < plan->rank; i += 1) {
    const uint64_t *axis = axis_of(plan, i);
    is_empty = is_empty || axis[0] == 0;
    for (uint32_t k = 0; k < 3; k += 1) {
      const uint64_t size = k == 1 && i == plan->axis ? plan->layout[QN_TABLE_EXTENT] : axis[0];
      last[k] += (size - 1) * axis[1 + k];
    }
  }
  plan->dense = is_empty ? 0 : last[0] + 1;
  plan->table = is_empty ? 0 : last[1] + 1;
  plan->indices = is_empty ? 0 : last[2] + 1;
  plan->layout[QN_TABLE_INDICES] = plan->indices;
}

/* Strides of one side from the last axis on, or from the first, with gaps. */
static void nest(struct plan *plan, uint32_t side, bool turned, bool gaps) {
  uint64_t stride = 1;
  for (uint32_t i = 0; i < plan->rank; i += 1) {
    const uint32_t at = turned ? i : plan->rank - 1 - i;
    uint64_t *axis = axis_of(plan, at);
    axis[1 + side] = stride;
    stride *= side == 1 && at == plan->axis ? plan->layout[QN_TABLE_EXTENT] : axis[0];
    if (gaps) stride += test_random(&test_seed) % 3;
  }
}

static struct plan random_plan(void) {
  static const uint64_t sizes[] = {1, 2, 3, 5, 16, 17, 64, 100};
  struct plan plan = {.rank = (uint32_t)(1 + test_random(&test_seed) % MOST_AXES)};
  plan.axis = (uint32_t)(test_random(&test_seed) % plan.rank);
  plan.layout[QN_TABLE_EXTENT] = 1 + test_random(&test_seed) % 40;
  uint64_t elements = 1;
  for (uint32_t i = 0; i < plan.rank; i += 1) {
    uint64_t size = sizes[test_random(&test_seed) % COUNT_OF(sizes)];
    if (elements * size > 8000) size = 1;
    axis_of(&plan, i)[0] = size;
    elements *= size;
  }
  nest(&plan, 0, test_random(&test_seed) % 4 == 0, test_random(&test_seed) % 2);
  nest(&plan, 1, test_random(&test_seed) % 4 == 0, test_random(&test_seed) % 2);
  nest(&plan, 2, false, false);
  /* Whole slices: the indices stand still along the other axes. */
  if (test_random(&test_seed) % 2 == 0) {
    for (uint32_t i = 0; i < plan.rank; i += 1) axis_of(&plan, i)[3] = i == plan.axis;
  }
  find_spans(&plan);
  return plan;
}

static void *random_indices(const struct plan *plan, int32_t dtype) {
  const int64_t extent = (int64_t)plan->layout[QN_TABLE_EXTENT];
  char *indices = guarded_bytes(plan->indices * (dtype == QN_I64 ? 8 : 4));
  for (size_t i = 0; i < plan->indices; i += 1) {
    const int64_t wide = (int64_t)(test_random(&test_seed) % (2 * (uint64_t)extent)) - extent;
    const int32_t narrow = (int32_t)wide;
    if (dtype == QN_I64) memcpy(indices + 8 * i, &wide, 8);
    else memcpy(indices + 4 * i, &narrow, 4);
  }
  return indices;
}

static int64_t index_at(const void *indices, size_t at, int32_t dtype) {
  int32_t narrow;
  int64_t wide;
  if (dtype == QN_I64) return memcpy(&wide, (const char *)indices + 8 * at, 8), wide;
  return memcpy(&narrow, (const char *)indices + 4 * at, 4), narrow;
}

/* Calls visit(dense place, table place) for each element, the last axis fastest. */
static void each_place(struct plan *plan, const void *indices, int32_t dtype,
                       void (*visit)(void *context, size_t dense, size_t table), void *context) {
  size_t total = 1;
  for (uint32_t i = 0; i < plan->rank; i += 1) total *= axis_of(plan, i)[0];
  for (size_t n = 0; n < total; n += 1) {
    size_t place[3] = {0, 0, 0};
    size_t rest = n;
    for (uint32_t i = plan->rank; i > 0; i -= 1) {
      const uint64_t *axis = axis_of(plan, i - 1);
      const size_t index = rest % axis[0];
      rest /= axis[0];
      for (uint32_t k = 0; k < 3; k += 1) {
        if (k != 1 || i - 1 != plan->axis) place[k] += index * axis[1 + k];
      }
    }
    int64_t index = index_at(indices, place[2], dtype);
    if (index < 0) index += (int64_t)plan->layout[QN_TABLE_EXTENT];
    visit(context, place[0], place[1] + (size_t)index * axis_of(plan, plan->axis)[2]);
  }
}

struct arrays {
  char *dense;
  char *table;
  size_t item;
};

static void move_item(void *context, size_t dense, size_t table) {
  const struct arrays *arrays = context;
  memcpy(arrays->dense + dense * arrays->item, arrays->table + table * arrays->item,
         arrays->item);
}

static void add_float(void *context, size_t dense, size_t table) {
  const struct arrays *arrays = context;
  ((float *)(void *)arrays->table)[table] += ((const float *)(const void *)arrays->dense)[dense];
}

static void check_gather(struct plan *plan, uint32_t item, int32_t dtype) {
  const void *indices = random_indices(plan, dtype);
  char *x = guarded_bytes(plan->table * item);
  char *y = guarded_bytes(plan->dense * item);
  char *expected = guarded_bytes(plan->dense * item);
  for (size_t i = 0; i < plan->table * item; i += 1) x[i] = (char)test_random(&test_seed);
  struct arrays arrays = {expected, x, item};
  each_place(plan, indices, dtype, move_item, &arrays);
  CHECK_EQ(qn_gather(y, x, indices, plan->layout, plan->rank, plan->axis, item, dtype), QN_OK);
  CHECK(memcmp(y, expected, plan->dense * item) == 0);
  release_all();
}

static void check_scatter_add(struct plan *plan, int32_t dtype) {
  const void *indices = random_indices(plan, dtype);
  float *x = random_floats(plan->dense, -1, 1);
  float *y = random_floats(plan->table, -1, 1);
  float *expected = copy_floats(y, plan->table);
  struct arrays arrays = {(char *)x, (char *)expected, 4};
  each_place(plan, indices, dtype, add_float, &arrays);
  const int32_t status =
      qn_scatter_add(y, x, indices, plan->layout, plan->rank, plan->axis, QN_F32, dtype);
  CHECK_EQ(status, QN_OK);
  CHECK(same_bits(y, expected, plan->table));
  release_all();
}

static void test_random_plans(void) {
  const uint32_t rounds = test_is_slow() ? 100 : 1500;
  for (uint32_t round = 0; round < rounds; round += 1) {
    struct plan plan = random_plan();
    const int32_t dtype = round % 3 == 0 ? QN_I64 : QN_I32;
    check_gather(&plan, 1u << round % 4, dtype);
    check_scatter_add(&plan, dtype);
  }
}

/* Long enough for several threads: slices by rows, columns, and elements. */
static void test_threads(void) {
  const uint64_t n = test_is_slow() ? 100 : 700;
  struct plan plans[] = {
      {.layout = {50, n, n, n, n, 1, n, 1, 1, 0}, .rank = 2, .axis = 0},
      {.layout = {50, n, n, n, 50, 0, n, 1, 1, 1}, .rank = 2, .axis = 1},
      {.layout = {50, 0, n, n, n, n, n, 1, 1, 1}, .rank = 2, .axis = 0},
      {.layout = {50, 0, n, n, 50, n, n, 1, 1, 1}, .rank = 2, .axis = 1},
      {.layout = {50, 0, n * n, 1, 1, 1}, .rank = 1, .axis = 0},
  };
  for (uint32_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
    for (uint32_t i = 0; i < COUNT_OF(plans); i += 1) {
      find_spans(&plans[i]);
      check_gather(&plans[i], 4, QN_I32);
      check_scatter_add(&plans[i], QN_I64);
    }
  }
}

/* Integers wrap around, doubles keep their bits. */
static void test_dtypes(void) {
  const uint64_t layout[] = {2, 3, 3, 1, 1, 1};
  const int32_t indices[] = {1, -1, 0};
  int32_t words[] = {5, INT32_MAX};
  const int32_t more[] = {1, 2, -7};
  CHECK_EQ(qn_scatter_add(words, more, indices, layout, 1, 0, QN_I32, QN_I32), QN_OK);
  CHECK_EQ(words[0], -2);
  CHECK_EQ(words[1], INT32_MIN + 2);
  int64_t wide[] = {5, INT64_MAX};
  const int64_t wider[] = {1, 2, -7};
  CHECK_EQ(qn_scatter_add(wide, wider, indices, layout, 1, 0, QN_I64, QN_I32), QN_OK);
  CHECK(wide[0] == -2 && wide[1] == INT64_MIN + 2);
  uint16_t halves[] = {qn_f16_from_f32(2048), qn_f16_from_f32(0.5f)};
  const uint16_t few[] = {qn_f16_from_f32(1), qn_f16_from_f32(2), qn_f16_from_f32(1)};
  CHECK_EQ(qn_scatter_add(halves, few, indices, layout, 1, 0, QN_F16, QN_I32), QN_OK);
  CHECK(qn_f32_from_f16(halves[0]) == 2048 && qn_f32_from_f16(halves[1]) == 3.5f);
  uint16_t bfloats[] = {qn_bf16_from_f32(256), qn_bf16_from_f32(0.5f)};
  const uint16_t some[] = {qn_bf16_from_f32(1), qn_bf16_from_f32(2), qn_bf16_from_f32(1)};
  CHECK_EQ(qn_scatter_add(bfloats, some, indices, layout, 1, 0, QN_BF16, QN_I32), QN_OK);
  CHECK(qn_f32_from_bf16(bfloats[0]) == 256 && qn_f32_from_bf16(bfloats[1]) == 3.5f);
  double doubles[] = {0.1, 0.2};
  const double others[] = {0.3, 0.7, 0.5};
  CHECK_EQ(qn_scatter_add(doubles, others, indices, layout, 1, 0, QN_F64, QN_I32), QN_OK);
  CHECK(doubles[0] == 0.1 + 0.5 && doubles[1] == 0.2 + 0.3 + 0.7);
}

static void test_bad_arguments(void) {
  float x[16] = {0};
  float y[16];
  memset(y, 0x7f, sizeof y);
  const uint64_t rows[] = {4, 2, 2, 4, 4, 1, 4, 1, 1, 0};
  const int32_t bad[][2] = {{0, 4}, {-5, 0}, {INT32_MAX, 0}, {0, INT32_MIN}};
  const int64_t wide[][2] = {{0, 4}, {-5, 0}, {1ll << 32, 0}, {0, INT64_MIN}, {INT64_MAX, 0}};
  for (size_t i = 0; i < COUNT_OF(bad); i += 1) {
    CHECK_EQ(qn_gather(y, x, bad[i], rows, 2, 0, 4, QN_I32), QN_BAD_INDEX);
    CHECK_EQ(qn_scatter_add(y, x, bad[i], rows, 2, 0, QN_F32, QN_I32), QN_BAD_INDEX);
  }
  for (size_t i = 0; i < COUNT_OF(wide); i += 1) {
    CHECK_EQ(qn_gather(y, x, wide[i], rows, 2, 0, 4, QN_I64), QN_BAD_INDEX);
  }
  bool untouched = true;
  for (size_t i = 0; i < sizeof y; i += 1) untouched = untouched && ((char *)y)[i] == 0x7f;
  CHECK(untouched);

  const int32_t good[] = {0, 3};
  CHECK_EQ(qn_gather(y, x, good, rows, 2, 0, 3, QN_I32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_gather(y, x, good, rows, 2, 2, 4, QN_I32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_gather(y, x, good, rows, 0, 0, 4, QN_I32), QN_BAD_SIZE);
  CHECK_EQ(qn_gather(y, x, good, rows, 17, 0, 4, QN_I32), QN_BAD_SIZE);
  CHECK_EQ(qn_gather(y, x, good, rows, 2, 0, 4, QN_F32), QN_BAD_DTYPE);
  CHECK_EQ(qn_gather(y, x, good, NULL, 2, 0, 4, QN_I32), QN_NULL_POINTER);
  CHECK_EQ(qn_gather(NULL, x, good, rows, 2, 0, 4, QN_I32), QN_NULL_POINTER);
  CHECK_EQ(qn_gather(y, NULL, good, rows, 2, 0, 4, QN_I32), QN_NULL_POINTER);
  CHECK_EQ(qn_gather(y, x, NULL, rows, 2, 0, 4, QN_I32), QN_NULL_POINTER);
  CHECK_EQ(qn_gather((char *)y + 2, x, good, rows, 2, 0, 4, QN_I32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_scatter_add(y, x, good, rows, 2, 0, QN_U8, QN_I32), QN_BAD_DTYPE);
  /* Fewer indices than their strides reach, and axes that are too large. */
  const uint64_t few[] = {4, 1, 2, 4, 4, 1, 4, 1, 1, 0};
  CHECK_EQ(qn_gather(y, x, good, few, 2, 0, 4, QN_I32), QN_BAD_SIZE);
  const uint64_t large[] = {4, 2, 2, 4, 4, 1, 1ull << 62, 1, 1, 0};
  CHECK_EQ(qn_gather(y, x, good, large, 2, 0, 4, QN_I32), QN_BAD_SIZE);
  const uint64_t steep[] = {1ull << 62, 2, 2, 4, 4, 1, 4, 1, 1, 0};
  CHECK_EQ(qn_gather(y, x, good, steep, 2, 0, 4, QN_I32), QN_BAD_SIZE);
  const uint64_t none[] = {0, 0, 0, 4, 4, 1, 4, 1, 1, 0};
  CHECK_EQ(qn_gather(NULL, NULL, NULL, none, 2, 0, 4, QN_I32), QN_OK);
  /* A table that shows an element twice is read, and not added to. */
  const uint64_t twice[] = {4, 2, 2, 4, 1, 1, 4, 1, 1, 0};
  CHECK_EQ(qn_gather(y, x, good, twice, 2, 0, 4, QN_I32), QN_OK);
  CHECK_EQ(qn_scatter_add(y, x, good, twice, 2, 0, QN_F32, QN_I32), QN_BAD_ARGUMENT);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_random_plans, test_dtypes, test_bad_arguments, test_threads,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
