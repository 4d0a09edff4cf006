/*
 * kernels/shared/fold_merge.c: makes one fold of two, and results of folds.
 *
 * Contract: dispatch/shared_kernels.inc; what a fold is: kernels/folds.h. Of two folds, the first
 * is of elements that come before those of the second, so that the first of equals wins. A
 * result is rounded to its dtype once, here.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "fold_math.h"
#include "kernels/shared/folds.h"

/* ---- Merging ------------------------------------------------------------------ */

static void merge_spread(const struct qn_folds *a, const struct qn_folds *b, size_t outputs,
                         double count, double other_count) {
  const double part = other_count / (count + other_count);
  for (size_t c = 0; c < outputs; c += 1) {
    const double apart = b->value[c] - a->value[c];
    a->extra[c] += b->extra[c] + apart * apart * (count * part);
    a->value[c] += apart * part;
  }
}

static void merge_place(const struct qn_folds *a, const struct qn_folds *b, size_t outputs,
                        bool largest, bool whole, bool indexed) {
  for (size_t c = 0; c < outputs; c += 1) {
    const bool taken = whole ? is_further_whole(b->whole[c], a->whole[c], largest)
                             : is_further(b->value[c], a->value[c], largest);
    if (!taken) continue;
    if (whole) a->whole[c] = b->whole[c];
    else a->value[c] = b->value[c];
    if (indexed) a->index[c] = b->index[c];
  }
}

static void merge_real(const struct qn_folds *a, const struct qn_folds *b, size_t outputs,
                       enum qn_fold_kind kind, double parameter) {
  for (size_t c = 0; c < outputs; c += 1) {
    double *value = &a->value[c];
    double *extra = &a->extra[c];
    switch (kind) {
      case QN_FOLD_SUM:
        add_carried(value, extra, b->value[c]);
        *extra += b->extra[c];
        break;
      case QN_FOLD_PRODUCT: *value *= b->value[c]; break;
      case QN_FOLD_EXP:
        add_scaled(value, extra, b->value[c], b->extra[c], scaled_exp, parameter);
        break;
      default: add_scaled(value, extra, b->value[c], b->extra[c], scaled_power, parameter); break;
    }
  }
}

static void merge_whole(const struct qn_folds *a, const struct qn_folds *b, size_t outputs,
                        bool multiplies) {
  for (size_t c = 0; c < outputs; c += 1) {
    const uint64_t x = (uint64_t)a->whole[c];
    const uint64_t y = (uint64_t)b->whole[c];
    a->whole[c] = (int64_t)(multiplies ? x * y : x + y);
  }
}

static bool is_largest(int32_t op) {
  return op == QN_REDUCE_LARGEST || op == QN_REDUCE_ARG_LARGEST || op == QN_REDUCE_LARGEST_SIZE;
}

void QN_VARIANT(fold_merge)(const struct qn_folds *folds, const struct qn_folds *others,
                            size_t outputs, size_t count, size_t other_count,
                            const struct qn_reduction *reduction) {
  const int32_t op = reduction->op;
  const enum qn_fold_kind kind = qn_fold_kind_of(op);
  const bool whole = qn_fold_dtype(op, reduction->dtype) == QN_I64;
  switch (kind) {
    case QN_FOLD_SPREAD:
      merge_spread(folds, others, outputs, (double)count, (double)other_count);
      return;
    case QN_FOLD_EXTREME:
    case QN_FOLD_PLACE:
      merge_place(folds, others, outputs, is_largest(op), whole, kind == QN_FOLD_PLACE);
      return;
    default:
      if (whole) merge_whole(folds, others, outputs, kind == QN_FOLD_PRODUCT);
      else merge_real(folds, others, outputs, kind, reduction->parameter);
  }
}

/* ---- Results ------------------------------------------------------------------------ */

/* Rounding takes nothing from a sum that is not finite. */
QN_INLINE double whole_sum(double value, double extra) {
  return isfinite(value) ? value + extra : value;
}

/* The result of a fold of real numbers. */
QN_INLINE double finish_real(double value, double extra, double count, int32_t op,
                             double parameter) {
  switch (op) {
    case QN_REDUCE_MEAN: return whole_sum(value, extra) / count;
    case QN_REDUCE_VARIANCE: return extra / fmax(count - parameter, 0.0);
    case QN_REDUCE_DEVIATION: return sqrt(extra / fmax(count - parameter, 0.0));
    case QN_REDUCE_NORM_2: return sqrt(whole_sum(value, extra));
    case QN_REDUCE_NORM_P: return value * pow(extra, 1.0 / parameter);
    case QN_REDUCE_LOG_SUM_EXP: return value + log(extra);
    case QN_REDUCE_ANY: return whole_sum(value, extra) != 0.0;
    case QN_REDUCE_ALL: return whole_sum(value, extra) == count;
    default: return whole_sum(value, extra);
  }
}

static void finish_whole(const struct qn_folds *folds, size_t outputs, size_t count, int32_t op) {
  for (size_t c = 0; c < outputs; c += 1) {
    const int64_t whole = folds->whole[c];
    switch (op) {
      case QN_REDUCE_MEAN: folds->value[c] = (double)whole / (double)count; break;
      case QN_REDUCE_ANY: folds->whole[c] = whole != 0; break;
      case QN_REDUCE_ALL: folds->whole[c] = whole == (int64_t)count; break;
      default: break;
    }
  }
}

void QN_VARIANT(fold_finish)(char *y, const struct qn_folds *folds, size_t outputs, size_t count,
                             const struct qn_reduction *reduction) {
  const int32_t op = reduction->op;
  const int32_t dtype = qn_reduced_dtype(op, reduction->dtype);
  const bool whole = qn_fold_dtype(op, reduction->dtype) == QN_I64;
  if (qn_fold_kind_of(op) == QN_FOLD_PLACE) {
    QN_VARIANT(cast)(y, (const char *)folds->index, outputs, dtype, QN_I64);
    return;
  }
  if (whole) {
    finish_whole(folds, outputs, count, op);
    if (op != QN_REDUCE_MEAN) {
      QN_VARIANT(cast)(y, (const char *)folds->whole, outputs, dtype, QN_I64);
      return;
    }
  } else if (qn_fold_kind_of(op) != QN_FOLD_EXTREME && op != QN_REDUCE_PRODUCT) {
    const double n = (double)count;
    for (size_t c = 0; c < outputs; c += 1) {
      folds->value[c] = finish_real(folds->value[c], folds->extra[c], n, op, reduction->parameter);
    }
  }
  QN_VARIANT(cast)(y, (const char *)folds->value, outputs, dtype, QN_F64);
}
