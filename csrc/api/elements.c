/*
 * api/elements.c: the functions of quern.h that treat each element by itself.
 *
 * Each checks its arguments, then splits the elements among the threads. A range
 * begins at a multiple of QN_GRAIN_ELEMENTS, so what a thread writes shares no
 * cache line, no block and no group of random numbers with another's.
 */
#include <math.h>
#include <string.h>

#include "api/check.h"
#include "base/copy.h"
#include "base/cpu.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

struct fill {
  char *y;
  uint64_t pattern;
  size_t item_bytes;
};

static void fill_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct fill *task = context;
  const size_t item = task->item_bytes;
  qn_kernels->fill(task->y + begin * item, (end - begin) * item, task->pattern);
}

int32_t qn_fill(void *y, const uint64_t *item, uint32_t rows, uint32_t cols,
                uint32_t item_bytes) {
  if (!qn_is_item(item_bytes)) return QN_BAD_ARGUMENT;
  QN_TRY(qn_check_array(y, rows, cols, 1, item_bytes, item_bytes));
  if (item == NULL) return QN_NULL_POINTER;
  struct fill task = {.y = y, .item_bytes = item_bytes};
  for (size_t at = 0; at < sizeof task.pattern; at += item_bytes) {
    memcpy((char *)&task.pattern + at, item, item_bytes);
  }
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS, fill_range, &task);
  return QN_OK;
}

struct random_normal {
  struct qn_real real;
  void *y;
  uint32_t seed_low;
  uint32_t seed_high;
  double mean;
  double deviation;
};

static void random_normal_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct random_normal *task = context;
  void *y = qn_real_at(&task->real, task->y, begin);
  task->real.kernels->random_normal(y, begin, end - begin, task->seed_low, task->seed_high,
                                    task->mean, task->deviation);
}

/* The mean is finite; the deviation is finite and not negative. */
int32_t qn_random_normal(void *y, uint32_t rows, uint32_t cols, uint32_t seed_low,
                         uint32_t seed_high, double mean, double deviation, int32_t dtype) {
  if (!isfinite(mean) || !isfinite(deviation) || deviation < 0.0) return QN_BAD_ARGUMENT;
  struct random_normal task = {.y = y, .seed_low = seed_low, .seed_high = seed_high, .mean = mean,
                               .deviation = deviation};
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(qn_check_reals(&task.real, y, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS / 16, random_normal_range, &task);
  return QN_OK;
}

struct random_choices {
  uint8_t *y;
  uint32_t seed_low;
  uint32_t seed_high;
  uint32_t last;
};

static void random_choices_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct random_choices *task = context;
  qn_shared_kernels->random_choices(task->y + begin, begin, end - begin,
                             task->seed_low, task->seed_high, task->last);
}

/* What is true has a word below `probability` times the number of words there are. */
int32_t qn_random_choices(void *y, uint32_t rows, uint32_t cols, uint32_t seed_low,
                          uint32_t seed_high, double probability) {
  if (!(probability >= 0.0 && probability <= 1.0)) return QN_BAD_ARGUMENT;
  QN_TRY(qn_check_array(y, rows, cols, 1, 1, 1));
  const size_t count = (size_t)rows * cols;
  const uint64_t words = (uint64_t)(probability * 0x1p32);
  struct random_choices task = {.y = y, .seed_low = seed_low, .seed_high = seed_high,
                                .last = (uint32_t)(words - 1)};
  if (words > 0) qn_parallel_rows(count, QN_GRAIN_ELEMENTS, random_choices_range, &task);
  else if (count > 0) memset(y, 0, count);
  return QN_OK;
}

struct copy {
  char *y;
  const char *x;
  bool streams;
};

static void copy_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct copy *task = context;
  const char *x = task->x + begin;
  qn_kernels->copy(task->y + begin, x, end - begin, task->x + end, task->streams);
  qn_end_stream(task->streams);
}

int32_t qn_copy(void *y, const void *x, uint32_t rows, uint32_t row_bytes) {
  QN_TRY(qn_check_array(y, rows, row_bytes, 1, 1, 1));
  QN_TRY(qn_check_array(x, rows, row_bytes, 1, 1, 1));
  const size_t bytes = (size_t)rows * row_bytes;
  if (bytes == 0 || x == y) return QN_OK;
  const uintptr_t to = (uintptr_t)y;
  const uintptr_t from = (uintptr_t)x;
  /* Ranges that overlap must be copied in one direction, by one thread. */
  if ((to < from ? from - to : to - from) < bytes) {
    memmove(y, x, bytes);
    return QN_OK;
  }
  struct copy task = {y, x, qn_is_streamed(bytes)};
  qn_parallel_rows(bytes, (size_t)16 * QN_GRAIN_ELEMENTS, copy_range, &task);
  return QN_OK;
}

