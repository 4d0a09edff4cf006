/*
 * api/attention_gradient.c: checks the arguments of attention's gradient and cuts it into
 * tasks.
 *
 * A task is a key-value head of a sequence with all query heads that it serves: five
 * products a pair of blocks. Where there are fewer of these than threads, each is cut into
 * ranges of keys, for dk and dv, and ranges of queries, for dq: that takes seven, since
 * scores and their slopes are computed for both. Each sum is one thread's either way, in the
 * same order, so the result has the same bits.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "api/attention_call.h"
#include "api/check.h"
#include "base/sizes.h"
#include "base/threads.h"
#include "gemm/attention_gradient.h"
#include "memory/pool.h"

enum {
  PRODUCTS_A_PIECE = 1 << 19, /* multiplications that are worth waking a thread */
  RANGES_A_THREAD = 2,        /* of keys, and of queries, where heads are cut */
};

struct job {
  struct qn_attention_call call;
  struct qn_attention_gradient first; /* of all */
  size_t key_rows;
  size_t ranges; /* of keys of a head, and as many of queries; 1: heads are whole */
  size_t tasks, tasks_a_piece;
  _Atomic qn_status status;
};

/* A key-value head of a sequence. */
static struct qn_attention_gradient find_head(const struct job *job, size_t sequence, size_t head) {
  const struct qn_attention_start start =
      qn_attention_start(&job->call, sequence, job->key_rows);
  struct qn_attention_gradient one = job->first;
  one.forward = qn_attention_find(&job->call, sequence, head);
  const size_t size = one.forward.head_size;
  const size_t query = start.query * one.forward.y_token + head * one.forward.group * size;
  const size_t key = start.key * one.kv_token + head * size;
  one.g += query;
  if (one.dq != NULL) one.dq += query;
  if (one.dk != NULL) one.dk += key;
  if (one.dv != NULL) one.dv += key;
  return one;
}

/* Range `index` of so many of some rows: whole blocks, but for the last. */
static struct qn_key_range find_range(const struct job *job, size_t rows, size_t index) {
  const size_t blocks = qn_divide_up(rows, QN_GRADIENT_BLOCK);
  return (struct qn_key_range){
      qn_min_size(blocks * index / job->ranges * QN_GRADIENT_BLOCK, rows),
      qn_min_size(blocks * (index + 1) / job->ranges * QN_GRADIENT_BLOCK, rows)};
}

/* Keys that are not in use. */
static void clear_unused(const struct qn_attention_gradient *one, size_t key_rows) {
  const size_t size = one->forward.head_size;
  for (size_t key = one->forward.keys; key < key_rows; key += 1) {
    if (one->dk != NULL) memset(one->dk + key * one->kv_token, 0, size * sizeof(float));
    if (one->dv != NULL) memset(one->dv + key * one->kv_token, 0, size * sizeof(float));
  }
}

static void run_task(const struct job *job, size_t index, float *scratch) {
  const size_t kinds = job->ranges == 1 ? 1 : 2;
  const size_t part = index % (job->ranges * kinds);
  const size_t head = index / (job->ranges * kinds);
  struct qn_attention_gradient one =
      find_head(job, head / job->call.kv_heads, head % job->call.kv_heads);
  struct qn_key_range queries = {0, one.forward.tokens};
  struct qn_key_range keys = {0, one.forward.keys};
  if (part == 0 && job->call.segments == 0) clear_unused(&one, job->key_rows);
  if (kinds == 2 && part < job->ranges) {
    keys = find_range(job, one.forward.keys, part);
    one.dq = NULL;
    if (one.dk == NULL && one.dv == NULL) return;
  } else if (kinds == 2) {
    queries = find_range(job, one.forward.tokens, part - job->ranges);
    one.dk = one.dv = NULL;
    if (one.dq == NULL) return;
  }
  qn_attention_gradient_of(&one, queries, keys, scratch);
}

