/*
 * kernels/real/optimisers.c: the steps of optimisers, each in one pass over a parameter, its
 * gradient and what the optimiser remembers of it.
 *
 * All arrays: [count], none of which shares memory with another; g is read, the others are
 * read and written. The last elements go through the same operations as all others, so an
 * element's bits do not depend on where it stands.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

QN_INLINE qn_vf load(const qn_real *x, size_t count) {
  return count >= QN_LANES ? qn_vload(x) : qn_vload_n(x, count);
}

QN_INLINE void store(qn_real *y, qn_vf v, size_t count) {
  if (count >= QN_LANES) {
    qn_vstore(y, v);
  } else {
    qn_vstore_n(y, v, count);
  }
}

/* old * keep + new * (1 - keep) */
QN_INLINE qn_vf average(qn_vf old, qn_vf new, double keep) {
  return qn_vfma(qn_vset1((qn_real)keep), old, qn_vset1((qn_real)(1.0 - keep)) * new);
}

void QN_VARIANT(adamw)(void *p, void *m, void *v, const void *g, size_t count, double keep,
                       double beta1, double beta2, double rate, double root, double epsilon) {
  qn_real *at = p, *first = m, *second = v;
  const qn_real *slope = g;
  for (size_t i = 0; i < count; i += QN_LANES) {
    const size_t rest = count - i;
    const qn_vf gradient = load(slope + i, rest);
    const qn_vf mean = average(load(first + i, rest), gradient, beta1);
    const qn_vf square = average(load(second + i, rest), gradient * gradient, beta2);
    const qn_vf size = qn_vfma(__builtin_elementwise_sqrt(square), qn_vset1((qn_real)root),
                               qn_vset1((qn_real)epsilon));
    const qn_vf kept = load(at + i, rest) * qn_vset1((qn_real)keep);
    store(at + i, kept - qn_vset1((qn_real)rate) * mean / size, rest);
    store(first + i, mean, rest);
    store(second + i, square, rest);
  }
}

void QN_VARIANT(sgd)(void *p, void *m, const void *g, size_t count, double decay, double momentum,
                     double rate, int32_t nesterov) {
  qn_real *at = p, *velocity = m;
  const qn_real *slope = g;
  const qn_vf inertia = qn_vset1((qn_real)momentum);
  for (size_t i = 0; i < count; i += QN_LANES) {
    const size_t rest = count - i;
    const qn_vf before = load(at + i, rest);
    const qn_vf gradient = qn_vfma(qn_vset1((qn_real)decay), before, load(slope + i, rest));
    qn_vf step = gradient;
    if (velocity != NULL) {
      const qn_vf moving = qn_vfma(inertia, load(velocity + i, rest), gradient);
      store(velocity + i, moving, rest);
      step = nesterov ? qn_vfma(inertia, moving, gradient) : moving;
    }
    store(at + i, before - qn_vset1((qn_real)rate) * step, rest);
  }
}

void QN_VARIANT(lion)(void *p, void *m, const void *g, size_t count, double keep, double beta1,
                      double beta2, double rate) {
  qn_real *at = p, *momentum = m;
  const qn_real *slope = g;
  const qn_vf up = qn_vset1((qn_real)rate);
  for (size_t i = 0; i < count; i += QN_LANES) {
    const size_t rest = count - i;
    const qn_vf gradient = load(slope + i, rest);
    const qn_vf before = load(momentum + i, rest);
    const qn_vf way = average(before, gradient, beta1);
    /* The sign of 0 is 0, of NaN NaN. */
    const qn_vf step = qn_vselect(way == qn_vzero(), qn_vzero(), qn_vcopysign(up, way));
    const qn_vf kept = load(at + i, rest) * qn_vset1((qn_real)keep);
    store(at + i, kept - qn_vselect(way == way, step, way), rest);
    store(momentum + i, average(before, gradient, beta2), rest);
  }
}
