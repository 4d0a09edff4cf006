/*
 * gemm/float64.h: products of float64 matrices, for reference.
 */
#ifndef QN_GEMM_FLOAT64_H
#define QN_GEMM_FLOAT64_H

#include "gemm/gemm.h"

/* c = alpha * a b + beta * c for each matrix of a batch. Of `layout` the sizes, the
 * strides and the batch are read; the sizes are 1 or more, but for the inner one. With
 * beta 0, c is not read. */
void qn_gemm_float64(double *c, const double *a, const double *b, const struct qn_gemm *layout,
                     double alpha, double beta);

#endif