struct dequantize {
  float *y;
  const char *x;
  struct qn_dtype_layout layout;
  int32_t dtype;
};

static void dequantize_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct dequantize *task = context;
  const char *x = task->x + begin / task->layout.block * task->layout.bytes;
  qn_kernels->dequantize_f32(task->y + begin, x, end - begin, task->dtype);
}

int32_t qn_dequantize_f32(float *y, const void *x, uint32_t rows, uint32_t cols, int32_t dtype) {
  struct dequantize task = {.y = y, .x = x, .dtype = dtype};
  QN_TRY(qn_find_layout(&task.layout, dtype));
  QN_TRY(qn_check_stored(x, rows, cols, &task.layout));
  QN_TRY(qn_check_words(y, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS, dequantize_range, &task);
  return QN_OK;
}

struct cast {
  char *y;
  const char *x;
  size_t y_item;
  size_t x_item;
  int32_t y_dtype;
  int32_t x_dtype;
  bool streams;
};

static void cast_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct cast *task = context;
  char *y = task->y + begin * task->y_item;
  const char *x = task->x + begin * task->x_item;
  if (task->streams) qn_kernels->stream_cast(y, x, end - begin, task->y_dtype, task->x_dtype);
  else qn_kernels->cast(y, x, end - begin, task->y_dtype, task->x_dtype);
  qn_end_stream(task->streams);
}

int32_t qn_cast(void *y, const void *x, uint32_t rows, uint32_t cols, int32_t y_dtype,
                int32_t x_dtype) {
  struct cast task = {.y = y,
                      .x = x,
                      .y_item = qn_item_bytes(y_dtype),
                      .x_item = qn_item_bytes(x_dtype),
                      .y_dtype = y_dtype,
                      .x_dtype = x_dtype};
  if (task.y_item == 0 || task.x_item == 0) return QN_BAD_DTYPE;
  QN_TRY(qn_check_array(y, rows, cols, 1, task.y_item, task.y_item));
  QN_TRY(qn_check_array(x, rows, cols, 1, task.x_item, task.x_item));
  task.streams = qn_is_streamed((size_t)rows * cols * task.y_item);
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS, cast_range, &task);
  return QN_OK;
}

struct swiglu {
  struct qn_real real;
  void *y;
  const void *gate;
  const void *up;
};

static void swiglu_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct swiglu *task = context;
  const struct qn_real *real = &task->real;
  real->kernels->swiglu(qn_real_at(real, task->y, begin), qn_real_at(real, task->gate, begin),
                        qn_real_at(real, task->up, begin), end - begin);
}

int32_t qn_swiglu(void *y, const void *gate, const void *up, uint32_t rows, uint32_t cols,
                  int32_t dtype) {
  struct swiglu task = {.y = y, .gate = gate, .up = up};
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(qn_check_reals(&task.real, y, rows, cols, 1));
  QN_TRY(qn_check_reals(&task.real, gate, rows, cols, 1));
  QN_TRY(qn_check_reals(&task.real, up, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS / 4, swiglu_range, &task);
  return QN_OK;
}

struct clamp {
  struct qn_real real;
  void *y;
  const void *x;
  double low;
  double high;
};

static void clamp_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct clamp *task = context;
  const struct qn_real *real = &task->real;
  real->kernels->clamp(qn_real_at(real, task->y, begin), qn_real_at(real, task->x, begin),
                       end - begin, task->low, task->high);
}

int32_t qn_clamp(void *y, const void *x, uint32_t rows, uint32_t cols, double low, double high,
                 int32_t dtype) {
  if (!(low <= high)) return QN_BAD_ARGUMENT;
  struct clamp task = {.y = y, .x = x, .low = low, .high = high};
  QN_TRY(qn_find_real(&task.real, dtype));
  QN_TRY(qn_check_reals(&task.real, y, rows, cols, 1));
  QN_TRY(qn_check_reals(&task.real, x, rows, cols, 1));
  qn_parallel_rows((size_t)rows * cols, QN_GRAIN_ELEMENTS, clamp_range, &task);
  return QN_OK;
}
