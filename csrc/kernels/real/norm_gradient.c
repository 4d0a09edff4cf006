/*
 * kernels/real/norm_gradient.c: the gradients of rows n = (x - mean) * factor that were scaled
 * and shifted column by column, y = n * weight + bias, as layer_norm.c does; without the
 * mean, those of rms_norm.c.
 *
 * Of x: dx = factor * (t - mean(t) - n * mean(t * n)), t = g * weight; the first mean is
 * left out where that of x was not taken off. Of the columns: the sums of g * n and of g
 * over all rows.
 *
 * dx, g, x: [rows, cols], dx may be g or x; weight: [cols] or null for ones; moments:
 * [rows, 3], what makes n of x: the mean, its rest, the factor. cols is at least 1.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/norm_math.h"

static struct qn_moments centred_moments(const qn_real *x, size_t cols, qn_real epsilon) {
  const struct qn_moments moments = qn_row_moments(NULL, x, NULL, cols, epsilon);
  if (!moments.wide) return moments;
  const struct qn_wide_moments wide = qn_row_wide_moments(x, cols, epsilon);
  const qn_real nearest = (qn_real)wide.mean;
  return (struct qn_moments){.shift = nearest,
                             .offset = (qn_real)(wide.mean - (double)nearest),
                             .factor = (qn_real)wide.factor};
}

static struct qn_moments rooted_moments(const qn_real *x, size_t cols, qn_real epsilon) {
  double squares = qn_row_spread(NULL, x, NULL, cols, 0.0f).squares;
  double divisor = squares / (double)cols + (double)epsilon;
  if (!(divisor > 0x1p-100 && squares < 0x1p100)) {
    squares = 0.0;
    for (size_t i = 0; i < cols; i += 1) squares += (double)x[i] * (double)x[i];
    divisor = squares / (double)cols + (double)epsilon;
  }
  return (struct qn_moments){.factor = (qn_real)(1.0 / sqrt(divisor))};
}

/* Elements i .. i + n - 1 of t, and of the normalised row. */
QN_INLINE qn_vf scaled_at(const qn_real *g, const qn_real *weight, size_t i, size_t n) {
  return weight ? qn_vload_n(g + i, n) * qn_vload_n(weight + i, n) : qn_vload_n(g + i, n);
}

QN_INLINE qn_vf normal_at(const qn_real *x, const struct qn_moments *moments, size_t i, size_t n) {
  return (qn_vload_n(x + i, n) - moments->shift - moments->offset) * moments->factor;
}

/* The sums of t and of t * n. Lanes behind the end of t are 0. */
QN_INLINE struct qn_spread row_sums(const qn_real *g, const qn_real *x, const qn_real *weight,
                                    size_t cols, const struct qn_moments *moments) {
  qn_vd level = (qn_vd)0.0, lengthwise = (qn_vd)0.0;
  for (size_t i = 0; i < cols;) {
    const size_t end = cols - i < QN_NORM_BLOCK ? cols : i + QN_NORM_BLOCK;
    qn_vf s[2] = {qn_vzero(), qn_vzero()}, q[2] = {qn_vzero(), qn_vzero()};
    for (; i + 2 * QN_LANES <= end; i += 2 * QN_LANES) {
      for (size_t c = 0; c < 2; c += 1) {
        const qn_vf t = scaled_at(g, weight, i + c * QN_LANES, QN_LANES);
        s[c] += t;
        q[c] = qn_vfma(t, normal_at(x, moments, i + c * QN_LANES, QN_LANES), q[c]);
      }
    }
    for (; i < end; i += QN_LANES) {
      const size_t n = end - i < QN_LANES ? end - i : QN_LANES;
      const qn_vf t = scaled_at(g, weight, i, n);
      s[0] += t;
      q[0] = qn_vfma(t, normal_at(x, moments, i, n), q[0]);
    }
    level += qn_vto_double(s[0] + s[1]);
    lengthwise += qn_vto_double(q[0] + q[1]);
    i = end;
  }
  return (struct qn_spread){qn_vreduce_add_double(level), qn_vreduce_add_double(lengthwise)};
}

/* Whether there is a weight is known where this is inlined. */
QN_INLINE void gradient_row(qn_real *dx, const qn_real *g, const qn_real *x, const qn_real *weight,
                            size_t cols, const struct qn_moments *moments, int centred) {
  const struct qn_spread sums = row_sums(g, x, weight, cols, moments);
  const qn_real level = centred ? (qn_real)(sums.sum / (double)cols) : 0.0f;
  const qn_real share = (qn_real)(sums.squares / (double)cols);
  for (size_t i = 0; i < cols; i += QN_LANES) {
    const size_t n = cols - i < QN_LANES ? cols - i : QN_LANES;
    const qn_vf t = scaled_at(g, weight, i, n);
    const qn_vf along = normal_at(x, moments, i, n) * share;
    qn_vstore_n(dx + i, (t - level - along) * moments->factor, n);
  }
}

