/*
 * api/gradients.c: the functions of quern.h that compute gradients of operations.
 *
 * Each checks its arguments, then splits elements, rows or columns among the threads; a sum
 * is never split.
 */
#include <math.h>

#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

/* What all have in common, in the words of quern.h. */
struct gradient {
  struct qn_real real;
  void *dx;
  const void *g;
  const void *x;
  size_t cols;
};

static qn_status check_gradient(struct gradient *task, uint32_t rows, int32_t dtype) {
  QN_TRY(qn_find_real(&task->real, dtype));
  QN_TRY(qn_check_reals(&task->real, task->dx, rows, task->cols, 1));
  QN_TRY(qn_check_reals(&task->real, task->g, rows, task->cols, 1));
  return qn_check_reals(&task->real, task->x, rows, task->cols, 1);
}

struct unary_gradient {
  struct gradient base;
  int32_t op;
};

static void unary_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct unary_gradient *task = context;
  const struct gradient *base = &task->base;
  const struct qn_real *real = &base->real;
  real->kernels->unary_gradient(qn_real_at(real, base->dx, begin), qn_real_at(real, base->g, begin),
                                qn_real_at(real, base->x, begin), end - begin, task->op);
}

int32_t qn_unary_gradient(void *dx, const void *g, const void *x, uint32_t rows, uint32_t cols,
                          int32_t op, int32_t dtype) {
  if (op != QN_SILU && op != QN_GELU_ERF && op != QN_GELU_TANH) return QN_BAD_ARGUMENT;
  struct unary_gradient task = {.base = {.dx = dx, .g = g, .x = x, .cols = cols}, .op = op};
  QN_TRY(check_gradient(&task.base, rows, dtype));
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS / 4, unary_range, &task);
  return QN_OK;
}

struct softmax_gradient {
  struct gradient base; /* x is y */
  double scale;
};

static void softmax_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct softmax_gradient *task = context;
  const struct gradient *base = &task->base;
  const struct qn_real *real = &base->real;
  const size_t at = begin * base->cols;
  real->kernels->softmax_gradient(qn_real_at(real, base->dx, at), qn_real_at(real, base->g, at),
                                  qn_real_at(real, base->x, at), end - begin, base->cols,
                                  task->scale);
}

int32_t qn_softmax_gradient(void *dx, const void *g, const void *y, uint32_t rows, uint32_t cols,
                            double scale, int32_t dtype) {
  struct softmax_gradient task = {.base = {.dx = dx, .g = g, .x = y, .cols = cols}, .scale = scale};
  QN_TRY(check_gradient(&task.base, rows, dtype));
  if (cols == 0) return QN_OK;
  qn_parallel_rows(rows, qn_grain_rows(cols), softmax_rows, &task);
  return QN_OK;
}

struct cross_entropy_gradient {
  struct qn_real real;
  void *dx;
  const void *g;
  const void *logits;
  const int32_t *targets;
  size_t cols;
  double smoothing;
  int32_t ignored;
};

static void cross_entropy_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct cross_entropy_gradient *task = context;
  const struct qn_real *real = &task->real;
  const size_t at = begin * task->cols;
  real->kernels->cross_entropy_gradient(
      qn_real_at(real, task->dx, at), qn_real_at(real, task->g, begin),
      qn_real_at(real, task->logits, at), task->targets + begin, end - begin, task->cols,
      task->smoothing, task->ignored);
}

int32_t qn_cross_entropy_gradient(void *dx, const void *g, const void *logits,
                                  const int32_t *targets, uint32_t rows, uint32_t cols,
                                  double smoothing, int32_t ignored, int32_t dtype) {
  struct cross_entropy_gradient task = {.dx = dx,
                                        .g = g,
                                        .logits = logits,
                                        .targets = targets,
                                        .cols = cols,
                                        .smoothing = smoothing,
                                        .ignored = ignored};
  QN_TRY(qn_find_real(&task.real, dtype));
  if (!(smoothing >= 0.0 && smoothing <= 1.0)) return QN_BAD_ARGUMENT;
  if (rows == 0) return QN_OK;
  if (cols == 0) return QN_BAD_SIZE;
  QN_TRY(qn_check_reals(&task.real, dx, rows, cols, 1));
  QN_TRY(qn_check_reals(&task.real, g, rows, 1, 1));
  QN_TRY(qn_check_reals(&task.real, logits, rows, cols, 1));
  QN_TRY(qn_check_targets(targets, rows, cols, ignored));
  qn_parallel_rows(rows, qn_grain_rows((size_t)cols * 4), cross_entropy_rows, &task);
  return QN_OK;
}

