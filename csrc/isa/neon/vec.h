/*
 * isa/neon/vec.h: four lanes, for arm64.
 *
 * The vocabulary is described in isa/vec_common.h.
 */
#ifndef QUERN_ISA_VEC_H
#define QUERN_ISA_VEC_H

#define QN_LANES 4
#include "../vec_common.h"

QN_INLINE qn_vf qn_vload_n(const float *p, size_t n) { return qn_vload_n_loop(p, n); }
QN_INLINE void qn_vstore_n(float *p, qn_vf v, size_t n) { qn_vstore_n_loop(p, v, n); }

QN_INLINE qn_vf qn_vfma(qn_vf a, qn_vf b, qn_vf c) { return __builtin_elementwise_fma(a, b, c); }

/* One FCVTL, which every arm64 processor has. */
QN_INLINE qn_vf qn_vload_f16(const void *p) {
  typedef _Float16 halves __attribute__((ext_vector_type(QN_LANES)));
  halves h;
  __builtin_memcpy(&h, p, sizeof h);
  return __builtin_convertvector(h, qn_vf);
}

QN_INLINE qn_vf qn_vscale(qn_vf v, qn_vf n) { return qn_vscale_steps(v, n); }

/* One FCVTN, which rounds as the processor's mode has it: to nearest. */
QN_INLINE void qn_vstore_f16(void *p, qn_vf v) {
  typedef _Float16 halves __attribute__((ext_vector_type(QN_LANES)));
  halves h = __builtin_convertvector(v, halves);
  __builtin_memcpy(p, &h, sizeof h);
}

#endif
