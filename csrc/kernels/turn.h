/*
 * kernels/turn.h: a block of a matrix, turned.
 *
 * Squares of items are turned in registers: of 16 x 16 items, or 8 x 8 of 8 bytes, where the
 * block has room for them, so that a line of x is read and a line of y written whole. Otherwise rows
 * that are a power of two apart, which share one place in the first cache, would push
 * each other out between two visits. A last square that does not fit lies over the one
 * before it, and writes the same items again.
 *
 *     low   a0 b0 a1 b1 ..   the first items of two rows in turn
 *     high  .. a7 b7         the last
 *
 * Row i and row i + n / 2 of n rows go through these log2(n) times; then they are
 * columns. Wider vectors, whose halves a processor crosses slowly, do this within
 * 16 bytes, and exchange the pieces of 16 bytes last.
 */
#ifndef QN_KERNELS_TURN_H
#define QN_KERNELS_TURN_H

#include <string.h>

#include <vec.h>

enum { QN_SQUARE_SIDE = 16 };

/* ---- Items of 4 bytes ------------------------------------------------------- */

typedef uint32_t qn_words8 __attribute__((vector_size(32)));
typedef uint32_t qn_words16 __attribute__((vector_size(64)));

QN_INLINE qn_words8 qn_load_words8(const char *x) {
  qn_words8 row;
  memcpy(&row, x, sizeof row);
  return row;
}

/* From each 16 bytes: the first two items of a and b, or the last two, in turn. */
QN_INLINE qn_words8 qn_low_items8(qn_words8 a, qn_words8 b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
}
QN_INLINE qn_words8 qn_high_items8(qn_words8 a, qn_words8 b) {
  return __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
}

/* From each 16 bytes: the first pair of a and b, or the last. */
QN_INLINE qn_words8 qn_low_pairs8(qn_words8 a, qn_words8 b) {
  return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
}
QN_INLINE qn_words8 qn_high_pairs8(qn_words8 a, qn_words8 b) {
  return __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}

QN_INLINE qn_words8 qn_low_halves8(qn_words8 a, qn_words8 b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
}
QN_INLINE qn_words8 qn_high_halves8(qn_words8 a, qn_words8 b) {
  return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}

/* Four rows of x, so that row i of `turned` begins with item i of each of them in
 * its lower half, and with item i + 4 in its upper half. */
QN_INLINE void qn_turn_four8(qn_words8 *turned, const char *x, size_t x_bytes) {
  const qn_words8 a = qn_load_words8(x);
  const qn_words8 b = qn_load_words8(x + x_bytes);
  const qn_words8 c = qn_load_words8(x + 2 * x_bytes);
  const qn_words8 d = qn_load_words8(x + 3 * x_bytes);
  turned[0] = qn_low_pairs8(qn_low_items8(a, b), qn_low_items8(c, d));
  turned[1] = qn_high_pairs8(qn_low_items8(a, b), qn_low_items8(c, d));
  turned[2] = qn_low_pairs8(qn_high_items8(a, b), qn_high_items8(c, d));
  turned[3] = qn_high_pairs8(qn_high_items8(a, b), qn_high_items8(c, d));
}

/* 8 x 8 items of 4 bytes. */
QN_INLINE void qn_turn_words8(char *y, const char *x, size_t y_bytes, size_t x_bytes) {
  qn_words8 first[4];
  qn_words8 second[4];
  qn_turn_four8(first, x, x_bytes);
  qn_turn_four8(second, x + 4 * x_bytes, x_bytes);
  for (size_t i = 0; i < 4; i += 1) {
    const qn_words8 low = qn_low_halves8(first[i], second[i]);
    const qn_words8 high = qn_high_halves8(first[i], second[i]);
    memcpy(y + i * y_bytes, &low, sizeof low);
    memcpy(y + (i + 4) * y_bytes, &high, sizeof high);
  }
}

QN_INLINE qn_words16 qn_low_items16(qn_words16 a, qn_words16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
}
QN_INLINE qn_words16 qn_high_items16(qn_words16 a, qn_words16 b) {
  return __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}
QN_INLINE qn_words16 qn_low_pairs16(qn_words16 a, qn_words16 b) {
  return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
}
QN_INLINE qn_words16 qn_high_pairs16(qn_words16 a, qn_words16 b) {
  return __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}

/* The quarters 0 and 2 of a and of b, or 1 and 3. */
QN_INLINE qn_words16 qn_even_quarters(qn_words16 a, qn_words16 b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
}
QN_INLINE qn_words16 qn_odd_quarters(qn_words16 a, qn_words16 b) {
  return __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
}
QN_INLINE qn_words16 qn_low_halves16(qn_words16 a, qn_words16 b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}
QN_INLINE qn_words16 qn_high_halves16(qn_words16 a, qn_words16 b) {
  return __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30,
                                 31);
}