struct norm_gradient {
  struct gradient base;
  void *moments;
  const void *weight;
  double epsilon;
  int32_t centred;
};

static void norm_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct norm_gradient *task = context;
  const struct gradient *base = &task->base;
  const struct qn_real *real = &base->real;
  const size_t at = begin * base->cols;
  real->kernels->norm_gradient(qn_real_at(real, base->dx, at),
                               qn_real_at(real, task->moments, 3 * begin),
                               qn_real_at(real, base->g, at), qn_real_at(real, base->x, at),
                               task->weight, end - begin, base->cols, task->epsilon, task->centred);
}

/* Without a dx, g is not looked at. */
int32_t qn_norm_gradient(void *dx, void *moments, const void *g, const void *x, const void *weight,
                         uint32_t rows, uint32_t cols, double epsilon, int32_t centred,
                         int32_t dtype) {
  if (!isfinite(epsilon) || epsilon < 0.0) return QN_BAD_ARGUMENT;
  struct norm_gradient task = {.base = {.dx = dx, .g = g, .x = x, .cols = cols},
                               .moments = moments,
                               .weight = weight,
                               .epsilon = epsilon,
                               .centred = centred != 0};
  const struct qn_real *real = &task.base.real;
  QN_TRY(qn_find_real(&task.base.real, dtype));
  QN_TRY(qn_check_reals(real, x, rows, cols, 1));
  if (dx != NULL) QN_TRY(check_gradient(&task.base, rows, dtype));
  if (moments != NULL) QN_TRY(qn_check_reals(real, moments, rows, 3, 1));
  if (weight != NULL) QN_TRY(qn_check_reals(real, weight, rows != 0, cols, 1));
  if (cols == 0) return QN_OK;
  qn_parallel_rows(rows, qn_grain_rows(cols), norm_rows, &task);
  return QN_OK;
}

struct norm_columns {
  struct qn_real real;
  void *dweight;
  void *dbias;
  const void *g;
  const void *x;
  const void *moments;
  size_t rows;
  size_t cols;
};

static void norm_columns_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct norm_columns *task = context;
  task->real.kernels->norm_columns(task->dweight, task->dbias, task->g, task->x, task->moments,
                                   task->rows, task->cols, begin, end);
}

/* Columns that are worth one task of a thread: whole cache lines of them. */
static size_t grain_columns(size_t rows) { return (qn_grain_rows(rows) + 63) / 64 * 64; }

int32_t qn_norm_columns(void *dweight, void *dbias, const void *g, const void *x,
                        const void *moments, uint32_t rows, uint32_t cols, int32_t dtype) {
  struct norm_columns task = {.dweight = dweight, .dbias = dbias, .g = g, .rows = rows,
                              .cols = cols};
  QN_TRY(qn_find_real(&task.real, dtype));
  const struct qn_real *real = &task.real;
  QN_TRY(qn_check_reals(real, g, rows, cols, 1));
  if (dbias != NULL) QN_TRY(qn_check_reals(real, dbias, 1, cols, 1));
  if (dweight != NULL) {
    QN_TRY(qn_check_reals(real, dweight, 1, cols, 1));
    QN_TRY(qn_check_reals(real, x, rows, cols, 1));
    QN_TRY(qn_check_reals(real, moments, rows, cols == 0 ? 0 : 3, 1));
    task.x = x;
    task.moments = moments;
  }
  qn_parallel_rows(cols, grain_columns(rows), norm_columns_range, &task);
  return QN_OK;
}