static void run_piece(void *context, size_t piece, uint32_t worker) {
  (void)worker;
  struct job *job = context;
  const struct qn_attention *one = &job->call.first;
  void *scratch;
  const size_t floats = qn_attention_gradient_floats(one->tokens, one->keys, one->head_size);
  const qn_status status = qn_pool_alloc(floats * sizeof(float), &scratch);
  if (status != QN_OK) {
    atomic_store(&job->status, status);
    return;
  }
  const size_t first = piece * job->tasks_a_piece;
  const size_t last = qn_min_size(first + job->tasks_a_piece, job->tasks);
  for (size_t i = first; i < last; i += 1) run_task(job, i, scratch);
  qn_pool_free(scratch);
}

static void cut(struct job *job) {
  const struct qn_attention *one = &job->call.first;
  const size_t threads = qn_thread_count();
  const size_t heads = job->call.sequences * job->call.kv_heads;
  const size_t blocks = qn_divide_up(qn_max_size(one->tokens, one->keys), QN_GRADIENT_BLOCK);
  job->ranges = 1;
  if (heads < threads) job->ranges = qn_min_size(threads * RANGES_A_THREAD, blocks);
  job->tasks = heads * job->ranges * (job->ranges == 1 ? 1 : 2);
  const size_t tokens = one->tokens / qn_max_size(job->call.segments, 1);
  const size_t products = 3 * one->head_size * one->group * tokens *
                          qn_max_size(qn_min_size(one->keys, tokens), 1) / job->ranges;
  job->tasks_a_piece =
      threads == 1 ? job->tasks
                   : qn_divide_up(PRODUCTS_A_PIECE, products + PRODUCTS_A_PIECE / 64);
}

static qn_status check_gradients(const struct job *job) {
  const struct qn_attention_gradient *first = &job->first;
  const struct qn_attention *forward = &job->call.first;
  if (job->key_rows < forward->keys || job->key_rows > INT32_MAX) return QN_BAD_SIZE;
  if (job->call.segments != 0 && job->key_rows != forward->keys) return QN_BAD_SIZE;
  const size_t key_floats = first->kv_token;
  QN_TRY(qn_check_words(first->dk == NULL ? forward->y : first->dk, job->call.sequences,
                        job->key_rows, key_floats));
  QN_TRY(qn_check_words(first->dv == NULL ? forward->y : first->dv, job->call.sequences,
                        job->key_rows, key_floats));
  QN_TRY(qn_check_words(first->dq == NULL ? forward->y : first->dq, 1, 1, 1));
  QN_TRY(qn_check_words(first->g, 1, 1, 1));
  QN_TRY(qn_check_words(forward->y, 1, 1, 1));
  return qn_check_words(forward->statistics, 1, 1, 1);
}

int32_t qn_attention_gradient_f32(float *dq, float *dk, float *dv, const float *g, const float *y,
                                  const float *statistics, const float *q, const float *k,
                                  const float *v, const int32_t *lengths, const uint64_t *layout,
                                  uint32_t axes, uint32_t key_rows, double scale) {
  /* The forward pass writes these two, the gradient reads them. */
  const struct qn_attention forward = {.y = (void *)(uintptr_t)y,
                                       .statistics = (float *)(uintptr_t)statistics,
                                       .q = q, .k = k, .v = v, .scale = scale};
  struct job job = {.call = {.first = forward, .dtype = QN_F32, .lengths = lengths},
                    .first = {.dq = dq, .dk = dk, .dv = dv, .g = g},
                    .key_rows = key_rows};
  bool empty;
  QN_TRY(qn_attention_read(&job.call, &empty, layout, axes));
  if (empty) return QN_OK;
  job.first.kv_token = job.call.kv_heads * job.call.first.head_size;
  QN_TRY(check_gradients(&job));
  cut(&job);
  qn_parallel_for(qn_divide_up(job.tasks, job.tasks_a_piece), run_piece, &job);
  return atomic_load(&job.status);
}
