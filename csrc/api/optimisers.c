/*
 * api/optimisers.c: the functions of quern.h that step a parameter down its gradient.
 *
 * Each checks its arguments, then splits the elements among the threads.
 */
#include <math.h>

#include "api/check.h"
#include "base/threads.h"

/* What every optimiser steps: `more` is there for those that remember two things. */
struct stepped {
  struct qn_real real;
  void *p;
  void *m;
  void *more;
  const void *g;
  double decay; /* of p itself, as each kernel takes it */
  double beta1, beta2, rate, root, epsilon;
  int32_t nesterov;
};

static qn_status check_stepped(struct stepped *task, uint32_t rows, uint32_t cols, int32_t dtype) {
  QN_TRY(qn_find_real(&task->real, dtype));
  QN_TRY(qn_check_reals(&task->real, task->p, rows, cols, 1));
  return qn_check_reals(&task->real, task->g, rows, cols, 1);
}

/* A part of what is remembered, from 0 to below 1. */
static bool is_share(double beta) { return beta >= 0.0 && beta < 1.0; }

static void adamw_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct stepped *task = context;
  const struct qn_real *real = &task->real;
  real->kernels->adamw(qn_real_at(real, task->p, begin), qn_real_at(real, task->m, begin),
                       qn_real_at(real, task->more, begin), qn_real_at(real, task->g, begin),
                       end - begin, task->decay, task->beta1, task->beta2, task->rate, task->root,
                       task->epsilon);
}

int32_t qn_adamw(void *p, void *m, void *v, const void *g, uint32_t rows, uint32_t cols,
                 double keep, double beta1, double beta2, double rate, double root, double epsilon,
                 int32_t dtype) {
  if (!is_share(beta1) || !is_share(beta2) || !(epsilon >= 0.0)) return QN_BAD_ARGUMENT;
  if (!isfinite(keep) || !isfinite(rate) || !isfinite(root)) return QN_BAD_ARGUMENT;
  struct stepped task = {.p = p, .m = m, .more = v, .g = g, .decay = keep, .beta1 = beta1,
                         .beta2 = beta2, .rate = rate, .root = root, .epsilon = epsilon};
  QN_TRY(check_stepped(&task, rows, cols, dtype));
  QN_TRY(qn_check_reals(&task.real, m, rows, cols, 1));
  QN_TRY(qn_check_reals(&task.real, v, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS, adamw_range, &task);
  return QN_OK;
}

static void sgd_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct stepped *task = context;
  const struct qn_real *real = &task->real;
  real->kernels->sgd(qn_real_at(real, task->p, begin), qn_real_at(real, task->m, begin),
                     qn_real_at(real, task->g, begin), end - begin, task->decay, task->beta1,
                     task->rate, task->nesterov);
}

int32_t qn_sgd(void *p, void *m, const void *g, uint32_t rows, uint32_t cols, double decay,
               double momentum, double rate, int32_t nesterov, int32_t dtype) {
  if (!isfinite(decay) || !isfinite(momentum) || !isfinite(rate)) return QN_BAD_ARGUMENT;
  struct stepped task = {.p = p, .m = m, .g = g, .decay = decay, .beta1 = momentum, .rate = rate,
                         .nesterov = nesterov};
  QN_TRY(check_stepped(&task, rows, cols, dtype));
  if (m != NULL) QN_TRY(qn_check_reals(&task.real, m, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS, sgd_range, &task);
  return QN_OK;
}

static void lion_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct stepped *task = context;
  const struct qn_real *real = &task->real;
  real->kernels->lion(qn_real_at(real, task->p, begin), qn_real_at(real, task->m, begin),
                      qn_real_at(real, task->g, begin), end - begin, task->decay, task->beta1,
                      task->beta2, task->rate);
}

int32_t qn_lion(void *p, void *m, const void *g, uint32_t rows, uint32_t cols, double keep,
                double beta1, double beta2, double rate, int32_t dtype) {
  if (!is_share(beta1) || !is_share(beta2)) return QN_BAD_ARGUMENT;
  if (!isfinite(keep) || !isfinite(rate)) return QN_BAD_ARGUMENT;
  struct stepped task = {.p = p, .m = m, .g = g, .decay = keep, .beta1 = beta1, .beta2 = beta2,
                         .rate = rate};
  QN_TRY(check_stepped(&task, rows, cols, dtype));
  QN_TRY(qn_check_reals(&task.real, m, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS, lion_range, &task);
  return QN_OK;
}
