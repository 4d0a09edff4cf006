/*
 * api/broadcast.c: elementwise functions of inputs with strides of their own.
 *
 * y is dense, so its elements are numbered, and threads take runs of numbers. The
 * axes are first put into a normal form: those of size 1 go, and neighbours that
 * every input walks as one axis become one; tensors of one shape that are dense
 * have one axis then. The last two axes make the rows and columns that a kernel
 * takes; the rest is walked around them:
 *
 *     number   = (walked * rows + row) * cols + col
 *     a kernel takes whole rows of one place in the walk, or a part of one row
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "api/check.h"
#include "base/sizes.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

enum { MAX_RANK = 16, MAX_INPUTS = 3 };

/* Strides are in elements. */
struct axis {
  size_t size;
  size_t stride[MAX_INPUTS];
};

struct task {
  char *y;
  size_t y_item; /* bytes of an element */
  const char *input[MAX_INPUTS];
  size_t item[MAX_INPUTS];
  uint32_t inputs;
  struct axis axes[MAX_RANK + 2]; /* those that are walked, then rows and columns */
  uint32_t walked;
  double scalar;
  int32_t op;
  int32_t dtype;
  void (*run)(const struct task *task, char *y, const char *const *input, size_t rows,
              size_t cols);
};

/* ---- Normal form ----------------------------------------------------------- */

static bool are_joined(const struct axis *outer, const struct axis *inner, uint32_t inputs) {
  for (uint32_t k = 0; k < inputs; k += 1) {
    size_t whole;
    if (__builtin_mul_overflow(inner->stride[k], inner->size, &whole)) return false;
    if (outer->stride[k] != whole) return false;
  }
  return true;
}

/* Reads the axes in their normal form, none of them empty, so that rows and columns
 * are the last two. */
static void read_axes(struct task *task, const uint64_t *layout, uint32_t rank) {
  struct axis axes[MAX_RANK];
  uint32_t count = 0;
  for (uint32_t i = 0; i < rank; i += 1, layout += 1 + task->inputs) {
    if (layout[0] == 1) continue;
    struct axis axis = {.size = (size_t)layout[0]};
    for (uint32_t k = 0; k < task->inputs; k += 1) axis.stride[k] = (size_t)layout[1 + k];
    if (count > 0 && are_joined(&axes[count - 1], &axis, task->inputs)) {
      axis.size *= axes[count - 1].size;
      count -= 1;
    }
    axes[count++] = axis;
  }
  const uint32_t added = count < 2 ? 2 - count : 0;
  for (uint32_t i = 0; i < added; i += 1) task->axes[i] = (struct axis){.size = 1};
  memcpy(task->axes + added, axes, count * sizeof axes[0]);
  task->walked = added + count - 2;
}

/* Elements from the first to the last of an input, or of y, where there are any. */
static qn_status find_span(uint64_t *span, const uint64_t *layout, uint32_t rank, uint32_t inputs,
                           uint32_t input) {
  *span = 1;
  for (uint32_t i = 0; i < rank; i += 1, layout += 1 + inputs) {
    uint64_t last;
    if (__builtin_mul_overflow(layout[0] - 1, layout[1 + input], &last) ||
        __builtin_add_overflow(last, *span, span)) {
      return QN_BAD_SIZE;
    }
  }
  return QN_OK;
}

static qn_status find_size(uint64_t *size, const uint64_t *layout, uint32_t rank,
                           uint32_t inputs) {
  *size = 1;
  for (uint32_t i = 0; i < rank; i += 1) {
    if (layout[i * (1 + inputs)] == 0) {
      *size = 0;
      return QN_OK;
    }
  }
  for (uint32_t i = 0; i < rank; i += 1) {
    if (__builtin_mul_overflow(*size, layout[i * (1 + inputs)], size)) return QN_BAD_SIZE;
  }
  return QN_OK;
}

/* ---- The walk -------------------------------------------------------------- */

/* The elements begin .. end - 1 of y. */
static void walk(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct task *task = context;
  const struct axis *rows = &task->axes[task->walked];
  const struct axis *cols = rows + 1;
  while (begin < end) {
    const size_t col = begin % cols->size;
    const size_t row = begin / cols->size % rows->size;
    size_t place = begin / cols->size / rows->size;
    const char *input[MAX_INPUTS];
    for (uint32_t k = 0; k < task->inputs; k += 1) {
      input[k] = task->input[k] +
                 (row * rows->stride[k] + col * cols->stride[k]) * task->item[k];
    }
    for (uint32_t i = task->walked; i > 0; i -= 1) {
      const struct axis *axis = &task->axes[i - 1];
      const size_t index = place % axis->size;
      place /= axis->size;
      for (uint32_t k = 0; k < task->inputs; k += 1) {
        input[k] += index * axis->stride[k] * task->item[k];
      }
    }
    size_t whole_rows = 1;
    size_t width = qn_min_size(cols->size - col, end - begin);
    if (width == cols->size) whole_rows = qn_min_size(rows->size - row, (end - begin) / width);
    task->run(task, task->y + begin * task->y_item, input, whole_rows, width);
    begin += whole_rows * width;
  }
}

/* Checks everything about a task but what is of its function alone, and runs it. An
 * input without an address is left out of the checks: the task brings its own. */
