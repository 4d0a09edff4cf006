/*
 * dot_common.h: the types of integer dot products, the same on every
 * instruction set. Kernels include "dot.h"; this file is included by it.
 *
 * A block has 32 weights and 32 activations, both of 8 bits. The dot product is
 * left in eight int32 lanes: lane l holds the sum of elements 4l .. 4l + 3,
 * which is what one lane of the processors' instructions sums. Activations are
 * therefore scaled in groups of four, at the cost of one multiplication by a
 * vector instead of by a scalar.
 *
 * Each dot.h defines:
 *   QN_DOT_ROWS            rows of activations whose accumulators, for four rows
 *                          of weights, fit the processor's registers
 *   QN_DOT_Q8_OFFSET       what qn_unpack_q8 adds to the weights of Q8_0
 *   qn_unpack_q4(p)        the 32 nibbles of a block of Q4_0 or Q4_1: 0 .. 15
 *   qn_unpack_q8(p)        the 32 bytes of a block of Q8_0, plus the offset
 *   qn_dot_q4(start, w, x) start + the dot product, w from qn_unpack_q4
 *   qn_dot_q8(start, w, x) the same, w from qn_unpack_q8; where the offset is 0,
 *                          start is 0 and need not be read
 *
 * And of bfloat16, of which a word holds two neighbours, the first in its low half:
 *   qn_dot_bf16(sum, a, b) sum + the two products of each lane; the second is added first
 *   QN_BF16_IS_NATIVE      where there is an instruction for it; then also
 *   qn_round_bf16(a, b)    the words of twice QN_LANES floats
 *   QN_BF16_ROWS, _VECTORS a tile of so many such sums fits the registers
 *
 * Activations are within -127 .. 127: never -128, so that they can be negated.
 * Every result is exact: |lane| <= 4 * 255 * 127 + |start|.
 */
#ifndef QUERN_ISA_DOT_COMMON_H
#define QUERN_ISA_DOT_COMMON_H

#include <stdint.h>

#include <vec.h>

typedef int8_t qn_i8x32 __attribute__((ext_vector_type(32)));
typedef int32_t qn_i32x8 __attribute__((ext_vector_type(8)));
typedef float qn_f32x8 __attribute__((ext_vector_type(8)));
typedef uint16_t qn_u16x8 __attribute__((ext_vector_type(8)));

QN_INLINE qn_i8x32 qn_load_i8x32(const void *p) {
  qn_i8x32 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

QN_INLINE qn_i32x8 qn_load_i32x8(const int32_t *p) {
  qn_i32x8 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

QN_INLINE qn_f32x8 qn_load_f32x8(const float *p) {
  qn_f32x8 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

QN_INLINE void qn_store_f32x8(float *p, qn_f32x8 v) { __builtin_memcpy(p, &v, sizeof v); }

#ifndef QN_BF16_IS_NATIVE
/* Widened, which is exact, and multiplied as floats. */
QN_INLINE qn_vf qn_dot_bf16(qn_vf sum, qn_vwords a, qn_vwords b) {
  const qn_vwords high = (qn_vwords)(int32_t)0xffff0000;
  const qn_vwords parts[] = {a & high, b & high, a << 16, b << 16};
  qn_vf v[4];
  __builtin_memcpy(v, parts, sizeof v);
  return qn_vfma(v[2], v[3], qn_vfma(v[0], v[1], sum));
}

#define QN_BF16_ROWS 4
#define QN_BF16_VECTORS 2
#endif

/* Eight IEEE halves as floats. */
QN_INLINE qn_f32x8 qn_widen_f16x8(qn_u16x8 halves) {
#if QN_LANES == 4
  const char *p = (const char *)&halves;
  qn_f32x8 v;
  v.lo = qn_vload_f16(p);
  v.hi = qn_vload_f16(p + sizeof halves / 2);
  return v;
#else
  return (qn_f32x8)_mm256_cvtph_ps((__m128i)halves);
#endif
}

/* a * b + c; rounded once where the processor has the instruction. */
QN_INLINE qn_f32x8 qn_fma_f32x8(qn_f32x8 a, qn_f32x8 b, qn_f32x8 c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

/* A fixed tree: the upper half onto the lower half until one is left. */
QN_INLINE float qn_reduce_f32x8(qn_f32x8 v) {
  typedef float by4 __attribute__((ext_vector_type(4)));
  typedef float by2 __attribute__((ext_vector_type(2)));
  by4 four = v.lo + v.hi;
  by2 two = four.lo + four.hi;
  return two.x + two.y;
}

#endif
