/*
 * gemm/linear_bf16.c: how a product in bfloat16 is cut into tasks, and its scratch.
 *
 * All of x is rounded first, into one block of the pool, [rows, pairs] words. A task is
 * then a range of rows, which stay in the second cache, by some panels of outputs; a
 * panel's bias and activation follow while its rows are still in the caches. No sum is
 * split, so the bits do not depend on the cut.
 */
#include "gemm/linear_bf16.h"

#include <stdatomic.h>

#include "base/cpu.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "gemm/pack.h"
#include "kernels/panel.h"
#include "memory/pool.h"

enum {
  ROUND_ELEMENTS = 24 << 10, /* of x, that are worth a task */
  LEAST_ROWS = 12,           /* of a task, where there are more */
  TASK_PRODUCTS = 384 << 10, /* multiplications: some microseconds */
  TASKS_A_THREAD = 4,
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

/* ---- Packing ----------------------------------------------------------------- */

struct packing {
  uint32_t *packed;
  const float *weight;
  size_t outputs, inputs, output_stride, input_stride;
  _Atomic qn_status status;
};

static void pack_stripes(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  struct packing *p = context;
  void *stripe;
  const qn_status status = qn_pool_alloc(p->inputs * QN_STRIPE * sizeof(float), &stripe);
  if (status != QN_OK) {
    atomic_store(&p->status, status);
    return;
  }
  for (size_t i = begin; i < end; i += 1) {
    const size_t col = i * QN_STRIPE;
    qn_pack_panel(stripe, p->weight + col * p->output_stride, p->inputs,
                  smaller(QN_STRIPE, p->outputs - col), p->input_stride, p->output_stride);
    qn_dot_kernels->pair_rows_bf16(p->packed + col * qn_bf16_pairs(p->inputs), stripe, p->inputs);
  }
  qn_pool_free(stripe);
}

qn_status qn_pack_bf16(uint32_t *packed, const float *weight, size_t outputs, size_t inputs,
                       size_t output_stride, size_t input_stride) {
  struct packing packing = {packed, weight, outputs, inputs, output_stride, input_stride, QN_OK};
  const size_t grain = divide_up(ROUND_ELEMENTS, inputs * QN_STRIPE);
  qn_parallel_rows(divide_up(outputs, QN_STRIPE), grain, pack_stripes, &packing);
  return atomic_load(&packing.status);
}

/* ---- Products ---------------------------------------------------------------- */

struct job {
  struct qn_linear_bf16 p;
  uint32_t *words; /* [rows, pairs] */
  size_t pairs;
  size_t block_rows;      /* of a task */
  size_t group, groups;   /* outputs of a task, and how many such there are */
};

static void round_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct job *job = context;
  for (size_t r = begin; r < end; r += 1) {
    qn_dot_kernels->round_bf16(job->words + r * job->pairs, job->p.x + r * job->p.inputs,
                               job->p.inputs);
  }
}

/* Rows: what 3/8 of the second cache hold of x, and fewer where there would be too few
 * tasks. Panels: as many as make a task worth its start. */
static void cut(struct job *job) {
  const struct qn_linear_bf16 *p = &job->p;
  const size_t threads = qn_thread_count();
  const size_t panels = divide_up(p->outputs, QN_PANEL);
  const size_t depth = larger(job->pairs, 1);
  const size_t cached = qn_cpu_caches()->second * 3 / 8 / (depth * sizeof(uint32_t));
  const size_t wanted = threads == 1 ? 1 : threads * TASKS_A_THREAD;
  const size_t most = larger(p->rows / LEAST_ROWS, 1);
  const size_t pieces = larger(smaller(divide_up(wanted, panels), most),
                               divide_up(p->rows, larger(cached, 4 * LEAST_ROWS)));
  job->block_rows = divide_up(p->rows, pieces);
  const size_t blocks = divide_up(p->rows, job->block_rows);
  const size_t products = (job->block_rows + 2) * QN_PANEL * 2 * depth;
  size_t group = divide_up(TASK_PRODUCTS, products);
  if (threads == 1) group = panels;
  group = smaller(group, larger(panels * blocks / threads, 1));
  job->groups = divide_up(panels, smaller(group, panels));
  job->group = divide_up(panels, job->groups) * QN_PANEL;
  job->groups = divide_up(p->outputs, job->group);
}

static void run_task(void *context, size_t task, uint32_t worker) {
  (void)worker;
  const struct job *job = context;
  const struct qn_linear_bf16 *p = &job->p;
  const size_t row = task / job->groups * job->block_rows;
  const size_t rows = smaller(job->block_rows, p->rows - row);
  const size_t first = task % job->groups * job->group;
  const size_t end = smaller(first + job->group, p->outputs);
  for (size_t col = first; col < end; col += QN_PANEL) {
    const size_t cols = smaller(QN_PANEL, end - col);
    const size_t at = row * p->outputs + col;
    qn_dot_kernels->linear_bf16(p->y + at, p->residual == NULL ? NULL : p->residual + at,
                                job->words + row * job->pairs, p->packed + col * job->pairs, rows,
                                cols, job->pairs, p->outputs);
    if (p->bias == NULL && p->activation == QN_ACTIVATION_NONE) continue;
    qn_kernels->linear_finish_f32(p->y + at, p->bias == NULL ? NULL : p->bias + col, rows, cols,
                                  p->outputs, p->activation);
  }
}

qn_status qn_gemm_linear_bf16(const struct qn_linear_bf16 *product) {
  struct job job = {.p = *product, .pairs = qn_bf16_pairs(product->inputs)};
  void *words = NULL;
  if (job.pairs > 0) {
    const size_t bytes = product->rows * job.pairs * sizeof(uint32_t);
    const qn_status status = qn_pool_alloc(bytes, &words);
    if (status != QN_OK) return status;
    job.words = words;
    qn_parallel_rows(product->rows, divide_up(ROUND_ELEMENTS, product->inputs), round_rows, &job);
  }
  cut(&job);
  qn_parallel_for(divide_up(product->rows, job.block_rows) * job.groups, run_task, &job);
  qn_pool_free(words);
  return QN_OK;
}
