/*
 * gemm/gemm.c: the loops around the tiles.
 *
 * A task is some rows of C by some panels of one matrix. It goes over the blocks
 * of K, and in each over its panels, so that the rows of A stay in the second
 * cache while panels pass:
 *
 *     for each block of K
 *       for each panel of the task       packed already, or read in place, or packed here
 *         for each tile of rows          kernels/gemm_tile.c
 *
 * Rows of A are read where they lie. If neighbours along them do not lie side by
 * side, A is copied first. B is one of
 *
 *   PACKED  by the caller, or before the tasks start: many rows use each panel
 *   DIRECT  read in place: its rows are dense, and few rows use it, or it is small
 *   PANEL   packed panel by panel in the task that uses it
 *
 * The last panel, if it is not whole, is packed in any case, so that no tile reads
 * beyond B. Copies are scratch memory of the pool, of bounded size: a product that
 * would need more is made in several parts.
 */
#include "gemm/gemm.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "gemm/pack.h"
#include "kernels/panel.h"
#include "memory/pool.h"

enum {
  COPY_FLOATS = 4 << 20,     /* of A or B that are copied at one time: half of a third cache */
  DIRECT_FLOATS = 64 << 10,  /* of B that are read in place, whatever the rows */
  DIRECT_ROWS = 12,          /* that read B in place, whatever its size */
  PANEL_ROWS = 512,          /* that use a panel while it is hot */
  CACHED_FLOATS = 96 << 10,  /* of A that a task keeps in the second cache */
  LEAST_ROWS = 12,           /* of a task, where there are more */
  LEAST_PRODUCTS = 96 << 10, /* multiplications of a task, where there are more */
  TASK_PRODUCTS = 256 << 10, /* better: some microseconds */
  TASKS_A_THREAD = 4,
};

enum form { PACKED, DIRECT, PANEL };

