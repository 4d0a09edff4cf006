/*
 * gemm/job.h: how a product is cut into tasks, and where their operands are.
 *
 * A task is some rows of C by some panels of one matrix. B is one of
 *
 *   PACKED  by the caller, or before the tasks start: many rows use each panel
 *   DIRECT  read in place: its rows are dense, and few rows use it, or it is small
 *   PANEL   packed panel by panel in the task that uses it
 *   SWEEP   read in place, its dense rows from end to end: one row uses it, or two
 *   DOTS    read in place, along its dense columns: few rows use it
 */
#ifndef QN_GEMM_JOB_H
#define QN_GEMM_JOB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "gemm/gemm.h"
#include "quern.h"

enum qn_gemm_form { QN_GEMM_PACKED, QN_GEMM_DIRECT, QN_GEMM_PANEL, QN_GEMM_SWEEP, QN_GEMM_DOTS };

struct qn_gemm_job {
  struct qn_gemm p; /* a and b are replaced by copies */
  size_t first;     /* matrix of the batch */
  size_t matrices;
  size_t depth;
  size_t panel; /* columns of one */
  enum qn_gemm_form form;
  float *a_copy; /* null, or [matrices, rows, inner] */
  float *b_copy; /* null, or packed, [matrices] */
  size_t block_rows, row_blocks;
  size_t group, groups; /* panels of a task, and how many such there are */
  _Atomic qn_status status;
};

/* One matrix of the batch. */
struct qn_gemm_operands {
  float *c;
  const float *a;
  const float *b;
};

static inline size_t qn_smaller(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t qn_larger(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t qn_divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

/* The most floats of A or B that are copied at one time. */
size_t qn_gemm_copy_floats(void);

/* The most rows for which B is packed panel by panel. */
enum { QN_GEMM_PANEL_ROWS = 512 };

/* Takes a product with few columns as one with few rows, where that is faster. */
void qn_gemm_turn(struct qn_gemm *p);

/* Sets form, panel and depth of a job from its product, for `matrices` of them. */
void qn_gemm_choose(struct qn_gemm_job *job, size_t matrices);

/* Whether A must be copied so that its rows are dense. */
bool qn_gemm_copies_a(const struct qn_gemm_job *job);

/* Cuts a job into tasks. */
void qn_gemm_cut(struct qn_gemm_job *job);

/* The operands of a matrix of the job. */
struct qn_gemm_operands qn_gemm_find(const struct qn_gemm_job *job, size_t index);

/* Runs one task; a body for qn_parallel_for, `context` being the job. */
void qn_gemm_run_task(void *context, size_t task, uint32_t worker);

#endif
