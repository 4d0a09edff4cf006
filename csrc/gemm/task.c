/*
 * gemm/task.c: one task of a product.
 *
 * It goes over the blocks of K, and in each over its panels, so that the rows of A stay
 * in the second cache while panels pass:
 *
 *     for each block of K
 *       for each panel of the task       packed already, or read in place, or packed here
 *         for each tile of rows          kernels/gemm_tile.c
 *
 * With one row, or few, a kernel of its own takes all columns of the task at once. While
 * tiles of one packed panel are computed, the next is asked for: it would come too late from
 * the third cache otherwise. The last panel, if its stripes are not whole, is packed in any
 * case, so that no tile reads beyond B.
 */
#include <string.h>

#include "dispatch/dispatch.h"
#include "gemm/job.h"
#include "gemm/pack.h"
#include "kernels/panel.h"
#include "memory/pool.h"

struct qn_gemm_operands qn_gemm_find(const struct qn_gemm_job *job, size_t index) {
  const struct qn_gemm *p = &job->p;
  struct qn_gemm_operands at = {p->c, p->a, p->b};
  size_t rest = job->first + index;
  for (uint32_t i = p->axes; i > 0; i -= 1) {
    const struct qn_gemm_axis axis = p->batch[i - 1];
    const size_t step = rest % axis.size;
    rest /= axis.size;
    at.c += step * axis.c;
    at.a += step * axis.a;
    at.b += step * axis.b;
  }
  if (job->a_copy != NULL) at.a = job->a_copy + index * p->rows * p->inner;
  if (job->b_copy != NULL) at.b = job->b_copy + index * qn_packed_floats(p->cols, p->inner);
  return at;
}

/* The part of C that a task makes, and the block of K that it is at. */
struct part {
  struct qn_gemm_operands at;
  size_t row, rows;
  size_t col, end;
  size_t first, depth;
  float beta; /* the product's in the first block, then 1 */
};

/* A panel of a block of K, ready for tiles. */
struct panel {
  const float *b;
  size_t b_row, b_stripe;
};

static struct panel find_panel(const struct qn_gemm_job *job, const struct part *part,
                               float *scratch, size_t col, size_t cols) {
  const struct qn_gemm *p = &job->p;
  struct panel panel = {NULL, QN_STRIPE, QN_STRIPE * part->depth};
  if (job->form == QN_GEMM_PACKED) {
    panel.b = part->at.b + part->first * qn_padded_cols(p->cols) + col * part->depth;
    return panel;
  }
  const float *b = part->at.b + part->first * p->b_row + col * p->b_col;
  if (job->form == QN_GEMM_DIRECT && cols % QN_STRIPE == 0) {
    return (struct panel){b, p->b_row, QN_STRIPE};
  }
  qn_pack_panel(scratch, b, part->depth, cols, p->b_row, p->b_col);
  panel.b = scratch;
  return panel;
}

/* The panel that follows one which ends at a column: the first of the next block, or of the
 * first, since the next task may read it again. Null where it is not packed yet. */
static const float *find_next(const struct qn_gemm_job *job, const struct part *part, size_t end) {
  if (job->form != QN_GEMM_PACKED) return NULL;
  const size_t padded = qn_padded_cols(job->p.cols);
  if (end < part->end) return part->at.b + part->first * padded + end * part->depth;
  const size_t first = part->first + part->depth;
  const size_t depth = qn_smaller(job->depth, job->p.inner - first);
  if (depth == 0) return part->at.b + part->col * job->depth;
  return part->at.b + first * padded + part->col * depth;
}

static void copy_rows(float *y, const float *x, size_t rows, size_t cols, size_t stride) {
  for (size_t r = 0; r < rows; r += 1) {
    memcpy(y + r * stride, x + r * stride, cols * sizeof *y);
  }
}

