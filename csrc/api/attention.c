/*
 * api/attention.c: checks the arguments of attention and cuts it into tasks.
 *
 * A task is some rows of one key-value head of one sequence, a sequence being an entry of
 * the batch or a segment. Many rows share the reading of their keys, so tasks are as large
 * as leaves enough of them. Where there are too few, because there are few queries and
 * many keys, the blocks of keys are cut too: each piece has states of its own, which are
 * joined when all are there. Blocks are joined in the same order without that, so the
 * result has the same bits.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "api/attention_call.h"
#include "api/attention_float64.h"
#include "api/check.h"
#include "base/sizes.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "kernels/attention.h"
#include "memory/pool.h"

enum {
  MOST_ROWS = 1024,          /* of a task: their states take some of the second cache */
  LEAST_ROWS = 60,           /* of a task, if there are more */
  TASKS_A_THREAD = 5,        /* at least, if there are so many rows */
  PRODUCTS_A_PIECE = 1 << 18, /* multiplications that are worth waking a thread: some microseconds */
};

struct job {
  struct qn_attention_call call;
  size_t *first_tasks; /* with segments: the first task of each, and how many there are */
  size_t task_rows;
  size_t tasks; /* pieces of rows; each has `parts` pieces of keys */
  size_t parts;
  size_t tasks_a_piece;
  float *states; /* with more than one part: those of all tasks */
  _Atomic qn_status status;
};

/* ---- One task ------------------------------------------------------------------ */

struct task {
  struct qn_attention head;
  size_t first_row, last_row;
  size_t blocks;
};

/* The segment of a task, by halving. */
static size_t find_segment(const struct job *job, size_t task) {
  size_t low = 0;
  size_t high = job->call.segments;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    if (job->first_tasks[middle] <= task) low = middle;
    else high = middle;
  }
  return low;
}

/* Tasks of a sequence go from its last rows to its first: with a causal mask those have
 * the most keys, and what is short is best left for the end. */
static struct task find_task(const struct job *job, size_t index) {
  size_t sequence = 0;
  if (job->call.segments != 0) {
    sequence = find_segment(job, index);
    index -= job->first_tasks[sequence];
  }
  const size_t heads = job->call.kv_heads * (job->call.segments != 0 ? 1 : job->call.sequences);
  const size_t from_end = index / heads;
  if (job->call.segments == 0) sequence = index % heads / job->call.kv_heads;
  struct task task = {.head = qn_attention_find(&job->call, sequence, index % job->call.kv_heads)};
  const size_t rows = task.head.tokens * task.head.group;
  const size_t pieces = qn_divide_up(rows, job->task_rows);
  task.first_row = (pieces - 1 - from_end) * job->task_rows;
  task.last_row = qn_min_size(rows, task.first_row + job->task_rows);
  const struct qn_key_range seen =
      qn_attention_seen(&task.head, (task.last_row - 1) / task.head.group);
  task.blocks = qn_max_size(qn_divide_up(seen.end, QN_ATTENTION_BLOCK), 1);
  return task;
}

static size_t state_floats(const struct job *job) {
  return job->task_rows * qn_attention_state_floats(job->call.first.head_size);
}

/* Scratch of a piece without its states, in floats. */
static size_t scratch_floats(const struct job *job) {
  if (job->call.dtype == QN_F64) return 2 * qn_max_size(job->call.first.keys, 1);
  return qn_attention_scratch_floats(job->call.first.head_size);
}

/* Piece `index` of the keys of all tasks. */
static void run_piece(struct job *job, size_t index, float *states, void *scratch) {
  const struct task task = find_task(job, index / job->parts);
  const size_t part = index % job->parts;
  if (job->parts > 1) {
    /* The parts of a task follow each other, by its own number of rows. */
    const size_t rows = task.last_row - task.first_row;
    states = job->states + index / job->parts * job->parts * state_floats(job) +
             part * rows * qn_attention_state_floats(job->call.first.head_size);
  }
  if (job->call.dtype == QN_F64) {
    qn_attention_rows_f64((double *)scratch, &task.head, task.first_row, task.last_row);
    return;
  }
  qn_kernels->attention_f32(states, scratch, &task.head, task.first_row, task.last_row,
                            task.blocks * part / job->parts, task.blocks * (part + 1) / job->parts,
                            job->parts == 1);
}

static void run_pieces(void *context, size_t piece, uint32_t worker) {
  (void)worker;
  struct job *job = context;
  const size_t own_scratch = scratch_floats(job);
  const size_t own_states = job->parts == 1 && job->call.dtype == QN_F32 ? state_floats(job) : 0;
  void *scratch;
  const qn_status status = qn_pool_alloc((own_scratch + own_states) * sizeof(float), &scratch);
  if (status != QN_OK) {
    atomic_store(&job->status, status);
    return;
  }
  float *states = (float *)scratch + own_scratch;
  const size_t first = piece * job->tasks_a_piece;
  const size_t last = qn_min_size(first + job->tasks_a_piece, job->tasks * job->parts);
  for (size_t i = first; i < last; i += 1) run_piece(job, i, states, scratch);
  qn_pool_free(scratch);
}

