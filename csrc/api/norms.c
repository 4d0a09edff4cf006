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
  float *y;
  float *total;
  const float *x;
  const float *residual;
  const float *weight;
  const float *bias;
  size_t cols;
  float epsilon;
};

static const float *row_of(const float *x, size_t at) { return x == NULL ? NULL : x + at; }

static qn_status check_norm(const struct norm *norm, uint32_t rows) {
  const uint64_t cols = norm->cols;
  if (!isfinite(norm->epsilon) || norm->epsilon < 0.0f) return QN_BAD_ARGUMENT;
  QN_TRY(qn_check_words(norm->y, rows, cols, 1));
  QN_TRY(qn_check_words(norm->x, rows, cols, 1));
  if (norm->residual != NULL) QN_TRY(qn_check_words(norm->residual, rows, cols, 1));
  if (norm->total != NULL) QN_TRY(qn_check_words(norm->total, rows, cols, 1));
  if (norm->weight != NULL) QN_TRY(qn_check_words(norm->weight, rows != 0, cols, 1));
  if (norm->bias != NULL) QN_TRY(qn_check_words(norm->bias, rows != 0, cols, 1));
  return QN_OK;
}

static void rms_norm_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct norm *task = context;
  const size_t at = begin * task->cols;
  float *total = task->total == NULL ? NULL : task->total + at;
  qn_kernels->rms_norm_f32(task->y + at, total, task->x + at, row_of(task->residual, at),
                           task->weight, end - begin, task->cols, task->epsilon);
}

static void layer_norm_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct norm *task = context;
  const size_t at = begin * task->cols;
  float *total = task->total == NULL ? NULL : task->total + at;
  qn_kernels->layer_norm_f32(task->y + at, total, task->x + at, row_of(task->residual, at),
                             task->weight, task->bias, end - begin, task->cols, task->epsilon);
}

static qn_status run_norm(struct norm task, uint32_t rows,
                          void (*body)(void *context, size_t begin, size_t end, uint32_t worker)) {
  QN_TRY(check_norm(&task, rows));
  if (task.cols == 0) return QN_OK;
  qn_parallel_rows(rows, qn_grain_rows(task.cols), body, &task);
  return QN_OK;
}

int32_t qn_rms_norm_f32(float *y, const float *x, const float *weight, uint32_t rows,
                        uint32_t cols, float epsilon) {
  struct norm task = {.y = y, .x = x, .weight = weight, .cols = cols, .epsilon = epsilon};
  return run_norm(task, rows, rms_norm_rows);
}

/* Without a residual there is no sum to write. */
int32_t qn_rms_norm_residual_f32(float *y, float *total, const float *x, const float *residual,
                                 const float *weight, uint32_t rows, uint32_t cols,
                                 float epsilon) {
  QN_TRY(qn_check_words(residual, rows, cols, 1));
  struct norm task = {y, total, x, residual, weight, NULL, cols, epsilon};
  return run_norm(task, rows, rms_norm_rows);
}

int32_t qn_layer_norm_f32(float *y, const float *x, const float *weight, const float *bias,
                          uint32_t rows, uint32_t cols, float epsilon) {
  struct norm task = {y, NULL, x, NULL, weight, bias, cols, epsilon};
  return run_norm(task, rows, layer_norm_rows);
}

int32_t qn_layer_norm_residual_f32(float *y, float *total, const float *x, const float *residual,
                                   const float *weight, const float *bias, uint32_t rows,
                                   uint32_t cols, float epsilon) {
  QN_TRY(qn_check_words(residual, rows, cols, 1));
  struct norm task = {y, total, x, residual, weight, bias, cols, epsilon};
  return run_norm(task, rows, layer_norm_rows);
}

struct group_norm {
  float *y;
  const float *x;
  const float *weight;
  const float *bias;
  size_t groups;
  size_t channels; /* of a group */
  size_t spatial;
  float epsilon;
};

static void group_norm_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct group_norm *task = context;
  qn_kernels->group_norm_f32(task->y, task->x, task->weight, task->bias, begin, end, task->groups,
                             task->channels, task->spatial, task->epsilon);
}

/* The groups divide the channels. */
int32_t qn_group_norm_f32(float *y, const float *x, const float *weight, const float *bias,
                          uint32_t images, uint32_t channels, uint32_t spatial, uint32_t groups,
                          float epsilon) {
  if (!isfinite(epsilon) || epsilon < 0.0f) return QN_BAD_ARGUMENT;
  if (groups == 0 || channels % groups != 0) return QN_BAD_SIZE;
  QN_TRY(qn_check_words(y, images, channels, spatial));
  QN_TRY(qn_check_words(x, images, channels, spatial));
  const bool any = images != 0 && spatial != 0;
  if (weight != NULL) QN_TRY(qn_check_words(weight, any, channels, 1));
  if (bias != NULL) QN_TRY(qn_check_words(bias, any, channels, 1));
  if (!any || channels == 0) return QN_OK;
  struct group_norm task = {y, x, weight, bias, groups, channels / groups, spatial, epsilon};
  const size_t row = task.channels * task.spatial;
  qn_parallel_rows((size_t)images * groups, qn_grain_rows(row), group_norm_rows, &task);
  return QN_OK;
}
