/*
 * test_row_chain.c: chains of layers, whose rows have the bits that the functions give which
 * their steps name, one after the other for all rows; on every instruction set, for rows at
 * both sides of every block and number of threads, and widths of every tile and block of K.
 */
#include "kernel_test.h"

enum { X, ATTENDED, RESULT, SUM, MIDDLE, HIDDEN, GATE, SLOTS };
enum { STEPS = 9 };

/* The weight of a product, packed for a kind of step, with a bias. */
struct dense {
  uint32_t outputs, inputs;
  void *packed;
  const float *bias;
};

static struct dense make_dense(int32_t kind, uint32_t outputs, uint32_t inputs) {
  struct dense d = {.outputs = outputs, .inputs = inputs};
  const float *weight = random_floats((size_t)outputs * inputs, -1, 1);
  d.bias = random_floats(outputs, -1, 1);
  if (kind == QN_CHAIN_LINEAR) {
    d.packed = guarded_bytes(qn_gemm_pack_bytes(outputs, inputs));
    CHECK_EQ(qn_gemm_pack_f32(d.packed, weight, outputs, inputs, inputs, 1), QN_OK);
  } else {
    d.packed = guarded_bytes(qn_pack_bf16_bytes(outputs, inputs));
    CHECK_EQ(qn_pack_bf16_f32(d.packed, weight, outputs, inputs, inputs, 1), QN_OK);
  }
  return d;
}

/* The layer of an encoder, gated, with every kind of step. */
struct layer {
  int32_t kind;
  uint32_t rows, dim, wide, out;
  struct dense attended, up, gate, down, last;
  const float *scale, *shift;
  float *x, *from, *result;
};

static struct layer make_layer(int32_t kind, uint32_t rows, uint32_t dim, uint32_t wide,
                               uint32_t out) {
  struct layer l = {.kind = kind, .rows = rows, .dim = dim, .wide = wide, .out = out};
  l.attended = make_dense(kind, dim, dim);
  l.up = make_dense(kind, wide, dim);
  l.gate = make_dense(kind, wide, dim);
  l.down = make_dense(kind, dim, wide);
  l.last = make_dense(kind, out, dim);
  l.scale = random_floats(dim, -2, 2);
  l.shift = random_floats(dim, -1, 1);
  l.x = random_floats((size_t)rows * dim, -1, 1);
  l.from = random_floats((size_t)rows * dim, -1, 1);
  l.result = guarded_floats((size_t)rows * out);
  return l;
}

static uint64_t bits_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static void product(uint64_t *step, const struct layer *l, uint32_t from, uint32_t to,
                    uint32_t residual, const struct dense *dense, int32_t activation) {
  const uint64_t values[] = {(uint64_t)l->kind, from, to, residual == SLOTS ? 0 : residual + 1,
                             (uintptr_t)dense->packed, (uintptr_t)dense->bias,
                             (uint64_t)activation};
  memcpy(step, values, sizeof values);
}

static void norm(uint64_t *step, uint32_t from, uint32_t to, const float *scale,
                 const float *shift) {
  const uint64_t values[] = {QN_CHAIN_LAYER_NORM, from, to, 0, (uintptr_t)scale, (uintptr_t)shift,
                             bits_of(1e-5)};
  memcpy(step, values, sizeof values);
}

static void write_slots(uint64_t *slots, const struct layer *l) {
  const uint64_t values[] = {(uintptr_t)l->x,      l->dim, (uintptr_t)l->from, l->dim,
                             (uintptr_t)l->result, l->out, 0,                  l->dim,
                             0,                    l->dim, 0,                  l->wide,
                             0,                    l->wide};
  memcpy(slots, values, sizeof values);
}

static void write_steps(uint64_t steps[STEPS][QN_CHAIN_FIELDS], const struct layer *l) {
  product(steps[0], l, ATTENDED, SUM, X, &l->attended, QN_ACTIVATION_NONE);
  norm(steps[1], SUM, MIDDLE, l->scale, l->shift);
  product(steps[2], l, MIDDLE, HIDDEN, SLOTS, &l->up, QN_ACTIVATION_GELU_ERF);
  product(steps[3], l, MIDDLE, GATE, SLOTS, &l->gate, QN_ACTIVATION_NONE);
  const uint64_t gate[] = {QN_CHAIN_SWIGLU, GATE, HIDDEN, 0, 0, 0, 0};
  memcpy(steps[4], gate, sizeof gate);
  product(steps[5], l, HIDDEN, MIDDLE, MIDDLE, &l->down, QN_ACTIVATION_NONE);
  norm(steps[6], MIDDLE, X, NULL, NULL);
  product(steps[7], l, X, RESULT, SLOTS, &l->last, QN_ACTIVATION_SILU);
  norm(steps[8], RESULT, RESULT, NULL, NULL);
}

