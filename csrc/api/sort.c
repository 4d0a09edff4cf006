/*
 * api/sort.c: rows in order.
 *
 * Rows are split among the threads; each range of rows has scratch of its own from the pool.
 */
#include <stdatomic.h>

#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "kernels/shared/sort.h"
#include "memory/pool.h"

struct sort {
  char *values;     /* or NULL */
  int32_t *indices; /* or NULL */
  const char *x;
  size_t cols;
  size_t item_bytes;
  int32_t descending;
  int32_t dtype;
  _Atomic qn_status status; /* not QN_OK when a range had no scratch */
};

static void sort_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  struct sort *task = context;
  const size_t bytes = qn_sort_scratch(task->cols, task->item_bytes, task->indices != NULL);
  void *scratch;
  const qn_status status = qn_pool_alloc(bytes, &scratch);
  if (status != QN_OK) {
    atomic_store(&task->status, status);
    return;
  }
  const size_t at = begin * task->cols;
  char *values = task->values == NULL ? NULL : task->values + at * task->item_bytes;
  int32_t *indices = task->indices == NULL ? NULL : task->indices + at;
  qn_shared_kernels->sort(values, indices, scratch, task->x + at * task->item_bytes, end - begin,
                   task->cols, task->descending, task->dtype);
  qn_pool_free(scratch);
}

int32_t qn_sort(void *values, int32_t *indices, const void *x, uint32_t rows, uint32_t cols,
                int32_t descending, int32_t dtype) {
  const size_t item = qn_item_bytes(dtype);
  if (item == 0) return QN_BAD_DTYPE;
  if (cols > (uint32_t)1 << 31) return QN_BAD_SIZE;
  if (rows == 0 || cols == 0) return QN_OK;
  if (values == NULL && indices == NULL) return QN_NULL_POINTER;
  if (values != NULL) QN_TRY(qn_check_array(values, rows, cols, 1, item, item));
  if (indices != NULL) QN_TRY(qn_check_words(indices, rows, cols, 1));
  QN_TRY(qn_check_array(x, rows, cols, 1, item, item));
  struct sort task = {.values = values,
                      .indices = indices,
                      .x = x,
                      .cols = cols,
                      .item_bytes = item,
                      .descending = descending,
                      .dtype = dtype};
  atomic_init(&task.status, QN_OK);
  qn_parallel_rows(rows, qn_grain_rows(cols), sort_rows, &task);
  return atomic_load(&task.status);
}
