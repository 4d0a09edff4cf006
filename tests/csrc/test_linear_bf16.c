/*
 * test_linear_bf16.c: products in bfloat16 against loops in float64 over operands that
 * this file rounds by itself, on every instruction set, within the bound of a sum of
 * exact products in float32, (k + 3) * 2^-24 * sum |x| |w|.
 *
 * Operands end at pages that fault. Sizes lie at both sides of every tile, stripe, panel
 * and pair.
 */
#include "kernel_test.h"

/* The nearest bfloat16, ties to even, as a double. */
static double rounded(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t rest = bits & 0xffff;
  bits -= rest;
  if (rest > 0x8000 || (rest == 0x8000 && (bits & 0x10000) != 0)) bits += 0x10000;
  memcpy(&value, &bits, sizeof bits);
  return (double)value;
}

static double activation_of(double v, int32_t activation) {
  switch (activation) {
    case QN_ACTIVATION_RELU: return v > 0 ? v : 0;
    case QN_ACTIVATION_GELU_TANH:
      return 0.5 * v * (1 + tanh(sqrt(2 / acos(-1.0)) * (v + 0.044715 * v * v * v)));
    case QN_ACTIVATION_GELU_ERF: return 0.5 * v * erfc(-v / sqrt(2.0));
    case QN_ACTIVATION_SILU: return v / (1 + exp(-v));
    default: return v;
  }
}

struct layer {
  uint32_t rows, outputs, inputs;
  const float *x, *weight, *bias, *residual;
  void *packed;
  int32_t activation;
};

/* With bit 0 of `options` a bias, with bit 1 a residual; the rest is the activation. */
static struct layer make_layer(uint32_t rows, uint32_t outputs, uint32_t inputs, int32_t options) {
  struct layer l = {.rows = rows, .outputs = outputs, .inputs = inputs, .activation = options / 4};
  l.x = random_floats((size_t)rows * inputs, -1, 1);
  l.weight = random_floats((size_t)outputs * inputs, -1, 1);
  if (options & 1) l.bias = random_floats(outputs, -2, 2);
  if (options & 2) l.residual = random_floats((size_t)rows * outputs, -2, 2);
  l.packed = guarded_bytes(qn_pack_bf16_bytes(outputs, inputs));
  CHECK_EQ(qn_pack_bf16_f32(l.packed, l.weight, outputs, inputs, inputs, 1), QN_OK);
  return l;
}

/* The rows from `first` on, into y. */
static void run_rows(const struct layer *l, float *y, uint32_t first, uint32_t rows) {
  const float *residual = l->residual;
  if (residual != NULL) residual += (size_t)first * l->outputs;
  CHECK_EQ(qn_linear_bf16_f32(y, l->x + (size_t)first * l->inputs, l->packed, l->bias, residual,
                              rows, l->outputs, l->inputs, l->activation), QN_OK);
}

static bool is_right(const struct layer *l, const float *y, size_t row, size_t output) {
  double sum = 0;
  double size = 0;
  for (size_t i = 0; i < l->inputs; i += 1) {
    const double term = rounded(l->x[row * l->inputs + i]) *
                        rounded(l->weight[output * l->inputs + i]);
    sum += term;
    size += fabs(term);
  }
  const size_t at = row * l->outputs + output;
  const double residual = l->residual == NULL ? 0 : (double)l->residual[at];
  const double value = sum + residual + (l->bias == NULL ? 0 : (double)l->bias[output]);
  double bound = (l->inputs + 3) * 0x1p-24 * (size + fabs(residual)) + 0x1p-126;
  bound = 1.2 * bound + 8 * 0x1p-24 * (4 + fabs(value)); /* what is added, and the activation */
  const double expected = activation_of(value, l->activation);
  if (fabs((double)y[at] - expected) <= bound) return true;
  printf("%u x %u x %u: y[%zu, %zu] is %.9g, not %.9g (%s)\n", l->rows, l->outputs, l->inputs, row,
         output, (double)y[at], expected, qn_isa_name(qn_isa_selected()));
  return false;
}