static int32_t run_chain(const struct layer *l) {
  uint64_t slots[2 * SLOTS];
  uint64_t steps[STEPS][QN_CHAIN_FIELDS];
  write_slots(slots, l);
  write_steps(steps, l);
  return qn_row_chain_f32(slots, steps[0], SLOTS, STEPS, l->rows);
}

static void multiply(const struct layer *l, float *y, const float *x, const struct dense *d,
                     const float *residual, int32_t activation) {
  const int32_t status =
      l->kind == QN_CHAIN_LINEAR
          ? qn_linear_packed_f32(y, x, d->packed, d->bias, residual, l->rows, d->outputs,
                                 d->inputs, activation)
          : qn_linear_bf16_f32(y, x, d->packed, d->bias, residual, l->rows, d->outputs, d->inputs,
                               activation);
  CHECK_EQ(status, QN_OK);
}

/* What the chain makes of x and the result, function by function. */
static void run_apart(const struct layer *l, float *x, float *result) {
  const uint32_t rows = l->rows;
  float *sum = guarded_floats((size_t)rows * l->dim);
  float *middle = guarded_floats((size_t)rows * l->dim);
  float *hidden = guarded_floats((size_t)rows * l->wide);
  float *gate = guarded_floats((size_t)rows * l->wide);
  multiply(l, sum, l->from, &l->attended, x, QN_ACTIVATION_NONE);
  CHECK_EQ(qn_layer_norm(middle, sum, l->scale, l->shift, rows, l->dim, 1e-5, QN_F32), QN_OK);
  multiply(l, hidden, middle, &l->up, NULL, QN_ACTIVATION_GELU_ERF);
  multiply(l, gate, middle, &l->gate, NULL, QN_ACTIVATION_NONE);
  CHECK_EQ(qn_swiglu(hidden, gate, hidden, rows, l->wide, QN_F32), QN_OK);
  multiply(l, middle, hidden, &l->down, middle, QN_ACTIVATION_NONE);
  CHECK_EQ(qn_layer_norm(x, middle, NULL, NULL, rows, l->dim, 1e-5, QN_F32), QN_OK);
  multiply(l, result, x, &l->last, NULL, QN_ACTIVATION_SILU);
  CHECK_EQ(qn_layer_norm(result, result, NULL, NULL, rows, l->out, 1e-5, QN_F32), QN_OK);
}

static void check_layer(int32_t kind, uint32_t rows, uint32_t dim, uint32_t wide, uint32_t out) {
  struct layer l = make_layer(kind, rows, dim, wide, out);
  const size_t inner = (size_t)rows * dim;
  const size_t outer = (size_t)rows * out;
  const float *before = copy_floats(l.x, inner);
  float *x = copy_floats(l.x, inner);
  float *result = guarded_floats(outer);
  run_apart(&l, x, result);
  for (uint32_t i = 0; i < 3; i += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[i]), QN_OK);
    if (inner != 0) memcpy(l.x, before, inner * sizeof *x);
    if (outer != 0) memset(l.result, 0xff, outer * sizeof *result);
    CHECK_EQ(run_chain(&l), QN_OK);
    CHECK(same_bits(l.x, x, inner));
    CHECK(same_bits(l.result, result, outer));
  }
  CHECK_EQ(qn_threads_set(2), QN_OK);
  release_all();
}

static void test_rows(void) {
  static const uint32_t rows[] = {0, 1, 5, 31, 32, 33, 47, 48, 49, 63, 64, 65, 96, 97, 130, 300};
  for (uint32_t i = 0; i < COUNT_OF(rows); i += 1) {
    if (test_is_slow() && i % 4 != 1) continue;
    check_layer(QN_CHAIN_LINEAR, rows[i], 64, 130, 70);
    check_layer(QN_CHAIN_LINEAR_BF16, rows[i], 64, 130, 70);
  }
}

static void test_widths(void) {
  static const uint32_t widths[][3] = {{1, 1, 1}, {1, 16, 17}, {33, 65, 15}, {64, 64, 128},
                                       {20, 1500, 3}, {130, 20, 64}};
  for (uint32_t i = 0; i < COUNT_OF(widths); i += 1) {
    const uint32_t *w = widths[i];
    check_layer(QN_CHAIN_LINEAR, 70, w[0], w[1], w[2]);
    check_layer(QN_CHAIN_LINEAR_BF16, 70, w[0], w[1], w[2]);
  }
}

