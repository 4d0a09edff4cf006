/*
 * kernels/shared/reduce_f32.h: folds of float32 elements; kernels/folds.h says of what.
 *
 * Rows are elements that lie side by side; columns are folded QN_LANES at a time, row
 * by row. Either way a float32 adds up at most QN_FOLD_ROWS terms, and a float64 those
 * sums: the error is that of 16 additions, however many elements there are. An
 * element's part in a fold depends on its index alone, so columns have the same bits
 * wherever they stand.
 *
 * Squares and distances that float32 cannot hold, or only as subnormal numbers, are
 * noticed afterwards: `is_sound` is false for such a sum, and the caller folds again in
 * float64.
 */
#ifndef QN_KERNELS_SHARED_REDUCE_F32_H
#define QN_KERNELS_SHARED_REDUCE_F32_H

#include <stdbool.h>

#include "isa/vec_double.h"
#include "kernels/shared/folds.h"
#include "kernels/row_math.h"
#include "kernels/norm_math.h"

typedef qn_vf (*term_function)(qn_vf x);

QN_INLINE qn_vf term_itself(qn_vf x) { return x; }
QN_INLINE qn_vf term_size(qn_vf x) { return qn_vabs(x); }
QN_INLINE qn_vf term_square(qn_vf x) { return x * x; }
QN_INLINE qn_vf term_one(qn_vf x) { return qn_vselect(x != 0.0f, qn_vset1(1.0f), qn_vzero()); }

/* Whether a sum of squares lost nothing to overflow or underflow. */
static inline bool is_sound(double squares) { return squares > 0x1p-60 && squares < 0x1p100; }

