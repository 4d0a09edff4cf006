/*
 * isa/neon/dot.h: integer dot products by SDOT, which multiplies signed bytes
 * and adds fours to 32 bits, without saturation. A block takes two of them.
 *
 * The vocabulary is described in isa/dot_common.h.
 */
#ifndef QUERN_ISA_DOT_H
#define QUERN_ISA_DOT_H

#include <arm_neon.h>

#include "../dot_common.h"

#define QN_DOT_ROWS 2
#define QN_DOT_Q8_OFFSET 0

QN_INLINE qn_i8x32 qn_dot_join(int8x16_t low, int8x16_t high) {
  qn_i8x32 v;
  __builtin_memcpy(&v, &low, sizeof low);
  __builtin_memcpy((char *)&v + sizeof low, &high, sizeof high);
  return v;
}

/* Byte j holds element j in its low half and element j + 16 in its high half. */
QN_INLINE qn_i8x32 qn_unpack_q4(const void *p) {
  uint8x16_t b = vld1q_u8(p);
  return qn_dot_join(vreinterpretq_s8_u8(vandq_u8(b, vdupq_n_u8(15))),
                     vreinterpretq_s8_u8(vshrq_n_u8(b, 4)));
}

QN_INLINE qn_i8x32 qn_unpack_q8(const void *p) { return qn_load_i8x32(p); }

QN_INLINE qn_i32x8 qn_dot_q4(qn_i32x8 start, qn_i8x32 w, qn_i8x32 x) {
  qn_i32x8 sum;
  sum.lo = vdotq_s32(start.lo, (int8x16_t)w.lo, (int8x16_t)x.lo);
  sum.hi = vdotq_s32(start.hi, (int8x16_t)w.hi, (int8x16_t)x.hi);
  return sum;
}

QN_INLINE qn_i32x8 qn_dot_q8(qn_i32x8 start, qn_i8x32 w, qn_i8x32 x) {
  (void)start;
  return qn_dot_q4((qn_i32x8)0, w, x);
}

#endif
