/*
 * isa/avx512bf16/dot.h: as with VNNI, and dot products of bfloat16 by VDPBF16PS, which
 * takes twice as many products in the time of a fused multiply-add.
 *
 * The vocabulary is described in isa/dot_common.h.
 */
#ifndef QUERN_ISA_BF16_DOT_H
#define QUERN_ISA_BF16_DOT_H

#include <immintrin.h>

#define QN_BF16_IS_NATIVE

#include "../avx512vnni/dot.h"

/* Products and sums are rounded to nearest, ties to even; what is subnormal counts as zero. */
QN_INLINE qn_vf qn_dot_bf16(qn_vf sum, qn_vwords a, qn_vwords b) {
  return (qn_vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

/* Words of two neighbours from those of a, then those of b. */
QN_INLINE qn_vwords qn_round_bf16(qn_vf a, qn_vf b) {
  return (qn_vwords)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
}

#define QN_BF16_ROWS 6
#define QN_BF16_VECTORS 4

#endif
