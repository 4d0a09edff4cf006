/*
 * api/rows.c: the functions of quern.h that treat each row by itself.
 *
 * Each checks its arguments, then splits the rows among the threads; a row is
 * never split.
 */
#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

struct cross_entropy {
  void *loss;
  const void *logits;
  const int32_t *targets;
  size_t cols;
  double smoothing;
  int32_t ignored;
  struct qn_real real;
};

static void cross_entropy_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct cross_entropy *task = context;
  const struct qn_real *real = &task->real;
  real->kernels->cross_entropy(qn_real_at(real, task->loss, begin),
                               qn_real_at(real, task->logits, begin * task->cols),
                               task->targets + begin, end - begin, task->cols, task->smoothing,
                               task->ignored);
}

/* A row has at least one element; no loss is written if a target is out of range. */
int32_t qn_cross_entropy(void *loss, const void *logits, const int32_t *targets, uint32_t rows,
                         uint32_t cols, double smoothing, int32_t ignored, int32_t dtype) {
  struct cross_entropy task = {.loss = loss,
                               .logits = logits,
                               .targets = targets,
                               .cols = cols,
                               .smoothing = smoothing,
                               .ignored = ignored};
  QN_TRY(qn_find_real(&task.real, dtype));
  if (!(smoothing >= 0.0 && smoothing <= 1.0)) return QN_BAD_ARGUMENT;
  if (rows == 0) return QN_OK;
  if (cols == 0) return QN_BAD_SIZE;
  QN_TRY(qn_check_reals(&task.real, loss, rows, 1, 1));
  QN_TRY(qn_check_reals(&task.real, logits, rows, cols, 1));
  QN_TRY(qn_check_targets(targets, rows, cols, ignored));
  qn_parallel_rows(rows, qn_grain_rows((size_t)cols * 4), cross_entropy_rows, &task);
  return QN_OK;
}
