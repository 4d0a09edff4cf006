/*
 * gemm/gemm.h: products of float32 matrices, over threads.
 */
#ifndef QN_GEMM_GEMM_H
#define QN_GEMM_GEMM_H

#include <stddef.h>
#include <stdint.h>

#include "quern.h"

enum { QN_GEMM_MOST_AXES = 16 };

/* c = activation(alpha * a b + beta * c + bias) for each matrix of a batch;
 * strides are in elements. All sizes are 1 or more, but `inner` may be 0: then
 * `packed` is set, and nothing is read of a and b. */
struct qn_gemm {
  float *c;
  const float *a;
  const float *b; /* [inner, cols], or as kernels/panel.h packs it */
  size_t rows, cols, inner;
  size_t a_row, a_col, b_row, b_col, c_row, c_col;
  float alpha, beta;
  int packed;            /* whether b is; then there is no batch */
  const float *residual; /* null, or what c begins as, [rows, cols] with rows c_row apart */
  const float *bias;     /* null, or [cols] */
  int32_t activation;
  uint32_t axes;
  struct qn_gemm_axis *batch; /* the innermost last; may be changed by the product */
};

/* An axis of a batch, with the distances of its matrices. */
struct qn_gemm_axis {
  size_t size, c, a, b;
};

/* QN_OK, or what the pool said when it was asked for scratch memory. */
qn_status qn_gemm(const struct qn_gemm *product);

#endif