static void check_layer(uint32_t rows, uint32_t outputs, uint32_t inputs, int32_t options) {
  const struct layer l = make_layer(rows, outputs, inputs, options);
  const size_t count = (size_t)rows * outputs;
  float *y = guarded_floats(count);
  run_rows(&l, y, 0, rows);
  bool right = true;
  for (size_t i = 0; right && i < count; i += 1) right = is_right(&l, y, i / outputs, i % outputs);
  CHECK(right);
  if (l.residual != NULL) { /* in place */
    float *in_place = copy_floats(l.residual, count);
    CHECK_EQ(qn_linear_bf16_f32(in_place, l.x, l.packed, l.bias, in_place, rows, outputs, inputs,
                                l.activation), QN_OK);
    CHECK(same_bits(in_place, y, count));
  }
  release_all();
}

static void test_edges(void) {
  static const uint32_t heights[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 25};
  static const uint32_t widths[] = {0, 1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 130};
  static const uint32_t depths[] = {0, 1, 2, 3, 8, 33, 66};
  for (uint32_t i = 0; i < COUNT_OF(heights); i += 1) {
    for (uint32_t j = 0; j < COUNT_OF(widths); j += 1) {
      for (uint32_t q = 0; q < COUNT_OF(depths); q += 1) {
        const uint32_t at = i + j + q;
        if (test_is_slow() && at % 7 != 0) continue;
        check_layer(heights[i], widths[j], depths[q], (int32_t)(at * 7 % 20));
      }
    }
  }
  check_layer(300, 70, 40, 3);
  check_layer(5, 33, 3001, 7);
}

static void test_activations(void) {
  for (int32_t options = 0; options < 20; options += 1) check_layer(7, 65, 31, options);
}

/* A row has the same bits alone, among others, and with any number of threads. */
static void test_bits(void) {
  static const uint32_t sizes[][3] = {{130, 200, 65}, {9, 1000, 130}, {600, 48, 260}};
  for (uint32_t s = 0; s < COUNT_OF(sizes); s += 1) {
    if (test_is_slow() && s > 0) break;
    const struct layer l = make_layer(sizes[s][0], sizes[s][1], sizes[s][2], 7);
    const size_t count = (size_t)l.rows * l.outputs;
    float *first = guarded_floats(count);
    float *y = guarded_floats(count);
    run_rows(&l, first, 0, l.rows);
    for (uint32_t i = 0; i < COUNT_OF(test_thread_counts); i += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[i]), QN_OK);
      memset(y, 0, count * sizeof *y);
      run_rows(&l, y, 0, l.rows);
      CHECK(same_bits(first, y, count));
      memset(y, 0, count * sizeof *y);
      for (uint32_t row = 0; row < l.rows; row += 1) {
        run_rows(&l, y + (size_t)row * l.outputs, row, 1);
      }
      CHECK(same_bits(first, y, count));
    }
    CHECK_EQ(qn_threads_set(2), QN_OK);
    release_all();
  }
}

/* Packing [inputs, outputs] gives what packing [outputs, inputs] does, words hold pairs in
 * order, and what fills up is 0. */
static void test_packing(void) {
  const uint32_t outputs = 37, inputs = 1201;
  const float *weight = random_floats((size_t)outputs * inputs, -1, 1);
  float *turned = guarded_floats((size_t)outputs * inputs);
  for (size_t i = 0; i < (size_t)outputs * inputs; i += 1) {
    turned[i % inputs * outputs + i / inputs] = weight[i];
  }
  const size_t pairs = 601;
  const size_t bytes = qn_pack_bf16_bytes(outputs, inputs);
  CHECK_EQ(bytes, 48 * pairs * sizeof(uint32_t));
  uint16_t *packed = guarded_bytes(bytes);
  uint16_t *other = guarded_bytes(bytes);
  CHECK_EQ(qn_pack_bf16_f32(packed, weight, outputs, inputs, inputs, 1), QN_OK);
  CHECK_EQ(qn_pack_bf16_f32(other, turned, outputs, inputs, 1, outputs), QN_OK);
  CHECK(memcmp(packed, other, bytes) == 0);
  bool right = true;
  for (size_t col = 0; col < 48; col += 1) {
    for (size_t i = 0; i < 2 * pairs; i += 1) {
      const uint32_t bits = (uint32_t)packed[((col / 16 * pairs + i / 2) * 16 + col % 16) * 2 + i % 2]
                            << 16;
      float value;
      memcpy(&value, &bits, sizeof value);
      const bool is_there = col < outputs && i < inputs;
      right = right && (double)value == (is_there ? rounded(weight[col * inputs + i]) : 0);
    }
  }
  CHECK(right);
}

