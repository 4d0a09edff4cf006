/*
 * kernels/gemm_dots.c: the product of few rows of A with a B whose columns are dense:
 * each element is a dot product of what lies side by side.
 *
 * Lanes are columns, as in a tile, so that every sum takes its products in natural
 * order and has the bits that a tile gives. Four elements of each of QN_LANES columns
 * are turned into four vectors within 16 bytes, which costs two exchanges a vector:
 *
 *     loaded    a0 a1 a2 a3 | e0 e1 e2 e3 ..     turned    a0 b0 c0 d0 | e0 f0 g0 h0 ..
 *               b0 b1 b2 b3 | f0 ..                        a1 b1 c1 d1 | e1 ..
 *
 * One vector of columns is in work at a time: more would be more streams than the
 * processor reads ahead. The last columns are those that end B, of which only the new
 * ones are written; of a B narrower than a vector, one column is in all lanes. Nothing
 * beyond b is read.
 */
#include "dispatch/kernel_table.h"
#include "kernels/gemm_tile.h"

enum { MOST_ROWS = 4 };

struct dots {
  float *c;
  const float *a;
  const float *b;
  size_t c_row, c_col, a_row, a_col;
  size_t b_col; /* from the column of a lane to that of the next; may be 0 */
  size_t depth;
  float alpha, beta;
};

QN_INLINE qn_vf4 load_four(const float *x) {
  qn_vf4 v;
  __builtin_memcpy(&v, x, sizeof v);
  return v;
}

