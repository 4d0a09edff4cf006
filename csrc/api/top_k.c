/*
 * api/top_k.c: the largest or smallest elements of each row, in order.
 *
 * Rows are split among the threads; each range of rows has scratch of its own from the
 * pool.
 */
#include <stdatomic.h>

#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "kernels/top_k.h"
#include "memory/pool.h"

struct top_k {
  float *values;
  int32_t *indices;
  const float *x;
  size_t cols;
  size_t k;
  int32_t largest;
  _Atomic qn_status status; /* not QN_OK when a range had no scratch */
};

static void top_k_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  struct top_k *task = context;
  void *scratch;
  const qn_status status = qn_pool_alloc(qn_top_k_scratch(task->k) * sizeof(uint64_t), &scratch);
  if (status != QN_OK) {
    atomic_store(&task->status, status);
    return;
  }
  qn_kernels->top_k_f32(task->values + begin * task->k, task->indices + begin * task->k, scratch,
                        task->x + begin * task->cols, end - begin, task->cols, task->k,
                        task->largest);
  qn_pool_free(scratch);
}

int32_t qn_top_k_f32(float *values, int32_t *indices, const float *x, uint32_t rows,
                     uint32_t cols, uint32_t k, int32_t largest) {
  if (k > cols || cols > (uint32_t)1 << 31) return QN_BAD_SIZE;
  QN_TRY(qn_check_words(values, rows, k, 1));
  QN_TRY(qn_check_words(indices, rows, k, 1));
  QN_TRY(qn_check_words(x, rows, cols, 1));
  if (rows == 0 || k == 0) return QN_OK;
  struct top_k task = {.values = values,
                       .indices = indices,
                       .x = x,
                       .cols = cols,
                       .k = k,
                       .largest = largest != 0};
  atomic_init(&task.status, QN_OK);
  qn_parallel_rows(rows, qn_grain_rows(cols), top_k_rows, &task);
  return atomic_load(&task.status);
}
