/*
 * kernels/shared/reduce.c: folds many elements into one, for every reduction.
 *
 * Contract: dispatch/shared_kernels.inc; what a fold is: kernels/folds.h. Elements come as
 * rows (those of a result lie side by side), as columns (those of neighbouring results
 * do), or scattered, and all become one of two:
 *
 *   rows        float32, from SHORT elements on
 *   columns     float32, float64, int64; short rows are turned, long rows of the wide
 *               dtypes are ROW_LANES columns that are merged in the end
 *
 * Elements of other dtypes are widened, and scattered ones gathered, block by block.
 * How elements are blocked depends on their number alone, so the bits of a result do not
 * depend on where it stands, and on how many are made with it.
 */
#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/sizes.h"
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "reduce_f32.h"
#include "reduce_wide.h"

enum {
  WIDE = 8,            /* vectors; wider rows of columns are read one by one */
  SHORT = 16,          /* elements; shorter rows are columns of their own */
  ROW_LANES = 16,      /* columns that a row of float64 or int64 is made of */
  BLOCK_OUTPUTS = 128, /* folds for which elements are widened or turned together */
  BLOCK_BYTES = 16384,
};

/* Elements of `outputs` results; strides in elements. */
struct elements {
  const char *x;
  size_t outputs;
  size_t count;
  size_t output_stride;
  size_t stride;
  size_t first; /* index of the first */
  int32_t dtype;
};

static void fold_as(const struct qn_folds *folds, const struct elements *e, int32_t as,
                    const struct qn_reduction *reduction);

/* ---- float32 ------------------------------------------------------------------- */

static void fold_row_f32(const struct qn_folds *folds, size_t at, const struct elements *e,
                         const float *x, const struct qn_reduction *reduction) {
  double *value = &folds->value[at];
  double *extra = &folds->extra[at];
  const size_t n = e->count;
  size_t index;
  *extra = 0.0;
  switch (reduction->op) {
    case QN_REDUCE_SUM:
    case QN_REDUCE_MEAN: *value = sum_row(x, n, term_itself); return;
    case QN_REDUCE_NORM_1: *value = sum_row(x, n, term_size); return;
    case QN_REDUCE_NORM_2: *value = sum_row(x, n, term_square); return;
    case QN_REDUCE_LARGEST: *value = (double)extreme_row(x, n, true, term_itself); return;
    case QN_REDUCE_SMALLEST: *value = (double)extreme_row(x, n, false, term_itself); return;
    case QN_REDUCE_LARGEST_SIZE: *value = (double)extreme_row(x, n, true, term_size); return;
    case QN_REDUCE_SMALLEST_SIZE: *value = (double)extreme_row(x, n, false, term_size); return;
    case QN_REDUCE_ARG_LARGEST:
      *value = (double)place_row(&index, x, n, true);
      folds->index[at] = (int64_t)(e->first + index);
      return;
    case QN_REDUCE_ARG_SMALLEST:
      *value = (double)place_row(&index, x, n, false);
      folds->index[at] = (int64_t)(e->first + index);
      return;
    case QN_REDUCE_VARIANCE:
    case QN_REDUCE_DEVIATION:
      if (!spread_row(value, extra, x, n)) *extra = 0.0;
      return;
    case QN_REDUCE_LOG_SUM_EXP: exp_row(value, extra, x, n); return;
    default: *value = sum_row(x, n, term_one); return;
  }
}

QN_INLINE void block_sum(const struct qn_folds *f, const struct block *b, size_t vectors) {
  sum_block(f, b, vectors, term_itself);
}
QN_INLINE void block_size_sum(const struct qn_folds *f, const struct block *b, size_t vectors) {
  sum_block(f, b, vectors, term_size);
}
QN_INLINE void block_squares(const struct qn_folds *f, const struct block *b, size_t vectors) {
  sum_block(f, b, vectors, term_square);
}
QN_INLINE void block_count(const struct qn_folds *f, const struct block *b, size_t vectors) {
  sum_block(f, b, vectors, term_one);
}
QN_INLINE void block_high(const struct qn_folds *f, const struct block *b, size_t vectors) {
  extreme_block(f, b, vectors, true, term_itself);
}
QN_INLINE void block_low(const struct qn_folds *f, const struct block *b, size_t vectors) {
  extreme_block(f, b, vectors, false, term_itself);
}
QN_INLINE void block_high_size(const struct qn_folds *f, const struct block *b, size_t vectors) {
  extreme_block(f, b, vectors, true, term_size);
}
QN_INLINE void block_low_size(const struct qn_folds *f, const struct block *b, size_t vectors) {
  extreme_block(f, b, vectors, false, term_size);
}
QN_INLINE void block_high_place(const struct qn_folds *f, const struct block *b, size_t vectors) {
  place_block(f, b, vectors, true);
}
QN_INLINE void block_low_place(const struct qn_folds *f, const struct block *b, size_t vectors) {
  place_block(f, b, vectors, false);
}

