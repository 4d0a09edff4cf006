/*
 * kernels/real/clamp.c: elements held between two bounds.
 *
 * y, x: [count]. y may be x. NaN fails both comparisons, and stays.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

QN_INLINE qn_vf clamp(qn_vf x, qn_real low, qn_real high) {
  const qn_vf from_below = qn_vselect(x < low, qn_vset1(low), x);
  return qn_vselect(from_below > high, qn_vset1(high), from_below);
}

static void clamp_range(qn_real *y, const qn_real *x, size_t count, qn_real low, qn_real high) {
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) qn_vstore(y + i, clamp(qn_vload(x + i), low, high));
  if (i == count) return;
  qn_vstore_n(y + i, clamp(qn_vload_n(x + i, count - i), low, high), count - i);
}

void QN_VARIANT(clamp)(void *y, const void *x, size_t count, double low, double high) {
  clamp_range(y, x, count, (qn_real)low, (qn_real)high);
}
