/*
 * api/reduce.c: one element made of many along any axes of a tensor.
 *
 * The axes are put into a normal form first: those of size 1 go, and neighbours that
 * are walked as one axis become one, so that a dense tensor has three at most. Then
 *
 *   outputs   the last axis that is kept: a kernel folds neighbours along it together
 *   run       the last axis that is reduced, along which x is closest; a kernel folds
 *             along it
 *
 * and the others are walked around them. The elements of a result are numbered, run by
 * run, and cut into pieces whose size depends on their number alone; a piece's runs
 * are folded and merged in order, and so are the pieces. Threads take results where
 * there are enough of them, and pieces of the same results where there are not: the bits
 * are the same either way.
 */
#include <math.h>
#include <stdbool.h>

#include "api/check.h"
#include "base/sizes.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "kernels/shared/folds.h"

enum {
  MAX_RANK = 16,
  MOST_PIECES = 16,
  LEAST_PIECE = 32768,   /* elements */
  PIECE_MULTIPLE = 1024, /* elements */
  SHARED_OUTPUTS = 16,   /* results whose pieces are shared among threads */
};

/* Strides are in elements. */
struct axis {
  size_t size;
  size_t stride;
};

struct axes {
  struct axis at[MAX_RANK];
  uint32_t count;
};

struct task {
  char *y;
  const char *x;
  size_t y_item; /* bytes of an element */
  size_t x_item;
  struct axis output;
  struct axis run;
  struct axes kept;    /* outside `output` */
  struct axes reduced; /* outside `run` */
  size_t outputs;      /* in all */
  size_t count;        /* elements of each */
  size_t piece;        /* elements of a piece */
  size_t pieces;
  struct qn_reduction reduction;
};

/* ---- Normal form ----------------------------------------------------------- */

/* Adds an axis of size 2 or more inside those that there are. */
static void add_axis(struct axes *axes, struct axis axis) {
  if (axes->count > 0) {
    struct axis *outer = &axes->at[axes->count - 1];
    size_t whole;
    if (!__builtin_mul_overflow(axis.size, axis.stride, &whole) && outer->stride == whole) {
      *outer = (struct axis){outer->size * axis.size, axis.stride};
      return;
    }
  }
  axes->at[axes->count++] = axis;
}

static void read_axes(struct axes *axes, const uint64_t *layout, uint32_t count) {
  for (uint32_t i = 0; i < count; i += 1) {
    const struct axis axis = {(size_t)layout[2 * i], (size_t)layout[2 * i + 1]};
    if (axis.size != 1) add_axis(axes, axis);
  }
}

/* The same for axes in the order of their strides, the largest first. */
static void read_sorted_axes(struct axes *axes, const uint64_t *layout, uint32_t count) {
  struct axis sorted[MAX_RANK];
  for (uint32_t i = 0; i < count; i += 1) {
    const struct axis axis = {(size_t)layout[2 * i], (size_t)layout[2 * i + 1]};
    uint32_t at = i;
    for (; at > 0 && sorted[at - 1].stride < axis.stride; at -= 1) sorted[at] = sorted[at - 1];
    sorted[at] = axis;
  }
  for (uint32_t i = 0; i < count; i += 1) {
    if (sorted[i].size != 1) add_axis(axes, sorted[i]);
  }
}

/* The innermost axis, which is taken out; where there is none, one of a single element. */
static struct axis take_last(struct axes *axes) {
  if (axes->count == 0) return (struct axis){1, 1};
  axes->count -= 1;
  return axes->at[axes->count];
}

static size_t offset_of(const struct axes *axes, size_t place) {
  size_t offset = 0;
  for (uint32_t i = axes->count; i > 0; i -= 1) {
    const struct axis axis = axes->at[i - 1];
    offset += place % axis.size * axis.stride;
    place /= axis.size;
  }
  return offset;
}

/* ---- The walk -------------------------------------------------------------- */

/* Folds the elements begin .. end - 1 of results that are neighbours; x is where the
 * first of them begins. */
static void fold_piece(const struct task *task, const struct qn_folds *folds, const char *x,
                       size_t outputs, size_t begin, size_t end) {
  struct qn_fold_room room;
  const struct qn_folds others = qn_folds_in(&room);
  const struct axis run = task->run;
  for (size_t at = begin; at < end;) {
    const size_t col = at % run.size;
    const size_t count = qn_min_size(run.size - col, end - at);
    const size_t offset = offset_of(&task->reduced, at / run.size) + col * run.stride;
    const struct qn_folds *to = at == begin ? folds : &others;
    qn_shared_kernels->fold(to, x + offset * task->x_item, outputs, count, task->output.stride,
                     run.stride, at, &task->reduction);
    if (at > begin) {
      qn_shared_kernels->fold_merge(folds, to, outputs, at - begin, count, &task->reduction);
    }
    at += count;
  }
}