/* One block of K for the columns of a panel, with what comes before and after it. */
static void multiply_panel(const struct qn_gemm_job *job, const struct part *part, size_t col,
                           float *scratch) {
  const struct qn_gemm *p = &job->p;
  const size_t cols = qn_smaller(job->panel, p->cols - col);
  const size_t a_row = job->a_copy != NULL ? p->inner : p->a_row;
  float *c = part->at.c + part->row * p->c_row + col;
  if (part->first == 0 && p->residual != NULL && p->residual != p->c) {
    copy_rows(c, p->residual + part->row * p->c_row + col, part->rows, cols, p->c_row);
  }
  const struct panel panel = find_panel(job, part, scratch, col, cols);
  qn_kernels->gemm_panel_f32(c, part->at.a + part->row * a_row + part->first, panel.b, part->rows,
                             cols, part->depth, p->c_row, a_row, panel.b_row, panel.b_stripe,
                             p->alpha, part->beta, find_next(job, part, col + cols));
  const bool last = part->first + part->depth == p->inner;
  if (last && (p->bias != NULL || p->activation != QN_ACTIVATION_NONE)) {
    qn_kernels->linear_finish_f32(c, p->bias != NULL ? p->bias + col : NULL, part->rows, cols,
                                  p->c_row, p->activation);
  }
}

/* One block of K for columns of a product with few rows. */
static void multiply_in_place(const struct qn_gemm_job *job, const struct part *part, size_t col,
                              size_t cols) {
  const struct qn_gemm *p = &job->p;
  float *c = part->at.c + part->row * p->c_row + col * p->c_col;
  const float *a = part->at.a + part->row * p->a_row + part->first * p->a_col;
  const float *b = part->at.b + part->first * p->b_row + col * p->b_col;
  if (job->form == QN_GEMM_SWEEP) {
    qn_kernels->gemm_sweep_f32(c, a, b, part->rows, cols, part->depth, p->c_row, p->c_col,
                               p->a_row, p->a_col, p->b_row, p->alpha, part->beta);
  } else {
    qn_kernels->gemm_dots_f32(c, a, b, part->rows, cols, part->depth, p->c_row, p->c_col,
                              p->a_row, p->a_col, p->b_col, p->alpha, part->beta);
  }
}

/* The columns of a part, over all blocks of K. */
static void multiply(const struct qn_gemm_job *job, struct part *part, float *scratch) {
  const struct qn_gemm *p = &job->p;
  part->beta = p->beta;
  do { /* once where there is nothing to sum */
    part->depth = qn_smaller(job->depth, p->inner - part->first);
    if (job->form == QN_GEMM_SWEEP || job->form == QN_GEMM_DOTS) {
      multiply_in_place(job, part, part->col, part->end - part->col);
    } else {
      for (size_t at = part->col; at < part->end; at += job->panel) {
        multiply_panel(job, part, at, scratch);
      }
    }
    part->first += job->depth;
    part->beta = 1.0f;
  } while (part->first < p->inner);
}

/* Whether some panel up to a column must be packed by the task. */
static bool needs_scratch(const struct qn_gemm_job *job, size_t end) {
  return job->form == QN_GEMM_PANEL || (job->form == QN_GEMM_DIRECT && end % QN_STRIPE != 0);
}

void qn_gemm_run_task(void *context, size_t task, uint32_t worker) {
  (void)worker;
  struct qn_gemm_job *job = context;
  const struct qn_gemm *p = &job->p;
  const size_t width = job->group * job->panel;
  const size_t col = task % job->groups * width;
  const size_t end = qn_smaller(p->cols, col + width);
  const size_t row = task / job->groups % job->row_blocks * job->block_rows;
  struct part part = {.at = qn_gemm_find(job, task / (job->groups * job->row_blocks)),
                      .row = row,
                      .rows = qn_smaller(job->block_rows, p->rows - row),
                      .col = col,
                      .end = end};
  void *scratch = NULL;
  if (needs_scratch(job, end)) {
    const qn_status status = qn_pool_alloc(job->depth * job->panel * sizeof(float), &scratch);
    if (status != QN_OK) {
      atomic_store(&job->status, status);
      return;
    }
  }
  multiply(job, &part, scratch);
  qn_pool_free(scratch);
}
