/*
 * gemm/linear.c: how a matrix product is cut into tasks, and its scratch.
 *
 * A task is a range of outputs for a range of rows, so no sum is ever split and
 * the bits do not depend on the cut. Rows come in chunks whose activations stay
 * in the second cache while a task runs through its outputs.
 *
 * Scratch is one block of the pool:
 *
 *   | activation blocks [rows, blocks] | sums [rows, padded blocks] | worker 0 | worker 1 | ...
 *
 * Activations and sums exist in the fast path alone. A worker's part holds, in
 * the fast path, the widened scales of one strip; in the exact path, `panel`
 * rows of weights widened to float32 (none for float32 weights, which are used
 * where they stand).
 *
 * Should another thread raise the number of threads just before the tasks start,
 * there are workers that have no part; each of their tasks rents its own.
 */
#include "gemm/linear.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "kernels/activations.h"
#include "memory/pool.h"

enum {
  TASK_PRODUCTS = 128 * 1024, /* multiplications: some microseconds */
  CHUNK_ROWS = 64,
  CHUNK_OUTPUTS = 16,         /* outputs of a task, at least, when there are many rows */
  PANEL_FLOATS = 32 * 1024,   /* widened weights that stay in the second cache */
  QUANTIZE_ELEMENTS = 32 * 1024,
  CACHE_LINE = 64,
};

struct linear {
  float *y;
  const float *x;
  const uint8_t *weight;
  size_t rows, outputs, inputs;
  int32_t dtype;
  bool fast;
  size_t task_rows, task_outputs; /* the cut */
  size_t output_tasks;
  size_t panel;                   /* rows of weights that are widened together */
  size_t blocks, padded;          /* blocks of a row; entries of `sums` for a row */
  uint8_t *scratch;
  struct qn_activation_block *activations;
  float *sums; /* null unless the dtype needs it */
  uint8_t *workers;
  size_t worker_count, worker_bytes;
  _Atomic qn_status status; /* not QN_OK when a worker could not rent its own scratch */
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }
static size_t round_up(size_t a, size_t b) { return divide_up(a, b) * b; }

/* Equal chunks of rows; then as many outputs as make a task worth its start. */
static void cut(struct linear *l) {
  l->task_rows = round_up(divide_up(l->rows, divide_up(l->rows, CHUNK_ROWS)), QN_STRIP);
  size_t products = smaller(l->rows, l->task_rows) * l->inputs;
  size_t least = l->rows >= CHUNK_OUTPUTS ? CHUNK_OUTPUTS : 1;
  size_t wanted = larger(divide_up(TASK_PRODUCTS, products), least);
  size_t tasks = larger(l->outputs / wanted, 1);
  l->task_outputs = round_up(divide_up(l->outputs, tasks), QN_STRIP);
  l->output_tasks = divide_up(l->outputs, l->task_outputs);
}

/* Rows of weights in a panel: one strip while there is too little use of it. */
static size_t panel_rows(const struct linear *l) {
  if (l->rows <= QN_STRIP) return QN_STRIP;
  size_t fits = PANEL_FLOATS / l->inputs / QN_STRIP * QN_STRIP;
  return smaller(larger(fits, QN_STRIP), CHUNK_OUTPUTS);
}

static size_t worker_bytes(const struct linear *l) {
  if (l->fast) return 2 * QN_STRIP * qn_padded_blocks(l->inputs) * sizeof(float);
  if (l->dtype == QN_F32) return 0;
  return round_up(l->panel * l->inputs * sizeof(float), CACHE_LINE);
}

static qn_status rent_scratch(struct linear *l) {
  size_t activation_bytes = l->fast ? l->rows * l->blocks * sizeof(struct qn_activation_block) : 0;
  size_t sum_bytes = l->rows * l->padded * sizeof(float);
  activation_bytes = round_up(activation_bytes, CACHE_LINE);
  l->worker_bytes = worker_bytes(l);
  l->worker_count = qn_thread_count();
  size_t bytes = activation_bytes + sum_bytes + l->worker_count * l->worker_bytes;
  if (bytes == 0) return QN_OK;
  void *block;
  qn_status status = qn_pool_alloc(bytes, &block);
  if (status != QN_OK) return status;
  l->scratch = block;
  l->activations = block;
  l->sums = l->padded > 0 ? (float *)(void *)(l->scratch + activation_bytes) : NULL;
  l->workers = l->scratch + activation_bytes + sum_bytes;
  return QN_OK;
}