/* Ties go to even, what is too large to infinity, and NaN stays. */
static void test_rounding(void) {
  static const float values[] = {1.00390625f, 1.01171875f, 1.00390637f, -1.00390625f,
                                 3.4e38f,     -0x1p-126f,  0x1.fep127f, 65280.0f};
  const float one = 1;
  uint32_t packed[16] __attribute__((aligned(64)));
  float y;
  CHECK_EQ(qn_pack_bf16_f32(packed, &one, 1, 1, 1, 1), QN_OK);
  for (size_t i = 0; i < COUNT_OF(values); i += 1) {
    CHECK_EQ(qn_linear_bf16_f32(&y, values + i, packed, NULL, NULL, 1, 1, 1, 0), QN_OK);
    CHECK(y == (float)rounded(values[i]));
  }
  static const uint32_t patterns[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0x7fffffff, 0xff80ffff};
  for (size_t i = 0; i < COUNT_OF(patterns); i += 1) {
    float nan;
    memcpy(&nan, patterns + i, sizeof nan);
    CHECK_EQ(qn_linear_bf16_f32(&y, &nan, packed, NULL, NULL, 1, 1, 1, 0), QN_OK);
    CHECK(isnan(y));
    CHECK_EQ(qn_pack_bf16_f32(packed, &nan, 1, 1, 1, 1), QN_OK);
    CHECK_EQ(qn_linear_bf16_f32(&y, &one, packed, NULL, NULL, 1, 1, 1, 0), QN_OK);
    CHECK(isnan(y));
    CHECK_EQ(qn_pack_bf16_f32(packed, &one, 1, 1, 1, 1), QN_OK);
  }
}

/* NaN and infinity spoil their own row, or their own output, and no other. */
static void test_special_values(void) {
  struct layer l = make_layer(9, 70, 21, 0);
  float *x = copy_floats(l.x, 9 * 21);
  float *weight = copy_floats(l.weight, 70 * 21);
  for (size_t i = 0; i < 9 * 21; i += 1) x[i] = fabsf(x[i]) + 1;
  x[8 * 21 + 20] = NAN;
  x[7 * 21 + 3] = INFINITY;
  for (size_t i = 0; i < 70 * 21; i += 1) weight[i] = fabsf(weight[i]) + 1;
  weight[69 * 21 + 7] = -INFINITY;
  float *y = guarded_floats(9 * 70);
  CHECK_EQ(qn_pack_bf16_f32(l.packed, weight, 70, 21, 21, 1), QN_OK);
  CHECK_EQ(qn_linear_bf16_f32(y, x, l.packed, NULL, NULL, 9, 70, 21, 0), QN_OK);
  bool right = true;
  for (size_t i = 0; i < 9 * 70; i += 1) {
    const bool last = i % 70 == 69;
    if (i / 70 == 8 || (i / 70 == 7 && last)) {
      right = right && isnan(y[i]);
    } else if (i / 70 == 7) {
      right = right && y[i] == INFINITY;
    } else {
      right = right && (last ? y[i] == -INFINITY : isfinite(y[i]));
    }
  }
  CHECK(right);
}

