/*
 * kernels/real/unary_gradient.c: dx = g * f'(x), element by element, for the functions f
 * whose slope is made of several others: SiLU and both forms of GELU.
 *
 * dx, g, x: [count]. dx may be g or x. An element's bits do not depend on where in the
 * array it stands.
 *
 * Slopes are 0 or 1 long before the bounds that x is brought into first, so that no
 * product of 0 and an infinity makes a NaN; NaN itself passes. Their error is a few
 * units in the last place of 1.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "isa/vec_math.h"

typedef qn_vf (*slope)(qn_vf x);

QN_INLINE void multiply(qn_real *dx, const qn_real *g, const qn_real *x, size_t count, slope f) {
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) {
    qn_vstore(dx + i, qn_vload(g + i) * f(qn_vload(x + i)));
  }
  if (i < count) {
    const size_t rest = count - i;
    qn_vstore_n(dx + i, qn_vload_n(g + i, rest) * f(qn_vload_n(x + i, rest)), rest);
  }
}

QN_INLINE qn_vf bounded(qn_vf x, qn_real bound) {
  return qn_vmin(qn_vset1(bound), qn_vmax(qn_vset1(-bound), x));
}

/* s + x s (1 - s), with s the logistic function. */
QN_INLINE qn_vf silu_slope(qn_vf x) {
  x = bounded(x, 800.0f);
  const qn_vf s = qn_vsigmoid(x);
  return qn_vfma(x * s, 1.0f - s, s);
}

/* (1 + t + x (1 - t^2) u') / 2 with t = tanh(u), u = k (x + c x^3). */
QN_INLINE qn_vf gelu_tanh_slope(qn_vf x) {
  const qn_real k = (qn_real)0.79788456080286535588, c = (qn_real)0.044715;
  x = bounded(x, 40.0f);
  const qn_vf square = x * x;
  const qn_vf t = qn_vtanh(x * k * qn_vfma(square, qn_vset1(c), qn_vset1(1.0f)));
  const qn_vf rise = k * qn_vfma(square, qn_vset1(3.0f * c), qn_vset1(1.0f));
  return (qn_real)0.5 * (1.0f + t) + (qn_real)0.5 * x * (1.0f - t * t) * rise;
}

void QN_VARIANT(unary_gradient)(void *dx, const void *g, const void *x, size_t count,
                                int32_t op) {
  switch (op) {
    case QN_SILU: multiply(dx, g, x, count, silu_slope); return;
    case QN_GELU_ERF: multiply(dx, g, x, count, qn_vgelu_erf_slope); return;
    default: multiply(dx, g, x, count, gelu_tanh_slope); return;
  }
}
