/*
 * gemm/small.c: products that are computed before a plan could be made.
 *
 * The plan of a product and its task take about 100 ns, as long as 16 x 16 x 16 does.
 * Here are products of one matrix and one block of K that would be one task in any case,
 * with rows of A that are dense, and B packed or in dense rows. They go to the same
 * kernels as others, panel by panel, so that their bits are the same. The last columns of
 * a B that is read in place, if they are no whole stripe, are packed on the stack.
 */
#include "gemm/small.h"

#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "gemm/pack.h"
#include "kernels/panel.h"

enum {
  SMALL_PRODUCTS = 96 << 10,  /* multiplications that are one task for any number of threads */
  SINGLE_PRODUCTS = 512 << 10, /* and for one thread */
  MOST_ROWS = 96,
  SWEEP_ROWS = 2, /* with B in place these have a kernel of their own */
  STACK_DEPTH = 128,
};

static bool fits(const struct qn_gemm *p) {
  if (p->axes != 0 || p->a_col != 1 || p->c_col != 1) return false;
  if (p->rows > MOST_ROWS || p->inner == 0 || p->inner > QN_DEPTH) return false;
  if (p->residual != NULL && p->residual != p->c) return false;
  if (!p->packed && (p->b_col != 1 || p->rows <= SWEEP_ROWS || p->inner > STACK_DEPTH)) {
    return false;
  }
  const uint64_t products = (uint64_t)p->rows * p->cols; /* of sizes of 32 bits */
  if (products > SINGLE_PRODUCTS / p->inner) return false;
  return products * p->inner <= SMALL_PRODUCTS || qn_thread_count() == 1;
}

struct part {
  const float *b;
  size_t b_row, b_stripe;
};

/* `cols` columns from `col` on, ready for the kernel. */
static void multiply(const struct qn_gemm *p, struct part part, size_t col, size_t cols) {
  float *c = p->c + col;
  qn_kernels->gemm_panel_f32(c, p->a, part.b, p->rows, cols, p->inner, p->c_row, p->a_row,
                             part.b_row, part.b_stripe, p->alpha, p->beta, NULL);
  if (p->bias != NULL || p->activation != QN_ACTIVATION_NONE) {
    qn_kernels->linear_finish_f32(c, p->bias != NULL ? p->bias + col : NULL, p->rows, cols,
                                  p->c_row, p->activation);
  }
}

static void multiply_packed(const struct qn_gemm *p) {
  struct part part = {p->b, QN_STRIPE, QN_STRIPE * p->inner};
  for (size_t col = 0; col < p->cols; col += QN_PANEL) {
    const size_t rest = p->cols - col;
    multiply(p, part, col, rest < QN_PANEL ? rest : QN_PANEL);
    part.b += QN_PANEL * p->inner;
  }
}

static void multiply_in_place(const struct qn_gemm *p) {
  const size_t whole = p->cols - p->cols % QN_STRIPE;
  for (size_t col = 0; col < whole; col += QN_PANEL) {
    const size_t rest = whole - col;
    multiply(p, (struct part){p->b + col, p->b_row, QN_STRIPE}, col,
             rest < QN_PANEL ? rest : QN_PANEL);
  }
  if (whole == p->cols) return;
  _Alignas(64) float last[STACK_DEPTH * QN_STRIPE];
  qn_pack_panel(last, p->b + whole, p->inner, p->cols - whole, p->b_row, 1);
  multiply(p, (struct part){last, QN_STRIPE, 0}, whole, p->cols - whole);
}

bool qn_gemm_small(const struct qn_gemm *p) {
  if (!fits(p)) return false;
  if (p->packed) {
    multiply_packed(p);
  } else {
    multiply_in_place(p);
  }
  return true;
}
