/*
 * api/search.c: the rows of a matrix that are closest to some queries, and rows in 8 bits
 * to search through.
 *
 * Rows are cut into chunks, which the threads take one by one. A chunk's scores stay in
 * the caches; its best are kept, and at the end the best of all chunks are picked. Of
 * equal scores the first row comes first, within a chunk and among chunks, so that the
 * result is the same however the rows were cut.
 *
 * Memory: for a group of queries the scores of a chunk on each thread, and the best of
 * each chunk. What was found before in other rows is a chunk of its own, the first.
 */
#include <stdatomic.h>
#include <string.h>

#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "kernels/top_k.h"
#include "memory/pool.h"

enum {
  MOST_ROWS = 8192,       /* of a chunk: with its scores, a small part of the caches */
  MOST_QUERIES = 16,      /* of a group: enough that computing takes longer than reading */
  GRAIN_BYTES = 1 << 18,  /* of a chunk: many microseconds of reading */
  TASKS_OF_A_THREAD = 8,  /* so that threads end together */
  MOST_KEPT = 1 << 20,    /* results of chunks for all queries of a group */
};

/* What all queries of a group find. `kept` results of each query lie side by side:
 * `held` of rows before, then up to `width` of each chunk. */
struct search {
  float *values;
  int32_t *indices;
  const float *queries;
  const char *x;
  const float *scales;
  size_t query_count;
  size_t rows;
  size_t dim;
  size_t row_bytes;
  size_t chunk;
  size_t width;
  size_t held;
  size_t kept;
  size_t first; /* the index of the first row */
  int32_t dtype;
  float *best_values; /* where the best of all go, best_stride apart, k of each */
  int32_t *best_indices;
  size_t best_stride;
  size_t k;
  _Atomic qn_status status; /* not QN_OK when a task had no scratch */
};

/* Scores and scratch of a task, from the pool. */
static void *rent(struct search *task, size_t numbers, size_t words) {
  void *memory;
  const qn_status status =
      qn_pool_alloc(numbers * sizeof(uint64_t) + words * sizeof(float), &memory);
  if (status == QN_OK) return memory;
  atomic_store(&task->status, status);
  return NULL;
}

/* The best of one chunk for each query. */
static void search_chunk(void *context, size_t chunk, uint32_t worker) {
  (void)worker;
  struct search *task = context;
  const size_t begin = chunk * task->chunk;
  const size_t rows = task->rows - begin < task->chunk ? task->rows - begin : task->chunk;
  const size_t width = rows < task->width ? rows : task->width;
  const size_t numbers = qn_top_k_scratch(width);
  uint64_t *scratch = rent(task, numbers, task->query_count * rows);
  if (scratch == NULL) return;
  float *scores = (float *)(void *)(scratch + numbers);
  const float *scales = task->scales == NULL ? NULL : task->scales + begin;
  qn_kernels->row_dots(scores, task->queries, task->x + begin * task->row_bytes, scales,
                       task->query_count, rows, task->dim, rows, task->dtype);
  for (size_t q = 0; q < task->query_count; q += 1) {
    const size_t at = q * task->kept + task->held + chunk * task->width;
    qn_kernels->top_k_f32(task->values + at, task->indices + at, scratch, scores + q * rows, 1,
                          rows, width, 1);
    for (size_t i = 0; i < width; i += 1) {
      task->indices[at + i] += (int32_t)(task->first + begin);
    }
  }
  qn_pool_free(scratch);
}

/* The best of all chunks for one query. */
static void pick_best(void *context, size_t q, uint32_t worker) {
  (void)worker;
  struct search *task = context;
  const size_t numbers = qn_top_k_scratch(task->k);
  uint64_t *scratch = rent(task, numbers, task->k);
  if (scratch == NULL) return;
  int32_t *places = (int32_t *)(void *)(scratch + numbers);
  float *values = task->best_values + q * task->best_stride;
  int32_t *indices = task->best_indices + q * task->best_stride;
  qn_kernels->top_k_f32(values, places, scratch, task->values + q * task->kept, 1, task->kept,
                        task->k, 1);
  for (size_t i = 0; i < task->k; i += 1) {
    indices[i] = task->indices[q * task->kept + (size_t)places[i]];
  }
  qn_pool_free(scratch);
}

