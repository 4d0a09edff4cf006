/*
 * kernels/real/softmax.c: softmax and its logarithm, row by row, with the row's maximum
 * taken off first.
 *
 * y, x: [rows, cols], y may be x. The exponentials are float32; their sums and the
 * logarithm are float64; the sum's inverse is rounded to float32. A row of only -inf,
 * or with a NaN or +inf, gives NaN everywhere.
 *
 * A mask or a scale makes other numbers of a row before that: t = x * scale, plus the
 * mask where it is float32, and -inf where it is bool or int32 and 0. With `causal_rows`, row
 * r takes part up to column cols - causal_rows + r % causal_rows and is 0 behind it,
 * where neither x nor the mask is looked at.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/row_math.h"

static void scale_row(qn_real *y, size_t cols, qn_real factor) {
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) qn_vstore(y + i, qn_vload(y + i) * factor);
  if (i < cols) qn_vstore_n(y + i, qn_vload_n(y + i, cols - i) * factor, cols - i);
}

/* qn_row_exp_sum with a y. */
QN_INLINE double exp_sum(qn_real *y, const qn_real *x, size_t cols, qn_real shift,
                         struct qn_next_row *next) {
  __builtin_assume(y != NULL);
  return qn_row_exp_sum(y, x, cols, shift, next);
}

/* Rows up to this width are in the first cache, with those beside them. */
enum { SHORT_COLS = 1024 };

/* The maximum of the next row is found before the exponentials of a row, and the row
 * before it is scaled after them, so that no step waits for the one before. */
static void softmax_short_rows(qn_real *y, const qn_real *x, size_t rows, size_t cols) {
  qn_real largest = qn_row_max(x, cols);
  qn_real factor = 0.0f;
  for (size_t row = 0; row < rows; row += 1, x += cols, y += cols) {
    qn_real next = row + 1 < rows ? qn_row_max(x + cols, cols) : 0.0f;
    double sum = exp_sum(y, x, cols, largest, NULL);
    if (row > 0) scale_row(y - cols, cols, factor);
    factor = (qn_real)(1.0 / sum);
    largest = next;
  }
  scale_row(y - cols, cols, factor);
}

/* The maximum of the next row is found while the exponentials of a row are computed:
 * then the next row comes from memory at no cost. */
static void softmax_long_rows(qn_real *y, const qn_real *x, size_t rows, size_t cols) {
  struct qn_next_row next = {.largest = qn_row_max(x, cols)};
  for (size_t row = 0; row < rows; row += 1, x += cols, y += cols) {
    next.x = row + 1 < rows ? x + cols : x; /* behind the last, any */
    double sum = exp_sum(y, x, cols, next.largest, &next);
    scale_row(y, cols, (qn_real)(1.0 / sum));
  }
}

static void softmax_rows(qn_real *y, const qn_real *x, size_t rows, size_t cols) {
  if (rows == 0) return;
  if (cols <= SHORT_COLS) {
    softmax_short_rows(y, x, rows, cols);
  } else {
    softmax_long_rows(y, x, rows, cols);
  }
}

/* What a row is before its softmax. */
struct scores {
  qn_real scale;
  const qn_real *added; /* the row's mask of reals, or null */
  const uint8_t *bytes; /* the row's mask of bool, or null */
  const int32_t *words; /* the row's mask of int32, or null */
};

QN_INLINE qn_vf scores_at(const struct scores *scores, const qn_real *x, size_t i, size_t n) {
  qn_vf v = qn_vload_n(x + i, n) * scores->scale;
  if (scores->added) v += qn_vload_n(scores->added + i, n);
  if (scores->bytes) {
    v = qn_vselect(qn_vload_u8_i32_n(scores->bytes + i, n) != 0, v, qn_vset1(-INFINITY));
  }
  if (scores->words) {
    v = qn_vselect(qn_vload_i32_n(scores->words + i, n) != 0, v, qn_vset1(-INFINITY));
  }
  return v;
}

/* Writes a row of scores to y and gives the largest, NaN left out. */
static qn_real score_row(qn_real *y, const qn_real *x, const struct scores *scores, size_t cols) {
  qn_vf largest = qn_vset1(-INFINITY);
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) {
    qn_vf v = scores_at(scores, x, i, QN_LANES);
    qn_vstore(y + i, v);
    largest = qn_vmax(v, largest);
  }
  if (i < cols) {
    qn_vf v = scores_at(scores, x, i, cols - i);
    qn_vstore_n(y + i, v, cols - i);
    qn_vi inside = qn_vlane_index() < (int32_t)(cols - i);
    largest = qn_vmax(qn_vselect(inside, v, largest), largest);
  }
  return qn_vreduce_max(largest);
}

static void zero_row(qn_real *y, size_t cols) {
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) qn_vstore(y + i, qn_vzero());
  if (i < cols) qn_vstore_n(y + i, qn_vzero(), cols - i);
}

static void masked_rows(qn_real *y, const qn_real *x, const void *mask, int32_t mask_dtype,
                        size_t first_row, size_t last_row, size_t cols, qn_real scale,
                        size_t mask_outer, size_t mask_inner, size_t causal_rows) {
  for (size_t row = first_row; row < last_row; row += 1) {
    size_t seen = causal_rows == 0 ? cols : cols - causal_rows + row % causal_rows + 1;
    struct scores scores = {.scale = scale};
    if (mask) {
      size_t at = (row / mask_outer * mask_inner + row % mask_inner) * cols;
      if (mask_dtype == QN_BOOL) {
        scores.bytes = (const uint8_t *)mask + at;
      } else if (mask_dtype == QN_I32) {
        scores.words = (const int32_t *)mask + at;
      } else {
        scores.added = (const qn_real *)mask + at;
      }
    }
    qn_real *to = y + row * cols;
    qn_real largest = score_row(to, x + row * cols, &scores, seen);
    double sum = exp_sum(to, to, seen, largest, NULL);
    scale_row(to, seen, (qn_real)(1.0 / sum));
    zero_row(to + seen, cols - seen);
  }
}

/* y = (x - largest) - log(sum). The logarithm is at least 0, so where it is of the
 * size of the difference both have one sign, and two roundings are all there is. */
static void log_softmax_rows(qn_real *y, const qn_real *x, size_t rows, size_t cols) {
  for (size_t row = 0; row < rows; row += 1, x += cols, y += cols) {
    qn_real largest = qn_row_max(x, cols);
    qn_real logarithm = (qn_real)log1p(qn_row_exp_sum(NULL, x, cols, largest, NULL) / QN_LIFT);
    size_t i = 0;
    for (; i + QN_LANES <= cols; i += QN_LANES) {
      qn_vstore(y + i, qn_vload(x + i) - largest - logarithm);
    }
    if (i < cols) {
      qn_vstore_n(y + i, qn_vload_n(x + i, cols - i) - largest - logarithm, cols - i);
    }
  }
}

void QN_VARIANT(softmax)(void *y, const void *x, size_t rows, size_t cols) {
  softmax_rows(y, x, rows, cols);
}

void QN_VARIANT(softmax_masked)(void *y, const void *x, const void *mask, int32_t mask_dtype,
                                size_t first_row, size_t last_row, size_t cols, double scale,
                                size_t mask_outer, size_t mask_inner, size_t causal_rows) {
  masked_rows(y, x, mask, mask_dtype, first_row, last_row, cols, (qn_real)scale, mask_outer,
              mask_inner, causal_rows);
}

void QN_VARIANT(log_softmax)(void *y, const void *x, size_t rows, size_t cols) {
  log_softmax_rows(y, x, rows, cols);
}
