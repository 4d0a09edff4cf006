/*
 * test_linear.c: matrix products against references in float64 and in integers.
 *
 * Weights are random bytes with small scales, laid as GGUF lays them; the
 * references are computed from the numbers they stand for, by code of this file.
 * Weights and activations end right before a page that faults when touched.
 */
#include "base/half.h"
#include "memory/pool.h"
#include "test.h"

#if !defined(_WIN32)
#include <pthread.h>
#include <stdatomic.h>
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_ROWS 17

static const int32_t dtypes[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};
static const char *const dtype_names[] = {"f32", "f16", "bf16", "i32", "q8_0", "q4_0", "q4_1"};
static const int32_t precisions[] = {QN_EXACT, QN_FAST};

static bool is_block(int32_t dtype) { return dtype >= QN_Q8_0; }

static size_t block_bytes(int32_t dtype) {
  return dtype == QN_Q8_0 ? 34 : dtype == QN_Q4_0 ? 18 : 20;
}

static size_t weight_bytes(size_t count, int32_t dtype) {
  if (is_block(dtype)) return count / 32 * block_bytes(dtype);
  return count * (dtype == QN_F32 ? 4 : 2);
}

static bool is_slow(void) { return test_state.emulated || TEST_UNDER_TSAN || TEST_UNDER_ASAN; }

/* ---- Weights and what they stand for -------------------------------------- */

/* A weight is steep * 1 + level: steep meets the rounded activations, level (of
 * Q4_1, its centred minimum) their exact sums. */
struct weight {
  float value;
  double steep, level;
};

static uint16_t half_at(const uint8_t *p) {
  uint16_t half;
  memcpy(&half, p, sizeof(half));
  return half;
}

static struct weight plain_weight(const uint8_t *bytes, size_t index, int32_t dtype) {
  float value;
  if (dtype == QN_F32) {
    memcpy(&value, bytes + 4 * index, sizeof(value));
  } else {
    const uint16_t half = half_at(bytes + 2 * index);
    value = dtype == QN_F16 ? qn_f32_from_f16(half) : qn_f32_from_bf16(half);
  }
  return (struct weight){value, value, 0};
}

static struct weight weight_at(const uint8_t *bytes, size_t index, int32_t dtype) {
  if (!is_block(dtype)) return plain_weight(bytes, index, dtype);
  const uint8_t *block = bytes + index / 32 * block_bytes(dtype);
  const size_t i = index % 32;
  const double scale = qn_f32_from_f16(half_at(block));
  if (dtype == QN_Q8_0) {
    const double value = scale * (int8_t)block[2 + i];
    return (struct weight){(float)value, value, 0};
  }
  const uint8_t *quants = block + block_bytes(dtype) - 16;
  const int q = i < 16 ? quants[i] & 15 : quants[i - 16] >> 4;
  const double steep = scale * (q - 8);
  if (dtype == QN_Q4_0) return (struct weight){(float)steep, steep, 0};
  const double minimum = qn_f32_from_f16(half_at(block + 2));
  return (struct weight){(float)(scale * q + minimum), steep, minimum + 8 * scale};
}

static void put_half(uint8_t *p, float value) {
  const uint16_t half = qn_f16_from_f32(value);
  memcpy(p, &half, sizeof(half));
}

static void fill_plain(uint8_t *bytes, size_t count, int32_t dtype, uint64_t *random) {
  for (size_t i = 0; i < count; i += 1) {
    const float value = test_random_float(random, -1, 1);
    const uint16_t half = dtype == QN_F16 ? qn_f16_from_f32(value) : qn_bf16_from_f32(value);
    if (dtype == QN_F32) memcpy(bytes + 4 * i, &value, sizeof(value));
    if (dtype != QN_F32) memcpy(bytes + 2 * i, &half, sizeof(half));
  }
}

static void fill_weight(uint8_t *bytes, size_t count, int32_t dtype, uint64_t *random) {
  if (!is_block(dtype)) {
    fill_plain(bytes, count, dtype, random);
    return;
  }
  const size_t size = block_bytes(dtype);
  for (size_t b = 0; b < count / 32; b += 1) {
    uint8_t *block = bytes + b * size;
    for (size_t i = 0; i < size; i += 1) block[i] = (uint8_t)test_random(random);
    put_half(block, test_random_float(random, -0.1f, 0.1f));
    if (dtype == QN_Q4_1) put_half(block + 2, test_random_float(random, -1, 1));
  }
}

