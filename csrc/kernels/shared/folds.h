/*
 * kernels/shared/folds.h: what is known of elements that were folded into one, and how the
 * operations of qn_reduce_op share the few ways of folding.
 *
 * Reductions run in three steps: parts of the elements of a result are folded, each
 * by itself; folds are merged, in an order that depends on the number of elements
 * alone; the last one is finished, which makes the result. Between the steps a
 * fold is held in the widest type, so that no step rounds twice:
 *
 *   QN_FOLD_SUM      value + extra is the sum of f(x)       integers: whole
 *   QN_FOLD_PRODUCT  value                                  integers: whole
 *   QN_FOLD_EXTREME  value, NaN where an element is         integers: whole
 *   QN_FOLD_PLACE    the same, and the index of the first
 *   QN_FOLD_SPREAD   value is the mean, extra the sum of squared distances from it
 *   QN_FOLD_EXP      extra * exp(value) is the sum of exp(x)
 *   QN_FOLD_POWER    extra * value^p is the sum of |x|^p
 *
 * A fold is one place of four arrays, of which the others do not matter.
 */
#ifndef QN_KERNELS_SHARED_FOLDS_H
#define QN_KERNELS_SHARED_FOLDS_H

#include <stddef.h>
#include <stdint.h>

#include "quern.h"

enum {
  QN_FOLD_WIDTH = 1024, /* the most folds that a kernel takes */
  QN_FOLD_PART = 256,   /* the most that are merged */
  QN_FOLD_SPARE = 16,   /* places behind those that a kernel takes, that it may write to */
  QN_FOLD_ROWS = 16,    /* elements of a column that are added in float32 */
};

enum qn_fold_kind {
  QN_FOLD_SUM,
  QN_FOLD_PRODUCT,
  QN_FOLD_EXTREME,
  QN_FOLD_PLACE,
  QN_FOLD_SPREAD,
  QN_FOLD_EXP,
  QN_FOLD_POWER,
};

struct qn_folds {
  double *value;
  double *extra;
  int64_t *whole;
  int64_t *index;
};

/* Room for folds that are merged. */
struct qn_fold_room {
  double value[QN_FOLD_PART + QN_FOLD_SPARE];
  double extra[QN_FOLD_PART + QN_FOLD_SPARE];
  int64_t whole[QN_FOLD_PART + QN_FOLD_SPARE];
  int64_t index[QN_FOLD_PART + QN_FOLD_SPARE];
};

static inline struct qn_folds qn_folds_in(struct qn_fold_room *room) {
  return (struct qn_folds){room->value, room->extra, room->whole, room->index};
}

static inline struct qn_folds qn_folds_from(struct qn_folds folds, size_t first) {
  return (struct qn_folds){folds.value + first, folds.extra + first, folds.whole + first,
                           folds.index + first};
}

/* What the elements are, and what is done with them. */
struct qn_reduction {
  double parameter; /* of qn_reduce */
  int32_t op;
  int32_t dtype;
};

static inline enum qn_fold_kind qn_fold_kind_of(int32_t op) {
  switch (op) {
    case QN_REDUCE_PRODUCT: return QN_FOLD_PRODUCT;
    case QN_REDUCE_LARGEST:
    case QN_REDUCE_SMALLEST:
    case QN_REDUCE_LARGEST_SIZE:
    case QN_REDUCE_SMALLEST_SIZE: return QN_FOLD_EXTREME;
    case QN_REDUCE_ARG_LARGEST:
    case QN_REDUCE_ARG_SMALLEST: return QN_FOLD_PLACE;
    case QN_REDUCE_VARIANCE:
    case QN_REDUCE_DEVIATION: return QN_FOLD_SPREAD;
    case QN_REDUCE_LOG_SUM_EXP: return QN_FOLD_EXP;
    case QN_REDUCE_NORM_P: return QN_FOLD_POWER;
    default: return QN_FOLD_SUM;
  }
}

static inline int qn_is_whole(int32_t dtype) {
  return dtype == QN_I32 || dtype == QN_I64 || dtype == QN_U8 || dtype == QN_BOOL;
}

/* The dtype that elements are folded in: F32, F64, or I64, whose folds are `whole`.
 * It holds every element of the dtype, but that of I64 is rounded where the result is
 * no integer. */
static inline int32_t qn_fold_dtype(int32_t op, int32_t dtype) {
  const enum qn_fold_kind kind = qn_fold_kind_of(op);
  if (qn_is_whole(dtype)) {
    const int is_size = op >= QN_REDUCE_NORM_0 && op <= QN_REDUCE_SMALLEST_SIZE;
    const int rounds = op == QN_REDUCE_MEAN && dtype == QN_I64;
    if (kind > QN_FOLD_PLACE || is_size || rounds) return QN_F64;
    const int is_byte = dtype == QN_U8 || dtype == QN_BOOL;
    return is_byte && kind != QN_FOLD_PRODUCT ? QN_F32 : QN_I64;
  }
  if (dtype == QN_F64 || kind == QN_FOLD_PRODUCT || kind == QN_FOLD_POWER) return QN_F64;
  return QN_F32;
}

/* The dtype of the result. */
static inline int32_t qn_reduced_dtype(int32_t op, int32_t dtype) {
  switch (op) {
    case QN_REDUCE_SUM:
    case QN_REDUCE_PRODUCT: return qn_is_whole(dtype) ? QN_I64 : dtype;
    case QN_REDUCE_LARGEST:
    case QN_REDUCE_SMALLEST: return dtype;
    case QN_REDUCE_ANY:
    case QN_REDUCE_ALL: return QN_BOOL;
    case QN_REDUCE_COUNT_NONZERO: return QN_I64;
    case QN_REDUCE_ARG_LARGEST:
    case QN_REDUCE_ARG_SMALLEST: return QN_I32;
    default: return qn_is_whole(dtype) ? QN_F64 : dtype;
  }
}

#endif
