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
  float *y;
  const float *x;
  int32_t op;
};

static void unary_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct unary *task = context;
  qn_kernels->unary_f32(task->y + begin, task->x + begin, end - begin, task->op);
}

int32_t qn_unary_f32(float *y, const float *x, uint32_t rows, uint32_t cols, int32_t op) {
  if (op < 0 || op >= QN_UNARY_COUNT) return QN_BAD_ARGUMENT;
  QN_TRY(qn_check_words(y, rows, cols, 1));
  QN_TRY(qn_check_words(x, rows, cols, 1));
  struct unary task = {y, x, op};
  qn_parallel_rows((size_t)rows * cols, grain_of(op), unary_range, &task);
  return QN_OK;
}

struct geglu {
  float *y;
  const float *gate;
  const float *up;
  int32_t gelu;
};

static void geglu_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct geglu *task = context;
  qn_kernels->geglu_f32(task->y + begin, task->gate + begin, task->up + begin, end - begin,
                        task->gelu);
}

int32_t qn_geglu_f32(float *y, const float *gate, const float *up, uint32_t rows, uint32_t cols,
                     int32_t gelu) {
  if (gelu != QN_GELU_ERF && gelu != QN_GELU_TANH) return QN_BAD_ARGUMENT;
  QN_TRY(qn_check_words(y, rows, cols, 1));
  QN_TRY(qn_check_words(gate, rows, cols, 1));
  QN_TRY(qn_check_words(up, rows, cols, 1));
  struct geglu task = {y, gate, up, gelu};
  qn_parallel_rows((size_t)rows * cols, GRAIN, geglu_range, &task);
  return QN_OK;
}