/* 4 elements from each of the columns 0, 4, 8 .. of lanes. */
QN_INLINE qn_vf load_fours(const float *b, size_t step) {
#if QN_LANES == 16
  const qn_vf4 w = load_four(b);
  const qn_vf4 x = load_four(b + 4 * step);
  const qn_vf4 y = load_four(b + 8 * step);
  const qn_vf4 z = load_four(b + 12 * step);
  typedef float eight_floats __attribute__((ext_vector_type(8)));
  const eight_floats low = __builtin_shufflevector(w, x, 0, 1, 2, 3, 4, 5, 6, 7);
  const eight_floats high = __builtin_shufflevector(y, z, 0, 1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif QN_LANES == 8
  return __builtin_shufflevector(load_four(b), load_four(b + 4 * step), 0, 1, 2, 3, 4, 5, 6, 7);
#else
  (void)step;
  return load_four(b);
#endif
}

/* Within each 16 bytes: the first or last items of a and b in turn, and the first or
 * last pairs of a and b. */
#if QN_LANES == 16
#define QN_LOW_ITEMS 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define QN_HIGH_ITEMS 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define QN_LOW_PAIRS 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define QN_HIGH_PAIRS 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#elif QN_LANES == 8
#define QN_LOW_ITEMS 0, 8, 1, 9, 4, 12, 5, 13
#define QN_HIGH_ITEMS 2, 10, 3, 11, 6, 14, 7, 15
#define QN_LOW_PAIRS 0, 1, 8, 9, 4, 5, 12, 13
#define QN_HIGH_PAIRS 2, 3, 10, 11, 6, 7, 14, 15
#else
#define QN_LOW_ITEMS 0, 4, 1, 5
#define QN_HIGH_ITEMS 2, 6, 3, 7
#define QN_LOW_PAIRS 0, 1, 4, 5
#define QN_HIGH_PAIRS 2, 3, 6, 7
#endif

/* turned[q]: within each 16 bytes, item q of w, x, y and z. */
QN_INLINE void exchange(qn_vf turned[4], qn_vf w, qn_vf x, qn_vf y, qn_vf z) {
  const qn_vf low_first = __builtin_shufflevector(w, x, QN_LOW_ITEMS);
  const qn_vf low_last = __builtin_shufflevector(y, z, QN_LOW_ITEMS);
  const qn_vf high_first = __builtin_shufflevector(w, x, QN_HIGH_ITEMS);
  const qn_vf high_last = __builtin_shufflevector(y, z, QN_HIGH_ITEMS);
  turned[0] = __builtin_shufflevector(low_first, low_last, QN_LOW_PAIRS);
  turned[1] = __builtin_shufflevector(low_first, low_last, QN_HIGH_PAIRS);
  turned[2] = __builtin_shufflevector(high_first, high_last, QN_LOW_PAIRS);
  turned[3] = __builtin_shufflevector(high_first, high_last, QN_HIGH_PAIRS);
}

/* turned[q]: element q of the column of each lane. */
QN_INLINE void turn_fours(qn_vf turned[4], const float *b, size_t step) {
  exchange(turned, load_fours(b, step), load_fours(b + step, step),
           load_fours(b + 2 * step, step), load_fours(b + 3 * step, step));
}

/* Elements p .. p + 3 of the columns. */
QN_INLINE void add_four(const struct dots *at, qn_vf *sums, size_t p, int rows) {
  qn_vf across[4];
  turn_fours(across, at->b + p, at->b_col);
#pragma unroll
  for (size_t q = 0; q < 4; q += 1) {
#pragma unroll
    for (int i = 0; i < rows; i += 1) {
      const float down = at->a[(size_t)i * at->a_row + (p + q) * at->a_col];
      sums[i] = qn_vfma(qn_vset1(down), across[q], sums[i]);
    }
  }
}

#if QN_LANES == 16
/* Whole lines of 16 columns are loaded once each and turned with four exchanges a vector,
 * which keeps up with sums in natural order. Columns that lie a multiple of 4 KiB apart
 * share 8 places in the first cache: read in four pieces, a line would be gone after one. */
#define QN_LOW_QUARTERS 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define QN_HIGH_QUARTERS 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31

/* turned[q]: in each 16 bytes number i, item 4 * i + q of four columns. */
QN_INLINE void turn_lines(qn_vf turned[4], const float *b, size_t step) {
  const qn_vf w = qn_vload(b);
  const qn_vf x = qn_vload(b + step);
  const qn_vf y = qn_vload(b + 2 * step);
  const qn_vf z = qn_vload(b + 3 * step);
  exchange(turned, w, x, y, z);
}

/* The 16 elements of the columns from b on. */
QN_INLINE void add_line(const struct dots *at, qn_vf *sums, size_t p, int rows) {
  qn_vf fours[4][4];
#pragma unroll
  for (size_t i = 0; i < 4; i += 1) {
    turn_lines(fours[i], at->b + p + 4 * i * at->b_col, at->b_col);
  }
  qn_vf across[16];
#pragma unroll
  for (size_t q = 0; q < 4; q += 1) {
    const qn_vf l0 = __builtin_shufflevector(fours[0][q], fours[1][q], QN_LOW_QUARTERS);
    const qn_vf l1 = __builtin_shufflevector(fours[0][q], fours[1][q], QN_HIGH_QUARTERS);
    const qn_vf h0 = __builtin_shufflevector(fours[2][q], fours[3][q], QN_LOW_QUARTERS);
    const qn_vf h1 = __builtin_shufflevector(fours[2][q], fours[3][q], QN_HIGH_QUARTERS);
    across[q] = __builtin_shufflevector(l0, h0, QN_LOW_QUARTERS);
    across[8 + q] = __builtin_shufflevector(l0, h0, QN_HIGH_QUARTERS);
    across[4 + q] = __builtin_shufflevector(l1, h1, QN_LOW_QUARTERS);
    across[12 + q] = __builtin_shufflevector(l1, h1, QN_HIGH_QUARTERS);
  }
#pragma unroll
  for (size_t q = 0; q < 16; q += 1) {
#pragma unroll
    for (int i = 0; i < rows; i += 1) {
      const float down = at->a[(size_t)i * at->a_row + (p + q) * at->a_col];
      sums[i] = qn_vfma(qn_vset1(down), across[q], sums[i]);
    }
  }
}
#else
/* The elements p .. of a cache line of each column. */
QN_INLINE void add_line(const struct dots *at, qn_vf *sums, size_t p, int rows) {
#pragma unroll
  for (size_t q = 0; q < QN_LINE_FLOATS; q += 4) add_four(at, sums, p + q, rows);
}
#endif

/* The one element p. */
QN_INLINE void add_one(const struct dots *at, qn_vf *sums, size_t p, int rows) {
  float lanes[QN_LANES];
  for (size_t j = 0; j < QN_LANES; j += 1) lanes[j] = at->b[j * at->b_col + p];
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
    const float down = at->a[(size_t)i * at->a_row + p * at->a_col];
    sums[i] = qn_vfma(qn_vset1(down), qn_vload(lanes), sums[i]);
  }
}

