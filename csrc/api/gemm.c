/*
 * api/gemm.c: checks the arguments of products of matrices.
 *
 * A matrix is addressable when the distance from its first to its last element is;
 * products of sizes are made with care, since they come from the caller.
 */
#include <stdbool.h>

#include "api/check.h"
#include "dispatch/dispatch.h"
#include "gemm/float64.h"
#include "gemm/gemm.h"
#include "gemm/pack.h"
#include "kernels/panel.h"
#include "quern.h"

/* Adds (size - 1) * stride to a number of elements. */
static qn_status add_span(uint64_t *span, uint64_t size, uint64_t stride) {
  uint64_t more;
  if (__builtin_mul_overflow(size - 1, stride, &more) ||
      __builtin_add_overflow(*span, more, span) || *span > PTRDIFF_MAX / sizeof(double)) {
    return QN_BAD_SIZE;
  }
  return QN_OK;
}

/* The axes of the batch, the innermost last, added to what a matrix spans. */
static qn_status read_batch(struct qn_gemm *p, const uint64_t *values, uint32_t axes,
                            uint64_t *a_span, uint64_t *b_span, uint64_t *c_span) {
  for (uint32_t i = axes; i > 0; i -= 1) {
    const uint64_t *at = values + 4 * (i - 1);
    if (at[0] > 1 && at[1] < *c_span) return QN_BAD_ARGUMENT;
    QN_TRY(add_span(c_span, at[0], at[1]));
    QN_TRY(add_span(a_span, at[0], at[2]));
    QN_TRY(add_span(b_span, at[0], at[3]));
    p->batch[i - 1] = (struct qn_gemm_axis){(size_t)at[0], (size_t)at[1], (size_t)at[2],
                                            (size_t)at[3]};
  }
  p->axes = axes;
  return QN_OK;
}

/* Sizes fit 32 bits, so that no product of two of them overflows. */
static qn_status check_sizes(bool *empty, const uint64_t *layout, uint32_t axes) {
  const uint64_t rows = layout[QN_GEMM_ROWS];
  const uint64_t cols = layout[QN_GEMM_COLS];
  if ((rows | cols | layout[QN_GEMM_INNER]) > UINT32_MAX) return QN_BAD_SIZE;
  *empty = rows == 0 || cols == 0;
  for (uint32_t i = 0; i < axes; i += 1) {
    const uint64_t size = layout[QN_GEMM_BATCH + 4 * i];
    if (size > UINT32_MAX) return QN_BAD_SIZE;
    if (size == 0) *empty = true;
  }
  return QN_OK;
}

static qn_status read_layout(struct qn_gemm *p, const uint64_t *layout, uint32_t axes) {
  uint64_t spans[3] = {1, 1, 1};
  const uint64_t rows = layout[QN_GEMM_ROWS];
  const uint64_t cols = layout[QN_GEMM_COLS];
  const uint64_t inner = layout[QN_GEMM_INNER];
  if (inner != 0) {
    QN_TRY(add_span(&spans[0], rows, layout[QN_GEMM_A_ROW]));
    QN_TRY(add_span(&spans[0], inner, layout[QN_GEMM_A_COL]));
    QN_TRY(add_span(&spans[1], inner, layout[QN_GEMM_B_ROW]));
    QN_TRY(add_span(&spans[1], cols, layout[QN_GEMM_B_COL]));
  }
  if (rows > 1 && layout[QN_GEMM_C_ROW] < cols) return QN_BAD_ARGUMENT;
  QN_TRY(add_span(&spans[2], rows, layout[QN_GEMM_C_ROW]));
  QN_TRY(add_span(&spans[2], cols, 1));
  p->rows = (size_t)rows;
  p->cols = (size_t)cols;
  p->inner = (size_t)inner;
  p->a_row = (size_t)layout[QN_GEMM_A_ROW];
  p->a_col = (size_t)layout[QN_GEMM_A_COL];
  p->b_row = (size_t)layout[QN_GEMM_B_ROW];
  p->b_col = (size_t)layout[QN_GEMM_B_COL];
  p->c_row = (size_t)layout[QN_GEMM_C_ROW];
  p->c_col = 1;
  return read_batch(p, layout + QN_GEMM_BATCH, axes, &spans[0], &spans[1], &spans[2]);
}

