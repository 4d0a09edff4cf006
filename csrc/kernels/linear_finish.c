/*
 * kernels/linear_finish.c: what a linear layer does to a piece of its product
 * while that is still in the caches.
 *
 * y: [rows, cols], rows y_stride apart; bias: [cols] or null.
 * y = activation(y + bias); each element by the same operations wherever it stands.
 */
#include <vec.h>

#include "isa/vec_math.h"

#include "dispatch/kernel_table.h"

/* Inlined with the activation known. */
QN_INLINE qn_vf activate(qn_vf v, int32_t activation) {
  switch (activation) {
    case QN_ACTIVATION_RELU: return qn_vselect(v < 0.0f, qn_vzero(), v);
    case QN_ACTIVATION_GELU_TANH: return qn_vgelu_tanh(v);
    case QN_ACTIVATION_GELU_ERF: return qn_vgelu_erf(v);
    case QN_ACTIVATION_SILU: return qn_vsilu(v);
    default: return v;
  }
}

QN_INLINE void finish(float *y, const float *bias, size_t rows, size_t cols, size_t y_stride,
                      int32_t activation) {
  for (size_t r = 0; r < rows; r += 1, y += y_stride) {
    for (size_t c = 0; c < cols; c += QN_LANES) {
      const size_t n = cols - c < QN_LANES ? cols - c : QN_LANES;
      qn_vf v = qn_vload_n(y + c, n);
      if (bias != NULL) v += qn_vload_n(bias + c, n);
      qn_vstore_n(y + c, activate(v, activation), n);
    }
  }
}

void QN_VARIANT(linear_finish_f32)(float *y, const float *bias, size_t rows, size_t cols,
                                   size_t y_stride, int32_t activation) {
  switch (activation) {
    case QN_ACTIVATION_RELU:
      finish(y, bias, rows, cols, y_stride, QN_ACTIVATION_RELU);
      return;
    case QN_ACTIVATION_GELU_TANH:
      finish(y, bias, rows, cols, y_stride, QN_ACTIVATION_GELU_TANH);
      return;
    case QN_ACTIVATION_GELU_ERF:
      finish(y, bias, rows, cols, y_stride, QN_ACTIVATION_GELU_ERF);
      return;
    case QN_ACTIVATION_SILU:
      finish(y, bias, rows, cols, y_stride, QN_ACTIVATION_SILU);
      return;
    default:
      if (bias != NULL) finish(y, bias, rows, cols, y_stride, QN_ACTIVATION_NONE);
      return;
  }
}
