/*
 * api/norms.c: the functions of quern.h that normalise rows.
 *
 * Each checks its arguments, then splits the rows among the threads; a row is never
 * split. Weight and bias may be null, and so may a residual; then what it would be
 * added to in `total` is not looked at.
 */
#include <math.h>

#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

struct norm {
  void *y;
  void *total;
  const void *x;
  const void *residual;
  const void *weight;
  const void *bias;
  size_t cols;
  double epsilon;
  struct qn_real real;
};

static qn_status check_norm(const struct norm *norm, uint32_t rows) {
  const struct qn_real *real = &norm->real;
  const uint64_t cols = norm->cols;
  if (!isfinite(norm->epsilon) || norm->epsilon < 0.0) return QN_BAD_ARGUMENT;
  QN_TRY(qn_check_reals(real, norm->y, rows, cols, 1));
  QN_TRY(qn_check_reals(real, norm->x, rows, cols, 1));
  if (norm->residual != NULL) QN_TRY(qn_check_reals(real, norm->residual, rows, cols, 1));
  if (norm->total != NULL) QN_TRY(qn_check_reals(real, norm->total, rows, cols, 1));
  if (norm->weight != NULL) QN_TRY(qn_check_reals(real, norm->weight, rows != 0, cols, 1));
  if (norm->bias != NULL) QN_TRY(qn_check_reals(real, norm->bias, rows != 0, cols, 1));
  return QN_OK;
}

static void rms_norm_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct norm *task = context;
  const struct qn_real *real = &task->real;
  const size_t at = begin * task->cols;
  real->kernels->rms_norm(qn_real_at(real, task->y, at), qn_real_at(real, task->total, at),
                          qn_real_at(real, task->x, at), qn_real_at(real, task->residual, at),
                          task->weight, end - begin, task->cols, task->epsilon);
}

static void layer_norm_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct norm *task = context;
  const struct qn_real *real = &task->real;
  const size_t at = begin * task->cols;
  real->kernels->layer_norm(qn_real_at(real, task->y, at), qn_real_at(real, task->total, at),
                            qn_real_at(real, task->x, at), qn_real_at(real, task->residual, at),
                            task->weight, task->bias, end - begin, task->cols, task->epsilon);
}

static qn_status run_norm(struct norm task, uint32_t rows, int32_t dtype,
                          void (*body)(void *context, size_t begin, size_t end, uint32_t worker)) {
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(check_norm(&task, rows));
  if (task.cols == 0) return QN_OK;
  qn_parallel_rows(rows, qn_grain_rows(task.cols), body, &task);
  return QN_OK;
}

/* A residual is null only where there are no elements. */
static qn_status check_residual(const void *residual, uint32_t rows, uint32_t cols) {
  return residual == NULL && rows != 0 && cols != 0 ? QN_NULL_POINTER : QN_OK;
}

int32_t qn_rms_norm(void *y, const void *x, const void *weight, uint32_t rows, uint32_t cols,
                    double epsilon, int32_t dtype) {
  struct norm task = {.y = y, .x = x, .weight = weight, .cols = cols, .epsilon = epsilon};
  return run_norm(task, rows, dtype, rms_norm_rows);
}

/* Without a residual there is no sum to write. */
int32_t qn_rms_norm_residual(void *y, void *total, const void *x, const void *residual,
                             const void *weight, uint32_t rows, uint32_t cols, double epsilon,
                             int32_t dtype) {
  QN_TRY(check_residual(residual, rows, cols));
  struct norm task = {.y = y, .total = total, .x = x, .residual = residual, .weight = weight,
                      .cols = cols, .epsilon = epsilon};
  return run_norm(task, rows, dtype, rms_norm_rows);
}

int32_t qn_layer_norm(void *y, const void *x, const void *weight, const void *bias, uint32_t rows,
                      uint32_t cols, double epsilon, int32_t dtype) {
  struct norm task = {.y = y, .x = x, .weight = weight, .bias = bias, .cols = cols,
                      .epsilon = epsilon};
  return run_norm(task, rows, dtype, layer_norm_rows);
}

int32_t qn_layer_norm_residual(void *y, void *total, const void *x, const void *residual,
                               const void *weight, const void *bias, uint32_t rows, uint32_t cols,
                               double epsilon, int32_t dtype) {
  QN_TRY(check_residual(residual, rows, cols));
  struct norm task = {.y = y, .total = total, .x = x, .residual = residual, .weight = weight,
                      .bias = bias, .cols = cols, .epsilon = epsilon};
  return run_norm(task, rows, dtype, layer_norm_rows);
}

struct group_norm {
  void *y;
  const void *x;
  const void *weight;
  const void *bias;
  size_t groups;
  size_t channels; /* of a group */
  size_t spatial;
  double epsilon;
  struct qn_real real;
};

static void group_norm_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct group_norm *task = context;
  task->real.kernels->group_norm(task->y, task->x, task->weight, task->bias, begin, end,
                                 task->groups, task->channels, task->spatial, task->epsilon);
}

/* The groups divide the channels. */
int32_t qn_group_norm(void *y, const void *x, const void *weight, const void *bias,
                      uint32_t images, uint32_t channels, uint32_t spatial, uint32_t groups,
                      double epsilon, int32_t dtype) {
  if (!isfinite(epsilon) || epsilon < 0.0) return QN_BAD_ARGUMENT;
  if (groups == 0 || channels % groups != 0) return QN_BAD_SIZE;
  struct group_norm task = {y, x, weight, bias, groups, channels / groups, spatial, epsilon,
                            {NULL, 0}};
  const struct qn_real *real = &task.real;
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(qn_check_reals(real, y, images, channels, spatial));
  QN_TRY(qn_check_reals(real, x, images, channels, spatial));
  const bool any = images != 0 && spatial != 0;
  if (weight != NULL) QN_TRY(qn_check_reals(real, weight, any, channels, 1));
  if (bias != NULL) QN_TRY(qn_check_reals(real, bias, any, channels, 1));
  if (!any || channels == 0) return QN_OK;
  const size_t row = task.channels * task.spatial;
  qn_parallel_rows((size_t)images * groups, qn_grain_rows(row), group_norm_rows, &task);
  return QN_OK;
}
