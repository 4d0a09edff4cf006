/*
 * gemm/plan.c: which way a product goes, and how large its pieces are.
 *
 * From the sizes of a core's second cache, L2, and of the last one, L3, in floats:
 *
 *   a panel             the most stripes, up to QN_PANEL columns, of which a block of K
 *                       takes half of L2
 *   rows of A in a task what 3/8 of L2 hold of a block of K
 *   B read in place     up to 1/4 of L2, whatever the rows
 *   copies of A or B    up to half of L3
 *
 * No result depends on them: K is cut by its own size alone (kernels/panel.h).
 */
#include "base/cpu.h"
#include "base/threads.h"
#include "gemm/job.h"
#include "kernels/panel.h"

enum {
  DIRECT_ROWS = 12,          /* that read B in place, whatever its size */
  SWEEP_ROWS = 2,            /* what the kernel takes */
  DOT_ROWS = 8,              /* that read B along its columns */
  LEAST_ROWS = 12,           /* of a task, where there are more */
  LEAST_PRODUCTS = 96 << 10, /* multiplications of a task, where there are more */
  TASK_PRODUCTS = 256 << 10, /* better: some microseconds */
  SWEEP_PANELS = 32,         /* of a task, where there are as many: rows are read along */
  TASKS_A_THREAD = 4,
};

static size_t second_cache(void) { return qn_cpu_caches()->second / sizeof(float); }

size_t qn_gemm_copy_floats(void) { return qn_cpu_caches()->last / sizeof(float) / 2; }

/* ---- Which way -------------------------------------------------------------- */

void qn_gemm_turn(struct qn_gemm *p) {
  if (p->packed || p->cols > DOT_ROWS || p->rows < QN_STRIPE) return;
  const bool dots = p->a_col == 1;
  const bool sweep = p->a_row == 1 && p->cols <= SWEEP_ROWS;
  if (!dots && !sweep) return;
  const struct qn_gemm was = *p;
  p->a = was.b;
  p->b = was.a;
  p->rows = was.cols;
  p->cols = was.rows;
  p->a_row = was.b_col;
  p->a_col = was.b_row;
  p->b_row = was.a_col;
  p->b_col = was.a_row;
  p->c_row = was.c_col;
  p->c_col = was.c_row;
  for (uint32_t i = 0; i < p->axes; i += 1) {
    const size_t a = p->batch[i].a;
    p->batch[i].a = p->batch[i].b;
    p->batch[i].b = a;
  }
}

static enum qn_gemm_form form_of(const struct qn_gemm *p, size_t matrices) {
  if (p->packed) return QN_GEMM_PACKED;
  const bool fills = p->cols >= QN_STRIPE || p->cols == 1; /* the vectors of that kernel */
  if (p->b_row == 1 && p->rows <= DOT_ROWS && fills) return QN_GEMM_DOTS;
  if (p->b_col == 1) {
    if (p->rows <= SWEEP_ROWS) return QN_GEMM_SWEEP;
    const bool small = p->cols * p->inner <= second_cache() / 4;
    if (p->rows <= DIRECT_ROWS || small) return QN_GEMM_DIRECT;
  }
  const size_t panels = qn_divide_up(p->cols, QN_PANEL) * matrices;
  const bool enough = panels >= qn_thread_count() || p->rows <= 4 * LEAST_ROWS;
  return p->rows <= QN_GEMM_PANEL_ROWS && enough ? QN_GEMM_PANEL : QN_GEMM_PACKED;
}

static size_t panel_of(size_t depth) {
  const size_t stripes = second_cache() / 2 / depth / QN_STRIPE;
  return qn_larger(qn_smaller(stripes * QN_STRIPE, QN_PANEL), QN_STRIPE);
}

void qn_gemm_choose(struct qn_gemm_job *job, size_t matrices) {
  job->depth = qn_block_depth(job->p.inner);
  job->panel = panel_of(job->depth);
  job->form = form_of(&job->p, matrices);
}

bool qn_gemm_copies_a(const struct qn_gemm_job *job) {
  const bool any_stride = job->form == QN_GEMM_SWEEP || job->form == QN_GEMM_DOTS;
  return job->p.a_col != 1 && job->p.inner > 1 && !any_stride;
}

/* ---- How large the tasks are ------------------------------------------------- */

/* In how many pieces the rows are cut: what the second cache holds of A, and more
 * where there would be too few tasks; then evenly many for each thread. */
static size_t row_pieces(const struct qn_gemm_job *job, size_t panels, size_t wanted) {
  const struct qn_gemm *p = &job->p;
  if (job->form != QN_GEMM_PACKED && job->form != QN_GEMM_DIRECT) {
    return 1; /* each piece would read all of B, or pack the panel again */
  }
  const size_t threads = qn_thread_count();
  const size_t cached = qn_larger(second_cache() * 3 / 8 / job->depth, 4 * LEAST_ROWS);
  const size_t least =
      qn_larger(LEAST_PRODUCTS / job->panel / qn_larger(p->inner, 1), LEAST_ROWS);
  const size_t most = qn_larger(p->rows / least, 1);
  size_t pieces = qn_smaller(qn_divide_up(wanted, panels), most);
  if (pieces > threads) pieces -= pieces % threads;
  return qn_larger(pieces, qn_divide_up(p->rows, cached));
}

/* Rows by the above; panels: enough to be worth a task, but several tasks a thread. */
void qn_gemm_cut(struct qn_gemm_job *job) {
  const struct qn_gemm *p = &job->p;
  const size_t panels = qn_divide_up(p->cols, job->panel);
  const size_t threads = qn_thread_count();
  const size_t wanted = threads == 1 ? 1 : threads * TASKS_A_THREAD;
  job->block_rows =
      qn_divide_up(p->rows, row_pieces(job, panels * job->matrices, wanted));
  job->row_blocks = qn_divide_up(p->rows, job->block_rows);
  const size_t products = (job->block_rows + 2) * job->panel * qn_larger(p->inner, 1);
  const size_t most = qn_larger(panels * job->matrices * job->row_blocks / wanted, 1);
  size_t group = qn_divide_up(TASK_PRODUCTS, products);
  if (p->inner > job->depth || threads == 1) group = qn_larger(group, most);
  if (job->form == QN_GEMM_SWEEP) {
    group = qn_larger(group, qn_smaller(qn_divide_up(panels, threads), SWEEP_PANELS));
  }
  job->groups = qn_divide_up(panels, qn_smaller(group, panels));
  job->group = qn_divide_up(panels, job->groups);
}