/* What of the folds of wide rows is bound by memory; false for the others. */
static bool fold_wide_columns_f32(const struct qn_folds *folds, const float *x, size_t rows,
                                  size_t cols, size_t stride, int32_t op) {
  switch (op) {
    case QN_REDUCE_SUM:
    case QN_REDUCE_MEAN: sum_columns(folds, x, rows, cols, stride, term_itself); return true;
    case QN_REDUCE_NORM_1: sum_columns(folds, x, rows, cols, stride, term_size); return true;
    case QN_REDUCE_NORM_2: sum_columns(folds, x, rows, cols, stride, term_square); return true;
    case QN_REDUCE_LARGEST:
      extreme_columns(folds, x, rows, cols, stride, true, term_itself);
      return true;
    case QN_REDUCE_SMALLEST:
      extreme_columns(folds, x, rows, cols, stride, false, term_itself);
      return true;
    default: return false;
  }
}

static void fold_columns_f32(const struct qn_folds *folds, const struct elements *e, int32_t op) {
  const float *x = (const float *)(const void *)e->x;
  const size_t rows = e->count;
  const size_t cols = e->outputs;
  const size_t stride = e->stride;
  if (cols > WIDE * QN_LANES && fold_wide_columns_f32(folds, x, rows, cols, stride, op)) return;
  switch (op) {
    case QN_REDUCE_SUM:
    case QN_REDUCE_MEAN: each_block(folds, x, rows, cols, stride, block_sum); return;
    case QN_REDUCE_NORM_1: each_block(folds, x, rows, cols, stride, block_size_sum); return;
    case QN_REDUCE_NORM_2: each_block(folds, x, rows, cols, stride, block_squares); return;
    case QN_REDUCE_LARGEST: each_block(folds, x, rows, cols, stride, block_high); return;
    case QN_REDUCE_SMALLEST: each_block(folds, x, rows, cols, stride, block_low); return;
    case QN_REDUCE_LARGEST_SIZE: each_block(folds, x, rows, cols, stride, block_high_size); return;
    case QN_REDUCE_SMALLEST_SIZE: each_block(folds, x, rows, cols, stride, block_low_size); return;
    case QN_REDUCE_ARG_LARGEST: each_block(folds, x, rows, cols, stride, block_high_place); return;
    case QN_REDUCE_ARG_SMALLEST: each_block(folds, x, rows, cols, stride, block_low_place); return;
    case QN_REDUCE_VARIANCE:
    case QN_REDUCE_DEVIATION: each_block(folds, x, rows, cols, stride, spread_block); return;
    case QN_REDUCE_LOG_SUM_EXP: each_block(folds, x, rows, cols, stride, exp_block); return;
    default: each_block(folds, x, rows, cols, stride, block_count); return;
  }
}

/* Which sums of squares tell whether float32 held all of them; null for none. */
static const double *squares_of(const struct qn_folds *folds, int32_t op) {
  if (op == QN_REDUCE_NORM_2) return folds->value;
  return op == QN_REDUCE_VARIANCE || op == QN_REDUCE_DEVIATION ? folds->extra : NULL;
}

/* Folds again, in float64, what float32 could not hold; neighbouring columns together. */
static void fold_unsound(const struct qn_folds *folds, const struct elements *e,
                         const struct qn_reduction *reduction) {
  const double *squares = squares_of(folds, reduction->op);
  if (squares == NULL) return;
  const size_t most = e->stride == 1 ? 1 : ROW_LANES;
  double value[ROW_LANES], extra[ROW_LANES];
  int64_t whole[ROW_LANES], index[ROW_LANES];
  const struct qn_folds again = {value, extra, whole, index};
  for (size_t at = 0; at < e->outputs; at += most) {
    struct elements part = *e;
    part.outputs = qn_min_size(most, e->outputs - at);
    part.x = e->x + at * e->output_stride * sizeof(float);
    bool sound = true;
    for (size_t c = 0; c < part.outputs; c += 1) sound &= is_sound(squares[at + c]);
    if (sound) continue;
    fold_as(&again, &part, QN_F64, reduction);
    for (size_t c = 0; c < part.outputs; c += 1) {
      if (is_sound(squares[at + c])) continue;
      folds->value[at + c] = value[c];
      folds->extra[at + c] = extra[c];
    }
  }
}

/* ---- Elements of the dtype that they are folded in -------------------------------- */