/* ---- A product and its references ----------------------------------------- */

struct product {
  size_t rows, outputs, inputs;
  int32_t dtype;
  struct guarded weight, x, y;
  double *expected; /* [rows, outputs] */
  double *allowed[2]; /* [rows, outputs]: the largest error of each precision */
};

static const float *row_of_x(const struct product *p, size_t row) {
  return (const float *)p->x.data + row * p->inputs;
}

static struct product product_new(size_t rows, size_t outputs, size_t inputs, int32_t dtype) {
  uint64_t random = rows * 1000003 + outputs * 1009 + inputs * 31 + (uint64_t)dtype;
  struct product p = {.rows = rows, .outputs = outputs, .inputs = inputs, .dtype = dtype};
  p.weight = guarded_alloc(weight_bytes(outputs * inputs, dtype));
  p.x = guarded_alloc(rows * inputs * sizeof(float));
  p.y = guarded_alloc(rows * outputs * sizeof(float));
  fill_weight(p.weight.data, outputs * inputs, dtype, &random);
  float *x = p.x.data;
  for (size_t i = 0; i < rows * inputs; i += 1) x[i] = test_random_float(&random, -2, 2);
  return p;
}

static void product_free(struct product *p) {
  guarded_free(p->weight);
  guarded_free(p->x);
  guarded_free(p->y);
  free(p->expected);
  free(p->allowed[QN_EXACT]);
  free(p->allowed[QN_FAST]);
}

/* Half a step of the group of four that holds element i, and a little for the
 * rounding of the step itself. */
static double half_step(const float *x, size_t i) {
  double largest = 0;
  for (size_t j = i / 4 * 4; j < i / 4 * 4 + 4; j += 1) largest = fmax(largest, fabs(x[j]));
  return largest / 127 * 0.5001;
}

static void expect_output(struct product *p, size_t row, size_t output) {
  const float *x = row_of_x(p, row);
  double sum = 0, magnitude = 0, parts = 0, rounding = 0;
  for (size_t i = 0; i < p->inputs; i += 1) {
    const struct weight w = weight_at(p->weight.data, output * p->inputs + i, p->dtype);
    sum += (double)x[i] * w.value;
    magnitude += fabs((double)x[i] * w.value);
    parts += fabs(x[i] * w.steep) + fabs(x[i] * w.level);
    if (is_block(p->dtype)) rounding += half_step(x, i) * fabs(w.steep);
  }
  const double unit = 0x1p-24 * ((double)p->inputs + 3);
  const size_t at = row * p->outputs + output;
  p->expected[at] = sum;
  p->allowed[QN_EXACT][at] = unit * magnitude;
  p->allowed[QN_FAST][at] = is_block(p->dtype) ? rounding + 2 * unit * parts : unit * magnitude;
}

static void expect_all(struct product *p) {
  const size_t count = p->rows * p->outputs;
  p->expected = calloc(count + 1, sizeof(double));
  p->allowed[QN_EXACT] = calloc(count + 1, sizeof(double));
  p->allowed[QN_FAST] = calloc(count + 1, sizeof(double));
  if (!p->expected || !p->allowed[QN_EXACT] || !p->allowed[QN_FAST]) abort();
  for (size_t row = 0; row < p->rows; row += 1) {
    for (size_t output = 0; output < p->outputs; output += 1) expect_output(p, row, output);
  }
}

static int32_t run_rows(const struct product *p, float *y, size_t first, size_t rows,
                        int32_t precision) {
  return qn_linear_f32(y, row_of_x(p, first), p->weight.data, (uint32_t)rows,
                       (uint32_t)p->outputs, (uint32_t)p->inputs, p->dtype, precision);
}