int32_t qn_matmul(void *c, const void *a, const void *b, const uint64_t *layout, uint32_t axes,
                  double alpha, double beta, int32_t dtype) {
  if (dtype != QN_F32 && dtype != QN_F64) return QN_BAD_DTYPE;
  if (layout == NULL) return QN_NULL_POINTER;
  if (axes > QN_GEMM_MOST_AXES) return QN_BAD_SIZE;
  bool empty;
  QN_TRY(check_sizes(&empty, layout, axes));
  if (empty) return QN_OK;
  struct qn_gemm_axis batch[QN_GEMM_MOST_AXES];
  struct qn_gemm product = {.alpha = (float)alpha, .beta = (float)beta, .batch = batch};
  QN_TRY(read_layout(&product, layout, axes));
  const size_t item = qn_item_bytes(dtype);
  QN_TRY(qn_check_array(c, 1, 1, 1, item, item));
  if (product.inner == 0) {
    a = b = c; /* never read, but offsets are added to them */
    product.packed = 1;
  } else {
    QN_TRY(qn_check_array(a, 1, 1, 1, item, item));
    QN_TRY(qn_check_array(b, 1, 1, 1, item, item));
  }
  if (dtype == QN_F64) {
    qn_gemm_float64(c, a, b, &product, alpha, beta);
    return QN_OK;
  }
  product.c = c;
  product.a = a;
  product.b = b;
  return qn_gemm(&product);
}

size_t qn_gemm_pack_bytes(uint32_t outputs, uint32_t inputs) {
  const uint64_t stripes = ((uint64_t)outputs + QN_STRIPE - 1) / QN_STRIPE;
  const uint64_t stripe_bytes = (uint64_t)inputs * QN_STRIPE * sizeof(float);
  uint64_t bytes;
  if (__builtin_mul_overflow(stripes, stripe_bytes, &bytes) || bytes > PTRDIFF_MAX) return 0;
  return (size_t)bytes;
}

/* A weight of any size but none, packed. */
static qn_status check_packed(const float *packed, uint32_t outputs, uint32_t inputs) {
  const size_t bytes = qn_gemm_pack_bytes(outputs, inputs);
  if (bytes == 0 && outputs != 0 && inputs != 0) return QN_BAD_SIZE;
  return qn_check_array(packed, bytes, 1, 1, 1, 64);
}

int32_t qn_gemm_pack_f32(float *packed, const float *weight, uint32_t outputs, uint32_t inputs,
                         size_t output_stride, size_t input_stride) {
  if (outputs == 0 || inputs == 0) return QN_OK;
  uint64_t span = 1;
  QN_TRY(add_span(&span, outputs, output_stride));
  QN_TRY(add_span(&span, inputs, input_stride));
  QN_TRY(check_packed(packed, outputs, inputs));
  QN_TRY(qn_check_words(weight, 1, 1, 1));
  qn_pack_matrix(packed, weight, outputs, inputs, input_stride, output_stride);
  return QN_OK;
}

int32_t qn_linear_packed_f32(float *y, const float *x, const float *packed, const float *bias,
                             const float *residual, uint32_t rows, uint32_t outputs,
                             uint32_t inputs, int32_t activation) {
  if (activation < QN_ACTIVATION_NONE || activation > QN_ACTIVATION_GELU_ERF) return QN_BAD_ARGUMENT;
  if (rows == 0 || outputs == 0) return QN_OK;
  QN_TRY(qn_check_words(y, rows, outputs, 1));
  QN_TRY(qn_check_words(x, rows, inputs, 1));
  QN_TRY(check_packed(packed, outputs, inputs));
  if (bias != NULL) QN_TRY(qn_check_words(bias, outputs, 1, 1));
  if (residual != NULL) QN_TRY(qn_check_words(residual, rows, outputs, 1));
  const struct qn_gemm product = {
      .c = y, .a = inputs == 0 ? y : x, .b = inputs == 0 ? y : packed,
      .rows = rows, .cols = outputs, .inner = inputs,
      .a_row = inputs, .a_col = 1, .c_row = outputs, .c_col = 1,
      .alpha = 1.0f, .beta = residual == NULL ? 0.0f : 1.0f,
      .packed = 1, .residual = residual, .bias = bias, .activation = activation,
  };
  return qn_gemm(&product);
}
