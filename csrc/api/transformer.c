/*
 * api/transformer.c: the functions of quern.h that only transformers need, but
 * for the matrix product (api/linear.c) and attention (api/attention.c).
 *
 * Each checks its arguments, then splits tokens, heads or pairs among the
 * threads; a sum is never split.
 */
#include <math.h>
#include <string.h>

#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "memory/pool.h"

struct embedding {
  char *y;
  const char *table;
  const int32_t *ids;
  size_t cols;
  size_t row_bytes;
  size_t y_row_bytes;
  int32_t dtype;
};

static void embedding_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct embedding *task = context;
  for (size_t t = begin; t < end; t += 1) {
    const char *row = task->table + (size_t)task->ids[t] * task->row_bytes;
    char *y = task->y + t * task->y_row_bytes;
    if (task->dtype == QN_F64) {
      memcpy(y, row, task->row_bytes);
    } else {
      qn_kernels->dequantize_f32((float *)(void *)y, row, task->cols, task->dtype);
    }
  }
}

/* Nothing is written if an id is out of range. */
int32_t qn_embedding(void *y, const void *table, const int32_t *ids, uint32_t tokens,
                     uint32_t vocabulary, uint32_t cols, int32_t dtype) {
  struct qn_dtype_layout layout = {1, sizeof(double), sizeof(double)};
  if (dtype != QN_F64) QN_TRY(qn_find_layout(&layout, dtype));
  const size_t item = dtype == QN_F64 ? sizeof(double) : sizeof(float);
  QN_TRY(qn_check_array(y, tokens, cols, 1, item, item));
  QN_TRY(qn_check_words(ids, tokens, 1, 1));
  QN_TRY(qn_check_stored(table, tokens == 0 ? 0 : vocabulary, cols, &layout));
  QN_TRY(qn_check_indices(ids, tokens, vocabulary));
  const size_t row_bytes = cols / layout.block * layout.bytes;
  struct embedding task = {y, table, ids, cols, row_bytes, cols * item, dtype};
  if (cols != 0) qn_parallel_rows(tokens, qn_grain_rows(cols), embedding_rows, &task);
  return QN_OK;
}

struct rope_table {
  void *cosines;
  void *sines;
  const void *factors;
  size_t tokens;
  size_t pairs;
  double start;
  double base;
  double scale;
  struct qn_real real;
};

static void rope_table_pairs(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct rope_table *task = context;
  task->real.kernels->rope_table(task->cosines, task->sines, task->factors, task->tokens,
                                 task->pairs, begin, end, task->start, task->base, task->scale);
}

/* The base is finite and above 0, the scale finite. */
int32_t qn_rope_table(void *cosines, void *sines, const void *factors, uint32_t tokens,
                      uint32_t pairs, uint32_t start, double base, double scale, int32_t dtype) {
  if (!isfinite(base) || base <= 0.0 || !isfinite(scale)) return QN_BAD_ARGUMENT;
  struct rope_table task = {cosines, sines, factors, tokens, pairs, (double)start, base, scale,
                            {NULL, 0}};
  const struct qn_real *real = &task.real;
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(qn_check_reals(real, cosines, tokens, pairs, 1));
  QN_TRY(qn_check_reals(real, sines, tokens, pairs, 1));
  if (factors != NULL) QN_TRY(qn_check_reals(real, factors, tokens != 0, pairs, 1));
  if (tokens == 0) return QN_OK;
  qn_parallel_rows(pairs, qn_grain_rows((size_t)tokens * 32), rope_table_pairs, &task);
  return QN_OK;
}

struct rope {
  void *y;
  const void *x;
  const void *cosines;
  const void *sines;
  size_t heads;
  size_t head_size;
  size_t pairs;
  int32_t halves;
  struct qn_real real;
};

static void rope_tokens(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct rope *task = context;
  const struct qn_real *real = &task->real;
  const size_t at = begin * task->heads * task->head_size;
  const size_t angle = begin * task->pairs;
  real->kernels->rope(qn_real_at(real, task->y, at), qn_real_at(real, task->x, at),
                      qn_real_at(real, task->cosines, angle), qn_real_at(real, task->sines, angle),
                      end - begin, task->heads, task->head_size, task->pairs, task->halves);
}

int32_t qn_rope(void *y, const void *x, const void *cosines, const void *sines, uint32_t tokens,
                uint32_t heads, uint32_t head_size, uint32_t pairs, int32_t layout,
                int32_t dtype) {
  if (layout != QN_ROPE_INTERLEAVED && layout != QN_ROPE_HALVES) return QN_BAD_ARGUMENT;
  if ((uint64_t)2 * pairs > head_size) return QN_BAD_SIZE;
  struct rope task = {y,     x, cosines, sines, heads, head_size, pairs, layout == QN_ROPE_HALVES,
                      {NULL, 0}};
  const struct qn_real *real = &task.real;
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(qn_check_reals(real, y, tokens, heads, head_size));
  QN_TRY(qn_check_reals(real, x, tokens, heads, head_size));
  QN_TRY(qn_check_reals(real, cosines, tokens, heads == 0 ? 0 : pairs, 1));
  QN_TRY(qn_check_reals(real, sines, tokens, heads == 0 ? 0 : pairs, 1));
  if (heads == 0 || head_size == 0) return QN_OK;
  qn_parallel_rows(tokens, qn_grain_rows((size_t)heads * head_size), rope_tokens, &task);
  return QN_OK;
}

static qn_status check_sample(uint32_t cols, float temperature, float top_p, float min_p,
                              float repeat_penalty, double uniform) {
  if (cols == 0 || cols > INT32_MAX) return QN_BAD_SIZE;
  /* Written so that NaN is refused too. */
  if (!(temperature >= 0.0f) || isinf(temperature)) return QN_BAD_ARGUMENT;
  if (!(top_p > 0.0f && top_p <= 1.0f)) return QN_BAD_ARGUMENT;
  if (!(min_p >= 0.0f && min_p < 1.0f)) return QN_BAD_ARGUMENT;
  if (!(repeat_penalty > 0.0f) || isinf(repeat_penalty)) return QN_BAD_ARGUMENT;
  if (!(uniform >= 0.0 && uniform < 1.0)) return QN_BAD_ARGUMENT;
  return QN_OK;
}

/* QN_BAD_ARGUMENT also when a logit is NaN or the largest of them infinite: they
 * are no distribution then. */
int32_t qn_sample_f32(int32_t *y, const float *logits, const int32_t *history, uint32_t cols,
                      uint32_t count, float temperature, uint32_t top_k, float top_p, float min_p,
                      float repeat_penalty, double uniform) {
  QN_TRY(check_sample(cols, temperature, top_p, min_p, repeat_penalty, uniform));
  QN_TRY(qn_check_words(y, 1, 1, 1));
  QN_TRY(qn_check_words(logits, cols, 1, 1));
  QN_TRY(qn_check_words(history, count, 1, 1));
  QN_TRY(qn_check_indices(history, count, cols));
  void *scratch;
  QN_TRY(qn_pool_alloc((size_t)16 * cols, &scratch));
  const int32_t status =
      qn_kernels->sample_f32(y, scratch, logits, history, cols, count, temperature, top_k, top_p,
                             min_p, repeat_penalty, uniform);
  qn_pool_free(scratch);
  return status;
}