static void fold_all(const struct task *task, const struct qn_folds *folds, const char *x,
                     size_t outputs) {
  fold_piece(task, folds, x, outputs, 0, qn_min_size(task->piece, task->count));
  struct qn_fold_room room;
  const struct qn_folds others = qn_folds_in(&room);
  for (size_t at = task->piece; at < task->count; at += task->piece) {
    const size_t end = qn_min_size(at + task->piece, task->count);
    fold_piece(task, &others, x, outputs, at, end);
    qn_shared_kernels->fold_merge(folds, &others, outputs, at, end - at, &task->reduction);
  }
}

/* The first element of a result, and how many results from there on are neighbours. */
static const char *find_outputs(const struct task *task, size_t output, size_t *neighbours) {
  const size_t col = output % task->output.size;
  const size_t offset =
      offset_of(&task->kept, output / task->output.size) + col * task->output.stride;
  *neighbours = task->output.size - col;
  return task->x + offset * task->x_item;
}

static void reduce_outputs(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct task *task = context;
  double value[QN_FOLD_WIDTH + QN_FOLD_SPARE], extra[QN_FOLD_WIDTH + QN_FOLD_SPARE];
  int64_t whole[QN_FOLD_WIDTH + QN_FOLD_SPARE], index[QN_FOLD_WIDTH + QN_FOLD_SPARE];
  const struct qn_folds folds = {value, extra, whole, index};
  const bool merges = task->count > qn_min_size(task->run.size, task->piece);
  const size_t most = merges ? QN_FOLD_PART : QN_FOLD_WIDTH;
  while (begin < end) {
    size_t outputs;
    const char *x = find_outputs(task, begin, &outputs);
    outputs = qn_min_size(qn_min_size(outputs, end - begin), most);
    fold_all(task, &folds, x, outputs);
    qn_shared_kernels->fold_finish(task->y + begin * task->y_item, &folds, outputs, task->count,
                            &task->reduction);
    begin += outputs;
  }
}

/* Results whose pieces are folded at one time. */
struct shared {
  const struct task *task;
  const char *x;
  size_t outputs;
  double value[MOST_PIECES][SHARED_OUTPUTS + QN_FOLD_SPARE];
  double extra[MOST_PIECES][SHARED_OUTPUTS + QN_FOLD_SPARE];
  int64_t whole[MOST_PIECES][SHARED_OUTPUTS + QN_FOLD_SPARE];
  int64_t index[MOST_PIECES][SHARED_OUTPUTS + QN_FOLD_SPARE];
};

static struct qn_folds piece_folds(struct shared *shared, size_t piece) {
  return (struct qn_folds){shared->value[piece], shared->extra[piece], shared->whole[piece],
                           shared->index[piece]};
}

static void fold_shared_piece(void *context, size_t piece, uint32_t worker) {
  (void)worker;
  struct shared *shared = context;
  const struct task *task = shared->task;
  const struct qn_folds folds = piece_folds(shared, piece);
  const size_t begin = piece * task->piece;
  fold_piece(task, &folds, shared->x, shared->outputs, begin,
             qn_min_size(begin + task->piece, task->count));
}

static void reduce_pieces(const struct task *task) {
  struct shared shared = {.task = task};
  for (size_t output = 0; output < task->outputs; output += shared.outputs) {
    size_t neighbours;
    shared.x = find_outputs(task, output, &neighbours);
    shared.outputs = qn_min_size(neighbours, SHARED_OUTPUTS);
    qn_parallel_for(task->pieces, fold_shared_piece, &shared);
    const struct qn_folds folds = piece_folds(&shared, 0);
    for (size_t piece = 1; piece < task->pieces; piece += 1) {
      const struct qn_folds others = piece_folds(&shared, piece);
      const size_t begin = piece * task->piece;
      qn_shared_kernels->fold_merge(&folds, &others, shared.outputs, begin,
                             qn_min_size(task->piece, task->count - begin), &task->reduction);
    }
    qn_shared_kernels->fold_finish(task->y + output * task->y_item, &folds, shared.outputs, task->count,
                            &task->reduction);
  }
}

/* ---- Checks ---------------------------------------------------------------- */

/* Numbers of elements, and the span of x where there are any. */
static qn_status find_size(uint64_t *size, uint64_t *span, const uint64_t *layout,
                           uint32_t count) {
  *size = 1;
  for (uint32_t i = 0; i < count; i += 1) {
    if (layout[2 * i] == 0) {
      *size = 0;
      return QN_OK;
    }
  }
  for (uint32_t i = 0; i < count; i += 1) {
    uint64_t last;
    if (__builtin_mul_overflow(*size, layout[2 * i], size) ||
        __builtin_mul_overflow(layout[2 * i] - 1, layout[2 * i + 1], &last) ||
        __builtin_add_overflow(last, *span, span)) {
      return QN_BAD_SIZE;
    }
  }
  return QN_OK;
}