QN_INLINE qn_vd double_at(const double *p) {
  qn_vd v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

QN_INLINE void put_double(double *p, qn_vd v) { __builtin_memcpy(p, &v, sizeof v); }

/* ---- Rows ------------------------------------------------------------------- */

/* The sum of the terms of a row; that of 0 is 0. */
QN_INLINE double sum_row(const float *x, size_t count, term_function term) {
  qn_vd sum = (qn_vd)0.0;
  for (size_t i = 0; i < count;) {
    const size_t end = count - i < 4 * QN_FOLD_ROWS * QN_LANES ? count
                                                                : i + 4 * QN_FOLD_ROWS * QN_LANES;
    qn_vf s[4] = {qn_vzero(), qn_vzero(), qn_vzero(), qn_vzero()};
    for (; i + 4 * QN_LANES <= end; i += 4 * QN_LANES) {
      for (size_t c = 0; c < 4; c += 1) s[c] += term(qn_vload(x + i + c * QN_LANES));
    }
    for (; i + QN_LANES <= end; i += QN_LANES) s[0] += term(qn_vload(x + i));
    if (i < end) s[1] += term(qn_vload_n(x + i, end - i));
    sum += qn_vto_double((s[0] + s[1]) + (s[2] + s[3]));
    i = end;
  }
  return qn_vreduce_add_double(sum);
}

/* b where it is further than a, or a is NaN: so a NaN never comes in. */
QN_INLINE qn_vf further(qn_vf a, qn_vf b, bool largest) {
  return largest ? qn_vmax(b, a) : qn_vmin(b, a);
}

/* The largest or smallest term of a row that is not empty; NaN where one is. */
QN_INLINE float extreme_row(const float *x, size_t count, bool largest, term_function term) {
  const qn_vf none = qn_vset1(largest ? -INFINITY : INFINITY);
  qn_vf best[4] = {none, none, none, none};
  qn_vi nan = qn_vset1_i32(0);
  size_t i = 0;
  for (; i + 4 * QN_LANES <= count; i += 4 * QN_LANES) {
    for (size_t c = 0; c < 4; c += 2) {
      const qn_vf a = qn_vload(x + i + c * QN_LANES);
      const qn_vf b = qn_vload(x + i + (c + 1) * QN_LANES);
      nan |= (a != a) | (b != b);
      best[c] = further(best[c], term(a), largest);
      best[c + 1] = further(best[c + 1], term(b), largest);
    }
  }
  for (; i < count; i += QN_LANES) {
    const size_t rest = count - i < QN_LANES ? count - i : QN_LANES;
    const qn_vf v = qn_vload_n(x + i, rest);
    nan |= v != v;
    const qn_vf inside = qn_vselect(qn_vlane_index() < (int32_t)rest, term(v), none);
    best[0] = further(best[0], inside, largest);
  }
  if (qn_vany(nan)) return NAN;
  const qn_vf two = further(best[0], best[1], largest);
  const qn_vf all = further(two, further(best[2], best[3], largest), largest);
  return largest ? qn_vreduce_max(all) : qn_vreduce_min(all);
}

/* The first index from `i` on of a value, which may be NaN, in a row that has it. */
QN_INLINE size_t find_in_row(const float *x, size_t count, size_t i, float value) {
  const qn_vi none = qn_vset1_i32(INT32_MAX);
  for (;; i += QN_LANES) {
    const size_t rest = count - i < QN_LANES ? count - i : QN_LANES;
    const qn_vf v = qn_vload_n(x + i, rest);
    const qn_vi found = value == value ? v == value : v != v;
    if (!qn_vany(found & (qn_vlane_index() < (int32_t)rest))) continue;
    return i + (size_t)__builtin_reduce_min(qn_vselect_i32(found, qn_vlane_index(), none));
  }
}

/* The same as extreme_row, and the index of the first such element: it is in the first
 * block that went beyond all those before. */
QN_INLINE float place_row(size_t *index, const float *x, size_t count, bool largest) {
  enum { BLOCK = 16 * QN_LANES };
  const float none = largest ? -INFINITY : INFINITY;
  float best = none;
  size_t start = 0;
  for (size_t i = 0; i < count; i += BLOCK) {
    qn_vf v[4] = {qn_vset1(none), qn_vset1(none), qn_vset1(none), qn_vset1(none)};
    qn_vi nan = qn_vset1_i32(0);
    if (count - i >= BLOCK) {
      for (size_t c = 0; c < 16; c += 2) {
        const qn_vf a = qn_vload(x + i + c * QN_LANES);
        const qn_vf b = qn_vload(x + i + (c + 1) * QN_LANES);
        nan |= (a != a) | (b != b);
        v[c % 4] = further(v[c % 4], a, largest);
        v[c % 4 + 1] = further(v[c % 4 + 1], b, largest);
      }
    } else {
      for (size_t at = i; at < count; at += QN_LANES) {
        const size_t rest = count - at < QN_LANES ? count - at : QN_LANES;
        const qn_vf a = qn_vload_n(x + at, rest);
        nan |= a != a;
        const qn_vi inside = qn_vlane_index() < (int32_t)rest;
        v[0] = further(v[0], qn_vselect(inside, a, qn_vset1(none)), largest);
      }
    }
    if (qn_vany(nan)) {
      *index = find_in_row(x, count, i, NAN);
      return NAN;
    }
    const qn_vf two = further(v[0], v[1], largest);
    const qn_vf all = further(two, further(v[2], v[3], largest), largest);
    if (!qn_vany(largest ? all > best : all < best)) continue;
    best = largest ? qn_vreduce_max(all) : qn_vreduce_min(all);
    start = i;
  }
  *index = find_in_row(x, count, start, best);
  return best;
}

/* Mean and squared distances of a row; false where float32 is too narrow for them. */
static inline bool spread_row(double *mean, double *squares, const float *x, size_t count) {
  float shift = qn_row_first_shift(x, NULL, count);
  struct qn_spread spread = qn_row_spread(NULL, x, NULL, count, shift);
  const double inverse = 1.0 / (double)count;
  double offset = spread.sum * inverse;
  if (!is_sound(spread.squares)) return false;
  if (offset * offset * 1.25 > spread.squares * inverse) {
    shift = (float)((double)shift + offset);
    spread = qn_row_spread(NULL, x, NULL, count, shift);
    offset = spread.sum * inverse;
  }
  *mean = (double)shift + offset;
  *squares = fmax(spread.squares - spread.sum * offset, 0.0);
  return is_sound(spread.squares);
}

/* The largest element and the sum of exponentials below it. */
static inline void exp_row(double *largest, double *sum, const float *x, size_t count) {
  const float top = qn_row_max(x, count);
  *largest = (double)top;
  if (isfinite(top)) {
    *sum = 1.0 + qn_row_exp_sum(NULL, x, count, top, NULL) / QN_LIFT;
  } else {
    *sum = qn_row_has_nan(x, count) ? (double)NAN : 1.0;
  }
}

/* ---- Columns ---------------------------------------------------------------- */

/* How columns are folded: `fold` takes a block of the rows 0 .. rows - 1, at most
 * QN_FOLD_ROWS, of `vectors` vectors of columns, into the folds of the `before` rows
 * above. Of one vector alone, `lanes` columns are there. */
struct block {
  const float *x;
  size_t stride;
  size_t rows;
  size_t before;
  size_t lanes;
};

typedef void (*block_function)(const struct qn_folds *folds, const struct block *block,
                               size_t vectors);

/* The columns of one row of a block, those of vector v. */
QN_INLINE qn_vf block_at(const struct block *block, size_t row, size_t v, size_t vectors) {
  const float *x = block->x + row * block->stride + v * QN_LANES;
  if (vectors > 1) return qn_vload(x);
  return qn_vload_n(x, block->lanes);
}

/* Folds have room for whole vectors, which may run over `cols`. */
QN_INLINE void each_block(const struct qn_folds *folds, const float *x, size_t rows, size_t cols,
                          size_t stride, block_function fold) {
  struct block block = {.stride = stride};
  for (size_t row = 0; row < rows; row += QN_FOLD_ROWS) {
    block.before = row;
    block.rows = rows - row < QN_FOLD_ROWS ? rows - row : QN_FOLD_ROWS;
    size_t col = 0;
    for (; col + 4 * QN_LANES <= cols; col += 4 * QN_LANES) {
      const struct qn_folds at = qn_folds_from(*folds, col);
      block.x = x + row * stride + col;
      fold(&at, &block, 4);
    }
    for (; col < cols; col += QN_LANES) {
      const struct qn_folds at = qn_folds_from(*folds, col);
      block.x = x + row * stride + col;
      block.lanes = cols - col < QN_LANES ? cols - col : QN_LANES;
      fold(&at, &block, 1);
    }
  }
}

QN_INLINE void sum_block(const struct qn_folds *folds, const struct block *block, size_t vectors,
                         term_function term) {
  qn_vf s[4];
  for (size_t v = 0; v < vectors; v += 1) s[v] = term(block_at(block, 0, v, vectors));
  for (size_t row = 1; row < block->rows; row += 1) {
    for (size_t v = 0; v < vectors; v += 1) s[v] += term(block_at(block, row, v, vectors));
  }
  for (size_t v = 0; v < vectors; v += 1) {
    double *value = folds->value + v * QN_LANES;
    qn_vd sum = qn_vto_double(s[v]);
    if (block->before > 0) sum += double_at(value);
    else put_double(folds->extra + v * QN_LANES, (qn_vd)0.0);
    put_double(value, sum);
  }
}

QN_INLINE qn_vf extreme_of(qn_vf best, qn_vf v, bool largest) {
  const qn_vi taken = largest ? (v > best) | (v != v) : (v < best) | (v != v);
  return qn_vselect(taken, v, best);
}

QN_INLINE void extreme_block(const struct qn_folds *folds, const struct block *block,
                             size_t vectors, bool largest, term_function term) {
  qn_vf best[4];
  for (size_t v = 0; v < vectors; v += 1) best[v] = term(block_at(block, 0, v, vectors));
  for (size_t row = 1; row < block->rows; row += 1) {
    for (size_t v = 0; v < vectors; v += 1) {
      best[v] = extreme_of(best[v], term(block_at(block, row, v, vectors)), largest);
    }
  }
  for (size_t v = 0; v < vectors; v += 1) {
    double *value = folds->value + v * QN_LANES;
    if (block->before > 0) {
      best[v] = extreme_of(qn_vto_single(double_at(value)), best[v], largest);
    }
    put_double(value, qn_vto_double(best[v]));
  }
}

/* The index of a lane is that of the first row with the value that the lane holds, or
 * of the first NaN. */
QN_INLINE void place_block(const struct qn_folds *folds, const struct block *block,
                           size_t vectors, bool largest) {
  for (size_t v = 0; v < vectors; v += 1) {
    qn_vf best = block_at(block, 0, v, vectors);
    qn_vi place = qn_vset1_i32(0);
    for (size_t row = 1; row < block->rows; row += 1) {
      const qn_vf x = block_at(block, row, v, vectors);
      const qn_vi beyond = largest ? x > best : x < best;
      const qn_vi taken = beyond | ((x != x) & (best == best));
      best = qn_vselect(taken, x, best);
      place = qn_vselect_i32(taken, qn_vset1_i32((int32_t)row), place);
    }
    double *value = folds->value + v * QN_LANES;
    int64_t *index = folds->index + v * QN_LANES;
    qn_vl found = __builtin_convertvector(place, qn_vl) + (int64_t)block->before;
    if (block->before > 0) {
      const qn_vf old = qn_vto_single(double_at(value));
      const qn_vi beyond = largest ? best > old : best < old;
      const qn_vi taken = beyond | ((best != best) & (old == old));
      qn_vl old_found;
      __builtin_memcpy(&old_found, index, sizeof old_found);
      found = __builtin_convertvector(taken, qn_vl) ? found : old_found;
      best = qn_vselect(taken, best, old);
    }
    put_double(value, qn_vto_double(best));
    __builtin_memcpy(index, &found, sizeof found);
  }
}

/* Distances are those from the first row of the block. The mean lies at most as far
 * from it as the squares say, so no more than four bits cancel; then two folds become
 * one (Chan, Golub and LeVeque, 1979). */
QN_INLINE void spread_block(const struct qn_folds *folds, const struct block *block,
                            size_t vectors) {
  const double count = (double)block->rows;
  const double before = (double)block->before;
  const double part = count / (before + count);
  for (size_t v = 0; v < vectors; v += 1) {
    const qn_vf shift = block_at(block, 0, v, vectors);
    qn_vf s = qn_vzero();
    qn_vf q = qn_vzero();
    for (size_t row = 1; row < block->rows; row += 1) {
      const qn_vf d = block_at(block, row, v, vectors) - shift;
      s += d;
      q = qn_vfma(d, d, q);
    }
    const qn_vd sum = qn_vto_double(s);
    qn_vd mean = sum * (1.0 / count);
    qn_vd squares = qn_vto_double(q) - sum * mean;
    mean += qn_vto_double(shift);
    double *value = folds->value + v * QN_LANES;
    double *extra = folds->extra + v * QN_LANES;
    if (block->before > 0) {
      const qn_vd old = double_at(value);
      const qn_vd apart = mean - old;
      squares += double_at(extra) + apart * apart * (before * part);
      mean = old + apart * part;
    }
    put_double(value, mean);
    put_double(extra, squares);
  }
}

/* ---- Wide rows of columns ------------------------------------------------------ */

/* Sums and extremes leave time for nothing but memory, which is fastest when rows are
 * read from one end to the other: so where they are wide, a row is taken as a whole, and
 * what was folded of the block so far waits in the first cache. The order of the
 * operations on a column is that of the blocks above. */

/* One vector of a row joins those above it in `sums`. */
QN_INLINE void join_vector(float *folded, qn_vf v, bool begins, bool adds, bool largest) {
  if (!begins) v = adds ? qn_vload(folded) + v : extreme_of(qn_vload(folded), v, largest);
  qn_vstore(folded, v);
}

QN_INLINE void join_row(float *folded, const float *x, size_t cols, bool begins, bool adds,
                        bool largest, term_function term) {
  size_t c = 0;
  for (; c + 4 * QN_LANES <= cols; c += 4 * QN_LANES) {
    for (size_t v = 0; v < 4; v += 1) {
      const size_t at = c + v * QN_LANES;
      join_vector(folded + at, term(qn_vload(x + at)), begins, adds, largest);
    }
  }
  for (; c < cols; c += QN_LANES) {
    const size_t rest = cols - c < QN_LANES ? cols - c : QN_LANES;
    join_vector(folded + c, term(qn_vload_n(x + c, rest)), begins, adds, largest);
  }
}

QN_INLINE void sum_columns(const struct qn_folds *folds, const float *x, size_t rows, size_t cols,
                           size_t stride, term_function term) {
  float folded[QN_FOLD_WIDTH + QN_FOLD_SPARE];
  for (size_t row = 0; row < rows; row += QN_FOLD_ROWS) {
    const size_t end = rows - row < QN_FOLD_ROWS ? rows : row + QN_FOLD_ROWS;
    join_row(folded, x + row * stride, cols, true, true, false, term);
    for (size_t r = row + 1; r < end; r += 1) {
      join_row(folded, x + r * stride, cols, false, true, false, term);
    }
    for (size_t c = 0; c < cols; c += QN_LANES) {
      qn_vd sum = qn_vto_double(qn_vload(folded + c));
      if (row > 0) sum += double_at(folds->value + c);
      put_double(folds->value + c, sum);
    }
  }
  for (size_t c = 0; c < cols; c += 1) folds->extra[c] = 0.0;
}

QN_INLINE void extreme_columns(const struct qn_folds *folds, const float *x, size_t rows,
                               size_t cols, size_t stride, bool largest, term_function term) {
  float folded[QN_FOLD_WIDTH + QN_FOLD_SPARE];
  join_row(folded, x, cols, true, false, largest, term);
  for (size_t r = 1; r < rows; r += 1) {
    join_row(folded, x + r * stride, cols, false, false, largest, term);
  }
  for (size_t c = 0; c < cols; c += QN_LANES) {
    put_double(folds->value + c, qn_vto_double(qn_vload(folded + c)));
  }
}

/* ---- Exponentials ---------------------------------------------------------------- */

/* What is subtracted before an exponential: infinities stay what they are. */
QN_INLINE qn_vf exp_shift(qn_vf top) {
  return qn_vselect(qn_vabs(top) < INFINITY, top, qn_vzero());
}

QN_INLINE void exp_block(const struct qn_folds *folds, const struct block *block, size_t vectors) {
  qn_vf top[4], sum[4];
  for (size_t v = 0; v < vectors; v += 1) top[v] = qn_vset1(-INFINITY), sum[v] = qn_vzero();
  for (size_t row = 0; row < block->rows; row += 1) {
    for (size_t v = 0; v < vectors; v += 1) {
      top[v] = qn_vmax(block_at(block, row, v, vectors), top[v]);
    }
  }
  qn_vf old[4];
  for (size_t v = 0; v < vectors; v += 1) {
    old[v] = top[v];
    if (block->before == 0) continue;
    old[v] = qn_vto_single(double_at(folds->value + v * QN_LANES));
    top[v] = qn_vmax(old[v], top[v]);
  }
  for (size_t row = 0; row < block->rows; row += 1) {
    for (size_t v = 0; v < vectors; v += 1) {
      sum[v] += qn_vexp(block_at(block, row, v, vectors) - exp_shift(top[v]));
    }
  }
  for (size_t v = 0; v < vectors; v += 1) {
    double *extra = folds->extra + v * QN_LANES;
    qn_vd total = qn_vto_double(sum[v]);
    if (block->before > 0) {
      total += double_at(extra) * qn_vto_double(qn_vexp(old[v] - exp_shift(top[v])));
    }
    put_double(folds->value + v * QN_LANES, qn_vto_double(top[v]));
    put_double(extra, total);
  }
}

#endif