static void quantize_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  const struct linear *l = context;
  (void)worker;
  for (size_t r = begin; r < end; r++) {
    float *sums = l->sums ? l->sums + r * l->padded : NULL;
    qn_dot_kernels->quantize_activations(l->activations + r * l->blocks, sums, l->x + r * l->inputs,
                                     l->inputs, l->dtype);
  }
}

/* The outputs and rows of a task. */
struct range {
  size_t row, rows, output, outputs;
};

static struct range task_range(const struct linear *l, size_t task) {
  size_t row = task / l->output_tasks * l->task_rows;
  size_t output = task % l->output_tasks * l->task_outputs;
  struct range range = {row, smaller(l->task_rows, l->rows - row), output,
                        smaller(l->task_outputs, l->outputs - output)};
  return range;
}

/* A worker's scratch, of which one that came late rents its own into `rented`.
 * False, with the status kept, when the pool refuses. */
static bool take_scratch(struct linear *l, float **scratch, void **rented, uint32_t worker) {
  *rented = NULL;
  *scratch = NULL;
  if (l->worker_bytes == 0) return true;
  if (worker < l->worker_count) {
    *scratch = (float *)(void *)(l->workers + worker * l->worker_bytes);
    return true;
  }
  qn_status status = qn_pool_alloc(l->worker_bytes, rented);
  if (status != QN_OK) {
    atomic_store(&l->status, status);
    return false;
  }
  *scratch = *rented;
  return true;
}

static void fast_range(const struct linear *l, struct range at, float *scratch) {
  qn_dot_kernels->linear_fast(l->y + at.row * l->outputs + at.output,
                          l->activations + at.row * l->blocks,
                          l->sums ? l->sums + at.row * l->padded : NULL,
                          l->weight + at.output * qn_weight_row_bytes(l->inputs, l->dtype), scratch,
                          at.rows, at.outputs, l->inputs, l->outputs, l->dtype);
}

/* `count` rows of weights as float32, widened into `scratch` unless they are. */
static const float *widen(const struct linear *l, float *scratch, size_t output, size_t count) {
  const uint8_t *rows = l->weight + output * qn_weight_row_bytes(l->inputs, l->dtype);
  if (l->dtype == QN_F32) return (const float *)(const void *)rows;
  qn_kernels->dequantize_f32(scratch, rows, count * l->inputs, l->dtype);
  return scratch;
}

static void exact_range(const struct linear *l, struct range at, float *scratch) {
  for (size_t o = 0; o < at.outputs; o += l->panel) {
    size_t count = smaller(l->panel, at.outputs - o);
    const float *panel = widen(l, scratch, at.output + o, count);
    qn_kernels->linear_exact(l->y + at.row * l->outputs + at.output + o,
                             l->x + at.row * l->inputs, panel, at.rows, count, l->inputs,
                             l->outputs);
  }
}

static void run_task(void *context, size_t task, uint32_t worker) {
  struct linear *l = context;
  float *scratch;
  void *rented;
  if (!take_scratch(l, &scratch, &rented, worker)) return;
  if (l->fast) {
    fast_range(l, task_range(l, task), scratch);
  } else {
    exact_range(l, task_range(l, task), scratch);
  }
  qn_pool_free(rented);
}

qn_status qn_gemm_linear(float *y, const float *x, const void *weight, size_t rows,
                         size_t outputs, size_t inputs, int32_t dtype, int32_t precision) {
  bool fast = precision == QN_FAST && qn_is_block_dtype(dtype);
  struct linear l = {.y = y, .x = x, .weight = weight, .rows = rows, .outputs = outputs,
                     .inputs = inputs, .dtype = dtype, .fast = fast};
  l.blocks = fast ? inputs / QN_BLOCK : 0;
  l.padded = fast && dtype == QN_Q4_1 ? qn_padded_blocks(inputs) : 0;
  l.panel = panel_rows(&l);
  cut(&l);
  qn_status status = rent_scratch(&l);
  if (status != QN_OK) return status;
  if (fast) qn_parallel_rows(rows, divide_up(QUANTIZE_ELEMENTS, inputs), quantize_rows, &l);
  size_t tasks = divide_up(rows, l.task_rows) * l.output_tasks;
  qn_parallel_for(tasks, run_task, &l);
  qn_pool_free(l.scratch);
  return atomic_load(&l.status);
}
