/*
 * api/row_chain.c: a chain of layers over rows, a block of rows at a time.
 *
 *     slots:   attended ─┐                 x (also the residual)
 *                        ▼                 ▼
 *     steps:   product ─▶ norm ─▶ product, GELU ─▶ product ─▶ norm ─▶ x
 *
 * A step makes rows of one slot from the same rows of another. Made one step after the
 * other for all rows, a large batch goes through the last cache at each; so a task takes a
 * block of rows through the whole chain instead. What it makes stays in the second cache,
 * tasks wait for each other once a chain and not once a step, and slots that nobody else
 * asks for (null addresses) are memory of the task. While a panel of a weight is used, the
 * next is asked for, also across steps.
 *
 * Few rows are no blocks for all threads: then the threads share each step.
 *
 * A row's bits do not depend on the blocks: those of its products and norms do not.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "gemm/gemm.h"
#include "gemm/linear_bf16.h"
#include "kernels/panel.h"
#include "memory/pool.h"

enum {
  MOST_SLOTS = 16,
  MOST_STEPS = 16,
  BLOCK_ROWS = 48,  /* what they make of a usual model fits the second cache */
  LEAST_ROWS = 32,  /* a thread: fewer would read weights more often than is worth it */
  LINE_FLOATS = 16, /* of a cache line, to which slots are aligned */
};

struct slot {
  float *rows; /* null where it is the task's own */
  size_t cols;
};

struct step {
  int32_t kind, activation;
  size_t from, to, residual; /* slots; MOST_SLOTS where there is no residual */
  const void *weight;
  const float *bias;
  double epsilon;
};

struct chain {
  struct slot slots[MOST_SLOTS];
  struct step steps[MOST_STEPS];
  size_t slot_count, step_count;
  size_t rows, block_rows;
  size_t pairs; /* the most words of a row in bfloat16 */
  _Atomic qn_status status;
};

