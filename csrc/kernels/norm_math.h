/*
 * kernels/norm_math.h: mean and variance of a row, and what is made with them.
 *
 * Sums run over d = x - shift, where the shift is a float near the mean: the
 * subtraction is then exact, or rounded in proportion to d, however far the row is
 * from 0. One pass gives the sums of d and of d^2, so the mean is shift + offset
 * and the variance mean(d^2) - offset^2. The shift is the mean of the first lanes;
 * in the rare row where it lies more than two deviations from the mean, which would
 * cost digits, a second pass starts from the mean itself. For a row of one value
 * every step is exact: its variance is 0, and each element minus the mean is 0.
 *
 * Lanes add up to 16 terms in float32, then blocks are added in float64. Rows whose
 * squares float32 cannot hold are left to float64 throughout (`wide`).
 */
#ifndef QN_KERNELS_NORM_MATH_H
#define QN_KERNELS_NORM_MATH_H

#include <math.h>

/* Elements whose sums are float32. */
enum { QN_NORM_BLOCK = 64 * QN_LANES };

struct qn_moments {
  qn_real shift;  /* the mean as a float */
  qn_real offset; /* the mean is shift + offset */
  qn_real factor; /* 1 / sqrt(variance + epsilon) */
  int wide;     /* float32 is too narrow: see qn_moments_wide */
};

struct qn_spread {
  double sum;     /* of d */
  double squares; /* of d * d */
};

/* Element i .. of x, or of x + residual, which is then also written to `total`. */
QN_INLINE qn_vf qn_load_total(qn_real *total, const qn_real *x, const qn_real *residual, size_t i) {
  if (!residual) return qn_vload(x + i);
  qn_vf v = qn_vload(x + i) + qn_vload(residual + i);
  qn_vstore(total + i, v);
  return v;
}

QN_INLINE qn_vf qn_load_total_n(qn_real *total, const qn_real *x, const qn_real *residual, size_t i,
                                size_t n) {
  if (!residual) return qn_vload_n(x + i, n);
  qn_vf v = qn_vload_n(x + i, n) + qn_vload_n(residual + i, n);
  qn_vstore_n(total + i, v, n);
  return v;
}

/* The sums over a row of x, or of x + residual, which is then written to `total`;
 * that may be x or residual. */
QN_INLINE struct qn_spread qn_row_spread(qn_real *total, const qn_real *x, const qn_real *residual,
                                         size_t count, qn_real shift) {
  qn_vd sum = (qn_vd)0.0;
  qn_vd squares = (qn_vd)0.0;
  for (size_t i = 0; i < count;) {
    size_t end = count - i < QN_NORM_BLOCK ? count : i + QN_NORM_BLOCK;
    qn_vf s[4] = {qn_vzero(), qn_vzero(), qn_vzero(), qn_vzero()};
    qn_vf q[4] = {qn_vzero(), qn_vzero(), qn_vzero(), qn_vzero()};
    for (; i + 4 * QN_LANES <= end; i += 4 * QN_LANES) {
      for (size_t c = 0; c < 4; c += 1) {
        qn_vf d = qn_load_total(total, x, residual, i + c * QN_LANES) - shift;
        s[c] += d;
        q[c] = qn_vfma(d, d, q[c]);
      }
    }
    for (; i + QN_LANES <= end; i += QN_LANES) {
      qn_vf d = qn_load_total(total, x, residual, i) - shift;
      s[0] += d;
      q[0] = qn_vfma(d, d, q[0]);
    }
    if (i < end) {
      qn_vf d = qn_load_total_n(total, x, residual, i, end - i) - shift;
      d = qn_vselect(qn_vlane_index() < (int32_t)(end - i), d, qn_vzero());
      s[1] += d;
      q[1] = qn_vfma(d, d, q[1]);
      i = end;
    }
    sum += qn_vto_double((s[0] + s[1]) + (s[2] + s[3]));
    squares += qn_vto_double((q[0] + q[1]) + (q[2] + q[3]));
  }
  return (struct qn_spread){qn_vreduce_add_double(sum), qn_vreduce_add_double(squares)};
}

/* The mean of the first elements; any float would be right. */
QN_INLINE qn_real qn_row_first_shift(const qn_real *x, const qn_real *residual, size_t count) {
  size_t n = count < QN_LANES ? count : QN_LANES;
  qn_vf v = qn_vload_n(x, n);
  if (residual) v += qn_vload_n(residual, n);
  return n == QN_LANES ? qn_vreduce_add(v) * (1.0f / QN_LANES) : v[0];
}

