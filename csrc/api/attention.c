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
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "api/attention_float64.h"
#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "kernels/attention.h"
#include "memory/pool.h"

enum {
  MOST_AXES = 13,
  MOST_ROWS = 1024,          /* of a task: their states take some of the second cache */
  LEAST_ROWS = 60,           /* of a task, if there are more */
  TASKS_A_THREAD = 5,        /* at least, if there are so many rows */
  PRODUCTS_A_PIECE = 1 << 18, /* multiplications that are worth waking a thread: some microseconds */
};

struct axis {
  size_t size, q, k, v, mask;
};

struct job {
  struct qn_attention first; /* the first key-value head of the first sequence */
  int32_t dtype;             /* QN_F32 or QN_F64 */
  size_t bytes;              /* of an element */
  size_t k_head, v_head, kv_heads;
  struct axis batch[MOST_AXES];
  uint32_t axes;
  const int32_t *lengths;
  size_t segments;
  size_t sequences;
  size_t *first_tasks; /* with segments: the first task of each, and how many there are */
  size_t task_rows;
  size_t tasks; /* pieces of rows; each has `parts` pieces of keys */
  size_t parts;
  size_t tasks_a_piece;
  float *states; /* with more than one part: those of all tasks */
  _Atomic qn_status status;
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

static const void *ahead(const void *address, size_t elements, size_t bytes) {
  return (const char *)address + elements * bytes;
}

/* ---- One task ------------------------------------------------------------------ */

/* A key-value head of a sequence. */
static struct qn_attention find_head(const struct job *job, size_t sequence, size_t head) {
  struct qn_attention one = job->first;
  size_t y = head * one.group * one.y_head;
  size_t q = head * one.group * one.q_head;
  size_t k = head * job->k_head;
  size_t v = head * job->v_head;
  size_t mask = head * one.group * one.mask_head;
  if (job->segments != 0) {
    const size_t begin = (size_t)job->lengths[sequence];
    one.tokens = one.keys = (size_t)job->lengths[sequence + 1] - begin;
    y += begin * one.y_token;
    q += begin * one.q_token;
    k += begin * one.k_token;
    v += begin * one.v_token;
    mask += begin * one.mask_token + begin;
  } else {
    if (job->lengths != NULL) one.keys = (size_t)job->lengths[sequence];
    y += sequence * one.tokens * one.y_token;
    size_t rest = sequence;
    for (uint32_t i = job->axes; i > 0; i -= 1) {
      const struct axis *axis = &job->batch[i - 1];
      const size_t step = rest % axis->size;
      rest /= axis->size;
      q += step * axis->q;
      k += step * axis->k;
      v += step * axis->v;
      mask += step * axis->mask;
    }
  }
  one.y = (char *)one.y + y * job->bytes;
  one.q = ahead(one.q, q, job->bytes);
  one.k = ahead(one.k, k, job->bytes);
  one.v = ahead(one.v, v, job->bytes);
  if (one.mask != NULL) one.mask = ahead(one.mask, mask, qn_item_bytes(one.mask_dtype));
  return one;
}

struct task {
  struct qn_attention head;
  size_t first_row, last_row;
  size_t blocks;
};

/* The segment of a task, by halving. */
static size_t find_segment(const struct job *job, size_t task) {
  size_t low = 0;
  size_t high = job->segments;
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
  if (job->segments != 0) {
    sequence = find_segment(job, index);
    index -= job->first_tasks[sequence];
  }
  const size_t heads = job->kv_heads * (job->segments != 0 ? 1 : job->sequences);
  const size_t from_end = index / heads;
  if (job->segments == 0) sequence = index % heads / job->kv_heads;
  struct task task = {.head = find_head(job, sequence, index % job->kv_heads)};
  const size_t rows = task.head.tokens * task.head.group;
  const size_t pieces = divide_up(rows, job->task_rows);
  task.first_row = (pieces - 1 - from_end) * job->task_rows;
  task.last_row = smaller(rows, task.first_row + job->task_rows);
  const struct qn_key_range seen =
      qn_attention_seen(&task.head, (task.last_row - 1) / task.head.group);
  task.blocks = larger(divide_up(seen.end, QN_ATTENTION_BLOCK), 1);
  return task;
}

static size_t state_floats(const struct job *job) {
  return job->task_rows * qn_attention_state_floats(job->first.head_size);
}

/* Scratch of a piece without its states, in floats. */
static size_t scratch_floats(const struct job *job) {
  if (job->dtype == QN_F64) return 2 * larger(job->first.keys, 1);
  return qn_attention_scratch_floats(job->first.head_size);
}

/* Piece `index` of the keys of all tasks. */
static void run_piece(struct job *job, size_t index, float *states, void *scratch) {
  const struct task task = find_task(job, index / job->parts);
  const size_t part = index % job->parts;
  if (job->parts > 1) {
    /* The parts of a task follow each other, by its own number of rows. */
    const size_t rows = task.last_row - task.first_row;
    states = job->states + index / job->parts * job->parts * state_floats(job) +
             part * rows * qn_attention_state_floats(job->first.head_size);
  }
  if (job->dtype == QN_F64) {
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
  const size_t own_states = job->parts == 1 && job->dtype == QN_F32 ? state_floats(job) : 0;
  void *scratch;
  const qn_status status = qn_pool_alloc((own_scratch + own_states) * sizeof(float), &scratch);
  if (status != QN_OK) {
    atomic_store(&job->status, status);
    return;
  }
  float *states = (float *)scratch + own_scratch;
  const size_t first = piece * job->tasks_a_piece;
  const size_t last = smaller(first + job->tasks_a_piece, job->tasks * job->parts);
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
  const size_t heads = job->sequences * job->kv_heads;
  size_t least = heads >= threads ? LEAST_ROWS : QN_ATTENTION_ROWS;
  if (least < job->first.group) least = job->first.group;
  size_t pieces = threads == 1 ? 1 : divide_up(threads * TASKS_A_THREAD, heads);
  pieces = smaller(pieces, larger(rows / least, 1));
  return smaller(divide_up(rows, pieces), MOST_ROWS);
}

static size_t count_tasks(struct job *job) {
  const size_t group = job->first.group;
  if (job->segments == 0) {
    return job->sequences * job->kv_heads * divide_up(job->first.tokens * group, job->task_rows);
  }
  size_t tasks = 0;
  for (size_t i = 0; i < job->segments; i += 1) {
    const size_t tokens = (size_t)(job->lengths[i + 1] - job->lengths[i]);
    job->first_tasks[i] = tasks;
    tasks += job->kv_heads * divide_up(tokens * group, job->task_rows);
  }
  return tasks;
}

static void cut(struct job *job) {
  const struct qn_attention *one = &job->first;
  const size_t threads = qn_thread_count();
  const size_t tokens = job->segments == 0 ? one->tokens : divide_up(one->tokens, job->segments);
  const size_t keys = job->segments == 0 ? one->keys : tokens;
  job->task_rows = choose_rows(job, tokens * one->group);
  job->tasks = count_tasks(job);
  job->parts = 1;
  if (job->dtype == QN_F32 && job->segments == 0 && threads > 1 && job->tasks < threads * TASKS_A_THREAD) {
    const size_t wanted = divide_up(threads * TASKS_A_THREAD, larger(job->tasks, 1));
    job->parts = larger(smaller(wanted, divide_up(keys, QN_ATTENTION_BLOCK)), 1);
  }
  const size_t products = 2 * one->head_size * job->task_rows * larger(keys, 1) / job->parts;
  job->tasks_a_piece = threads == 1 ? job->tasks * job->parts
                                    : divide_up(PRODUCTS_A_PIECE, products + PRODUCTS_A_PIECE / 64);
}

static qn_status run(struct job *job) {
  void *states = NULL;
  if (job->parts > 1) {
    QN_TRY(qn_pool_alloc(job->tasks * job->parts * state_floats(job) * sizeof(float), &states));
    job->states = states;
  }
  if (job->tasks != 0) {
    qn_parallel_for(divide_up(job->tasks * job->parts, job->tasks_a_piece), run_pieces, job);
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
  if (job->segments != 0) {
    QN_TRY(qn_pool_alloc(job->segments * sizeof(size_t), &first_tasks));
    job->first_tasks = first_tasks;
  }
  cut(job);
  const qn_status status = run(job);
  qn_pool_free(first_tasks);
  return status;
}

/* ---- Arguments ----------------------------------------------------------------- */

/* What an operand spans, in elements: the distance from its first to its last one. */
struct span {
  uint64_t elements;
  qn_status status;
};

static void add_axis(struct span *span, uint64_t size, uint64_t stride) {
  uint64_t more;
  if (__builtin_mul_overflow(size - 1, stride, &more) ||
      __builtin_add_overflow(span->elements, more, &span->elements) ||
      span->elements > PTRDIFF_MAX / sizeof(double)) {
    span->status = QN_BAD_SIZE;
  }
}

/* Sizes fit 32 bits, so that no product of two of them overflows. */
static qn_status check_sizes(bool *empty, const uint64_t *layout, uint32_t axes) {
  const uint64_t tokens = layout[QN_ATTENTION_TOKENS];
  const uint64_t heads = layout[QN_ATTENTION_HEADS];
  const uint64_t kv_heads = layout[QN_ATTENTION_KV_HEADS];
  const uint64_t head_size = layout[QN_ATTENTION_HEAD_SIZE];
  const uint64_t keys = layout[QN_ATTENTION_KEYS];
  const uint64_t segments = layout[QN_ATTENTION_SEGMENTS];
  if ((tokens | heads | keys | segments) > INT32_MAX) return QN_BAD_SIZE;
  *empty = tokens == 0 || heads == 0 || head_size == 0;
  for (uint32_t i = 0; i < axes; i += 1) {
    const uint64_t size = layout[QN_ATTENTION_BATCH + 5 * i];
    if (size > INT32_MAX) return QN_BAD_SIZE;
    if (size == 0) *empty = true;
  }
  if (*empty) return QN_OK;
  if (kv_heads == 0 || kv_heads > heads || heads % kv_heads != 0) return QN_BAD_SIZE;
  if (head_size > QN_ATTENTION_MOST_HEAD) return QN_BAD_SIZE;
  if (segments != 0 && (tokens != keys || axes != 0)) return QN_BAD_SIZE;
  return QN_OK;
}

static qn_status check_lengths(const struct job *job) {
  if (job->lengths == NULL) return job->segments == 0 ? QN_OK : QN_NULL_POINTER;
  const size_t count = job->segments == 0 ? job->sequences : job->segments + 1;
  QN_TRY(qn_check_words(job->lengths, count, 1, 1));
  if (job->segments == 0) {
    const uint32_t limit = (uint32_t)job->first.keys + 1;
    return qn_check_indices(job->lengths, count, limit);
  }
  bool ascending = job->lengths[0] == 0 && (size_t)job->lengths[count - 1] == job->first.tokens;
  for (size_t i = 1; i < count; i += 1) ascending &= job->lengths[i - 1] <= job->lengths[i];
  return ascending ? QN_OK : QN_BAD_INDEX;
}

/* The sizes, which are not 0, and the strides of a sequence and of the batch. */
static qn_status read_layout(struct job *job, const uint64_t *layout, uint32_t axes) {
  struct qn_attention *one = &job->first;
  const size_t heads = (size_t)layout[QN_ATTENTION_HEADS];
  one->tokens = (size_t)layout[QN_ATTENTION_TOKENS];
  one->keys = (size_t)layout[QN_ATTENTION_KEYS];
  one->head_size = (size_t)layout[QN_ATTENTION_HEAD_SIZE];
  one->causal = layout[QN_ATTENTION_CAUSAL] != 0;
  one->window = (size_t)(layout[QN_ATTENTION_WINDOW] < UINT32_MAX ? layout[QN_ATTENTION_WINDOW] : UINT32_MAX);
  one->mask_dtype = (int32_t)layout[QN_ATTENTION_MASK_DTYPE];
  job->kv_heads = (size_t)layout[QN_ATTENTION_KV_HEADS];
  job->segments = (size_t)layout[QN_ATTENTION_SEGMENTS];
  one->group = heads / job->kv_heads;
  one->y_head = one->head_size;
  one->y_token = heads * one->head_size;
  one->q_token = (size_t)layout[QN_ATTENTION_Q_TOKEN];
  one->q_head = (size_t)layout[QN_ATTENTION_Q_HEAD];
  one->k_token = (size_t)layout[QN_ATTENTION_K_TOKEN];
  job->k_head = (size_t)layout[QN_ATTENTION_K_HEAD];
  one->v_token = (size_t)layout[QN_ATTENTION_V_TOKEN];
  job->v_head = (size_t)layout[QN_ATTENTION_V_HEAD];
  one->mask_token = (size_t)layout[QN_ATTENTION_MASK_TOKEN];
  one->mask_head = (size_t)layout[QN_ATTENTION_MASK_HEAD];
  uint64_t sequences = 1;
  struct span y = {1, QN_OK};
  add_axis(&y, one->tokens, one->y_token);
  add_axis(&y, one->y_token, 1);
  for (uint32_t i = 0; i < axes; i += 1) {
    const uint64_t *at = layout + QN_ATTENTION_BATCH + 5 * i;
    job->batch[i] = (struct axis){(size_t)at[0], (size_t)at[1], (size_t)at[2], (size_t)at[3],
                                  (size_t)at[4]};
    if (__builtin_mul_overflow(sequences, at[0], &sequences) ||
        __builtin_mul_overflow(y.elements, at[0], &y.elements) ||
        y.elements > PTRDIFF_MAX / sizeof(double)) {
      return QN_BAD_SIZE;
    }
  }
  job->axes = axes;
  job->sequences = job->segments != 0 ? job->segments : (size_t)sequences;
  return y.status;
}

/* That q, k, v and the mask can be addressed, wherever their strides lead. */
static qn_status check_spans(const struct job *job, const uint64_t *layout) {
  const struct qn_attention *one = &job->first;
  struct span q = {1, QN_OK}, k = q, v = q, mask = q;
  const uint64_t heads = layout[QN_ATTENTION_HEADS];
  add_axis(&q, one->tokens, layout[QN_ATTENTION_Q_TOKEN]);
  add_axis(&q, heads, layout[QN_ATTENTION_Q_HEAD]);
  add_axis(&q, one->head_size, 1);
  const uint64_t keys = larger(one->keys, 1);
  add_axis(&k, keys, layout[QN_ATTENTION_K_TOKEN]);
  add_axis(&k, job->kv_heads, layout[QN_ATTENTION_K_HEAD]);
  add_axis(&k, one->head_size, 1);
  add_axis(&v, keys, layout[QN_ATTENTION_V_TOKEN]);
  add_axis(&v, job->kv_heads, layout[QN_ATTENTION_V_HEAD]);
  add_axis(&v, one->head_size, 1);
  add_axis(&mask, one->tokens, layout[QN_ATTENTION_MASK_TOKEN]);
  add_axis(&mask, heads, layout[QN_ATTENTION_MASK_HEAD]);
  add_axis(&mask, keys, 1);
  for (uint32_t i = 0; i < job->axes; i += 1) {
    const uint64_t *at = layout + QN_ATTENTION_BATCH + 5 * i;
    add_axis(&q, at[0], at[1]);
    add_axis(&k, at[0], at[2]);
    add_axis(&v, at[0], at[3]);
    add_axis(&mask, at[0], at[4]);
  }
  QN_TRY(q.status);
  QN_TRY(k.status);
  QN_TRY(v.status);
  QN_TRY(qn_check_array(one->q, 1, 1, 1, job->bytes, job->bytes));
  QN_TRY(qn_check_array(one->k, one->keys != 0, 1, 1, job->bytes, job->bytes));
  QN_TRY(qn_check_array(one->v, one->keys != 0, 1, 1, job->bytes, job->bytes));
  if (one->mask == NULL) return QN_OK;
  if (one->mask_dtype != job->dtype && one->mask_dtype != QN_I32 && one->mask_dtype != QN_BOOL) {
    return QN_BAD_DTYPE;
  }
  QN_TRY(mask.status);
  const size_t bytes = qn_item_bytes(one->mask_dtype);
  return qn_check_array(one->mask, one->keys != 0, 1, 1, bytes, bytes);
}

/* The scale is finite. */
int32_t qn_attention(void *y, const void *q, const void *k, const void *v, const void *mask,
                     const int32_t *lengths, const uint64_t *layout, uint32_t axes, double scale,
                     int32_t dtype) {
  if (dtype != QN_F32 && dtype != QN_F64) return QN_BAD_DTYPE;
  if (layout == NULL) return QN_NULL_POINTER;
  if (axes > MOST_AXES) return QN_BAD_SIZE;
  if (!isfinite(scale) || (dtype == QN_F32 && !isfinite((float)scale))) return QN_BAD_ARGUMENT;
  bool empty;
  QN_TRY(check_sizes(&empty, layout, axes));
  if (empty) return QN_OK;
  struct job job = {.first = {.y = y, .q = q, .k = k, .v = v, .mask = mask, .scale = scale},
                    .dtype = dtype, .bytes = qn_item_bytes(dtype), .lengths = lengths};
  QN_TRY(read_layout(&job, layout, axes));
  QN_TRY(qn_check_array(y, 1, 1, 1, job.bytes, job.bytes));
  QN_TRY(check_spans(&job, layout));
  QN_TRY(check_lengths(&job));
  return run_job(&job);
}
