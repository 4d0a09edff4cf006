/*
 * kernels/add.c: y = a + b.
 *
 * y, a, b: [count]. y may be a or b. One rounding.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

void QN_VARIANT(add_f32)(float *y, const float *a, const float *b, size_t count) {
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) {
    qn_vstore(y + i, qn_vload(a + i) + qn_vload(b + i));
  }
  for (; i < count; i += 1) y[i] = a[i] + b[i];
}