static void check_product(const struct product *p, size_t rows, int32_t precision) {
  /* The last rows of y: a write past them faults, one before them is found. */
  float *y = (float *)p->y.data + (p->rows - rows) * p->outputs;
  memset(p->y.data, 0xa5, p->rows * p->outputs * sizeof(float));
  CHECK_EQ(run_rows(p, y, 0, rows, precision), QN_OK);
  double worst = 0;
  for (size_t i = 0; i < rows * p->outputs; i += 1) {
    const double error = fabs(y[i] - p->expected[i]);
    if (!(error <= p->allowed[precision][i])) worst = INFINITY;
  }
  bool untouched = true;
  for (float *before = p->y.data; before < y; before += 1) {
    uint32_t bits;
    memcpy(&bits, before, sizeof(bits));
    untouched = untouched && bits == 0xa5a5a5a5u;
  }
  CHECK(untouched);
  if (test_count(worst <= 1)) {
    printf("%s %s, precision %d, %zu x %zu x %zu: not within its bound\n",
           qn_isa_name(qn_isa_selected()), dtype_names[p->dtype], precision, rows, p->outputs,
           p->inputs);
  }
}

static void check_all_rows(const struct product *p) {
  const size_t rows[] = {0, 1, 2, 3, 4, 5, MAX_ROWS};
  for (size_t r = 0; r < COUNT(rows); r += 1) {
    if (is_slow() && (rows[r] == 3 || rows[r] == MAX_ROWS)) continue;
    for (size_t i = 0; i < COUNT(precisions); i += 1) check_product(p, rows[r], precisions[i]);
  }
}

static void check_shape(size_t outputs, size_t inputs, int32_t dtype) {
  struct product p = product_new(MAX_ROWS, outputs, inputs, dtype);
  expect_all(&p);
  for (uint32_t isa = 0; isa < qn_isa_count(); isa += 1) {
    if (test_select_isa(isa)) check_all_rows(&p);
  }
  product_free(&p);
}

static void products_are_within_their_bounds(void) {
  const size_t outputs[] = {1, 3, 4, 5, 31};
  const size_t inputs[] = {0, 1, 31, 32, 33, 64, 576, 1536 + 32};
  for (size_t d = 0; d < COUNT(dtypes); d += 1) {
    for (size_t o = 0; o < COUNT(outputs); o += 1) {
      for (size_t i = 0; i < COUNT(inputs); i += 1) {
        if (is_block(dtypes[d]) && inputs[i] % 32 != 0) continue;
        if (is_slow() && (inputs[i] > 64 && outputs[o] > 5)) continue;
        check_shape(outputs[o], inputs[i], dtypes[d]);
      }
    }
  }
}

/* ---- Integers: the fast path has no rounding at all ------------------------ */

/* Scales 1, minima small integers; each group of four activations holds a 127. */
static void make_integers(struct product *p, bool extreme) {
  uint64_t random = 7;
  for (size_t b = 0; b < p->outputs * p->inputs / 32; b += 1) {
    uint8_t *block = (uint8_t *)p->weight.data + b * block_bytes(p->dtype);
    put_half(block, 1);
    if (p->dtype == QN_Q4_1) put_half(block + 2, (float)(test_random(&random) % 7) - 3);
    if (!extreme) continue;
    const size_t quants = p->dtype == QN_Q8_0 ? 32 : 16;
    memset(block + block_bytes(p->dtype) - quants, p->dtype == QN_Q8_0 ? 0x80 : 0xff, quants);
  }
  float *x = p->x.data;
  for (size_t i = 0; i < p->rows * p->inputs; i += 1) {
    const float sign = i / p->inputs % 2 ? -1.0f : 1.0f;
    const float value = (float)(test_random(&random) % 255) - 127.0f;
    x[i] = extreme || i % 4 == 0 ? 127.0f * sign : value;
  }
}

static void check_integers(int32_t dtype, bool extreme) {
  struct product p = product_new(5, 6, 576, dtype);
  make_integers(&p, extreme);
  expect_all(&p);
  for (uint32_t isa = 0; isa < qn_isa_count(); isa += 1) {
    if (!test_select_isa(isa)) continue;
    CHECK_EQ(run_rows(&p, p.y.data, 0, p.rows, QN_FAST), QN_OK);
    size_t wrong = 0;
    for (size_t i = 0; i < p.rows * p.outputs; i += 1) {
      wrong += (double)((float *)p.y.data)[i] != p.expected[i];
    }
    if (test_count(wrong == 0)) {
      printf("%s %s: %zu integers differ\n", qn_isa_name(isa), dtype_names[dtype], wrong);
    }
  }
  product_free(&p);
}