/* Four rows of x: quarter q of row i of `turned` is item 4 * q + i of each of them. */
QN_INLINE void qn_turn_four16(qn_words16 *turned, const char *x, size_t x_bytes) {
  qn_words16 row[4];
  for (size_t i = 0; i < 4; i += 1) memcpy(&row[i], x + i * x_bytes, sizeof row[i]);
  const qn_words16 low_first = qn_low_items16(row[0], row[1]);
  const qn_words16 low_last = qn_low_items16(row[2], row[3]);
  const qn_words16 high_first = qn_high_items16(row[0], row[1]);
  const qn_words16 high_last = qn_high_items16(row[2], row[3]);
  turned[0] = qn_low_pairs16(low_first, low_last);
  turned[1] = qn_high_pairs16(low_first, low_last);
  turned[2] = qn_low_pairs16(high_first, high_last);
  turned[3] = qn_high_pairs16(high_first, high_last);
}

/* 16 x 16 items of 4 bytes, for registers of 64 bytes. */
QN_INLINE void qn_turn_words16(char *y, const char *x, size_t y_bytes, size_t x_bytes) {
  qn_words16 turned[4][4];
  for (size_t four = 0; four < 4; four += 1) {
    qn_turn_four16(turned[four], x + 4 * four * x_bytes, x_bytes);
  }
  for (size_t i = 0; i < 4; i += 1) {
    const qn_words16 even_first = qn_even_quarters(turned[0][i], turned[1][i]);
    const qn_words16 even_last = qn_even_quarters(turned[2][i], turned[3][i]);
    const qn_words16 odd_first = qn_odd_quarters(turned[0][i], turned[1][i]);
    const qn_words16 odd_last = qn_odd_quarters(turned[2][i], turned[3][i]);
    const qn_words16 rows[4] = {
        qn_low_halves16(even_first, even_last), qn_low_halves16(odd_first, odd_last),
        qn_high_halves16(even_first, even_last), qn_high_halves16(odd_first, odd_last)};
    for (size_t q = 0; q < 4; q += 1) memcpy(y + (4 * q + i) * y_bytes, &rows[q], sizeof rows[q]);
  }
}

/* ---- Items of 1, 2 and 8 bytes ---------------------------------------------- */

typedef uint8_t qn_bytes16 __attribute__((vector_size(16)));
typedef uint16_t qn_shorts8 __attribute__((vector_size(16)));

