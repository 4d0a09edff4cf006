/*
 * kernels/rms_norm.c: y = x / sqrt(mean(x^2) + epsilon) * weight, row by row
 * (Zhang and Sennrich, "Root mean square layer normalization", 2019).
 *
 * y, x: [rows, cols], y may be x; weight: [cols] or null for ones. The squares
 * are summed in float64, where no float32 overflows. The factor of a row is
 * rounded to float32, then x by it, then by the weight; where that factor is no
 * normal float32, each element is computed in float64 and rounded once.
 */
#include <math.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

static double sum_of_squares(const float *x, size_t cols) {
  qn_vd sum = (qn_vd)0.0;
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) {
    qn_vd v = qn_vto_double(qn_vload(x + i));
    sum += v * v;
  }
  if (i < cols) {
    qn_vd v = qn_vto_double(qn_vload_n(x + i, cols - i));
    sum += v * v;
  }
  return qn_vreduce_add_double(sum);
}

static void scale_row(float *y, const float *x, const float *weight, size_t cols, float factor) {
  size_t i = 0;
  for (; i + QN_LANES <= cols; i += QN_LANES) {
    qn_vf v = qn_vload(x + i) * factor;
    qn_vstore(y + i, weight ? v * qn_vload(weight + i) : v);
  }
  for (; i < cols; i += 1) y[i] = weight ? x[i] * factor * weight[i] : x[i] * factor;
}

static void scale_row_wide(float *y, const float *x, const float *weight, size_t cols,
                           double factor) {
  for (size_t i = 0; i < cols; i += 1) {
    y[i] = (float)((double)x[i] * factor * (weight ? (double)weight[i] : 1.0));
  }
}

void QN_VARIANT(rms_norm_f32)(float *y, const float *x, const float *weight, size_t rows,
                              size_t cols, float epsilon) {
  for (size_t row = 0; row < rows; row += 1, x += cols, y += cols) {
    double factor = 1.0 / sqrt(sum_of_squares(x, cols) / (double)cols + (double)epsilon);
    if (isnormal((float)factor)) {
      scale_row(y, x, weight, cols, (float)factor);
    } else {
      scale_row_wide(y, x, weight, cols, factor);
    }
  }
}
