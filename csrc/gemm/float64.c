/*
 * gemm/float64.c: products of float64 matrices, for reference.
 *
 * Plain loops that compilers turn into vectors: ROWS rows of C are summed at a time, in
 * stripes of COLS columns that stay in the first cache. Each row of a stripe of B is read
 * where it lies, or brought together once for all these rows of A. Every sum takes its
 * products in natural order, so an element's bits depend on its row of A and its column of
 * B alone.
 */
#include "gemm/float64.h"

#include <stdbool.h>

#include "base/threads.h"

enum { ROWS = 8, COLS = 64, GRAIN_PRODUCTS = 64 << 10 };

struct job {
  double *c;
  const double *a;
  const double *b;
  const struct qn_gemm *layout;
  double alpha, beta;
  size_t blocks; /* of rows, in a matrix */
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* sums[i][j] += a[i] * line[j], for whole stripes; what is beyond one is not used. */
static void add_products(double sums[ROWS][COLS], const double *a, const double *line,
                         size_t rows) {
  for (size_t i = 0; i < rows; i += 1) {
    const double factor = a[i];
    for (size_t j = 0; j < COLS; j += 1) sums[i][j] += factor * line[j];
  }
}

static void write_sums(const struct job *job, double *c, double sums[ROWS][COLS], size_t rows,
                       size_t cols) {
  for (size_t i = 0; i < rows; i += 1) {
    double *row = c + i * job->layout->c_row;
    for (size_t j = 0; j < cols; j += 1) {
      const double sum = job->alpha * sums[i][j];
      row[j] = job->beta == 0.0 ? sum : sum + job->beta * row[j];
    }
  }
}

/* `rows` rows of one matrix, at most ROWS. */
static void multiply(const struct job *job, double *c, const double *a, const double *b,
                     size_t rows) {
  const struct qn_gemm *p = job->layout;
  for (size_t col = 0; col < p->cols; col += COLS) {
    const size_t cols = smaller(COLS, p->cols - col);
    double sums[ROWS][COLS] = {{0.0}};
    double line[COLS] = {0.0};
    for (size_t k = 0; k < p->inner; k += 1) {
      const double *row = b + k * p->b_row + col * p->b_col;
      const bool direct = p->b_col == 1 && cols == COLS;
      for (size_t j = 0; j < cols && !direct; j += 1) line[j] = row[j * p->b_col];
      double factors[ROWS];
      for (size_t i = 0; i < rows; i += 1) factors[i] = a[i * p->a_row + k * p->a_col];
      add_products(sums, factors, direct ? row : line, rows);
    }
    write_sums(job, c + col, sums, rows, cols);
  }
}

/* Blocks of rows, counted over all matrices. */
static void multiply_blocks(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct job *job = context;
  const struct qn_gemm *p = job->layout;
  for (size_t block = begin; block < end; block += 1) {
    const size_t row = block % job->blocks * ROWS;
    size_t rest = block / job->blocks;
    size_t c = row * p->c_row, a = row * p->a_row, b = 0;
    for (uint32_t i = p->axes; i > 0; i -= 1) {
      const struct qn_gemm_axis axis = p->batch[i - 1];
      const size_t step = rest % axis.size;
      rest /= axis.size;
      c += step * axis.c;
      a += step * axis.a;
      b += step * axis.b;
    }
    multiply(job, job->c + c, job->a + a, job->b + b, smaller(ROWS, p->rows - row));
  }
}

void qn_gemm_float64(double *c, const double *a, const double *b, const struct qn_gemm *layout,
                     double alpha, double beta) {
  struct job job = {c, a, b, layout, alpha, beta, (layout->rows + ROWS - 1) / ROWS};
  size_t blocks = job.blocks;
  for (uint32_t i = 0; i < layout->axes; i += 1) blocks *= layout->batch[i].size;
  const size_t products = ROWS * layout->cols * (layout->inner + 1);
  qn_parallel_rows(blocks, GRAIN_PRODUCTS / products + 1, multiply_blocks, &job);
}
