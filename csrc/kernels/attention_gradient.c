/*
 * kernels/attention_gradient.c: what attention's gradient needs beside matrix products;
 * gemm/attention_gradient.c says how it is made.
 */
#include "kernels/attention_gradient.h"

#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/attention.h"
#include "weight.h"

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

void QN_VARIANT(attention_copy_f32)(float *y, const float *x, size_t rows, size_t size,
                                    size_t x_row, float factor) {
  const size_t width = qn_attention_head_floats(size);
  for (size_t row = 0; row < rows; row += 1) {
    for (size_t d = 0; d < width; d += QN_LANES) {
      const size_t n = d < size ? smaller(size - d, QN_LANES) : 0;
      qn_vstore(y + row * width + d, qn_vload_n(x + row * x_row + d, n) * factor);
    }
  }
}

void QN_VARIANT(attention_dots_f32)(float *y, const float *a, const float *b, size_t rows,
                                    size_t size, size_t b_row) {
  const size_t width = qn_attention_head_floats(size);
  for (size_t row = 0; row < rows; row += 1) {
    qn_vf sum = qn_vzero();
    for (size_t d = 0; d < size; d += QN_LANES) {
      const qn_vf other = qn_vload_n(b + row * b_row + d, smaller(size - d, QN_LANES));
      sum = qn_vfma(qn_vload(a + row * width + d), other, sum);
    }
    y[row] = qn_vreduce_add(sum);
  }
}

/* What QN_LANES queries have for all keys. */
struct lanes {
  qn_vf largest, inverse, mean;
  qn_vi begin, end;
};

/* Scores to probabilities and slopes of probabilities to those of scores, for some keys. */
QN_INLINE void slope_lanes(float *p, float *ds, const struct lanes *at, size_t keys, size_t stride,
                           int32_t first_key, int partial) {
  for (size_t key = 0; key < keys; key += 1) {
    qn_vf weight = qn_vweight(qn_vload(p) - at->largest) * at->inverse;
    qn_vf slope = (qn_vload(ds) - at->mean) * weight;
    if (partial) {
      const qn_vi own = qn_vset1_i32(first_key + (int32_t)key);
      const qn_vi seen = (own >= at->begin) & (own < at->end);
      weight = qn_vselect(seen, weight, qn_vzero());
      slope = qn_vselect(seen, slope, qn_vzero());
    }
    qn_vstore(p, weight);
    qn_vstore(ds, slope);
    p += stride;
    ds += stride;
  }
}

void QN_VARIANT(attention_slopes_f32)(float *p, float *ds, const struct qn_attention_queries *at,
                                      size_t first_query, size_t queries, size_t first_key,
                                      size_t keys, size_t stride, int32_t partial) {
  for (size_t i = 0; i < queries; i += QN_LANES) {
    const size_t query = first_query + i;
    const struct lanes lanes = {
        qn_vload(at->largest + query), qn_vload(at->inverse + query), qn_vload(at->means + query),
        qn_vload_i32(at->begins + query), qn_vload_i32(at->ends + query)};
    if (partial) {
      slope_lanes(p + i, ds + i, &lanes, keys, stride, (int32_t)first_key, 1);
    } else {
      slope_lanes(p + i, ds + i, &lanes, keys, stride, (int32_t)first_key, 0);
    }
  }
}
