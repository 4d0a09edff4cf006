/*
 * gemm/linear_bf16.h: the matrix product of a linear layer in bfloat16, over threads.
 *
 * A packed weight has stripes of QN_STRIPE columns, the last filled up with zeros; a
 * stripe is [pairs][QN_STRIPE] words, each of two neighbours along the inputs.
 */
#ifndef QN_GEMM_LINEAR_BF16_H
#define QN_GEMM_LINEAR_BF16_H

#include <stddef.h>
#include <stdint.h>

#include "quern.h"

struct qn_linear_bf16 {
  float *y;
  const float *x;
  const uint32_t *packed;
  const float *bias;     /* null, or [outputs] */
  const float *residual; /* null, or [rows, outputs] */
  size_t rows, outputs, inputs;
  int32_t activation;
};

/* Words of a row of x, and of a column of the weight. */
static inline size_t qn_bf16_pairs(size_t inputs) { return inputs / 2 + inputs % 2; }

/* Packs weight[outputs, inputs], sizes 1 or more, strides in elements. */
qn_status qn_pack_bf16(uint32_t *packed, const float *weight, size_t outputs, size_t inputs,
                       size_t output_stride, size_t input_stride);

/* Rows and outputs are 1 or more. On an error, which can only be the pool's, y is
 * unspecified and no scratch is kept. */
qn_status qn_gemm_linear_bf16(const struct qn_linear_bf16 *product);

#endif
