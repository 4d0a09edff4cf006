/*
 * kernels/shared/reduce_wide.h: folds of float64 and int64 elements; kernels/folds.h says of
 * what.
 *
 * An element is taken by a step, which is written once, for a column; the compiler makes
 * vectors of neighbouring columns.
 */
#ifndef QN_KERNELS_SHARED_REDUCE_WIDE_H
#define QN_KERNELS_SHARED_REDUCE_WIDE_H

#include "fold_math.h"
#include "kernels/shared/folds.h"

typedef double (*real_term)(double x);

QN_INLINE double real_itself(double x) { return x; }
QN_INLINE double real_size(double x) { return fabs(x); }
QN_INLINE double real_square(double x) { return x * x; }
QN_INLINE double real_one(double x) { return x != 0.0 ? 1.0 : 0.0; }

/* ---- Columns of float64 ------------------------------------------------------- */

/* The folds of x[rows, cols], rows `stride` apart; no array overlaps another. */
struct wide {
  double *restrict value;
  double *restrict extra;
  int64_t *restrict whole;
  int64_t *restrict index;
  size_t rows;
  size_t cols;
  size_t stride;
  size_t first;
};

static inline void clear_real(const struct wide *w, double value) {
  for (size_t c = 0; c < w->cols; c += 1) {
    w->value[c] = value;
    w->extra[c] = 0.0;
  }
}

QN_INLINE void sum_real(const struct wide *w, const double *restrict x, real_term term) {
  double *restrict value = w->value;
  double *restrict extra = w->extra;
  clear_real(w, 0.0);
  for (size_t row = 0; row < w->rows; row += 1, x += w->stride) {
    for (size_t c = 0; c < w->cols; c += 1) add_carried(&value[c], &extra[c], term(x[c]));
  }
}

static inline void multiply_real(const struct wide *w, const double *restrict x) {
  double *restrict value = w->value;
  clear_real(w, 1.0);
  for (size_t row = 0; row < w->rows; row += 1, x += w->stride) {
    for (size_t c = 0; c < w->cols; c += 1) value[c] *= x[c];
  }
}

QN_INLINE void extreme_real(const struct wide *w, const double *restrict x, bool largest,
                            real_term term) {
  double *restrict value = w->value;
  for (size_t c = 0; c < w->cols; c += 1) value[c] = term(x[c]);
  for (size_t row = 1; row < w->rows; row += 1) {
    x += w->stride;
    for (size_t c = 0; c < w->cols; c += 1) {
      const double v = term(x[c]);
      value[c] = is_further(v, value[c], largest) ? v : value[c];
    }
  }
}

QN_INLINE void place_real(const struct wide *w, const double *restrict x, bool largest) {
  double *restrict value = w->value;
  int64_t *restrict index = w->index;
  for (size_t c = 0; c < w->cols; c += 1) value[c] = x[c], index[c] = (int64_t)w->first;
  for (size_t row = 1; row < w->rows; row += 1) {
    x += w->stride;
    const int64_t here = (int64_t)(w->first + row);
    for (size_t c = 0; c < w->cols; c += 1) {
      const bool taken = is_further(x[c], value[c], largest);
      value[c] = taken ? x[c] : value[c];
      index[c] = taken ? here : index[c];
    }
  }
}

/* Mean and squares are kept up to date with each element (Welford, 1962). */
static inline void spread_real(const struct wide *w, const double *restrict x) {
  double *restrict value = w->value;
  double *restrict extra = w->extra;
  clear_real(w, 0.0);
  for (size_t row = 0; row < w->rows; row += 1, x += w->stride) {
    const double part = 1.0 / (double)(row + 1);
    for (size_t c = 0; c < w->cols; c += 1) {
      const double apart = x[c] - value[c];
      value[c] += apart * part;
      extra[c] += apart * (x[c] - value[c]);
    }
  }
}

QN_INLINE void scaled_real(const struct wide *w, const double *restrict x, double none,
                           real_term term, scale_function scale, double parameter) {
  clear_real(w, none);
  for (size_t row = 0; row < w->rows; row += 1, x += w->stride) {
    for (size_t c = 0; c < w->cols; c += 1) {
      add_scaled(&w->value[c], &w->extra[c], term(x[c]), 1.0, scale, parameter);
    }
  }
}

