/*
 * isa/turn.h: a square of a matrix, turned on its way into registers.
 *
 * Include <vec.h> first. Rows are loaded in pieces of four floats, so that lanes i,
 * i + 4, ... of the four vectors of a quad of columns come from memory where they
 * belong, and only fours by four within 16 bytes are left to be turned by shuffles:
 *
 *     quad 0, vector i:   row i [0..3] | row i + 4 [0..3] | row i + 8 [0..3] | ...
 *     turned, column d:   rows 0..3 [d] | rows 4..7 [d] | rows 8..11 [d] | ...
 */
#ifndef QUERN_ISA_TURN_H
#define QUERN_ISA_TURN_H

#if QN_LANES == 16
#define QN_TURN_LOW 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define QN_TURN_HIGH 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define QN_TURN_FIRST 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define QN_TURN_SECOND 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#elif QN_LANES == 8
#define QN_TURN_LOW 0, 8, 1, 9, 4, 12, 5, 13
#define QN_TURN_HIGH 2, 10, 3, 11, 6, 14, 7, 15
#define QN_TURN_FIRST 0, 1, 8, 9, 4, 5, 12, 13
#define QN_TURN_SECOND 2, 3, 10, 11, 6, 7, 14, 15
#else
#define QN_TURN_LOW 0, 4, 1, 5
#define QN_TURN_HIGH 2, 6, 3, 7
#define QN_TURN_FIRST 0, 1, 4, 5
#define QN_TURN_SECOND 2, 3, 6, 7
#endif

/* Four floats of each of the rows 0, 4, ... from p on. */
QN_INLINE qn_vf qn_vload_fours(const float *p, size_t stride) {
  qn_vf4 fours[QN_LANES / 4];
  for (size_t i = 0; i < QN_LANES / 4; i += 1) {
    __builtin_memcpy(&fours[i], p + 4 * i * stride, sizeof fours[i]);
  }
#if QN_LANES == 16
  typedef float eight __attribute__((ext_vector_type(8)));
  eight low = __builtin_shufflevector(fours[0], fours[1], 0, 1, 2, 3, 4, 5, 6, 7);
  eight high = __builtin_shufflevector(fours[2], fours[3], 0, 1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif QN_LANES == 8
  return __builtin_shufflevector(fours[0], fours[1], 0, 1, 2, 3, 4, 5, 6, 7);
#else
  return fours[0];
#endif
}

/* columns[d][row] = p[row * stride + d] for QN_LANES rows and columns. */
QN_INLINE void qn_vload_turned_whole(qn_vf *columns, const float *p, size_t stride) {
#pragma unroll
  for (size_t d = 0; d < QN_LANES; d += 4) {
    qn_vf a = qn_vload_fours(p + d, stride);
    qn_vf b = qn_vload_fours(p + stride + d, stride);
    qn_vf c = qn_vload_fours(p + 2 * stride + d, stride);
    qn_vf e = qn_vload_fours(p + 3 * stride + d, stride);
    qn_vf ab_low = __builtin_shufflevector(a, b, QN_TURN_LOW);
    qn_vf ab_high = __builtin_shufflevector(a, b, QN_TURN_HIGH);
    qn_vf ce_low = __builtin_shufflevector(c, e, QN_TURN_LOW);
    qn_vf ce_high = __builtin_shufflevector(c, e, QN_TURN_HIGH);
    columns[d] = __builtin_shufflevector(ab_low, ce_low, QN_TURN_FIRST);
    columns[d + 1] = __builtin_shufflevector(ab_low, ce_low, QN_TURN_SECOND);
    columns[d + 2] = __builtin_shufflevector(ab_high, ce_high, QN_TURN_FIRST);
    columns[d + 3] = __builtin_shufflevector(ab_high, ce_high, QN_TURN_SECOND);
  }
}

/* The same for fewer rows and columns, zero in the lanes of the others; nothing else is
 * read, and columns from `cols` on are not written. */
QN_INLINE void qn_vload_turned(qn_vf *columns, const float *p, size_t stride, size_t rows,
                               size_t cols) {
  if (rows == QN_LANES && cols == QN_LANES) {
    qn_vload_turned_whole(columns, p, stride);
    return;
  }
  float square[QN_LANES * QN_LANES];
  for (size_t i = 0; i < QN_LANES; i += 1) {
    qn_vstore(square + i * QN_LANES, i < rows ? qn_vload_n(p + i * stride, cols) : qn_vzero());
  }
  qn_vload_turned_whole(columns, square, QN_LANES);
}

#endif
