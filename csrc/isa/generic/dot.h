/*
 * isa/generic/dot.h: integer dot products by the compiler's own vector types
 * alone. It is the reference for the other headers.
 *
 * The vocabulary is described in isa/dot_common.h.
 */
#ifndef QUERN_ISA_DOT_H
#define QUERN_ISA_DOT_H

#include "../dot_common.h"

#define QN_DOT_ROWS 1
#define QN_DOT_Q8_OFFSET 0

/* Byte j holds element j in its low half and element j + 16 in its high half. */
QN_INLINE qn_i8x32 qn_unpack_q4(const void *p) {
  typedef uint8_t bytes __attribute__((ext_vector_type(16)));
  bytes b;
  __builtin_memcpy(&b, p, sizeof b);
  bytes low = b & 15;
  bytes high = b >> 4;
  qn_i8x32 w;
  __builtin_memcpy(&w, &low, sizeof low);
  __builtin_memcpy((char *)&w + sizeof low, &high, sizeof high);
  return w;
}

QN_INLINE qn_i8x32 qn_unpack_q8(const void *p) { return qn_load_i8x32(p); }

/* A product fits 16 bits: at most 128 * 127. */
QN_INLINE qn_i32x8 qn_dot_q4(qn_i32x8 start, qn_i8x32 w, qn_i8x32 x) {
  typedef int16_t halves __attribute__((ext_vector_type(32)));
  typedef int32_t pairs __attribute__((ext_vector_type(16)));
  halves product = __builtin_convertvector(w, halves) * __builtin_convertvector(x, halves);
  pairs pair = __builtin_convertvector(product.even, pairs) +
               __builtin_convertvector(product.odd, pairs);
  return start + (pair.even + pair.odd);
}

QN_INLINE qn_i32x8 qn_dot_q8(qn_i32x8 start, qn_i8x32 w, qn_i8x32 x) {
  (void)start;
  return qn_dot_q4((qn_i32x8)0, w, x);
}

#endif
