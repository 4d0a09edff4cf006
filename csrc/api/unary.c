/*
 * api/unary.c: the functions of quern.h that apply a mathematical function to each
 * element, and the gated form of GELU.
 *
 * Each checks its arguments, then splits the elements among the threads.
 */
#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

/* Of what needs exponentials or the like, a few thousand elements are a few
 * microseconds; what is bound by memory takes more of them. */
enum { GRAIN = QN_GRAIN_ELEMENTS / 4 };

static size_t grain_of(int32_t op) {
  return op >= QN_SQRT && op <= QN_RELU ? QN_GRAIN_ELEMENTS : GRAIN;
}

struct unary {
  struct qn_real real;
  void *y;
  const void *x;
  int32_t op;
};

static void unary_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct unary *task = context;
  const struct qn_real *real = &task->real;
  real->kernels->unary(qn_real_at(real, task->y, begin), qn_real_at(real, task->x, begin),
                       end - begin, task->op);
}

int32_t qn_unary(void *y, const void *x, uint32_t rows, uint32_t cols, int32_t op,
                 int32_t dtype) {
  if (op < 0 || op >= QN_UNARY_COUNT) return QN_BAD_ARGUMENT;
  struct unary task = {.y = y, .x = x, .op = op};
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(qn_check_reals(&task.real, y, rows, cols, 1));
  QN_TRY(qn_check_reals(&task.real, x, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols, grain_of(op), unary_range, &task);
  return QN_OK;
}

struct geglu {
  struct qn_real real;
  void *y;
  const void *gate;
  const void *up;
  int32_t gelu;
};

static void geglu_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct geglu *task = context;
  const struct qn_real *real = &task->real;
  real->kernels->geglu(qn_real_at(real, task->y, begin), qn_real_at(real, task->gate, begin),
                       qn_real_at(real, task->up, begin), end - begin, task->gelu);
}

int32_t qn_geglu(void *y, const void *gate, const void *up, uint32_t rows, uint32_t cols,
                 int32_t gelu, int32_t dtype) {
  if (gelu != QN_GELU_ERF && gelu != QN_GELU_TANH) return QN_BAD_ARGUMENT;
  struct geglu task = {.y = y, .gate = gate, .up = up, .gelu = gelu};
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(qn_check_reals(&task.real, y, rows, cols, 1));
  QN_TRY(qn_check_reals(&task.real, gate, rows, cols, 1));
  QN_TRY(qn_check_reals(&task.real, up, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols, GRAIN, geglu_range, &task);
  return QN_OK;
}
