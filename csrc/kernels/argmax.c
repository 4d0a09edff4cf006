/*
 * kernels/argmax.c: the index of the first largest element of each row.
 *
 * y: [rows]; x: [rows, cols], cols at least 1. NaN counts as largest, so the
 * first NaN wins, as in NumPy.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "row_math.h"

void QN_VARIANT(argmax_f32)(int32_t *y, const float *x, size_t rows, size_t cols) {
  for (size_t row = 0; row < rows; row += 1) {
    y[row] = (int32_t)qn_row_argmax(x + row * cols, cols);
  }
}