static void test_bad_arguments(void) {
  float *a = guarded_floats(16);
  void *packed = guarded_bytes(qn_pack_bf16_bytes(4, 4));
  CHECK_EQ(qn_pack_bf16_bytes(UINT32_MAX, UINT32_MAX), 0);
  CHECK_EQ(qn_pack_bf16_bytes(0, 9), 0);
  CHECK_EQ(qn_pack_bf16_bytes(1, 1), 64);
  CHECK_EQ(qn_pack_bf16_f32(NULL, a, 4, 4, 4, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_pack_bf16_f32(packed, NULL, 4, 4, 4, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_pack_bf16_f32((char *)packed + 4, a, 4, 4, 4, 1), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_pack_bf16_f32(packed, (float *)((uintptr_t)a + 1), 4, 4, 4, 1), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_pack_bf16_f32(packed, a, 4, 4, SIZE_MAX, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_pack_bf16_f32(packed, a, 4, 4, 1, SIZE_MAX / 2), QN_BAD_SIZE);
  CHECK_EQ(qn_pack_bf16_f32(packed, a, UINT32_MAX, UINT32_MAX, 1, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_pack_bf16_f32(NULL, NULL, 0, 4, 4, 1), QN_OK);
  CHECK_EQ(qn_linear_bf16_f32(NULL, a, packed, NULL, NULL, 4, 4, 4, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_linear_bf16_f32(a, NULL, packed, NULL, NULL, 4, 4, 4, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_linear_bf16_f32(a, a, NULL, NULL, NULL, 4, 4, 4, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_linear_bf16_f32(a, a, packed, NULL, NULL, 4, 4, 4, 9), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_linear_bf16_f32(a, a, packed, NULL, NULL, 4, 4, 4, -1), QN_BAD_ARGUMENT);
  const float *odd = (const float *)((uintptr_t)a + 1);
  CHECK_EQ(qn_linear_bf16_f32(a, a, packed, odd, NULL, 4, 4, 4, 0), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_linear_bf16_f32(a, a, packed, NULL, odd, 4, 4, 4, 0), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_linear_bf16_f32(NULL, NULL, NULL, NULL, NULL, 0, 4, 4, 0), QN_OK);
  CHECK_EQ(qn_linear_bf16_f32(NULL, NULL, NULL, NULL, NULL, 4, 0, 4, 0), QN_OK);
}

static void test_no_memory(void) {
  const struct layer l = make_layer(40, 64, 300, 3);
  float *y = guarded_floats(40 * 64);
  uint64_t before[QN_STAT_COUNT];
  uint64_t after[QN_STAT_COUNT];
  uint64_t released[1];
  CHECK_EQ(qn_pool_trim(released), QN_OK);
  CHECK_EQ(qn_pool_stats(before), QN_OK);
  CHECK_EQ(qn_pool_budget_set(1), QN_OK);
  CHECK_EQ(qn_pack_bf16_f32(l.packed, l.weight, 64, 300, 300, 1), QN_OVER_BUDGET);
  CHECK_EQ(qn_linear_bf16_f32(y, l.x, l.packed, l.bias, l.residual, 40, 64, 300, 0),
           QN_OVER_BUDGET);
  CHECK_EQ(qn_pool_budget_set(0), QN_OK);
  CHECK_EQ(qn_pool_stats(after), QN_OK);
  CHECK_EQ(after[QN_STAT_OUTSTANDING], before[QN_STAT_OUTSTANDING]);
  CHECK_EQ(qn_pack_bf16_f32(l.packed, l.weight, 64, 300, 300, 1), QN_OK);
  run_rows(&l, y, 0, 40);
}

static void test_which_have_it(void) {
  CHECK_EQ(qn_isa_has_bf16(), strcmp(qn_isa_name(qn_isa_selected()), "avx512bf16") == 0);
}

int main(int count, char **arguments) {
  static void (*const tests[])(void) = {
      test_edges,    test_activations,    test_bits,          test_packing,
      test_rounding, test_special_values, test_bad_arguments, test_no_memory, test_which_have_it,
  };
  test_begin(count, arguments);
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