/* `rows` rows by QN_LANES columns; the lanes skip .. skip + n - 1 are wanted, and c
 * is where the first of them goes. */
QN_INLINE void multiply(const struct dots *at, size_t skip, size_t n, int rows) {
  qn_vf sums[MOST_ROWS];
#pragma unroll
  for (int i = 0; i < rows; i += 1) sums[i] = qn_vzero();
  size_t p = 0;
  for (; p + QN_LINE_FLOATS <= at->depth; p += QN_LINE_FLOATS) add_line(at, sums, p, rows);
  for (; p + 4 <= at->depth; p += 4) add_four(at, sums, p, rows);
  for (; p < at->depth; p += 1) add_one(at, sums, p, rows);
#pragma unroll
  for (int i = 0; i < rows; i += 1) {
    float *c = at->c + (size_t)i * at->c_row;
    float lanes[QN_LANES];
    qn_vstore(lanes, sums[i]);
    const qn_vf wanted = skip == 0 ? sums[i] : qn_vload_n(lanes + skip, n);
    qn_write_sums(c, at->c_col, wanted, n, at->alpha, at->beta);
  }
}

/* Each a function of its own, so that registers are allotted to its loop alone. */
#define QN_APART __attribute__((noinline)) static

QN_APART void rows_1(const struct dots *at, size_t skip, size_t n) { multiply(at, skip, n, 1); }
QN_APART void rows_2(const struct dots *at, size_t skip, size_t n) { multiply(at, skip, n, 2); }
QN_APART void rows_3(const struct dots *at, size_t skip, size_t n) { multiply(at, skip, n, 3); }
QN_APART void rows_4(const struct dots *at, size_t skip, size_t n) { multiply(at, skip, n, 4); }

static void multiply_rows(const struct dots *at, size_t skip, size_t n, size_t rows) {
  switch (rows) {
    case 1: rows_1(at, skip, n); return;
    case 2: rows_2(at, skip, n); return;
    case 3: rows_3(at, skip, n); return;
    default: rows_4(at, skip, n); return;
  }
}

/* All columns, of up to MOST_ROWS rows. */
static void multiply_cols(struct dots at, size_t rows, size_t cols, size_t b_col) {
  float *c = at.c;
  const float *b = at.b;
  at.b_col = cols < QN_LANES ? 0 : b_col;
  const size_t step = cols < QN_LANES ? 1 : QN_LANES;
  for (size_t col = 0; col < cols; col += step) {
    const size_t n = cols - col < step ? cols - col : step;
    const size_t skip = step - n;
    at.c = c + col * at.c_col;
    at.b = b + (col - skip) * b_col;
    multiply_rows(&at, skip, n, rows);
  }
}

void QN_VARIANT(gemm_dots_f32)(float *c, const float *a, const float *b, size_t rows, size_t cols,
                               size_t depth, size_t c_row, size_t c_col, size_t a_row,
                               size_t a_col, size_t b_col, float alpha, float beta) {
  while (rows > 0) {
    size_t high = rows < MOST_ROWS ? rows : MOST_ROWS;
    if (rows > MOST_ROWS && rows < 2 * MOST_ROWS) high = (rows + 1) / 2;
    const struct dots at = {.c = c, .a = a, .b = b, .c_row = c_row, .c_col = c_col,
                            .a_row = a_row, .a_col = a_col, .depth = depth,
                            .alpha = alpha, .beta = beta};
    multiply_cols(at, high, cols, b_col);
    c += high * c_row;
    a += high * a_row;
    rows -= high;
  }
}
