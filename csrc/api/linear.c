/*
 * api/linear.c: checks the arguments of qn_linear_f32.
 */
#include "api/check.h"
#include "dispatch/dispatch.h"
#include "gemm/linear.h"
#include "quern.h"

/* Scratch takes fewer bytes than four times those of x. */
enum { SCRATCH_FACTOR = 4 };

static qn_status check_linear(const float *y, const float *x, const void *weight, uint64_t rows,
                              uint64_t outputs, uint64_t inputs, int32_t dtype) {
  struct qn_dtype_layout layout;
  QN_TRY(qn_find_layout(&layout, dtype));
  if (inputs % layout.block != 0) return QN_BAD_SIZE;
  if (rows == 0 || outputs == 0) return QN_OK;
  QN_TRY(qn_check_words(y, rows, outputs, 1));
  QN_TRY(qn_check_words(x, rows, inputs, 1));
  QN_TRY(qn_check_stored(weight, outputs, inputs, &layout));
  return rows * inputs > PTRDIFF_MAX / (4 * SCRATCH_FACTOR) ? QN_BAD_SIZE : QN_OK;
}

int32_t qn_linear_f32(float *y, const float *x, const void *weight, uint32_t rows,
                      uint32_t outputs, uint32_t inputs, int32_t dtype, int32_t precision) {
  QN_TRY(check_linear(y, x, weight, rows, outputs, inputs, dtype));
  if (precision != QN_EXACT && precision != QN_FAST) return QN_BAD_ARGUMENT;
  if (rows == 0 || outputs == 0) return QN_OK;
  if (inputs == 0) {
    qn_kernels->fill((char *)y, (size_t)rows * outputs * sizeof *y, 0);
    return QN_OK;
  }
  return qn_gemm_linear(y, x, weight, rows, outputs, inputs, dtype, precision);
}