static void integer_products_are_exact(void) {
  for (size_t d = 0; d < COUNT(dtypes); d += 1) {
    if (!is_block(dtypes[d])) continue;
    check_integers(dtypes[d], false);
    check_integers(dtypes[d], true);
  }
}

/* ---- The same bits --------------------------------------------------------- */

static void check_bits(const struct product *p, int32_t precision, size_t repetitions) {
  const uint32_t threads[] = {2, 4, 7};
  const size_t bytes = p->rows * p->outputs * sizeof(float);
  float *first = malloc(bytes);
  if (first == NULL) abort();
  CHECK_EQ(qn_threads_set(1), QN_OK);
  CHECK_EQ(run_rows(p, first, 0, p->rows, precision), QN_OK);
  for (size_t row = 0; row < p->rows; row += 1) {
    CHECK_EQ(run_rows(p, (float *)p->y.data + row * p->outputs, row, 1, precision), QN_OK);
  }
  CHECK(memcmp(first, p->y.data, bytes) == 0);
  for (size_t i = 0; i < COUNT(threads) * repetitions; i += 1) {
    CHECK_EQ(qn_threads_set(threads[i % COUNT(threads)]), QN_OK);
    memset(p->y.data, 0, bytes);
    CHECK_EQ(run_rows(p, p->y.data, 0, p->rows, precision), QN_OK);
    CHECK(memcmp(first, p->y.data, bytes) == 0);
  }
  CHECK_EQ(qn_threads_set(2), QN_OK);
  free(first);
}

static void check_bits_everywhere(size_t rows, size_t outputs, size_t inputs, size_t repetitions) {
  for (size_t d = 0; d < COUNT(dtypes); d += 1) {
    struct product p = product_new(rows, outputs, inputs, dtypes[d]);
    for (uint32_t isa = 0; isa < qn_isa_count(); isa += 1) {
      if (!test_select_isa(isa)) continue;
      for (size_t i = 0; i < COUNT(precisions); i += 1) check_bits(&p, precisions[i], repetitions);
    }
    product_free(&p);
  }
}

static void bits_depend_on_the_operands_alone(void) {
  check_bits_everywhere(11, 37, 1536, is_slow() ? 1 : 34);
  check_bits_everywhere(130, 70, 96, 1); /* several chunks of rows */
  check_bits_everywhere(1, 3001, 128, 1); /* many tasks for one row */
}

#if !defined(_WIN32)
static _Atomic bool product_is_done;

static void *change_threads(void *unused) {
  for (uint32_t count = 1; !atomic_load(&product_is_done); count = count % 9 + 1) {
    if (qn_threads_set(count) != QN_OK) abort();
  }
  return unused;
}

/* Workers that came after the scratch was cut must not write beyond it. */
static void the_number_of_threads_may_change_meanwhile(void) {
  struct product p = product_new(9, 256, 320, QN_Q4_1);
  const size_t bytes = p.rows * p.outputs * sizeof(float);
  float *first = malloc(bytes);
  pthread_t changer;
  if (first == NULL) abort();
  for (size_t i = 0; i < COUNT(precisions); i += 1) {
    CHECK_EQ(run_rows(&p, first, 0, p.rows, precisions[i]), QN_OK);
    atomic_store(&product_is_done, false);
    if (pthread_create(&changer, NULL, change_threads, NULL) != 0) abort();
    for (size_t r = 0; r < (is_slow() ? 20 : 400); r += 1) {
      CHECK_EQ(run_rows(&p, p.y.data, 0, p.rows, precisions[i]), QN_OK);
      CHECK(memcmp(first, p.y.data, bytes) == 0);
    }
    atomic_store(&product_is_done, true);
    pthread_join(changer, NULL);
  }
  CHECK_EQ(qn_threads_set(2), QN_OK);
  free(first);
  product_free(&p);
}
#else
static void the_number_of_threads_may_change_meanwhile(void) {}
#endif

/* ---- Numbers that are not finite ------------------------------------------- */