/* The moments of a row of at least one element; arguments as for qn_row_spread. */
QN_INLINE struct qn_moments qn_row_moments(qn_real *total, const qn_real *x,
                                           const qn_real *residual, size_t count, qn_real epsilon) {
  qn_real shift = qn_row_first_shift(x, residual, count);
  struct qn_spread spread = qn_row_spread(total, x, residual, count, shift);
  double offset = spread.sum / (double)count;
  double square = spread.squares / (double)count;
  double variance = square - offset * offset;
  if (offset * offset > 4.0 * variance) {
    shift = (qn_real)((double)shift + offset);
    spread = qn_row_spread(NULL, residual ? total : x, NULL, count, shift);
    offset = spread.sum / (double)count;
    square = spread.squares / (double)count;
    variance = square - offset * offset;
  }
  if (variance < 0.0) variance = 0.0;
  double divisor = variance + (double)epsilon;
  double mean = (double)shift + offset;
  qn_real nearest = (qn_real)mean;
  return (struct qn_moments){
      .shift = nearest,
      .offset = (qn_real)(mean - (double)nearest),
      .factor = (qn_real)(1.0 / sqrt(divisor)),
      .wide = !(divisor > 0x1p-100 && spread.squares < 0x1p100),
  };
}

/* A row's mean and factor in float64. */
struct qn_wide_moments {
  double mean;
  double factor;
};

static inline struct qn_wide_moments qn_row_wide_moments(const qn_real *x, size_t count,
                                                         qn_real epsilon) {
  double sum = 0.0;
  for (size_t i = 0; i < count; i += 1) sum += (double)x[i];
  double mean = sum / (double)count;
  double squares = 0.0;
  for (size_t i = 0; i < count; i += 1) {
    double d = (double)x[i] - mean;
    squares += d * d;
  }
  return (struct qn_wide_moments){mean, 1.0 / sqrt(squares / (double)count + (double)epsilon)};
}

/* y = (t - mean) * factor * weight + bias; y may be t. Which of weight and bias there
 * are is known where this is inlined. */
QN_INLINE void qn_normalise(qn_real *y, const qn_real *t, const qn_real *weight,
                            const qn_real *bias, size_t cols, const struct qn_moments *moments) {
  qn_vf shift = qn_vset1(moments->shift);
  qn_vf offset = qn_vset1(moments->offset);
  qn_vf factor = qn_vset1(moments->factor);
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) {
    qn_vf v = (qn_vload(t + i) - shift - offset) * factor;
    qn_vf w = weight ? qn_vload(weight + i) : qn_vset1(1.0f);
    qn_vstore(y + i, bias ? qn_vfma(v, w, qn_vload(bias + i)) : v * w);
  }
  if (i < cols) {
    size_t rest = cols - i;
    qn_vf v = (qn_vload_n(t + i, rest) - shift - offset) * factor;
    qn_vf w = weight ? qn_vload_n(weight + i, rest) : qn_vset1(1.0f);
    qn_vstore_n(y + i, bias ? qn_vfma(v, w, qn_vload_n(bias + i, rest)) : v * w, rest);
  }
}

static inline void qn_normalise_wide(qn_real *y, const qn_real *t, const qn_real *weight,
                                     const qn_real *bias, size_t cols, qn_real epsilon) {
  struct qn_wide_moments moments = qn_row_wide_moments(t, cols, epsilon);
  for (size_t i = 0; i < cols; i += 1) {
    double v = ((double)t[i] - moments.mean) * moments.factor;
    y[i] = (qn_real)(v * (weight ? (double)weight[i] : 1.0) + (bias ? (double)bias[i] : 0.0));
  }
}

/* The same for any moments; weight and bias are null for ones and zeros. */
static inline void qn_normalise_row(qn_real *y, const qn_real *t, const qn_real *weight,
                                    const qn_real *bias, size_t cols, qn_real epsilon,
                                    const struct qn_moments *moments) {
  if (moments->wide) {
    qn_normalise_wide(y, t, weight, bias, cols, epsilon);
  } else if (weight && bias) {
    qn_normalise(y, t, weight, bias, cols, moments);
  } else if (weight) {
    qn_normalise(y, t, weight, NULL, cols, moments);
  } else {
    qn_normalise(y, t, NULL, bias, cols, moments);
  }
}

#endif