static qn_status run_task(struct task *task, const uint64_t *layout, uint32_t rank) {
  if (rank > MAX_RANK) return QN_BAD_SIZE;
  if (rank > 0 && layout == NULL) return QN_NULL_POINTER;
  uint64_t size;
  QN_TRY(find_size(&size, layout, rank, task->inputs));
  if (size == 0) return QN_OK;
  QN_TRY(qn_check_array(task->y, size, 1, 1, task->y_item, task->y_item));
  for (uint32_t k = 0; k < task->inputs; k += 1) {
    uint64_t span;
    QN_TRY(find_span(&span, layout, rank, task->inputs, k));
    QN_TRY(qn_check_array(task->input[k], span, 1, 1, task->item[k], task->item[k]));
  }
  read_axes(task, layout, rank);
  qn_parallel_rows((size_t)size, QN_GRAIN_ELEMENTS, walk, task);
  return QN_OK;
}

/* ---- Two inputs ------------------------------------------------------------ */

static void run_binary(const struct task *task, char *y, const char *const *input, size_t rows,
                       size_t cols) {
  const struct axis *row = &task->axes[task->walked];
  const struct axis *col = row + 1;
  qn_shared_kernels->binary(y, input[0], input[1], rows, cols, row->stride[0], col->stride[0],
                     row->stride[1], col->stride[1], task->scalar, task->op, task->dtype);
}

/* Whether an operation knows a dtype, and the bytes of that. */
static qn_status find_item(size_t *item, int32_t op, int32_t dtype) {
  if (op < QN_ADD || op > QN_OR) return QN_BAD_ARGUMENT;
  const bool compares = op >= QN_EQUAL && op <= QN_GREATER_EQUAL;
  const bool is_logic = op > QN_GREATER_EQUAL;
  const bool needs_real = op == QN_DIVIDE || op == QN_POWER || op == QN_ADD_SCALED;
  *item = qn_item_bytes(dtype);
  switch (dtype) {
    case QN_F32:
    case QN_F64: return is_logic ? QN_BAD_DTYPE : QN_OK;
    case QN_I32:
    case QN_I64: return is_logic || needs_real ? QN_BAD_DTYPE : QN_OK;
    case QN_U8: return compares ? QN_OK : QN_BAD_DTYPE;
    case QN_BOOL: return compares || is_logic ? QN_OK : QN_BAD_DTYPE;
    default: return QN_BAD_DTYPE;
  }
}

/* Writes a scalar as an element of a dtype, which must hold it. */
static qn_status store_scalar(void *element, double scalar, int32_t dtype) {
  if (dtype == QN_F32) {
    const float value = (float)scalar;
    memcpy(element, &value, sizeof value);
    return QN_OK;
  }
  if (dtype == QN_F64) {
    memcpy(element, &scalar, sizeof scalar);
    return QN_OK;
  }
  /* A double between these converts to int64 without overflow. */
  if (!(scalar >= -0x1p63 && scalar < 0x1p63) || scalar != floor(scalar)) return QN_BAD_ARGUMENT;
  const int64_t value = (int64_t)scalar;
  const int64_t least = dtype == QN_I64 ? INT64_MIN : dtype == QN_I32 ? INT32_MIN : 0;
  const int64_t most = dtype == QN_I64   ? INT64_MAX
                       : dtype == QN_I32 ? INT32_MAX
                       : dtype == QN_U8  ? UINT8_MAX
                                         : 1;
  if (value < least || value > most) return QN_BAD_ARGUMENT;
  const int32_t word = (int32_t)value;
  const uint8_t byte = (uint8_t)value;
  if (dtype == QN_I64) memcpy(element, &value, sizeof value);
  else if (dtype == QN_I32) memcpy(element, &word, sizeof word);
  else memcpy(element, &byte, sizeof byte);
  return QN_OK;
}

/* With b null, its strides are not looked at. */
int32_t qn_binary(void *y, const void *a, const void *b, const uint64_t *layout, uint32_t rank,
                  double scalar, int32_t op, int32_t dtype) {
  struct task task = {.y = y, .inputs = 2, .op = op, .dtype = dtype, .run = run_binary};
  size_t item;
  QN_TRY(find_item(&item, op, dtype));
  task.y_item = op >= QN_EQUAL ? 1 : item;
  task.item[0] = task.item[1] = item;
  task.input[0] = a;
  if (b != NULL || op == QN_ADD_SCALED) {
    task.scalar = scalar;
    task.input[1] = b;
    return run_task(&task, layout, rank);
  }
  if (rank > MAX_RANK) return QN_BAD_SIZE;
  if (rank > 0 && layout == NULL) return QN_NULL_POINTER;
  _Alignas(8) char element[8];
  QN_TRY(store_scalar(element, scalar, dtype));
  uint64_t repeated[3 * MAX_RANK];
  for (uint32_t i = 0; i < rank; i += 1) {
    repeated[3 * i] = layout[3 * i];
    repeated[3 * i + 1] = layout[3 * i + 1];
    repeated[3 * i + 2] = 0;
  }
  task.input[1] = element;
  return run_task(&task, repeated, rank);
}

/* ---- Where ----------------------------------------------------------------- */

static void run_where(const struct task *task, char *y, const char *const *input, size_t rows,
                      size_t cols) {
  const struct axis *row = &task->axes[task->walked];
  size_t strides[MAX_INPUTS][2];
  for (uint32_t k = 0; k < MAX_INPUTS; k += 1) {
    strides[k][0] = row[0].stride[k];
    strides[k][1] = row[1].stride[k];
  }
  qn_shared_kernels->where(y, input[0], input[1], input[2], rows, cols, strides, task->y_item);
}

int32_t qn_where(void *y, const void *condition, const void *a, const void *b,
                 const uint64_t *layout, uint32_t rank, uint32_t item_bytes) {
  if (!qn_is_item(item_bytes)) return QN_BAD_ARGUMENT;
  struct task task = {
      .y = y,
      .y_item = item_bytes,
      .input = {condition, a, b},
      .item = {1, item_bytes, item_bytes},
      .inputs = 3,
      .run = run_where,
  };
  return run_task(&task, layout, rank);
}
