/*
 * api/softmax.c: softmax and its logarithm.
 *
 * Each function checks its arguments, then splits the rows among the threads; a row
 * is never split.
 */
#include <math.h>

#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

struct softmax {
  float *y;
  const float *x;
  size_t cols;
  void (*kernel)(float *y, const float *x, size_t rows, size_t cols);
};

static void softmax_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct softmax *task = context;
  const size_t at = begin * task->cols;
  task->kernel(task->y + at, task->x + at, end - begin, task->cols);
}

static qn_status run_softmax(struct softmax task, uint32_t rows) {
  QN_TRY(qn_check_words(task.y, rows, task.cols, 1));
  QN_TRY(qn_check_words(task.x, rows, task.cols, 1));
  if (task.cols == 0) return QN_OK;
  qn_parallel_rows(rows, qn_grain_rows(task.cols * 4), softmax_rows, &task);
  return QN_OK;
}

int32_t qn_softmax_f32(float *y, const float *x, uint32_t rows, uint32_t cols) {
  return run_softmax((struct softmax){y, x, cols, qn_kernels->softmax_f32}, rows);
}

int32_t qn_log_softmax_f32(float *y, const float *x, uint32_t rows, uint32_t cols) {
  return run_softmax((struct softmax){y, x, cols, qn_kernels->log_softmax_f32}, rows);
}

struct masked_softmax {
  float *y;
  const float *x;
  const void *mask;
  int32_t mask_dtype;
  float scale;
  size_t cols;
  size_t mask_outer;
  size_t mask_inner;
  size_t causal_rows;
};

static void masked_softmax_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct masked_softmax *task = context;
  qn_kernels->softmax_masked_f32(task->y, task->x, task->mask, task->mask_dtype, begin, end,
                                 task->cols, task->scale, task->mask_outer, task->mask_inner,
                                 task->causal_rows);
}

/* The scale is a number; a causal row sees at least one column. */
int32_t qn_softmax_masked_f32(float *y, const float *x, const void *mask, uint32_t rows,
                              uint32_t cols, float scale, int32_t mask_dtype, uint32_t mask_outer,
                              uint32_t mask_inner, uint32_t causal_rows) {
  if (isnan(scale)) return QN_BAD_ARGUMENT;
  if (causal_rows > cols) return QN_BAD_SIZE;
  QN_TRY(qn_check_words(y, rows, cols, 1));
  QN_TRY(qn_check_words(x, rows, cols, 1));
  if (mask != NULL) {
    if (mask_dtype != QN_F32 && mask_dtype != QN_I32 && mask_dtype != QN_BOOL) return QN_BAD_DTYPE;
    if (mask_outer == 0 || mask_inner == 0 || mask_inner > mask_outer) return QN_BAD_SIZE;
    const uint64_t groups = ((uint64_t)rows + mask_outer - 1) / mask_outer;
    const size_t bytes = mask_dtype == QN_BOOL ? 1 : 4;
    QN_TRY(qn_check_array(mask, groups, mask_inner, cols, bytes, bytes));
  }
  if (cols == 0) return QN_OK;
  struct masked_softmax task = {y,    x,          mask,       mask_dtype, scale,
                                cols, mask_outer, mask_inner, causal_rows};
  qn_parallel_rows(rows, qn_grain_rows((size_t)cols * 4), masked_softmax_rows, &task);
  return QN_OK;
}
