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
  void *y;
  const void *x;
  size_t cols;
  struct qn_real real;
  void (*kernel)(void *y, const void *x, size_t rows, size_t cols);
};

static void softmax_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct softmax *task = context;
  const size_t at = begin * task->cols;
  task->kernel(qn_real_at(&task->real, task->y, at), qn_real_at(&task->real, task->x, at),
               end - begin, task->cols);
}

static qn_status run_softmax(struct softmax *task, uint32_t rows) {
  QN_TRY(qn_check_reals(&task->real, task->y, rows, task->cols, 1));
  QN_TRY(qn_check_reals(&task->real, task->x, rows, task->cols, 1));
  if (task->cols == 0) return QN_OK;
  qn_parallel_rows(rows, qn_grain_rows(task->cols * 4), softmax_rows, task);
  return QN_OK;
}

int32_t qn_softmax(void *y, const void *x, uint32_t rows, uint32_t cols, int32_t dtype) {
  struct softmax task = {.y = y, .x = x, .cols = cols};
  QN_TRY(qn_find_real(&task.real, dtype));
  task.kernel = task.real.kernels->softmax;
  return run_softmax(&task, rows);
}

int32_t qn_log_softmax(void *y, const void *x, uint32_t rows, uint32_t cols, int32_t dtype) {
  struct softmax task = {.y = y, .x = x, .cols = cols};
  QN_TRY(qn_find_real(&task.real, dtype));
  task.kernel = task.real.kernels->log_softmax;
  return run_softmax(&task, rows);
}

struct masked_softmax {
  void *y;
  const void *x;
  const void *mask;
  int32_t mask_dtype;
  double scale;
  size_t cols;
  size_t mask_outer;
  size_t mask_inner;
  size_t causal_rows;
  struct qn_real real;
};

static void masked_softmax_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct masked_softmax *task = context;
  task->real.kernels->softmax_masked(task->y, task->x, task->mask, task->mask_dtype, begin, end,
                                     task->cols, task->scale, task->mask_outer, task->mask_inner,
                                     task->causal_rows);
}

static qn_status check_mask(const struct masked_softmax *task, uint32_t rows, int32_t dtype) {
  const int32_t mask_dtype = task->mask_dtype;
  if (task->mask == NULL) return QN_OK;
  if (mask_dtype != dtype && mask_dtype != QN_I32 && mask_dtype != QN_BOOL) return QN_BAD_DTYPE;
  if (task->mask_outer == 0 || task->mask_inner == 0) return QN_BAD_SIZE;
  if (task->mask_inner > task->mask_outer) return QN_BAD_SIZE;
  const uint64_t groups = ((uint64_t)rows + task->mask_outer - 1) / task->mask_outer;
  const size_t bytes = qn_item_bytes(mask_dtype);
  return qn_check_array(task->mask, groups, task->mask_inner, task->cols, bytes, bytes);
}

/* The scale is a number; a causal row sees at least one column. */
int32_t qn_softmax_masked(void *y, const void *x, const void *mask, uint32_t rows, uint32_t cols,
                          double scale, int32_t mask_dtype, uint32_t mask_outer,
                          uint32_t mask_inner, uint32_t causal_rows, int32_t dtype) {
  struct masked_softmax task = {y,          x,          mask,        mask_dtype, scale, cols,
                                mask_outer, mask_inner, causal_rows, {NULL, 0}};
  if (isnan(scale)) return QN_BAD_ARGUMENT;
  if (causal_rows > cols) return QN_BAD_SIZE;
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(qn_check_reals(&task.real, y, rows, cols, 1));
  QN_TRY(qn_check_reals(&task.real, x, rows, cols, 1));
  QN_TRY(check_mask(&task, rows, dtype));
  if (cols == 0) return QN_OK;
  qn_parallel_rows(rows, qn_grain_rows((size_t)cols * 4), masked_softmax_rows, &task);
  return QN_OK;
}