QN_INLINE qn_bytes16 qn_low_bytes(qn_bytes16 a, qn_bytes16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
QN_INLINE qn_bytes16 qn_high_bytes(qn_bytes16 a, qn_bytes16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                 31);
}
QN_INLINE qn_shorts8 qn_low_shorts(qn_shorts8 a, qn_shorts8 b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
QN_INLINE qn_shorts8 qn_high_shorts(qn_shorts8 a, qn_shorts8 b) {
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/* 16 x 16 items of 1 byte. */
QN_INLINE void qn_turn_bytes(char *y, const char *x, size_t y_bytes, size_t x_bytes) {
  qn_bytes16 rows[16];
  qn_bytes16 next[16];
  for (size_t i = 0; i < 16; i += 1) memcpy(&rows[i], x + i * x_bytes, sizeof rows[i]);
  for (size_t step = 0; step < 4; step += 1) {
    for (size_t i = 0; i < 8; i += 1) {
      next[2 * i] = qn_low_bytes(rows[i], rows[i + 8]);
      next[2 * i + 1] = qn_high_bytes(rows[i], rows[i + 8]);
    }
    memcpy(rows, next, sizeof rows);
  }
  for (size_t i = 0; i < 16; i += 1) memcpy(y + i * y_bytes, &rows[i], sizeof rows[i]);
}

/* 8 x 8 items of 2 bytes. */
QN_INLINE void qn_turn_shorts(char *y, const char *x, size_t y_bytes, size_t x_bytes) {
  qn_shorts8 rows[8];
  qn_shorts8 next[8];
  for (size_t i = 0; i < 8; i += 1) memcpy(&rows[i], x + i * x_bytes, sizeof rows[i]);
  for (size_t step = 0; step < 3; step += 1) {
    for (size_t i = 0; i < 4; i += 1) {
      next[2 * i] = qn_low_shorts(rows[i], rows[i + 4]);
      next[2 * i + 1] = qn_high_shorts(rows[i], rows[i + 4]);
    }
    memcpy(rows, next, sizeof rows);
  }
  for (size_t i = 0; i < 8; i += 1) memcpy(y + i * y_bytes, &rows[i], sizeof rows[i]);
}

/* 4 x 4 items of 8 bytes: pairs of words. */
QN_INLINE void qn_turn_pairs(char *y, const char *x, size_t y_bytes, size_t x_bytes) {
  qn_words8 row[4];
  for (size_t i = 0; i < 4; i += 1) row[i] = qn_load_words8(x + i * x_bytes);
  const qn_words8 low_first = qn_low_pairs8(row[0], row[1]);
  const qn_words8 low_last = qn_low_pairs8(row[2], row[3]);
  const qn_words8 high_first = qn_high_pairs8(row[0], row[1]);
  const qn_words8 high_last = qn_high_pairs8(row[2], row[3]);
  const qn_words8 turned[4] = {
      qn_low_halves8(low_first, low_last), qn_low_halves8(high_first, high_last),
      qn_high_halves8(low_first, low_last), qn_high_halves8(high_first, high_last)};
  for (size_t i = 0; i < 4; i += 1) memcpy(y + i * y_bytes, &turned[i], sizeof turned[i]);
}

/* ---- Blocks ----------------------------------------------------------------- */

/* side x side items, the side being 8 or 16; inlined with both and the item known. */
QN_INLINE void qn_turn_square(char *y, const char *x, size_t y_bytes, size_t x_bytes, size_t side,
                              size_t item) {
  if (item == 1) {
    qn_turn_bytes(y, x, y_bytes, x_bytes);
    return;
  }
  if (QN_LANES == 16 && item == 4 && side == 16) {
    qn_turn_words16(y, x, y_bytes, x_bytes);
    return;
  }
  const size_t part = item == 8 ? 4 : 8;
  for (size_t c = 0; c < side; c += part) {
    for (size_t r = 0; r < side; r += part) {
      char *to = y + r * y_bytes + c * item;
      const char *from = x + c * x_bytes + r * item;
      if (item == 2) qn_turn_shorts(to, from, y_bytes, x_bytes);
      else if (item == 4) qn_turn_words8(to, from, y_bytes, x_bytes);
      else qn_turn_pairs(to, from, y_bytes, x_bytes);
    }
  }
}

/* Inlined with the size of an item known, so that each copy is one move. The longer
 * axis is the inner loop. */
QN_INLINE void qn_turn_items(char *y, const char *x, size_t rows, size_t cols, size_t y_bytes,
                             size_t x_bytes, size_t item) {
  for (size_t c = 0; c < cols && cols < rows; c += 1) {
    const char *from = x + c * x_bytes;
    char *to = y + c * item;
    for (size_t r = 0; r < rows; r += 1) memcpy(to + r * y_bytes, from + r * item, item);
  }
  for (size_t r = 0; r < rows && cols >= rows; r += 1) {
    char *to = y + r * y_bytes;
    const char *from = x + r * item;
    for (size_t c = 0; c < cols; c += 1) memcpy(to + c * item, from + c * x_bytes, item);
  }
}

/* Where the square after `at` begins, so that none leaves an axis of `size`. */
QN_INLINE size_t qn_next_square(size_t at, size_t side, size_t size) {
  const size_t next = at + side;
  return next >= size || next + side <= size ? next : size - side;
}

QN_INLINE void qn_turn_squares(char *y, const char *x, size_t rows, size_t cols, size_t y_bytes,
                               size_t x_bytes, size_t side, size_t item) {
  for (size_t r = 0; r < rows; r = qn_next_square(r, side, rows)) {
    for (size_t c = 0; c < cols; c = qn_next_square(c, side, cols)) {
      qn_turn_square(y + r * y_bytes + c * item, x + c * x_bytes + r * item, y_bytes, x_bytes,
                     side, item);
    }
  }
}

/* y[rows, cols] = x[cols, rows] turned; the rows of y are y_bytes apart, those of x
 * x_bytes. Inlined with the size of an item known. */
QN_INLINE void qn_turn_block(char *y, const char *x, size_t rows, size_t cols, size_t y_bytes,
                             size_t x_bytes, size_t item) {
  const size_t least = rows < cols ? rows : cols;
  if (least >= QN_SQUARE_SIDE && item != 8) {
    qn_turn_squares(y, x, rows, cols, y_bytes, x_bytes, QN_SQUARE_SIDE, item);
  } else if (least >= 8 && item != 1) {
    qn_turn_squares(y, x, rows, cols, y_bytes, x_bytes, 8, item);
  } else {
    qn_turn_items(y, x, rows, cols, y_bytes, x_bytes, item);
  }
}

#endif