/* Element 40 of row 1 is not finite; row 0 and row 2 do not notice. */
static void check_poison(int32_t dtype, int32_t precision, float poison) {
  struct product p = product_new(3, 5, 64, dtype);
  float clean[15];
  CHECK_EQ(run_rows(&p, clean, 0, 3, precision), QN_OK);
  ((float *)p.x.data)[64 + 40] = poison;
  CHECK_EQ(run_rows(&p, p.y.data, 0, 3, precision), QN_OK);
  const float *y = p.y.data;
  for (size_t i = 5; i < 10; i += 1) CHECK(!isfinite(y[i]));
  for (size_t i = 5; i < 10 && isnan(poison); i += 1) CHECK(isnan(y[i]));
  CHECK(memcmp(y, clean, 5 * sizeof(float)) == 0);
  CHECK(memcmp(y + 10, clean + 10, 5 * sizeof(float)) == 0);
  product_free(&p);
}

static void infinity_and_nan_are_not_hidden(void) {
  const float poisons[] = {NAN, -NAN, INFINITY, -INFINITY};
  for (uint32_t isa = 0; isa < qn_isa_count(); isa += 1) {
    if (!test_select_isa(isa)) continue;
    for (size_t d = 0; d < COUNT(dtypes); d += 1) {
      for (size_t i = 0; i < COUNT(poisons); i += 1) {
        check_poison(dtypes[d], QN_EXACT, poisons[i]);
        check_poison(dtypes[d], QN_FAST, poisons[i]);
      }
    }
  }
}

/* The scale of the second block of output 1 is NaN. */
static void a_scale_that_is_nan_spoils_its_output_alone(void) {
  for (size_t d = 0; d < COUNT(dtypes); d += 1) {
    if (!is_block(dtypes[d])) continue;
    struct product p = product_new(1, 3, 64, dtypes[d]);
    put_half((uint8_t *)p.weight.data + 3 * block_bytes(dtypes[d]), NAN);
    for (size_t i = 0; i < COUNT(precisions); i += 1) {
      CHECK_EQ(run_rows(&p, p.y.data, 0, 1, precisions[i]), QN_OK);
      const float *y = p.y.data;
      CHECK(isfinite(y[0]) && isnan(y[1]) && isfinite(y[2]));
    }
    product_free(&p);
  }
}

/* Groups of four: zero, tiny (counted as zero), and near the largest float. */
static void extreme_magnitudes_stay_finite(void) {
  const float values[] = {0, -0.0f, 1e-45f, 0x1p-101f, 0x1p-100f, 1e-20f, 1e30f};
  for (uint32_t isa = 0; isa < qn_isa_count(); isa += 1) {
    if (!test_select_isa(isa)) continue;
    for (size_t v = 0; v < COUNT(values); v += 1) {
      struct product p = product_new(1, 4, 32, QN_Q8_0);
      for (size_t i = 0; i < 32; i += 1) ((float *)p.x.data)[i] = values[v];
      expect_all(&p);
      CHECK_EQ(run_rows(&p, p.y.data, 0, 1, QN_FAST), QN_OK);
      for (size_t o = 0; o < 4; o += 1) {
        CHECK_NEAR(((float *)p.y.data)[o], p.expected[o], p.allowed[QN_FAST][o] + 1e-25);
      }
      product_free(&p);
    }
  }
}

/* ---- Arguments and memory --------------------------------------------------- */