static void join_parts(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct job *job = context;
  for (size_t i = begin; i < end; i += 1) {
    const struct task task = find_task(job, i);
    qn_kernels->attention_join_f32(job->states + i * job->parts * state_floats(job), &task.head,
                                   job->parts, task.first_row, task.last_row);
  }
}

/* ---- How a job is cut ---------------------------------------------------------- */

/* Rows of a task: all of a head's, if that leaves enough tasks. */
static size_t choose_rows(const struct job *job, size_t rows) {
  const size_t threads = qn_thread_count();
  const size_t heads = job->call.sequences * job->call.kv_heads;
  size_t least = heads >= threads ? LEAST_ROWS : QN_ATTENTION_ROWS;
  if (least < job->call.first.group) least = job->call.first.group;
  size_t pieces = threads == 1 ? 1 : qn_divide_up(threads * TASKS_A_THREAD, heads);
  pieces = qn_min_size(pieces, qn_max_size(rows / least, 1));
  return qn_min_size(qn_divide_up(rows, pieces), MOST_ROWS);
}

static size_t count_tasks(struct job *job) {
  const size_t group = job->call.first.group;
  if (job->call.segments == 0) {
    return job->call.sequences * job->call.kv_heads * qn_divide_up(job->call.first.tokens * group, job->task_rows);
  }
  size_t tasks = 0;
  for (size_t i = 0; i < job->call.segments; i += 1) {
    const size_t tokens = (size_t)(job->call.lengths[i + 1] - job->call.lengths[i]);
    job->first_tasks[i] = tasks;
    tasks += job->call.kv_heads * qn_divide_up(tokens * group, job->task_rows);
  }
  return tasks;
}

static void cut(struct job *job) {
  const struct qn_attention *one = &job->call.first;
  const size_t threads = qn_thread_count();
  const size_t tokens = job->call.segments == 0 ? one->tokens : qn_divide_up(one->tokens, job->call.segments);
  const size_t keys = job->call.segments == 0 ? one->keys : tokens;
  job->task_rows = choose_rows(job, tokens * one->group);
  job->tasks = count_tasks(job);
  job->parts = 1;
  if (job->call.dtype == QN_F32 && job->call.segments == 0 && threads > 1 && job->tasks < threads * TASKS_A_THREAD) {
    const size_t wanted = qn_divide_up(threads * TASKS_A_THREAD, qn_max_size(job->tasks, 1));
    job->parts = qn_max_size(qn_min_size(wanted, qn_divide_up(keys, QN_ATTENTION_BLOCK)), 1);
  }
  const size_t products = 2 * one->head_size * job->task_rows * qn_max_size(keys, 1) / job->parts;
  job->tasks_a_piece = threads == 1 ? job->tasks * job->parts
                                    : qn_divide_up(PRODUCTS_A_PIECE, products + PRODUCTS_A_PIECE / 64);
}

static qn_status run(struct job *job) {
  void *states = NULL;
  if (job->parts > 1) {
    QN_TRY(qn_pool_alloc(job->tasks * job->parts * state_floats(job) * sizeof(float), &states));
    job->states = states;
  }
  if (job->tasks != 0) {
    qn_parallel_for(qn_divide_up(job->tasks * job->parts, job->tasks_a_piece), run_pieces, job);
  }
  const qn_status status = atomic_load(&job->status);
  if (job->parts > 1 && status == QN_OK) {
    const size_t floats = job->parts * state_floats(job);
    qn_parallel_rows(job->tasks, qn_grain_rows(floats), join_parts, job);
  }
  qn_pool_free(states);
  return status;
}

static qn_status run_job(struct job *job) {
  void *first_tasks = NULL;
  if (job->call.segments != 0) {
    QN_TRY(qn_pool_alloc(job->call.segments * sizeof(size_t), &first_tasks));
    job->first_tasks = first_tasks;
  }
  cut(job);
  const qn_status status = run(job);
  qn_pool_free(first_tasks);
  return status;
}

int32_t qn_attention(void *y, float *statistics, const void *q, const void *k, const void *v,
                     const void *mask, const int32_t *lengths, const uint64_t *layout,
                     uint32_t axes, double scale, int32_t dtype) {
  const struct qn_attention first = {.y = y, .statistics = statistics, .q = q, .k = k, .v = v,
                                     .mask = mask, .scale = scale};
  struct job job = {.call = {.first = first, .dtype = dtype, .lengths = lengths}};
  bool empty;
  QN_TRY(qn_attention_read(&job.call, &empty, layout, axes));
  if (empty) return QN_OK;
  QN_TRY(qn_check_array(y, 1, 1, 1, job.call.bytes, job.call.bytes));
  if (statistics != NULL) {
    if (dtype != QN_F32) return QN_BAD_DTYPE;
    QN_TRY(qn_check_words(statistics, 1, 1, 1));
  }
  return run_job(&job);
}
