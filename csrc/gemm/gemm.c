/*
 * gemm/gemm.c: products as jobs, with the copies that a job needs.
 *
 * Rows of A are read where they lie. If neighbours along them do not lie side by
 * side, A is copied first. Copies are scratch memory of the pool, of bounded size: a
 * product that would need more is made in several parts.
 */
#include "gemm/gemm.h"

#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "gemm/job.h"
#include "gemm/pack.h"
#include "gemm/small.h"
#include "kernels/panel.h"
#include "memory/pool.h"

enum { COPY_GRAIN = 16384 };

/* ---- Copies ------------------------------------------------------------------ */

static void copy_a(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct qn_gemm_job *job = context;
  const struct qn_gemm *p = &job->p;
  while (begin < end) {
    const size_t matrix = begin / p->rows;
    const size_t row = begin % p->rows;
    const size_t rows = qn_smaller(end - begin, p->rows - row);
    struct qn_gemm_job source = {.p = job->p, .first = job->first};
    const float *a = qn_gemm_find(&source, matrix).a + row * p->a_row;
    qn_pack_rows(job->a_copy + (matrix * p->rows + row) * p->inner, a, rows, p->inner, p->a_row,
                 p->a_col);
    begin += rows;
  }
}

static void pack_b(struct qn_gemm_job *job) {
  const struct qn_gemm *p = &job->p;
  struct qn_gemm_job source = {.p = job->p, .first = job->first};
  for (size_t i = 0; i < job->matrices; i += 1) {
    qn_pack_matrix(job->b_copy + i * qn_packed_floats(p->cols, p->inner),
                   qn_gemm_find(&source, i).b, p->cols, p->inner, p->b_row, p->b_col);
  }
}

/* ---- Jobs -------------------------------------------------------------------- */

static size_t a_copy_floats(const struct qn_gemm_job *job) {
  return qn_gemm_copies_a(job) ? job->p.rows * job->p.inner : 0;
}

static size_t b_copy_floats(const struct qn_gemm_job *job) {
  const struct qn_gemm *p = &job->p;
  return job->form != QN_GEMM_PACKED || p->packed ? 0 : qn_packed_floats(p->cols, p->inner);
}

/* Some matrices of the batch, whose copies fit into scratch memory. */
static qn_status run_job(struct qn_gemm_job *job) {
  const size_t a_floats = a_copy_floats(job) * job->matrices;
  const size_t b_floats = b_copy_floats(job) * job->matrices;
  void *a = NULL;
  void *b = NULL;
  qn_status status = a_floats == 0 ? QN_OK : qn_pool_alloc(a_floats * sizeof(float), &a);
  if (status == QN_OK && b_floats != 0) status = qn_pool_alloc(b_floats * sizeof(float), &b);
  if (status == QN_OK) {
    job->a_copy = a;
    job->b_copy = b;
    const size_t grain = qn_larger(COPY_GRAIN / qn_larger(job->p.inner, 1), 8);
    if (a != NULL) qn_parallel_rows(job->p.rows * job->matrices, grain, copy_a, job);
    if (b != NULL) pack_b(job);
    qn_gemm_cut(job);
    qn_parallel_for(job->groups * job->row_blocks * job->matrices, qn_gemm_run_task, job);
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
  struct qn_gemm_job job = {.p = *p};
  qn_gemm_choose(&job, matrices);
  const size_t floats = qn_larger(qn_larger(a_copy_floats(&job), b_copy_floats(&job)), 1);
  const size_t most = qn_larger(qn_gemm_copy_floats() / floats, 1);
  for (; job.first < matrices; job.first += job.matrices) {
    job.matrices = qn_smaller(most, matrices - job.first);
    const qn_status status = run_job(&job);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

/* As many columns at a time as scratch memory holds once they are packed. */
static qn_status run_columns(const struct qn_gemm *p) {
  const size_t floats = qn_gemm_copy_floats() / qn_larger(p->inner, 1);
  const size_t most = qn_larger(floats / QN_PANEL, 1) * QN_PANEL;
  if (p->packed || p->cols <= most || p->rows <= QN_GEMM_PANEL_ROWS) return run_batch(p);
  struct qn_gemm part = *p;
  for (size_t col = 0; col < p->cols; col += most) {
    part.cols = qn_smaller(most, p->cols - col);
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

/* As many rows at a time as scratch memory holds, where they might be copied. */
qn_status qn_gemm(const struct qn_gemm *product) {
  if (qn_gemm_small(product)) return QN_OK;
  struct qn_gemm p = *product;
  join_rows(&p);
  qn_gemm_turn(&p);
  const size_t most = qn_larger(qn_gemm_copy_floats() / qn_larger(p.inner, 1), QN_PANEL);
  if (p.a_col == 1 || p.rows <= most) return run_columns(&p);
  struct qn_gemm part = p;
  for (size_t row = 0; row < p.rows; row += most) {
    part.rows = qn_smaller(most, p.rows - row);
    part.a = p.a + row * p.a_row;
    part.c = p.c + row * p.c_row;
    const qn_status status = run_columns(&part);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}
