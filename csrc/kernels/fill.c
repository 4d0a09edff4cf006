/*
 * kernels/fill.c: one value for every element.
 */
#include "dispatch/kernel_table.h"

void QN_VARIANT(fill_f32)(float *y, size_t count, float value) {
  for (size_t i = 0; i < count; i += 1) y[i] = value;
}