static void fold_columns(const struct qn_folds *folds, const struct elements *e,
                         const struct qn_reduction *reduction) {
  if (e->dtype != QN_F32) {
    const struct wide w = {folds->value, folds->extra, folds->whole, folds->index,
                           e->count,     e->outputs,   e->stride,    e->first};
    if (e->dtype == QN_F64) fold_real(&w, (const double *)(const void *)e->x, reduction);
    else fold_whole(&w, (const int64_t *)(const void *)e->x, reduction->op);
    return;
  }
  fold_columns_f32(folds, e, reduction->op);
  if (qn_fold_kind_of(reduction->op) == QN_FOLD_PLACE && e->first > 0) {
    for (size_t c = 0; c < e->outputs; c += 1) folds->index[c] += (int64_t)e->first;
  }
  fold_unsound(folds, e, reduction);
}

/* A row of a wide dtype: its columns, and then the rest of it, become one. Indices are
 * not in their order then, so those of equal values are compared. */
static void fold_wide_row(const struct qn_folds *folds, const struct elements *e,
                          const struct qn_reduction *reduction) {
  double value[ROW_LANES], extra[ROW_LANES];
  int64_t whole[ROW_LANES], index[ROW_LANES];
  const struct qn_folds lanes = {value, extra, whole, index};
  struct elements columns = *e;
  columns.outputs = ROW_LANES;
  columns.count = e->count / ROW_LANES;
  columns.stride = ROW_LANES;
  columns.first = 0;
  fold_columns(&lanes, &columns, reduction);
  const size_t done = columns.count * ROW_LANES;
  if (qn_fold_kind_of(reduction->op) == QN_FOLD_PLACE) {
    for (size_t c = 0; c < ROW_LANES; c += 1) {
      index[c] = (int64_t)e->first + index[c] * ROW_LANES + (int64_t)c;
    }
  }
  for (size_t c = 1; c < ROW_LANES; c += 1) {
    const struct qn_folds lane = qn_folds_from(lanes, c);
    const bool same = e->dtype == QN_I64 ? whole[0] == whole[c]
                                         : value[0] == value[c] ||
                                               (value[0] != value[0] && value[c] != value[c]);
    if (qn_fold_kind_of(reduction->op) == QN_FOLD_PLACE && same) {
      index[0] = index[c] < index[0] ? index[c] : index[0];
      continue;
    }
    QN_VARIANT(fold_merge)(&lanes, &lane, 1, columns.count * c, columns.count, reduction);
  }
  if (done < e->count) {
    const struct qn_folds rest = qn_folds_from(lanes, 1);
    columns.x = e->x + done * qn_item_bytes(e->dtype);
    columns.outputs = 1;
    columns.count = e->count - done;
    columns.stride = 1;
    columns.first = e->first + done;
    fold_columns(&rest, &columns, reduction);
    QN_VARIANT(fold_merge)(&lanes, &rest, 1, done, columns.count, reduction);
  }
  folds->value[0] = value[0];
  folds->extra[0] = extra[0];
  folds->whole[0] = whole[0];
  folds->index[0] = index[0];
}

static void fold_rows(const struct qn_folds *folds, const struct elements *e,
                      const struct qn_reduction *reduction) {
  const size_t step = e->output_stride * qn_item_bytes(e->dtype);
  for (size_t at = 0; at < e->outputs; at += 1) {
    const char *x = e->x + at * step;
    if (e->dtype == QN_F32) {
      fold_row_f32(folds, at, e, (const float *)(const void *)x, reduction);
      continue;
    }
    struct elements row = *e;
    row.x = x;
    row.outputs = 1;
    const struct qn_folds one = qn_folds_from(*folds, at);
    fold_wide_row(&one, &row, reduction);
  }
  if (e->dtype == QN_F32) fold_unsound(folds, e, reduction);
}

/* ---- Any elements ------------------------------------------------------------------ */

/* Rows of a few elements, turned into columns. */
static void fold_short_rows(const struct qn_folds *folds, const struct elements *e, int32_t as,
                            const struct qn_reduction *reduction) {
  _Alignas(64) char turned[BLOCK_OUTPUTS * SHORT * 8];
  const size_t item = qn_item_bytes(e->dtype);
  struct elements part = *e;
  part.output_stride = 1;
  for (size_t at = 0; at < e->outputs; at += part.outputs) {
    part.outputs = qn_min_size(BLOCK_OUTPUTS, e->outputs - at);
    part.x = e->x + at * e->output_stride * item;
    part.stride = 1;
    if (part.outputs > 1) {
      QN_VARIANT(transpose)(turned, part.x, e->count, part.outputs, BLOCK_OUTPUTS * item,
                            e->output_stride * item, item);
      part.x = turned;
      part.stride = BLOCK_OUTPUTS;
    }
    const struct qn_folds to = qn_folds_from(*folds, at);
    fold_as(&to, &part, as, reduction);
  }
}