static void bad_arguments_are_refused(void) {
  float y[4] = {1, 1, 1, 1};
  _Alignas(8) float x[64] = {0};
  _Alignas(8) char w[64 * 4] = {0};
  const uint32_t huge = UINT32_MAX / 32 * 32;
  CHECK_EQ(qn_linear_f32(y, x, w, 1, 1, 32, QN_I32, QN_EXACT), QN_BAD_DTYPE);
  CHECK_EQ(qn_linear_f32(y, x, w, 1, 1, 32, 7, QN_EXACT), QN_BAD_DTYPE);
  CHECK_EQ(qn_linear_f32(y, x, w, 1, 1, 32, QN_F32, 2), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_linear_f32(y, x, w, 1, 1, 32, QN_F32, -1), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_linear_f32(y, x, w, 1, 1, 33, QN_Q8_0, QN_FAST), QN_BAD_SIZE);
  CHECK_EQ(qn_linear_f32(y, x, w, 1, 1, 16, QN_Q4_1, QN_EXACT), QN_BAD_SIZE);
  CHECK_EQ(qn_linear_f32(y, x, w, huge, huge, huge, QN_F32, QN_EXACT), QN_BAD_SIZE);
  CHECK_EQ(qn_linear_f32(y, x, w, 1, huge, huge, QN_Q8_0, QN_FAST), QN_BAD_SIZE);
  CHECK_EQ(qn_linear_f32(NULL, x, w, 1, 1, 32, QN_F32, QN_EXACT), QN_NULL_POINTER);
  CHECK_EQ(qn_linear_f32(y, NULL, w, 1, 1, 32, QN_F32, QN_EXACT), QN_NULL_POINTER);
  CHECK_EQ(qn_linear_f32(y, x, NULL, 1, 1, 32, QN_F32, QN_EXACT), QN_NULL_POINTER);
  float *odd = (float *)(void *)(w + 2);
  CHECK_EQ(qn_linear_f32(odd, x, w, 1, 1, 32, QN_F32, QN_EXACT), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_linear_f32(y, odd, w, 1, 1, 32, QN_F32, QN_EXACT), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_linear_f32(y, x, w + 2, 1, 1, 32, QN_F32, QN_EXACT), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_linear_f32(y, x, w + 1, 1, 1, 32, QN_F16, QN_EXACT), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_linear_f32(y, x, w + 1, 1, 1, 32, QN_Q8_0, QN_FAST), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_linear_f32(y, x, w + 2, 1, 1, 32, QN_Q8_0, QN_FAST), QN_OK);
  for (size_t i = 1; i < 4; i += 1) CHECK(y[i] == 1);
}

static void sizes_of_zero_do_nothing(void) {
  float y[6] = {1, 1, 1, 1, 1, 1};
  CHECK_EQ(qn_linear_f32(NULL, NULL, NULL, 0, 3, 32, QN_Q8_0, QN_FAST), QN_OK);
  CHECK_EQ(qn_linear_f32(NULL, NULL, NULL, 2, 0, 32, QN_F32, QN_EXACT), QN_OK);
  CHECK_EQ(qn_linear_f32(y, NULL, NULL, 2, 2, 0, QN_Q4_1, QN_FAST), QN_OK);
  for (size_t i = 0; i < 6; i += 1) CHECK(y[i] == (i < 4 ? 0 : 1));
}

static uint64_t outstanding(void) {
  uint64_t stats[QN_STAT_COUNT];
  CHECK_EQ(qn_pool_stats(stats), QN_OK);
  return stats[QN_STAT_OUTSTANDING];
}

static void a_spent_budget_is_reported_and_leaks_nothing(void) {
  const uint64_t before = outstanding();
  for (size_t d = 0; d < COUNT(dtypes); d += 1) {
    struct product p = product_new(2, 5, 64, dtypes[d]);
    for (size_t i = 0; i < COUNT(precisions); i += 1) {
      CHECK_EQ(qn_pool_budget_set(1), QN_OK);
      const int32_t expected = dtypes[d] == QN_F32 ? QN_OK : QN_OVER_BUDGET;
      CHECK_EQ(run_rows(&p, p.y.data, 0, 2, precisions[i]), expected);
      CHECK_EQ(outstanding(), before);
      CHECK_EQ(qn_pool_budget_set(0), QN_OK);
      CHECK_EQ(run_rows(&p, p.y.data, 0, 2, precisions[i]), QN_OK);
      CHECK_EQ(outstanding(), before);
    }
    product_free(&p);
  }
  const char *fault = qn_pool_check();
  if (test_count(fault == NULL)) printf("the pool: %s\n", fault);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  products_are_within_their_bounds();
  integer_products_are_exact();
  bits_depend_on_the_operands_alone();
  the_number_of_threads_may_change_meanwhile();
  infinity_and_nan_are_not_hidden();
  a_scale_that_is_nan_spoils_its_output_alone();
  extreme_magnitudes_stay_finite();
  bad_arguments_are_refused();
  sizes_of_zero_do_nothing();
  a_spent_budget_is_reported_and_leaks_nothing();
  return test_finish();
}