static qn_status search_group(struct search *task) {
  const size_t chunks = (task->rows + task->chunk - 1) / task->chunk;
  const size_t last = task->rows - (chunks - 1) * task->chunk;
  task->kept = task->held + (chunks - 1) * task->width + (last < task->width ? last : task->width);
  const size_t count = task->query_count * task->kept;
  void *memory;
  QN_TRY(qn_pool_alloc(count * (sizeof(float) + sizeof(int32_t)), &memory));
  task->values = memory;
  task->indices = (int32_t *)(void *)(task->values + count);
  for (size_t q = 0; q < task->query_count; q += 1) {
    const size_t from = q * task->best_stride;
    memcpy(task->values + q * task->kept, task->best_values + from, task->held * sizeof(float));
    memcpy(task->indices + q * task->kept, task->best_indices + from,
           task->held * sizeof(int32_t));
  }
  qn_parallel_for(chunks, search_chunk, task);
  if (atomic_load(&task->status) == QN_OK) qn_parallel_for(task->query_count, pick_best, task);
  qn_pool_free(memory);
  return atomic_load(&task->status);
}

/* Rows of a chunk: whole tasks for every thread, but neither so few that waking costs
 * more, nor so many that scores leave the caches. */
static size_t chunk_rows(size_t rows, size_t row_bytes) {
  const size_t share = rows / ((size_t)qn_thread_count() * TASKS_OF_A_THREAD) + 1;
  const size_t least = GRAIN_BYTES / row_bytes + 1;
  const size_t chunk = share < least ? least : share;
  return chunk > MOST_ROWS ? MOST_ROWS : chunk;
}

/* Queries of a group: fewer where each keeps much. */
static size_t group_queries(size_t rows, size_t k) {
  const size_t most = MOST_KEPT / (rows < k ? rows : k);
  return most < 1 ? 1 : most > MOST_QUERIES ? MOST_QUERIES : most;
}

static qn_status check_rows(const void *x, const float *scales, uint32_t rows, uint32_t dim,
                            int32_t dtype) {
  if (dtype == QN_I8) {
    QN_TRY(qn_check_words(scales, rows, 1, 1));
    return qn_check_array(x, rows, dim, 1, 1, 1);
  }
  if (dtype != QN_F32 && dtype != QN_F16) return QN_BAD_DTYPE;
  const size_t item = qn_item_bytes(dtype);
  return qn_check_array(x, rows, dim, 1, item, item);
}

int32_t qn_search(float *values, int32_t *indices, const float *queries, const void *x,
                  const float *scales, uint32_t query_count, uint32_t rows, uint32_t dim,
                  uint32_t k, uint32_t held, uint32_t first, int32_t dtype) {
  if (held > k || held > first || dim == 0) return QN_BAD_SIZE;
  if ((uint64_t)first + rows > (uint64_t)1 << 31) return QN_BAD_SIZE;
  QN_TRY(check_rows(x, scales, rows, dim, dtype));
  QN_TRY(qn_check_words(values, query_count, k, 1));
  QN_TRY(qn_check_words(indices, query_count, k, 1));
  QN_TRY(qn_check_words(queries, query_count, dim, 1));
  if (query_count == 0 || rows == 0 || k == 0) return QN_OK;
  const size_t found = (size_t)held + rows;
  struct search task = {.x = x,
                        .scales = scales,
                        .rows = rows,
                        .dim = dim,
                        .row_bytes = (size_t)dim * (dtype == QN_I8 ? 1 : qn_item_bytes(dtype)),
                        .held = held,
                        .first = first,
                        .dtype = dtype,
                        .best_stride = k,
                        .k = found < k ? found : k};
  atomic_init(&task.status, QN_OK);
  task.chunk = chunk_rows(rows, task.row_bytes);
  task.width = task.chunk < k ? task.chunk : k;
  const size_t group = group_queries(rows, k);
  for (size_t q = 0; q < query_count; q += group) {
    task.query_count = query_count - q < group ? query_count - q : group;
    task.queries = queries + q * dim;
    task.best_values = values + q * k;
    task.best_indices = indices + q * k;
    QN_TRY(search_group(&task));
  }
  return QN_OK;
}

struct quantize {
  int8_t *y;
  float *scales;
  const float *x;
  size_t cols;
};

static void quantize_some(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct quantize *task = context;
  qn_kernels->quantize_rows(task->y + begin * task->cols, task->scales + begin,
                            task->x + begin * task->cols, end - begin, task->cols);
}

int32_t qn_quantize_rows(void *y, float *scales, const float *x, uint32_t rows, uint32_t cols) {
  QN_TRY(qn_check_array(y, rows, cols, 1, 1, 1));
  QN_TRY(qn_check_words(scales, rows, 1, 1));
  QN_TRY(qn_check_words(x, rows, cols, 1));
  if (rows == 0) return QN_OK;
  struct quantize task = {.y = y, .scales = scales, .x = x, .cols = cols};
  qn_parallel_rows(rows, qn_grain_rows(cols), quantize_some, &task);
  return QN_OK;
}
