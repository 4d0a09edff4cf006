/*
 * kernels/real/unary.c: y = f(x), element by element, for every f of qn_unary_op.
 *
 * y, x: [count]. y may be x. An element's bits do not depend on where in the array it
 * stands: the last few go through the same operations, in a vector of their own.
 * Errors stand at the head of isa/vec_math.h and isa/vec_math_wide.h; the others are
 * exact or correctly rounded, but for RSQRT, which rounds twice.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "isa/vec_math.h"
#include "isa/vec_math_wide.h"

typedef qn_vf (*unary)(qn_vf x);

QN_INLINE void map(qn_real *y, const qn_real *x, size_t count, unary f) {
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) qn_vstore(y + i, f(qn_vload(x + i)));
  if (i < count) qn_vstore_n(y + i, f(qn_vload_n(x + i, count - i)), count - i);
}

QN_INLINE qn_vf square_root(qn_vf x) { return __builtin_elementwise_sqrt(x); }
QN_INLINE qn_vf reciprocal_square_root(qn_vf x) { return 1.0f / square_root(x); }
QN_INLINE qn_vf negative(qn_vf x) { return -x; }
QN_INLINE qn_vf square(qn_vf x) { return x * x; }
QN_INLINE qn_vf reciprocal(qn_vf x) { return 1.0f / x; }

/* NaN stays NaN. */
QN_INLINE qn_vf relu(qn_vf x) { return qn_vselect(x < 0.0f, qn_vzero(), x); }

/* 1, -1, or 0 for zeros of both signs; NaN stays NaN. */
QN_INLINE qn_vf sign(qn_vf x) {
  qn_vf y = qn_vselect(x > 0.0f, qn_vset1(1.0f), qn_vset1(-1.0f));
  return qn_vselect(x == 0.0f, qn_vzero(), qn_vselect(x != x, x, y));
}

/* `rounded` where |x| has a fraction, with the sign of x, so that -0 stays and -0.3
 * rounds to it; x where it is an integer, infinite or NaN. */
QN_INLINE qn_vf with_fraction(qn_vf x, qn_vf rounded) {
  return qn_vselect(qn_vabs(x) < QN_WHOLE_REALS, qn_vcopysign(rounded, x), x);
}

/* To the nearest integer, ties to even: where reals have fractions, adding and subtracting
 * the first that has none does that to the magnitude. */
QN_INLINE qn_vf round_signed(qn_vf x) {
  return qn_vcopysign((qn_vabs(x) + QN_WHOLE_REALS) - QN_WHOLE_REALS, x);
}

QN_INLINE qn_vf round_even(qn_vf x) { return with_fraction(x, round_signed(x)); }

QN_INLINE qn_vf round_down(qn_vf x) {
  qn_vf near = round_signed(x);
  return with_fraction(x, qn_vselect(near > x, near - 1.0f, near));
}

QN_INLINE qn_vf round_up(qn_vf x) {
  qn_vf near = round_signed(x);
  return with_fraction(x, qn_vselect(near < x, near + 1.0f, near));
}

void QN_VARIANT(unary)(void *y, const void *x, size_t count, int32_t op) {
  switch (op) {
    case QN_EXP: map(y, x, count, qn_vexp); return;
    case QN_LOG: map(y, x, count, qn_vlog); return;
    case QN_EXPM1: map(y, x, count, qn_vexpm1); return;
    case QN_LOG1P: map(y, x, count, qn_vlog1p); return;
    case QN_SIN: map(y, x, count, qn_vsin); return;
    case QN_COS: map(y, x, count, qn_vcos); return;
    case QN_TANH: map(y, x, count, qn_vtanh); return;
    case QN_ERF: map(y, x, count, qn_verf); return;
    case QN_SQRT: map(y, x, count, square_root); return;
    case QN_RSQRT: map(y, x, count, reciprocal_square_root); return;
    case QN_ABS: map(y, x, count, qn_vabs); return;
    case QN_NEGATIVE: map(y, x, count, negative); return;
    case QN_SQUARE: map(y, x, count, square); return;
    case QN_RECIPROCAL: map(y, x, count, reciprocal); return;
    case QN_SIGN: map(y, x, count, sign); return;
    case QN_FLOOR: map(y, x, count, round_down); return;
    case QN_CEIL: map(y, x, count, round_up); return;
    case QN_ROUND: map(y, x, count, round_even); return;
    case QN_RELU: map(y, x, count, relu); return;
    case QN_SIGMOID: map(y, x, count, qn_vsigmoid); return;
    case QN_SILU: map(y, x, count, qn_vsilu); return;
    case QN_GELU_ERF: map(y, x, count, qn_vgelu_erf); return;
    case QN_GELU_TANH: map(y, x, count, qn_vgelu_tanh); return;
    case QN_EXP2: map(y, x, count, qn_vexp2); return;
    case QN_LOG2: map(y, x, count, qn_vlog2); return;
    case QN_LOG10: map(y, x, count, qn_vlog10); return;
    case QN_TAN: map(y, x, count, qn_vtan); return;
    default: map(y, x, count, qn_vatan); return;
  }
}