/* Some rows of every slot. */
struct block {
  float *slots[MOST_SLOTS];
  uint32_t *words; /* those of slot `rounded` in bfloat16 */
  size_t rounded;  /* MOST_SLOTS: none */
  size_t rows;
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

/* ---- The steps of a block ------------------------------------------------------ */

/* The first panel of the next product's weight, to be asked for; null where there is none. */
static const float *next_weight(const struct chain *chain, size_t index) {
  for (size_t i = index + 1; i < chain->step_count; i += 1) {
    if (chain->steps[i].kind == QN_CHAIN_LINEAR) return chain->steps[i].weight;
  }
  return NULL;
}

static void finish(const struct step *step, float *y, size_t rows, size_t first, size_t cols,
                   size_t stride) {
  if (step->bias == NULL && step->activation == QN_ACTIVATION_NONE) return;
  const float *bias = step->bias == NULL ? NULL : step->bias + first;
  qn_kernels->linear_finish_f32(y + first, bias, rows, cols, stride, step->activation);
}

/* The sums of gemm/task.c, in its order. */
static void multiply(const struct chain *chain, const struct block *block, size_t index) {
  const struct step *step = &chain->steps[index];
  const size_t inputs = chain->slots[step->from].cols;
  const size_t outputs = chain->slots[step->to].cols;
  const float *weight = step->weight;
  const bool adds = step->residual != MOST_SLOTS;
  float *y = block->slots[step->to];
  if (adds && step->residual != step->to) {
    memcpy(y, block->slots[step->residual], block->rows * outputs * sizeof *y);
  }
  const size_t whole = qn_block_depth(inputs);
  for (size_t first = 0; first < inputs; first += whole) {
    const size_t depth = smaller(whole, inputs - first);
    const float *panel = weight + first * qn_padded_cols(outputs);
    for (size_t col = 0; col < outputs; col += QN_PANEL) {
      const size_t cols = smaller(QN_PANEL, outputs - col);
      const float *next = panel + QN_PANEL * depth;
      if (col + cols == outputs) {
        const bool last = first + depth == inputs;
        next = last ? next_weight(chain, index) : weight + (first + depth) * qn_padded_cols(outputs);
      }
      qn_kernels->gemm_panel_f32(y + col, block->slots[step->from] + first, panel, block->rows,
                                 cols, depth, outputs, inputs, QN_STRIPE, QN_STRIPE * depth, 1.0f,
                                 first != 0 || adds ? 1.0f : 0.0f, next);
      if (first + depth == inputs) finish(step, y, block->rows, col, cols, outputs);
      panel += QN_PANEL * depth;
    }
  }
}

/* The same in bfloat16; what several steps read is rounded once. */
static void multiply_bf16(const struct chain *chain, struct block *block, size_t index) {
  const struct step *step = &chain->steps[index];
  const size_t inputs = chain->slots[step->from].cols;
  const size_t outputs = chain->slots[step->to].cols;
  const size_t pairs = qn_bf16_pairs(inputs);
  const uint32_t *weight = step->weight;
  const float *residual = step->residual == MOST_SLOTS ? NULL : block->slots[step->residual];
  float *y = block->slots[step->to];
  for (size_t i = 0; block->rounded != step->from && i < block->rows; i += 1) {
    qn_dot_kernels->round_bf16(block->words + i * pairs, block->slots[step->from] + i * inputs,
                               inputs);
  }
  block->rounded = step->from;
  for (size_t col = 0; col < outputs; col += QN_PANEL) {
    const size_t cols = smaller(QN_PANEL, outputs - col);
    qn_dot_kernels->linear_bf16(y + col, residual == NULL ? NULL : residual + col, block->words,
                                weight + col * pairs, block->rows, cols, pairs, outputs);
    finish(step, y, block->rows, col, cols, outputs);
  }
}

/* A step that is no product, for some of the block's rows. */
static void run_simple(const struct chain *chain, const struct block *block,
                       const struct step *step, size_t begin, size_t end) {
  const struct qn_real_kernels *kernels = qn_real_kernels(QN_F32);
  const size_t cols = chain->slots[step->from].cols;
  const float *x = block->slots[step->from] + begin * cols;
  float *y = block->slots[step->to] + begin * cols;
  if (step->kind == QN_CHAIN_SWIGLU) {
    kernels->swiglu(y, x, y, (end - begin) * cols);
  } else {
    kernels->layer_norm(y, NULL, x, NULL, step->weight, step->bias, end - begin, cols,
                        step->epsilon);
  }
}

static void run_step(const struct chain *chain, struct block *block, size_t index) {
  const struct step *step = &chain->steps[index];
  switch (step->kind) {
    case QN_CHAIN_LINEAR: multiply(chain, block, index); break;
    case QN_CHAIN_LINEAR_BF16: multiply_bf16(chain, block, index); break;
    default: run_simple(chain, block, step, 0, block->rows); break;
  }
  if (step->to == block->rounded) block->rounded = MOST_SLOTS;
}

/* ---- Blocks -------------------------------------------------------------------- */

static size_t padded_floats(size_t rows, size_t cols) {
  return divide_up(rows * cols, LINE_FLOATS) * LINE_FLOATS;
}

/* Rents what some rows need of their own and finds their slots; null where nothing is. */
static qn_status begin_block(struct block *block, const struct chain *chain, size_t first,
                             size_t rows, size_t pairs, void **scratch) {
  size_t floats = rows * pairs;
  for (size_t i = 0; i < chain->slot_count; i += 1) {
    const struct slot *slot = &chain->slots[i];
    if (slot->rows == NULL) floats += padded_floats(rows, slot->cols);
  }
  *scratch = NULL;
  if (floats != 0) QN_TRY(qn_pool_alloc(floats * sizeof(float), scratch));
  float *free = *scratch;
  for (size_t i = 0; i < chain->slot_count; i += 1) {
    const struct slot *slot = &chain->slots[i];
    block->slots[i] = slot->rows == NULL ? free : slot->rows + first * slot->cols;
    if (slot->rows == NULL) free += padded_floats(rows, slot->cols);
  }
  block->words = (uint32_t *)(void *)free;
  block->rounded = MOST_SLOTS;
  block->rows = rows;
  return QN_OK;
}

static void run_block(void *context, size_t task, uint32_t worker) {
  (void)worker;
  struct chain *chain = context;
  const size_t first = task * chain->block_rows;
  const size_t rows = smaller(chain->block_rows, chain->rows - first);
  struct block block;
  void *scratch;
  const qn_status status = begin_block(&block, chain, first, rows, chain->pairs, &scratch);
  if (status != QN_OK) {
    atomic_store(&chain->status, status);
    return;
  }
  for (size_t i = 0; i < chain->step_count; i += 1) run_step(chain, &block, i);
  qn_pool_free(scratch);
}

/* ---- Few rows ------------------------------------------------------------------ */

struct shared_step {
  const struct chain *chain;
  const struct block *block;
  const struct step *step;
};

static void run_shared(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct shared_step *shared = context;
  run_simple(shared->chain, shared->block, shared->step, begin, end);
}

/* A step whose work the threads share. */
static qn_status share_step(const struct chain *chain, const struct block *block,
                            const struct step *step) {
  const size_t inputs = chain->slots[step->from].cols;
  const size_t outputs = chain->slots[step->to].cols;
  const float *x = block->slots[step->from];
  float *y = block->slots[step->to];
  const float *residual = step->residual == MOST_SLOTS ? NULL : block->slots[step->residual];
  if (step->kind == QN_CHAIN_LINEAR_BF16) {
    return qn_gemm_linear_bf16(&(struct qn_linear_bf16){
        .y = y, .x = x, .packed = step->weight, .bias = step->bias, .residual = residual,
        .rows = block->rows, .outputs = outputs, .inputs = inputs,
        .activation = step->activation});
  }
  if (step->kind == QN_CHAIN_LINEAR) {
    return qn_gemm(&(struct qn_gemm){
        .c = y, .a = x, .b = step->weight, .rows = block->rows, .cols = outputs, .inner = inputs,
        .a_row = inputs, .a_col = 1, .c_row = outputs, .c_col = 1,
        .alpha = 1.0f, .beta = residual == NULL ? 0.0f : 1.0f,
        .packed = 1, .residual = residual, .bias = step->bias, .activation = step->activation});
  }
  struct shared_step shared = {chain, block, step};
  qn_parallel_rows(block->rows, qn_grain_rows(inputs), run_shared, &shared);
  return QN_OK;
}

static qn_status share_steps(const struct chain *chain) {
  struct block block;
  void *scratch;
  QN_TRY(begin_block(&block, chain, 0, chain->rows, 0, &scratch));
  qn_status status = QN_OK;
  for (size_t i = 0; status == QN_OK && i < chain->step_count; i += 1) {
    status = share_step(chain, &block, &chain->steps[i]);
  }
  qn_pool_free(scratch);
  return status;
}

/* As many blocks for each thread. */
static qn_status run_chain(struct chain *chain) {
  const size_t threads = qn_thread_count();
  if (threads > 1 && chain->rows < threads * LEAST_ROWS) return share_steps(chain);
  const size_t wanted = divide_up(divide_up(chain->rows, BLOCK_ROWS), threads) * threads;
  chain->block_rows = divide_up(chain->rows, wanted);
  qn_parallel_for(divide_up(chain->rows, chain->block_rows), run_block, chain);
  return atomic_load(&chain->status);
}

/* ---- Arguments ----------------------------------------------------------------- */

static qn_status read_slots(struct chain *chain, const uint64_t *values) {
  uint64_t floats = 0;
  for (size_t i = 0; i < chain->slot_count; i += 1) {
    const uint64_t cols = values[2 * i + 1];
    if (cols == 0 || cols > UINT32_MAX) return QN_BAD_SIZE;
    struct slot *slot = &chain->slots[i];
    *slot = (struct slot){(float *)(uintptr_t)values[2 * i], (size_t)cols};
    const uintptr_t address = slot->rows == NULL ? LINE_FLOATS : (uintptr_t)slot->rows;
    QN_TRY(qn_check_words((const void *)address, chain->rows, cols, 1));
    /* Each has its own and, at most, as many words in bfloat16. */
    floats += chain->rows * cols;
    if (floats > PTRDIFF_MAX / (4 * sizeof(float))) return QN_BAD_SIZE;
  }
  return QN_OK;
}

static qn_status check_product(const struct chain *chain, const struct step *step,
                               uint64_t activation) {
  const size_t inputs = chain->slots[step->from].cols;
  const size_t outputs = chain->slots[step->to].cols;
  if (step->to == step->from || activation > QN_ACTIVATION_GELU_ERF) return QN_BAD_ARGUMENT;
  const size_t bytes = step->kind == QN_CHAIN_LINEAR
                           ? qn_gemm_pack_bytes((uint32_t)outputs, (uint32_t)inputs)
                           : qn_pack_bf16_bytes((uint32_t)outputs, (uint32_t)inputs);
  if (bytes == 0) return QN_BAD_SIZE;
  QN_TRY(qn_check_array(step->weight, bytes, 1, 1, 1, 64));
  if (step->residual != MOST_SLOTS && chain->slots[step->residual].cols != outputs) {
    return QN_BAD_SIZE;
  }
  return step->bias == NULL ? QN_OK : qn_check_words(step->bias, outputs, 1, 1);
}

static qn_status check_norm(const struct chain *chain, const struct step *step) {
  const size_t cols = chain->slots[step->to].cols;
  if (!isfinite(step->epsilon) || step->epsilon < 0.0) return QN_BAD_ARGUMENT;
  if (step->weight != NULL) QN_TRY(qn_check_words(step->weight, cols, 1, 1));
  return step->bias == NULL ? QN_OK : qn_check_words(step->bias, cols, 1, 1);
}

/* One step; `made` has a bit for each slot that holds something. */
static qn_status read_step(struct chain *chain, struct step *step, const uint64_t *at,
                           uint32_t *made) {
  const uint64_t count = chain->slot_count;
  const uint64_t residual = at[QN_CHAIN_RESIDUAL];
  if (at[QN_CHAIN_KIND] > QN_CHAIN_SWIGLU || at[QN_CHAIN_FROM] >= count ||
      at[QN_CHAIN_TO] >= count || residual > count) {
    return QN_BAD_ARGUMENT;
  }
  *step = (struct step){
      .kind = (int32_t)at[QN_CHAIN_KIND],
      .from = (size_t)at[QN_CHAIN_FROM],
      .to = (size_t)at[QN_CHAIN_TO],
      .residual = residual == 0 ? MOST_SLOTS : (size_t)residual - 1,
      .weight = (const void *)(uintptr_t)at[QN_CHAIN_WEIGHT],
      .bias = (const float *)(uintptr_t)at[QN_CHAIN_BIAS],
  };
  uint32_t read = 1u << step->from;
  if (step->residual != MOST_SLOTS) read |= 1u << step->residual;
  if (step->kind == QN_CHAIN_SWIGLU) read |= 1u << step->to;
  if ((read & ~*made) != 0) return QN_BAD_ARGUMENT;
  *made |= 1u << step->to;
  if (step->kind == QN_CHAIN_LINEAR || step->kind == QN_CHAIN_LINEAR_BF16) {
    QN_TRY(check_product(chain, step, at[QN_CHAIN_SCALAR]));
    step->activation = (int32_t)at[QN_CHAIN_SCALAR];
    if (step->kind == QN_CHAIN_LINEAR) return QN_OK;
    chain->pairs = larger(chain->pairs, qn_bf16_pairs(chain->slots[step->from].cols));
    return QN_OK;
  }
  if (chain->slots[step->from].cols != chain->slots[step->to].cols) return QN_BAD_SIZE;
  if (step->kind == QN_CHAIN_SWIGLU) return step->to == step->from ? QN_BAD_ARGUMENT : QN_OK;
  memcpy(&step->epsilon, &at[QN_CHAIN_SCALAR], sizeof step->epsilon);
  return check_norm(chain, step);
}

int32_t qn_row_chain_f32(const uint64_t *slots, const uint64_t *steps, uint32_t slot_count,
                         uint32_t step_count, uint32_t rows) {
  if (slot_count > MOST_SLOTS || step_count > MOST_STEPS) return QN_BAD_SIZE;
  if (rows == 0 || step_count == 0) return QN_OK;
  if (slots == NULL || steps == NULL) return QN_NULL_POINTER;
  struct chain chain = {.slot_count = slot_count, .step_count = step_count, .rows = rows,
                        .status = QN_OK};
  QN_TRY(read_slots(&chain, slots));
  uint32_t made = 0;
  for (size_t i = 0; i < slot_count; i += 1) made |= (uint32_t)(chain.slots[i].rows != NULL) << i;
  for (size_t i = 0; i < step_count; i += 1) {
    QN_TRY(read_step(&chain, &chain.steps[i], steps + i * QN_CHAIN_FIELDS, &made));
  }
  return run_chain(&chain);
}
