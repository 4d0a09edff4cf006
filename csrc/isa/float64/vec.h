/*
 * isa/float64/vec.h: four doubles, for any processor, by the compiler's own vector
 * types alone: the form of float64 of every kernel that is written for qn_real.
 *
 * The vocabulary is described in isa/vec_common.h; what is stored in fewer bytes than
 * float32 is left out.
 */
#ifndef QUERN_ISA_VEC_H
#define QUERN_ISA_VEC_H

#define QN_REAL_BITS 64
#define QN_LANES 4
#include "../vec_common.h"

QN_INLINE qn_vf qn_vload_n(const qn_real *p, size_t n) { return qn_vload_n_loop(p, n); }
QN_INLINE void qn_vstore_n(qn_real *p, qn_vf v, size_t n) { qn_vstore_n_loop(p, v, n); }

/* Without the instruction a fused multiply-add would be a call of libm for each
 * lane, so it is then two operations. */
QN_INLINE qn_vf qn_vfma(qn_vf a, qn_vf b, qn_vf c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

#endif
