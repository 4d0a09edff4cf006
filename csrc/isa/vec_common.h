/*
 * vec_common.h: the part of the vector vocabulary that is the same on every
 * instruction set. Kernels include "vec.h"; this file is included by it.
 *
 * A vec.h defines QN_LANES, includes this file, and adds what compilers cannot
 * be trusted to find by themselves: partial loads and stores, and the widening
 * of half floats. Everything else is written once, on clang's vector types:
 *
 *   qn_vf   QN_LANES qn_real         qn_vi   QN_LANES integers of that size
 *   qn_vd   QN_LANES doubles (two or more registers)
 *
 * A qn_real is a float, and qn_vi of int32, but in isa/float64, which defines
 * QN_REAL_BITS as 64: there it is a double, and what is said of floats below is
 * true of doubles. Kernels that are written for qn_real are compiled for both.
 *
 * The operators + - * / and, on qn_vi, & | ^ ~ << >> work lane by lane, also
 * with a scalar on one side. A comparison (a < b, a == b, ...) gives a qn_vi
 * mask: -1 where true and 0 where false, false when an operand is NaN.
 *
 * Each vec.h defines:
 *   qn_vload_n(p, n)       the first n lanes, 0 <= n <= QN_LANES, zero in the
 *                          rest; never reads past p + n
 *   qn_vstore_n(p, v, n)   the first n lanes; never writes past p + n
 *   qn_vfma(a, b, c)       a * b + c; rounded once where the processor has a
 *                          fused multiply-add, twice where it has not
 *   qn_vload_f16(p)        QN_LANES IEEE halves (two bytes each) as floats
 *   qn_vscale(v, n)        v * 2^n, rounded once, for 1/2 <= v < 2 and n a float that
 *                          holds an integer of -250 .. 250; NaN where both are
 *   qn_vstore_f16(p, v)    QN_LANES floats as halves, rounded to nearest, ties to even
 *
 * Loads and stores need no alignment. Every function here is inlined into the
 * kernel that uses it: an out-of-line copy could be shared by the linker with
 * code for a processor that lacks the instructions.
 */
#ifndef QUERN_ISA_VEC_COMMON_H
#define QUERN_ISA_VEC_COMMON_H

#include <stddef.h>
#include <stdint.h>

#define QN_INLINE static inline __attribute__((always_inline, unused))

#ifndef QN_REAL_BITS
#define QN_REAL_BITS 32
#endif

#if QN_REAL_BITS == 64
typedef double qn_real;
#define QN_WHOLE_REALS 0x1p52 /* from here on, every real is an integer */
#else
typedef float qn_real;
#define QN_WHOLE_REALS 0x1p23f
#endif

typedef qn_real qn_vf __attribute__((ext_vector_type(QN_LANES)));
typedef double qn_vd __attribute__((ext_vector_type(QN_LANES)));
/* What comparing reals gives; systems have different names for 64 bits. */
typedef __typeof__((qn_vf)0.0f < (qn_vf)0.0f) qn_vi;
typedef int32_t qn_vwords __attribute__((ext_vector_type(QN_LANES))); /* as memory holds them */

QN_INLINE qn_vf qn_vload(const qn_real *p) {
  qn_vf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

QN_INLINE void qn_vstore(qn_real *p, qn_vf v) { __builtin_memcpy(p, &v, sizeof v); }

QN_INLINE qn_vi qn_vload_i32(const int32_t *p) {
  qn_vwords v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, qn_vi);
}

QN_INLINE void qn_vstore_i32(int32_t *p, qn_vi v) {
  qn_vwords words = __builtin_convertvector(v, qn_vwords);
  __builtin_memcpy(p, &words, sizeof words);
}

QN_INLINE qn_vf qn_vset1(qn_real x) { return (qn_vf)x; }
QN_INLINE qn_vi qn_vset1_i32(int32_t x) { return (qn_vi)x; }
QN_INLINE qn_vf qn_vzero(void) { return (qn_vf)0.0f; }

