/*
 * api/linear.c: checks the arguments of qn_linear_f32.
 */
#include <stdbool.h>
#include <stdint.h>

#include "dispatch/dispatch.h"
#include "gemm/linear.h"
#include "kernels/activations.h"
#include "quern.h"

static bool is_aligned(const void *address, size_t alignment) {
  return (uintptr_t)address % alignment == 0;
}

/* Whether a x b elements of `bytes` each can exist in an address space. */
static bool fits(size_t a, size_t b, size_t bytes) {
  size_t limit = PTRDIFF_MAX;
  return b == 0 || a <= limit / bytes / b;
}

static bool is_weight_dtype(int32_t dtype) {
  return dtype == QN_F32 || dtype == QN_F16 || dtype == QN_BF16 || qn_is_block_dtype(dtype);
}

static qn_status check_sizes(size_t rows, size_t outputs, size_t inputs, int32_t dtype) {
  if (qn_is_block_dtype(dtype) && inputs % QN_BLOCK != 0) return QN_BAD_SIZE;
  /* Scratch is smaller than four floats for each element of x. */
  bool possible = fits(rows, inputs, 4 * sizeof(float)) && fits(rows, outputs, sizeof(float)) &&
                  fits(outputs, inputs, sizeof(float));
  return possible ? QN_OK : QN_BAD_SIZE;
}

static qn_status check_addresses(const float *y, const float *x, const void *weight, size_t inputs,
                                 int32_t dtype) {
  if (!y || (inputs > 0 && (!x || !weight))) return QN_NULL_POINTER;
  size_t weight_alignment = dtype == QN_F32 ? sizeof(float) : sizeof(uint16_t);
  bool aligned = is_aligned(y, sizeof(float)) && is_aligned(x, sizeof(float)) &&
                 is_aligned(weight, weight_alignment);
  return aligned ? QN_OK : QN_BAD_ALIGNMENT;
}

int32_t qn_linear_f32(float *y, const float *x, const void *weight, uint32_t rows,
                      uint32_t outputs, uint32_t inputs, int32_t dtype, int32_t precision) {
  if (!is_weight_dtype(dtype)) return QN_BAD_DTYPE;
  if (precision != QN_EXACT && precision != QN_FAST) return QN_BAD_ARGUMENT;
  qn_status status = check_sizes(rows, outputs, inputs, dtype);
  if (status != QN_OK) return status;
  if (rows == 0 || outputs == 0) return QN_OK;
  status = check_addresses(y, x, weight, inputs, dtype);
  if (status != QN_OK) return status;
  if (inputs == 0) {
    qn_kernels->fill_f32(y, (size_t)rows * outputs, 0.0f);
    return QN_OK;
  }
  return qn_gemm_linear(y, x, weight, rows, outputs, inputs, dtype, precision);
}