/* What has no result when there is no element, or needs one axis. */
static qn_status check_count(uint64_t count, uint32_t reduced, int32_t op) {
  switch (op) {
    case QN_REDUCE_ARG_LARGEST:
    case QN_REDUCE_ARG_SMALLEST:
      if (reduced != 1 || count > (uint64_t)1 << 31) return QN_BAD_SIZE;
      return count == 0 ? QN_BAD_SIZE : QN_OK;
    case QN_REDUCE_LARGEST:
    case QN_REDUCE_SMALLEST:
    case QN_REDUCE_SMALLEST_SIZE: return count == 0 ? QN_BAD_SIZE : QN_OK;
    default: return QN_OK;
  }
}

/* The results of no elements. */
static void finish_empty(const struct task *task) {
  double value = 0.0;
  if (task->reduction.op == QN_REDUCE_PRODUCT) value = 1.0;
  if (task->reduction.op == QN_REDUCE_LOG_SUM_EXP) value = -INFINITY;
  for (size_t at = 0; at < task->outputs; at += 1) {
    double extra = 0.0;
    int64_t whole = (int64_t)(value == 1.0), index = 0;
    double one = value;
    const struct qn_folds folds = {&one, &extra, &whole, &index};
    qn_shared_kernels->fold_finish(task->y + at * task->y_item, &folds, 1, 0, &task->reduction);
  }
}

static void run_task(struct task *task) {
  const size_t threads = qn_thread_count();
  size_t grain = qn_max_size(QN_GRAIN_ELEMENTS / task->count, 1);
  if (task->output.stride == 1) {
    const size_t share = qn_divide_up(task->outputs, threads * QN_FOLD_SPARE) * QN_FOLD_SPARE;
    grain = qn_max_size(grain, qn_min_size(qn_max_size(share, 64), QN_FOLD_WIDTH));
  }
  if (task->pieces > 1 && qn_divide_up(task->outputs, grain) < threads) {
    reduce_pieces(task);
  } else {
    qn_parallel_rows(task->outputs, grain, reduce_outputs, task);
  }
}

int32_t qn_reduce(void *y, const void *x, const uint64_t *layout, uint32_t kept, uint32_t reduced,
                  double parameter, int32_t op, int32_t dtype) {
  if (op < QN_REDUCE_SUM || op > QN_REDUCE_COUNT_NONZERO) return QN_BAD_ARGUMENT;
  if (isnan(parameter) || (op == QN_REDUCE_NORM_P && !(parameter > 0.0))) return QN_BAD_ARGUMENT;
  if (qn_item_bytes(dtype) == 0) return QN_BAD_DTYPE;
  if (kept > MAX_RANK || reduced > MAX_RANK || kept + reduced > MAX_RANK) return QN_BAD_SIZE;
  if (kept + reduced > 0 && layout == NULL) return QN_NULL_POINTER;
  struct task task = {
      .y = y,
      .x = x,
      .y_item = qn_item_bytes(qn_reduced_dtype(op, dtype)),
      .x_item = qn_item_bytes(dtype),
      .reduction = {.parameter = parameter, .op = op, .dtype = dtype},
  };
  uint64_t outputs, count, span = 1;
  QN_TRY(find_size(&outputs, &span, layout, kept));
  QN_TRY(find_size(&count, &span, layout + 2 * kept, reduced));
  if (outputs == 0) return QN_OK;
  QN_TRY(check_count(count, reduced, op));
  QN_TRY(qn_check_array(y, outputs, 1, 1, task.y_item, task.y_item));
  task.outputs = (size_t)outputs;
  task.count = (size_t)count;
  if (count == 0) {
    finish_empty(&task);
    return QN_OK;
  }
  QN_TRY(qn_check_array(x, span, 1, 1, task.x_item, task.x_item));
  read_axes(&task.kept, layout, kept);
  read_sorted_axes(&task.reduced, layout + 2 * kept, reduced);
  task.output = take_last(&task.kept);
  task.run = take_last(&task.reduced);
  const size_t whole = qn_divide_up(qn_divide_up(task.count, MOST_PIECES), PIECE_MULTIPLE);
  task.piece = qn_max_size(whole * PIECE_MULTIPLE, LEAST_PIECE);
  task.pieces = qn_divide_up(task.count, task.piece);
  run_task(&task);
  return QN_OK;
}
