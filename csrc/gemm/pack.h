/*
 * gemm/pack.h: copies of pieces of a matrix, in the order in which tiles read them.
 */
#ifndef QN_GEMM_PACK_H
#define QN_GEMM_PACK_H

#include <stddef.h>

/* packed: b[depth, cols] in stripes of kernels/panel.h, [depth][QN_STRIPE] each; cols is
 * 1 or more, the strides of b are in elements. */
void qn_pack_panel(float *packed, const float *b, size_t depth, size_t cols, size_t row_stride,
                   size_t col_stride);

/* y[rows, cols], dense, = x with strides in elements. */
void qn_pack_rows(float *y, const float *x, size_t rows, size_t cols, size_t row_stride,
                  size_t col_stride);

/* All of b[k, n] in the layout of kernels/panel.h, over threads. */
void qn_pack_matrix(float *packed, const float *b, size_t n, size_t k, size_t row_stride,
                    size_t col_stride);

#endif
