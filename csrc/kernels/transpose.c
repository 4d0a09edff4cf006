/*
 * kernels/transpose.c: a block of a matrix, turned.
 *
 * Squares of 8 x 8 items are turned one by one. Items of 4 bytes go through
 * registers: each step exchanges pairs of items, then pairs of pairs, then halves.
 *
 *     rows of x     a0 a1 a2 a3 | a4 ..      pairs       a0 b0 a1 b1 | a4 b4 ..
 *                   b0 b1 b2 b3 | b4 ..      fours       a0 b0 c0 d0 | a4 b4 c4 d4
 *                   ..                       halves      a0 b0 c0 d0 | e0 f0 g0 h0
 */
#include <string.h>

#include "dispatch/kernel_table.h"

enum { SIDE = 8 };

typedef uint32_t words __attribute__((vector_size(32)));

static inline words load(const char *x) {
  words row;
  memcpy(&row, x, sizeof row);
  return row;
}

static inline void store(char *y, words row) { memcpy(y, &row, sizeof row); }

/* From each half: the first two items of a and b, or the last two, in turn. */
static inline words low_items(words a, words b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
}
static inline words high_items(words a, words b) {
  return __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
}

/* From each half: the first pair of a and b, or the last. */
static inline words low_pairs(words a, words b) {
  return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
}
static inline words high_pairs(words a, words b) {
  return __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}

static inline words low_halves(words a, words b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
}
static inline words high_halves(words a, words b) {
  return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}

/* Four rows of x, so that row i of `turned` begins with item i of each of them in
 * its lower half, and with item i + 4 in its upper half. */
static inline void turn_four(words *turned, const char *x, size_t x_bytes) {
  const words a = load(x);
  const words b = load(x + x_bytes);
  const words c = load(x + 2 * x_bytes);
  const words d = load(x + 3 * x_bytes);
  turned[0] = low_pairs(low_items(a, b), low_items(c, d));
  turned[1] = high_pairs(low_items(a, b), low_items(c, d));
  turned[2] = low_pairs(high_items(a, b), high_items(c, d));
  turned[3] = high_pairs(high_items(a, b), high_items(c, d));
}

static inline void turn_words(char *y, const char *x, size_t y_bytes, size_t x_bytes) {
  words first[4];
  words second[4];
  turn_four(first, x, x_bytes);
  turn_four(second, x + 4 * x_bytes, x_bytes);
  for (size_t i = 0; i < 4; i += 1) {
    store(y + i * y_bytes, low_halves(first[i], second[i]));
    store(y + (i + 4) * y_bytes, high_halves(first[i], second[i]));
  }
}

/* Inlined with the size of an item known, so that each copy is one move. */
static inline void turn_items(char *y, const char *x, size_t rows, size_t cols, size_t y_bytes,
                              size_t x_bytes, size_t item) {
  for (size_t r = 0; r < rows; r += 1) {
    char *to = y + r * y_bytes;
    const char *from = x + r * item;
    for (size_t c = 0; c < cols; c += 1) memcpy(to + c * item, from + c * x_bytes, item);
  }
}

static inline void turn_block(char *y, const char *x, size_t rows, size_t cols, size_t y_bytes,
                              size_t x_bytes, size_t item) {
  for (size_t r = 0; r < rows; r += SIDE) {
    const size_t high = rows - r < SIDE ? rows - r : SIDE;
    for (size_t c = 0; c < cols; c += SIDE) {
      const size_t wide = cols - c < SIDE ? cols - c : SIDE;
      char *to = y + r * y_bytes + c * item;
      const char *from = x + c * x_bytes + r * item;
      if (high < SIDE || wide < SIDE) {
        turn_items(to, from, high, wide, y_bytes, x_bytes, item);
      } else if (item == 4) {
        turn_words(to, from, y_bytes, x_bytes);
      } else {
        turn_items(to, from, SIDE, SIDE, y_bytes, x_bytes, item);
      }
    }
  }
}

void QN_VARIANT(transpose)(char *y, const char *x, size_t rows, size_t cols, size_t y_bytes,
                           size_t x_bytes, size_t item_bytes) {
  switch (item_bytes) {
    case 1: turn_block(y, x, rows, cols, y_bytes, x_bytes, 1); return;
    case 2: turn_block(y, x, rows, cols, y_bytes, x_bytes, 2); return;
    case 4: turn_block(y, x, rows, cols, y_bytes, x_bytes, 4); return;
    default: turn_block(y, x, rows, cols, y_bytes, x_bytes, 8); return;
  }
}
