/*
 * api/linear_bf16.c: checks the arguments of products in bfloat16.
 */
#include "api/check.h"
#include "dispatch/dispatch.h"
#include "gemm/linear_bf16.h"
#include "kernels/panel.h"
#include "quern.h"

int32_t qn_isa_has_bf16(void) { return qn_dispatch_has_bf16(); }

size_t qn_pack_bf16_bytes(uint32_t outputs, uint32_t inputs) {
  const uint64_t stripes = ((uint64_t)outputs + QN_STRIPE - 1) / QN_STRIPE;
  const uint64_t stripe_bytes = ((uint64_t)inputs + 1) / 2 * QN_STRIPE * sizeof(uint32_t);
  uint64_t bytes;
  if (__builtin_mul_overflow(stripes, stripe_bytes, &bytes) || bytes > PTRDIFF_MAX) return 0;
  return (size_t)bytes;
}

static qn_status check_packed(const void *packed, uint32_t outputs, uint32_t inputs) {
  const size_t bytes = qn_pack_bf16_bytes(outputs, inputs);
  if (bytes == 0 && outputs != 0 && inputs != 0) return QN_BAD_SIZE;
  return qn_check_array(packed, bytes, 1, 1, 1, 64);
}

/* The last element of a weight can be addressed. */
static qn_status check_span(uint64_t outputs, uint64_t output_stride, uint64_t inputs,
                            uint64_t input_stride) {
  uint64_t down, along, span;
  if (__builtin_mul_overflow(outputs - 1, output_stride, &down) ||
      __builtin_mul_overflow(inputs - 1, input_stride, &along) ||
      __builtin_add_overflow(down, along, &span) || span >= PTRDIFF_MAX / sizeof(float)) {
    return QN_BAD_SIZE;
  }
  return QN_OK;
}

int32_t qn_pack_bf16_f32(void *packed, const float *weight, uint32_t outputs, uint32_t inputs,
                         size_t output_stride, size_t input_stride) {
  if (outputs == 0 || inputs == 0) return QN_OK;
  QN_TRY(check_span(outputs, output_stride, inputs, input_stride));
  QN_TRY(check_packed(packed, outputs, inputs));
  QN_TRY(qn_check_words(weight, 1, 1, 1));
  return qn_pack_bf16(packed, weight, outputs, inputs, output_stride, input_stride);
}

int32_t qn_linear_bf16_f32(float *y, const float *x, const void *packed, const float *bias,
                           const float *residual, uint32_t rows, uint32_t outputs,
                           uint32_t inputs, int32_t activation) {
  if (activation < QN_ACTIVATION_NONE || activation > QN_ACTIVATION_GELU_ERF) return QN_BAD_ARGUMENT;
  if (rows == 0 || outputs == 0) return QN_OK;
  QN_TRY(qn_check_words(y, rows, outputs, 1));
  QN_TRY(qn_check_words(x, rows, inputs, 1));
  QN_TRY(check_packed(packed, outputs, inputs));
  if (bias != NULL) QN_TRY(qn_check_words(bias, outputs, 1, 1));
  if (residual != NULL) QN_TRY(qn_check_words(residual, rows, outputs, 1));
  const struct qn_linear_bf16 product = {
      .y = y, .x = x, .packed = packed, .bias = bias, .residual = residual,
      .rows = rows, .outputs = outputs, .inputs = inputs, .activation = activation,
  };
  return qn_gemm_linear_bf16(&product);
}