/* The status of the chain with one of its words another. */
static int32_t with_slot(const struct layer *l, uint32_t at, uint64_t value) {
  uint64_t slots[2 * SLOTS];
  uint64_t steps[STEPS][QN_CHAIN_FIELDS];
  write_slots(slots, l);
  write_steps(steps, l);
  slots[at] = value;
  return qn_row_chain_f32(slots, steps[0], SLOTS, STEPS, l->rows);
}

static int32_t with_step(const struct layer *l, uint32_t step, uint32_t field, uint64_t value) {
  uint64_t slots[2 * SLOTS];
  uint64_t steps[STEPS][QN_CHAIN_FIELDS];
  write_slots(slots, l);
  write_steps(steps, l);
  steps[step][field] = value;
  return qn_row_chain_f32(slots, steps[0], SLOTS, STEPS, l->rows);
}

static void test_bad_arguments(void) {
  const struct layer l = make_layer(QN_CHAIN_LINEAR, 4, 8, 16, 8);
  CHECK_EQ(with_slot(&l, 1, 0), QN_BAD_SIZE);
  CHECK_EQ(with_slot(&l, 1, 1ull << 32), QN_BAD_SIZE);
  CHECK_EQ(with_slot(&l, 2 * HIDDEN + 1, 17), QN_BAD_SIZE); /* no width of what it is gated by */
  CHECK_EQ(with_slot(&l, 2 * MIDDLE + 1, 9), QN_BAD_SIZE);
  CHECK_EQ(with_slot(&l, 0, (uintptr_t)l.x + 1), QN_BAD_ALIGNMENT);
  CHECK_EQ(with_slot(&l, 0, 0), QN_BAD_ARGUMENT); /* read before it is written */
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_KIND, 4), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_FROM, SLOTS), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_FROM, HIDDEN), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_TO, SLOTS), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_TO, ATTENDED), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_RESIDUAL, SLOTS + 1), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 2, QN_CHAIN_RESIDUAL, 1 + X), QN_BAD_SIZE);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_SCALAR, 5), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_SCALAR, UINT64_MAX), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_WEIGHT, 0), QN_NULL_POINTER);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_WEIGHT, (uintptr_t)l.attended.packed + 4), QN_BAD_ALIGNMENT);
  CHECK_EQ(with_step(&l, 0, QN_CHAIN_BIAS, 2), QN_BAD_ALIGNMENT);
  CHECK_EQ(with_step(&l, 1, QN_CHAIN_SCALAR, bits_of(-1)), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 1, QN_CHAIN_SCALAR, bits_of(NAN)), QN_BAD_ARGUMENT);
  CHECK_EQ(with_step(&l, 1, QN_CHAIN_TO, GATE), QN_BAD_SIZE);
  CHECK_EQ(with_step(&l, 4, QN_CHAIN_FROM, HIDDEN), QN_BAD_ARGUMENT);
  const uint64_t word = 0;
  CHECK_EQ(qn_row_chain_f32(NULL, &word, 1, 1, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_row_chain_f32(&word, NULL, 1, 1, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_row_chain_f32(&word, &word, 17, 1, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_row_chain_f32(&word, &word, 1, 17, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_row_chain_f32(NULL, NULL, 0, 0, 9), QN_OK);
  CHECK_EQ(qn_row_chain_f32(NULL, NULL, 1, 1, 0), QN_OK);
}

/* Where a block finds no memory, all says so, and nothing is kept. */
static void test_no_memory(void) {
  uint64_t before[QN_STAT_COUNT];
  uint64_t after[QN_STAT_COUNT];
  uint64_t released[1];
  const struct layer l = make_layer(QN_CHAIN_LINEAR_BF16, 200, 64, 130, 70);
  CHECK_EQ(qn_pool_trim(released), QN_OK);
  CHECK_EQ(qn_pool_stats(before), QN_OK);
  CHECK_EQ(qn_pool_budget_set(1), QN_OK);
  CHECK_EQ(run_chain(&l), QN_OVER_BUDGET);
  CHECK_EQ(qn_pool_budget_set(0), QN_OK);
  CHECK_EQ(qn_pool_stats(after), QN_OK);
  CHECK_EQ(after[QN_STAT_OUTSTANDING], before[QN_STAT_OUTSTANDING]);
  CHECK_EQ(run_chain(&l), QN_OK);
}

int main(int count, char **arguments) {
  static void (*const tests[])(void) = {test_rows, test_widths, test_bad_arguments,
                                        test_no_memory};
  test_begin(count, arguments);
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