static void fold_real(const struct wide *w, const double *x, const struct qn_reduction *reduction) {
  const double parameter = reduction->parameter;
  switch (reduction->op) {
    case QN_REDUCE_SUM:
    case QN_REDUCE_MEAN: sum_real(w, x, real_itself); return;
    case QN_REDUCE_NORM_1: sum_real(w, x, real_size); return;
    case QN_REDUCE_NORM_2: sum_real(w, x, real_square); return;
    case QN_REDUCE_PRODUCT: multiply_real(w, x); return;
    case QN_REDUCE_LARGEST: extreme_real(w, x, true, real_itself); return;
    case QN_REDUCE_SMALLEST: extreme_real(w, x, false, real_itself); return;
    case QN_REDUCE_LARGEST_SIZE: extreme_real(w, x, true, real_size); return;
    case QN_REDUCE_SMALLEST_SIZE: extreme_real(w, x, false, real_size); return;
    case QN_REDUCE_ARG_LARGEST: place_real(w, x, true); return;
    case QN_REDUCE_ARG_SMALLEST: place_real(w, x, false); return;
    case QN_REDUCE_VARIANCE:
    case QN_REDUCE_DEVIATION: spread_real(w, x); return;
    case QN_REDUCE_LOG_SUM_EXP: scaled_real(w, x, -INFINITY, real_itself, scaled_exp, 0.0); return;
    case QN_REDUCE_NORM_P: scaled_real(w, x, 0.0, real_size, scaled_power, parameter); return;
    default: sum_real(w, x, real_one); return;
  }
}

/* ---- Columns of int64 ---------------------------------------------------------- */

static inline void clear_whole(const struct wide *w, int64_t value) {
  for (size_t c = 0; c < w->cols; c += 1) w->whole[c] = value;
}

static inline void sum_whole(const struct wide *w, const int64_t *restrict x) {
  int64_t *restrict whole = w->whole;
  clear_whole(w, 0);
  for (size_t row = 0; row < w->rows; row += 1, x += w->stride) {
    for (size_t c = 0; c < w->cols; c += 1) {
      whole[c] = (int64_t)((uint64_t)whole[c] + (uint64_t)x[c]);
    }
  }
}

static inline void count_whole(const struct wide *w, const int64_t *restrict x) {
  int64_t *restrict whole = w->whole;
  clear_whole(w, 0);
  for (size_t row = 0; row < w->rows; row += 1, x += w->stride) {
    for (size_t c = 0; c < w->cols; c += 1) whole[c] += x[c] != 0;
  }
}

static inline void multiply_whole(const struct wide *w, const int64_t *restrict x) {
  int64_t *restrict whole = w->whole;
  clear_whole(w, 1);
  for (size_t row = 0; row < w->rows; row += 1, x += w->stride) {
    for (size_t c = 0; c < w->cols; c += 1) {
      whole[c] = (int64_t)((uint64_t)whole[c] * (uint64_t)x[c]);
    }
  }
}

QN_INLINE void place_whole(const struct wide *w, const int64_t *restrict x, bool largest) {
  int64_t *restrict whole = w->whole;
  int64_t *restrict index = w->index;
  for (size_t c = 0; c < w->cols; c += 1) whole[c] = x[c], index[c] = (int64_t)w->first;
  for (size_t row = 1; row < w->rows; row += 1) {
    x += w->stride;
    const int64_t here = (int64_t)(w->first + row);
    for (size_t c = 0; c < w->cols; c += 1) {
      const bool taken = is_further_whole(x[c], whole[c], largest);
      whole[c] = taken ? x[c] : whole[c];
      index[c] = taken ? here : index[c];
    }
  }
}

static void fold_whole(const struct wide *w, const int64_t *x, int32_t op) {
  switch (op) {
    case QN_REDUCE_SUM:
    case QN_REDUCE_MEAN: sum_whole(w, x); return;
    case QN_REDUCE_PRODUCT: multiply_whole(w, x); return;
    case QN_REDUCE_LARGEST:
    case QN_REDUCE_ARG_LARGEST: place_whole(w, x, true); return;
    case QN_REDUCE_SMALLEST:
    case QN_REDUCE_ARG_SMALLEST: place_whole(w, x, false); return;
    default: count_whole(w, x); return;
  }
}

#endif