/* 0, 1, 2, ... */
QN_INLINE qn_vi qn_vlane_index(void) {
  static const int32_t indices[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return qn_vload_i32(indices);
}

/* The same bits under another type. */
QN_INLINE qn_vi qn_vbits(qn_vf v) {
  qn_vi bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  return bits;
}

QN_INLINE qn_vf qn_vfrom_bits(qn_vi bits) {
  qn_vf v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}

/* The same values under another type. To integer: towards zero, and only for
 * values that an int32 can hold. */
QN_INLINE qn_vf qn_vto_float(qn_vi v) { return __builtin_convertvector(v, qn_vf); }
QN_INLINE qn_vi qn_vto_i32(qn_vf v) { return __builtin_convertvector(v, qn_vi); }
QN_INLINE qn_vd qn_vto_double(qn_vf v) { return __builtin_convertvector(v, qn_vd); }

/* Lane by lane: mask ? a : b. The mask comes from a comparison. */
QN_INLINE qn_vf qn_vselect(qn_vi mask, qn_vf a, qn_vf b) { return mask ? a : b; }
QN_INLINE qn_vi qn_vselect_i32(qn_vi mask, qn_vi a, qn_vi b) { return mask ? a : b; }

/* Lane by lane: the magnitude of a with the sign of b. */
QN_INLINE qn_vf qn_vcopysign(qn_vf a, qn_vf b) {
  const qn_vi sign = qn_vbits(qn_vset1(-0.0f));
  return qn_vfrom_bits((qn_vbits(a) & ~sign) | (qn_vbits(b) & sign));
}

/* The larger and the smaller of two; b when either is NaN. */
QN_INLINE qn_vf qn_vmax(qn_vf a, qn_vf b) { return a > b ? a : b; }
QN_INLINE qn_vf qn_vmin(qn_vf a, qn_vf b) { return a < b ? a : b; }

QN_INLINE qn_vf qn_vabs(qn_vf v) { return __builtin_elementwise_abs(v); }

/* Folds are fixed trees: the upper half onto the lower half until one lane is
 * left. */
typedef qn_real qn_vf4 __attribute__((ext_vector_type(4)));
typedef double qn_vd4 __attribute__((ext_vector_type(4)));
typedef __typeof__((qn_vf4)0.0f < (qn_vf4)0.0f) qn_vi4;

#if QN_LANES == 16
#define QN_FOLD_TO_4(combine, v) \
  combine(combine((v).lo.lo, (v).hi.lo), combine((v).lo.hi, (v).hi.hi))
#elif QN_LANES == 8
#define QN_FOLD_TO_4(combine, v) combine((v).lo, (v).hi)
#elif QN_LANES == 4
#define QN_FOLD_TO_4(combine, v) (v)
#else
#error "QN_LANES must be 4, 8 or 16"
#endif

#define QN_FOLD_4(combine, v) combine(combine((v).x, (v).z), combine((v).y, (v).w))

#define QN_SUM(a, b) ((a) + (b))
#define QN_LARGER(a, b) ((a) > (b) ? (a) : (b))
#define QN_SMALLER(a, b) ((a) < (b) ? (a) : (b))

QN_INLINE qn_real qn_vreduce_add(qn_vf v) {
  qn_vf4 last = QN_FOLD_TO_4(QN_SUM, v);
  return QN_FOLD_4(QN_SUM, last);
}

QN_INLINE double qn_vreduce_add_double(qn_vd v) {
  qn_vd4 last = QN_FOLD_TO_4(QN_SUM, v);
  return QN_FOLD_4(QN_SUM, last);
}

QN_INLINE int64_t qn_vreduce_add_i32(qn_vi v) {
  qn_vi4 last = QN_FOLD_TO_4(QN_SUM, v);
  return QN_FOLD_4(QN_SUM, last);
}

/* qn_vreduce_add of four vectors, with the same bits as one by one. */
QN_INLINE qn_vf4 qn_vreduce_add_4(qn_vf a, qn_vf b, qn_vf c, qn_vf d) {
  qn_vf4 p = QN_FOLD_TO_4(QN_SUM, a);
  qn_vf4 q = QN_FOLD_TO_4(QN_SUM, b);
  qn_vf4 r = QN_FOLD_TO_4(QN_SUM, c);
  qn_vf4 s = QN_FOLD_TO_4(QN_SUM, d);
  qn_vf4 pq_xy = __builtin_shufflevector(p, q, 0, 4, 1, 5);
  qn_vf4 pq_zw = __builtin_shufflevector(p, q, 2, 6, 3, 7);
  qn_vf4 rs_xy = __builtin_shufflevector(r, s, 0, 4, 1, 5);
  qn_vf4 rs_zw = __builtin_shufflevector(r, s, 2, 6, 3, 7);
  qn_vf4 pq = pq_xy + pq_zw; /* p.x + p.z, q.x + q.z, p.y + p.w, q.y + q.w */
  qn_vf4 rs = rs_xy + rs_zw;
  return __builtin_shufflevector(pq, rs, 0, 1, 4, 5) +
         __builtin_shufflevector(pq, rs, 2, 3, 6, 7);
}

/* Largest and smallest lane; unspecified when one is NaN. */
QN_INLINE qn_real qn_vreduce_max(qn_vf v) {
  qn_vf4 last = QN_FOLD_TO_4(QN_LARGER, v);
  return QN_FOLD_4(QN_LARGER, last);
}

QN_INLINE qn_real qn_vreduce_min(qn_vf v) {
  qn_vf4 last = QN_FOLD_TO_4(QN_SMALLER, v);
  return QN_FOLD_4(QN_SMALLER, last);
}

/* Whether any lane of a comparison's mask is set. */
QN_INLINE int qn_vany(qn_vi mask) { return __builtin_reduce_or(mask) != 0; }

QN_INLINE qn_vi qn_vload_u8_i32(const void *p) {
  typedef uint8_t bytes __attribute__((ext_vector_type(QN_LANES)));
  bytes b;
  __builtin_memcpy(&b, p, sizeof b);
  return __builtin_convertvector(b, qn_vi);
}

/* Partial loads and stores lane by lane, for instruction sets without masks. The
 * loops run over all lanes so that they unroll; a loop to n becomes a call. */
QN_INLINE qn_vf qn_vload_n_loop(const qn_real *p, size_t n) {
  if (n == QN_LANES) return qn_vload(p);
  qn_real lanes[QN_LANES];
  for (size_t i = 0; i < QN_LANES; i += 1) lanes[i] = i < n ? p[i] : 0.0f;
  return qn_vload(lanes);
}

QN_INLINE void qn_vstore_n_loop(qn_real *p, qn_vf v, size_t n) {
  if (n == QN_LANES) {
    qn_vstore(p, v);
    return;
  }
  qn_real lanes[QN_LANES];
  qn_vstore(lanes, v);
  for (size_t i = 0; i < QN_LANES; i += 1) {
    if (i < n) p[i] = lanes[i];
  }
}

QN_INLINE void qn_vstore_i32_n(int32_t *p, qn_vi v, size_t n) {
  if (n == QN_LANES) {
    qn_vstore_i32(p, v);
    return;
  }
  int32_t lanes[QN_LANES];
  qn_vstore_i32(lanes, v);
  for (size_t i = 0; i < n; i += 1) p[i] = lanes[i];
}

/* The first n lanes, zero in the rest. */
QN_INLINE qn_vf qn_vload_n(const qn_real *p, size_t n);

QN_INLINE qn_vi qn_vload_i32_n(const int32_t *p, size_t n) {
#if QN_REAL_BITS == 32
  return qn_vbits(qn_vload_n((const qn_real *)(const void *)p, n)); /* the same loads */
#else
  if (n == QN_LANES) return qn_vload_i32(p);
  int32_t lanes[QN_LANES];
  for (size_t i = 0; i < QN_LANES; i += 1) lanes[i] = i < n ? p[i] : 0;
  return qn_vload_i32(lanes);
#endif
}

QN_INLINE qn_vi qn_vload_u8_i32_n(const void *p, size_t n) {
  if (n == QN_LANES) return qn_vload_u8_i32(p);
  const uint8_t *bytes = p;
  uint8_t lanes[QN_LANES];
  for (size_t i = 0; i < QN_LANES; i += 1) lanes[i] = i < n ? bytes[i] : 0;
  return qn_vload_u8_i32(lanes);
}

#if QN_REAL_BITS == 32
#include "isa/vec_storage.h"
#endif

#endif
