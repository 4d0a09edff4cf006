/*
 * gemm/linear.h: the matrix product of a linear layer, over threads.
 */
#ifndef QN_GEMM_LINEAR_H
#define QN_GEMM_LINEAR_H

#include <stddef.h>
#include <stdint.h>

#include "quern.h"

/* y[rows, outputs] = x[rows, inputs] * weight[outputs, inputs]^T, all sizes 1 or
 * more, arguments checked. The weight is read where it stands. On an error, which
 * can only be the pool's, y is unspecified and no scratch is kept. */
qn_status qn_gemm_linear(float *y, const float *x, const void *weight, size_t rows,
                         size_t outputs, size_t inputs, int32_t dtype, int32_t precision);

#endif