static void gradient_rows(qn_real *dx, qn_real *kept, const qn_real *g, const qn_real *x,
                          const qn_real *weight, size_t rows, size_t cols, qn_real epsilon,
                          int centred) {
  for (size_t row = 0; row < rows; row += 1, x += cols) {
    const struct qn_moments moments =
        centred ? centred_moments(x, cols, epsilon) : rooted_moments(x, cols, epsilon);
    if (kept) {
      kept[3 * row] = moments.shift;
      kept[3 * row + 1] = moments.offset;
      kept[3 * row + 2] = moments.factor;
    }
    if (!dx) continue;
    const size_t at = row * cols;
    if (weight) {
      gradient_row(dx + at, g + at, x, weight, cols, &moments, centred);
    } else {
      gradient_row(dx + at, g + at, x, NULL, cols, &moments, centred);
    }
  }
}

void QN_VARIANT(norm_gradient)(void *dx, void *moments, const void *g, const void *x,
                               const void *weight, size_t rows, size_t cols, double epsilon,
                               int32_t centred) {
  gradient_rows(dx, moments, g, x, weight, rows, cols, (qn_real)epsilon, centred);
}

/* Rows whose sums are reals; then they are added in float64. Vectors of a tile. */
enum { ROW_BLOCK = 64, TILE = 4 };

/* `vectors` vectors of columns from `first` on, of which the last has `n` lanes. */
QN_INLINE void column_tile(qn_real *dweight, qn_real *dbias, const qn_real *g, const qn_real *x,
                           const qn_real *kept, size_t rows, size_t cols, size_t first,
                           size_t vectors, size_t n) {
  qn_vd products[TILE], sums[TILE];
  for (size_t c = 0; c < vectors; c += 1) products[c] = sums[c] = (qn_vd)0.0;
  for (size_t row = 0; row < rows;) {
    const size_t end = rows - row < ROW_BLOCK ? rows : row + ROW_BLOCK;
    qn_vf p[TILE], s[TILE];
    for (size_t c = 0; c < vectors; c += 1) p[c] = s[c] = qn_vzero();
    for (; row < end; row += 1) {
      const size_t at = row * cols + first;
      const struct qn_moments moments = {.shift = x ? kept[3 * row] : 0.0f,
                                         .offset = x ? kept[3 * row + 1] : 0.0f,
                                         .factor = x ? kept[3 * row + 2] : 0.0f};
      for (size_t c = 0; c < vectors; c += 1) {
        const qn_vf v = qn_vload_n(g + at + c * QN_LANES, n);
        s[c] += v;
        if (x) p[c] = qn_vfma(v, normal_at(x + at, &moments, c * QN_LANES, n), p[c]);
      }
    }
    for (size_t c = 0; c < vectors; c += 1) {
      sums[c] += qn_vto_double(s[c]);
      products[c] += qn_vto_double(p[c]);
    }
  }
  for (size_t c = 0; c < vectors; c += 1) {
    const size_t at = first + c * QN_LANES;
    if (dweight) qn_vstore_n(dweight + at, __builtin_convertvector(products[c], qn_vf), n);
    if (dbias) qn_vstore_n(dbias + at, __builtin_convertvector(sums[c], qn_vf), n);
  }
}

QN_INLINE void columns(qn_real *dweight, qn_real *dbias, const qn_real *g, const qn_real *x,
                       const qn_real *kept, size_t rows, size_t cols, size_t first, size_t last) {
  size_t i = first;
  for (; i + TILE * QN_LANES <= last; i += TILE * QN_LANES) {
    column_tile(dweight, dbias, g, x, kept, rows, cols, i, TILE, QN_LANES);
  }
  for (; i < last; i += QN_LANES) {
    const size_t n = last - i < QN_LANES ? last - i : QN_LANES;
    column_tile(dweight, dbias, g, x, kept, rows, cols, i, 1, n);
  }
}

void QN_VARIANT(norm_columns)(void *dweight, void *dbias, const void *g, const void *x,
                              const void *moments, size_t rows, size_t cols, size_t first,
                              size_t last) {
  if (x) {
    columns(dweight, dbias, g, x, moments, rows, cols, first, last);
  } else {
    columns(dweight, dbias, g, NULL, NULL, rows, cols, first, last);
  }
}