/* Brings elements of one row or of some columns side by side. */
static void gather(char *to, const struct elements *e, size_t item) {
  for (size_t i = 0; i < e->count; i += 1) {
    for (size_t c = 0; c < e->outputs; c += 1, to += item) {
      memcpy(to, e->x + (i * e->stride + c * e->output_stride) * item, item);
    }
  }
}

/* Elements in the dtype `as`, side by side: [count, outputs]. */
static void widen(char *to, const struct elements *e, int32_t as) {
  const size_t item = qn_item_bytes(e->dtype);
  const bool rows = e->outputs == 1 && e->stride == 1;
  if (!rows && e->output_stride != 1) {
    char gathered[BLOCK_BYTES / 4];
    const size_t most = sizeof gathered / 8 / e->outputs;
    struct elements part = *e;
    for (size_t at = 0; at < e->count; at += part.count) {
      part.count = qn_min_size(most, e->count - at);
      part.x = e->x + at * e->stride * item;
      gather(gathered, &part, item);
      const size_t made = part.count * e->outputs;
      QN_VARIANT(cast)(to + at * e->outputs * qn_item_bytes(as), gathered, made, as, e->dtype);
    }
    return;
  }
  const size_t lines = rows ? 1 : e->count;
  const size_t length = rows ? e->count : e->outputs;
  for (size_t line = 0; line < lines; line += 1) {
    const char *x = e->x + line * e->stride * item;
    char *y = to + line * length * qn_item_bytes(as);
    QN_VARIANT(cast)(y, x, length, as, e->dtype);
  }
}

/* Elements that are not where, or not what, they can be folded: a block of a few rows of
 * columns, or of many elements of one result, is made ready in memory of its own. */
static void fold_blocks(const struct qn_folds *folds, const struct elements *e, int32_t as,
                        const struct qn_reduction *reduction) {
  _Alignas(64) char room[BLOCK_BYTES];
  double value[BLOCK_OUTPUTS], extra[BLOCK_OUTPUTS];
  int64_t whole[BLOCK_OUTPUTS], index[BLOCK_OUTPUTS];
  const struct qn_folds others = {value, extra, whole, index};
  const bool columns = e->output_stride == 1 && e->stride != 1;
  const size_t item = qn_item_bytes(e->dtype);
  const size_t items = sizeof room / qn_item_bytes(as);
  struct elements part = *e;
  struct elements ready = {.x = room, .output_stride = 1, .dtype = as};
  for (size_t at = 0; at < e->outputs; at += part.outputs) {
    part.outputs = columns ? qn_min_size(BLOCK_OUTPUTS, e->outputs - at) : 1;
    const size_t most = columns ? items / BLOCK_OUTPUTS : items;
    for (size_t done = 0; done < e->count; done += part.count) {
      part.x = e->x + (at * e->output_stride + done * e->stride) * item;
      part.count = qn_min_size(most, e->count - done);
      widen(room, &part, as);
      ready.outputs = part.outputs;
      ready.count = part.count;
      ready.stride = part.outputs;
      ready.first = e->first + done;
      const struct qn_folds to = qn_folds_from(*folds, at);
      fold_as(done == 0 ? &to : &others, &ready, as, reduction);
      if (done == 0) continue;
      QN_VARIANT(fold_merge)(&to, &others, part.outputs, done, part.count, reduction);
    }
  }
}

static void fold_as(const struct qn_folds *folds, const struct elements *e, int32_t as,
                    const struct qn_reduction *reduction) {
  const bool rows = e->stride == 1 || e->count == 1;
  if (rows && e->count <= SHORT && e->outputs > 1 && e->output_stride != 1) {
    fold_short_rows(folds, e, as, reduction);
  } else if (e->dtype != as || !(rows || e->output_stride == 1)) {
    fold_blocks(folds, e, as, reduction);
  } else if (rows && e->count > SHORT) {
    fold_rows(folds, e, reduction);
  } else {
    fold_columns(folds, e, reduction);
  }
}

void QN_VARIANT(fold)(const struct qn_folds *folds, const char *x, size_t outputs, size_t count,
                      size_t output_stride, size_t stride, size_t first,
                      const struct qn_reduction *reduction) {
  const struct elements e = {x, outputs, count, output_stride, stride, first, reduction->dtype};
  fold_as(folds, &e, qn_fold_dtype(reduction->op, reduction->dtype), reduction);
}