struct job {
  struct qn_gemm p; /* a and b are replaced by copies */
  size_t first;     /* matrix of the batch */
  size_t matrices;
  size_t depth;
  enum form form;
  float *a_copy; /* null, or [matrices, rows, inner] */
  float *b_copy; /* null, or packed, [matrices] */
  size_t block_rows, row_blocks;
  size_t group, groups; /* panels of a task, and how many such there are */
  _Atomic qn_status status;
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

/* ---- One task ---------------------------------------------------------------- */

/* One matrix of the batch. */
struct operands {
  float *c;
  const float *a;
  const float *b;
};

static struct operands find_matrix(const struct job *job, size_t index) {
  const struct qn_gemm *p = &job->p;
  struct operands at = {p->c, p->a, p->b};
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

/* A panel of a block of K, ready for tiles; packed into `scratch` if it must be. */
static const float *panel_of(const struct job *job, const float *b, float *scratch, size_t first,
                             size_t depth, size_t col, size_t *b_stride) {
  const struct qn_gemm *p = &job->p;
  *b_stride = QN_PANEL;
  if (job->form == PACKED) {
    return b + first * divide_up(p->cols, QN_PANEL) * QN_PANEL + col * depth;
  }
  const size_t cols = smaller(QN_PANEL, p->cols - col);
  const float *at = b + first * p->b_row + col * p->b_col;
  if (job->form == DIRECT && cols == QN_PANEL) {
    *b_stride = p->b_row;
    return at;
  }
  qn_pack_panel(scratch, at, depth, cols, p->b_row, p->b_col);
  return scratch;
}

static void copy_rows(float *y, const float *x, size_t rows, size_t cols, size_t stride) {
  for (size_t r = 0; r < rows; r += 1) {
    memcpy(y + r * stride, x + r * stride, cols * sizeof *y);
  }
}

/* The product of `rows` rows of one matrix with the columns col .. end - 1. */
static void multiply(const struct job *job, struct operands at, size_t row, size_t rows,
                     size_t first_col, size_t end, float *scratch) {
  const struct qn_gemm *p = &job->p;
  const size_t a_row = job->a_copy != NULL ? p->inner : p->a_row;
  size_t first = 0;
  do { /* once where there is nothing to sum */
    const size_t depth = smaller(job->depth, p->inner - first);
    const bool last = first + depth == p->inner;
    const float beta = first == 0 ? p->beta : 1.0f;
    for (size_t col = first_col; col < end; col += QN_PANEL) {
      const size_t cols = smaller(QN_PANEL, p->cols - col);
      float *c = at.c + row * p->c_row + col;
      if (first == 0 && p->residual != NULL && p->residual != p->c) {
        copy_rows(c, p->residual + row * p->c_row + col, rows, cols, p->c_row);
      }
      size_t b_stride;
      const float *b = panel_of(job, at.b, scratch, first, depth, col, &b_stride);
      qn_kernels->gemm_panel_f32(c, at.a + row * a_row + first, b, rows, cols, depth, p->c_row,
                                 a_row, b_stride, p->alpha, beta);
      if (last && (p->bias != NULL || p->activation != QN_ACTIVATION_NONE)) {
        qn_kernels->linear_finish_f32(c, p->bias != NULL ? p->bias + col : NULL, rows, cols,
                                      p->c_row, p->activation);
      }
    }
    first += job->depth;
  } while (first < p->inner);
}

/* Whether some panel among the columns must be packed by the task. */
static bool needs_scratch(const struct job *job, size_t end) {
  return job->form == PANEL || (job->form == DIRECT && end % QN_PANEL != 0);
}

static void run_task(void *context, size_t task, uint32_t worker) {
  (void)worker;
  struct job *job = context;
  const struct qn_gemm *p = &job->p;
  const size_t col = task % job->groups * job->group * QN_PANEL;
  const size_t end = smaller(p->cols, col + job->group * QN_PANEL);
  const size_t row = task / job->groups % job->row_blocks * job->block_rows;
  const size_t rows = smaller(job->block_rows, p->rows - row);
  void *scratch = NULL;
  if (needs_scratch(job, end)) {
    const qn_status status = qn_pool_alloc(job->depth * QN_PANEL * sizeof(float), &scratch);
    if (status != QN_OK) {
      atomic_store(&job->status, status);
      return;
    }
  }
  multiply(job, find_matrix(job, task / (job->groups * job->row_blocks)), row, rows, col, end,
           scratch);
  qn_pool_free(scratch);
}

/* ---- How a job is cut -------------------------------------------------------- */

static enum form choose_form(const struct qn_gemm *p, size_t matrices) {
  if (p->packed) return PACKED;
  if (p->b_col == 1 && (p->rows <= DIRECT_ROWS || p->cols * p->inner <= DIRECT_FLOATS)) {
    return DIRECT;
  }
  const size_t panels = divide_up(p->cols, QN_PANEL) * matrices;
  const size_t threads = qn_thread_count();
  const bool enough = panels >= threads || p->rows <= 4 * LEAST_ROWS;
  return p->rows <= PANEL_ROWS && enough ? PANEL : PACKED;
}

/* In how many pieces the rows are cut: what the second cache holds of A, and more
 * where there would be too few tasks; then evenly many for each thread. */
static size_t row_pieces(const struct job *job, size_t panels, size_t wanted) {
  const struct qn_gemm *p = &job->p;
  if (job->form == PANEL) return 1; /* each piece would pack the panel again */
  const size_t threads = qn_thread_count();
  const size_t cached = larger(CACHED_FLOATS / job->depth, 4 * LEAST_ROWS);
  const size_t least = larger(LEAST_PRODUCTS / QN_PANEL / larger(p->inner, 1), LEAST_ROWS);
  const size_t most = larger(p->rows / least, 1);
  size_t pieces = smaller(divide_up(wanted, panels), most);
  if (pieces > threads) pieces -= pieces % threads;
  return larger(pieces, divide_up(p->rows, cached));
}

/* Rows by the above; panels: enough to be worth a task, but several tasks a thread. */
static void cut(struct job *job) {
  const struct qn_gemm *p = &job->p;
  const size_t panels = divide_up(p->cols, QN_PANEL);
  const size_t threads = qn_thread_count();
  const size_t wanted = threads == 1 ? 1 : threads * TASKS_A_THREAD;
  job->block_rows = divide_up(p->rows, row_pieces(job, panels * job->matrices, wanted));
  job->row_blocks = divide_up(p->rows, job->block_rows);
  const size_t products = (job->block_rows + 2) * QN_PANEL * larger(p->inner, 1);
  const size_t most = larger(panels * job->matrices * job->row_blocks / wanted, 1);
  job->group = smaller(divide_up(TASK_PRODUCTS, products), panels);
  if (p->inner > job->depth || threads == 1) job->group = larger(job->group, smaller(most, panels));
  job->groups = divide_up(panels, job->group);
  job->group = divide_up(panels, job->groups);
}

/* ---- Copies ------------------------------------------------------------------ */

static void copy_a(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct job *job = context;
  const struct qn_gemm *p = &job->p;
  while (begin < end) {
    const size_t matrix = begin / p->rows;
    const size_t row = begin % p->rows;
    const size_t rows = smaller(end - begin, p->rows - row);
    struct job source = {.p = job->p, .first = job->first};
    const float *a = find_matrix(&source, matrix).a + row * p->a_row;
    qn_pack_rows(job->a_copy + (matrix * p->rows + row) * p->inner, a, rows, p->inner, p->a_row,
                 p->a_col);
    begin += rows;
  }
}

static void pack_b(struct job *job) {
  const struct qn_gemm *p = &job->p;
  struct job source = {.p = job->p, .first = job->first};
  for (size_t i = 0; i < job->matrices; i += 1) {
    qn_pack_matrix(job->b_copy + i * qn_packed_floats(p->cols, p->inner),
                   find_matrix(&source, i).b, p->cols, p->inner, p->b_row, p->b_col);
  }
}

static size_t a_copy_floats(const struct qn_gemm *p) {
  return p->a_col == 1 || p->inner <= 1 ? 0 : p->rows * p->inner;
}

static size_t b_copy_floats(const struct job *job) {
  const struct qn_gemm *p = &job->p;
  return job->form != PACKED || p->packed ? 0 : qn_packed_floats(p->cols, p->inner);
}

/* ---- Jobs -------------------------------------------------------------------- */

/* Some matrices of the batch, whose copies fit into scratch memory. */
static qn_status run_job(struct job *job) {
  const size_t a_floats = a_copy_floats(&job->p) * job->matrices;
  const size_t b_floats = b_copy_floats(job) * job->matrices;
  void *a = NULL;
  void *b = NULL;
  qn_status status = a_floats == 0 ? QN_OK : qn_pool_alloc(a_floats * sizeof(float), &a);
  if (status == QN_OK && b_floats != 0) status = qn_pool_alloc(b_floats * sizeof(float), &b);
  if (status == QN_OK) {
    job->a_copy = a;
    job->b_copy = b;
    const size_t grain = larger(TASK_PRODUCTS / 16 / larger(job->p.inner, 1), 8);
    if (a != NULL) qn_parallel_rows(job->p.rows * job->matrices, grain, copy_a, job);
    if (b != NULL) pack_b(job);
    cut(job);
    qn_parallel_for(job->groups * job->row_blocks * job->matrices, run_task, job);
    status = atomic_load(&job->status);
  }
  qn_pool_free(b);
  qn_pool_free(a);
  return status;
}

/* All matrices of the batch, as many in a job as scratch memory allows. */
static qn_status run_batch(const struct qn_gemm *p) {
  size_t matrices = 1;
  for (uint32_t i = 0; i < p->axes; i += 1) matrices *= p->batch[i].size;
  struct job job = {.p = *p, .depth = qn_block_depth(p->inner)};
  job.form = choose_form(p, matrices);
  const size_t floats = larger(larger(a_copy_floats(p), b_copy_floats(&job)), 1);
  const size_t most = larger(COPY_FLOATS / floats, 1);
  for (; job.first < matrices; job.first += job.matrices) {
    job.matrices = smaller(most, matrices - job.first);
    const qn_status status = run_job(&job);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

/* As many columns at a time as scratch memory holds once they are packed. */
static qn_status run_columns(const struct qn_gemm *p) {
  const size_t most = larger(COPY_FLOATS / larger(p->inner, 1) / QN_PANEL, 1) * QN_PANEL;
  if (p->packed || p->cols <= most || p->rows <= PANEL_ROWS) return run_batch(p);
  struct qn_gemm part = *p;
  for (size_t col = 0; col < p->cols; col += most) {
    part.cols = smaller(most, p->cols - col);
    part.b = p->b + col * p->b_col;
    part.c = p->c + col;
    const qn_status status = run_batch(&part);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

/* Matrices that share B, and lie below each other in A and C, are one. */
static void join_rows(struct qn_gemm *p) {
  while (p->axes > 0) {
    const struct qn_gemm_axis axis = p->batch[p->axes - 1];
    const bool below = axis.a == p->rows * p->a_row && axis.c == p->rows * p->c_row;
    if (axis.size != 1 && !(axis.b == 0 && below)) return;
    p->rows *= axis.size;
    p->axes -= 1;
  }
}

qn_status qn_gemm(const struct qn_gemm *product) {
  struct qn_gemm p = *product;
  join_rows(&p);
  const size_t most = larger(COPY_FLOATS / larger(p.inner, 1), LEAST_ROWS);
  if (a_copy_floats(&p) == 0 || p.rows <= most) return run_columns(&p);
  struct qn_gemm part = p;
  for (size_t row = 0; row < p.rows; row += most) {
    part.rows = smaller(most, p.rows - row);
    part.a = p.a + row * p.a_row;
    part.c = p.c + row * p.c_row;
    const qn_status status = run_columns(&part);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}
