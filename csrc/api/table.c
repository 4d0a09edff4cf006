/*
 * api/table.c: tensors that are read or written by indices along one axis.
 *
 * One walk serves whole slices (the indices have one axis, and stand still along the
 * others) and single elements (they have as many axes as the result). Axes that all
 * sides walk as one are joined; the indexed axis stays by itself. Two loops go to a
 * kernel as rows and columns, one of them the indexed axis:
 *
 *   an axis behind the indexed one    columns; the indexed axis is the rows
 *   none                              the indexed axis is the columns
 *
 * The other loop is cut into blocks, and threads take blocks. When reading, the indexed
 * axis is cut too. When adding it never is: all that goes to one element is added by
 * one thread, in the order of the indices.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "api/check.h"
#include "base/copy.h"
#include "base/cpu.h"
#include "base/sizes.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

enum { MAX_RANK = 16, SIDES = 3, DENSE = 0, TABLE = 1, INDICES = 2, LINE_BYTES = 64 };

/* Strides are in bytes, but for the indices in elements. */
struct axis {
  size_t size;
  size_t stride[SIDES];
};

struct table {
  char *y;
  const char *x;
  const char *indices;
  size_t index_count;
  struct axis walk[MAX_RANK + 1]; /* axes that are walked, then rows and columns */
  uint32_t walked;
  size_t block_rows;
  size_t block_cols;
  size_t slice; /* bytes that an index stands for */
  size_t extent;
  bool adds;
  bool streams;
  int32_t item_bytes;
  int32_t dtype;
  int32_t index_dtype;
};

/* ---- Checks ---------------------------------------------------------------- */

/* Whether no two elements of the table share a place: each axis, the closest first,
 * steps over all that the axes before it span. */
static bool is_distinct(const struct axis *axes, uint32_t rank, uint32_t indexed,
                        size_t extent, size_t item) {
  size_t sizes[MAX_RANK];
  size_t strides[MAX_RANK];
  uint32_t count = 0;
  for (uint32_t i = 0; i < rank; i += 1) {
    const size_t size = i == indexed ? extent : axes[i].size;
    const size_t stride = axes[i].stride[TABLE];
    if (size < 2) continue;
    uint32_t at = count++;
    for (; at > 0 && strides[at - 1] > stride; at -= 1) {
      sizes[at] = sizes[at - 1];
      strides[at] = strides[at - 1];
    }
    sizes[at] = size;
    strides[at] = stride;
  }
  size_t inside = item;
  for (uint32_t i = 0; i < count; i += 1) {
    if (strides[i] < inside) return false;
    inside += (sizes[i] - 1) * strides[i];
  }
  return true;
}

/* Reads the axes, none of them empty, and checks what all sides span. */
static qn_status read_axes(struct axis *axes, const uint64_t *layout, uint32_t rank,
                           uint32_t indexed, size_t item) {
  const uint64_t extent = layout[QN_TABLE_EXTENT];
  uint64_t span[SIDES] = {item, item, 1};
  uint64_t elements = 1;
  const uint64_t *values = layout + QN_TABLE_AXES;
  for (uint32_t i = 0; i < rank; i += 1, values += 1 + SIDES) {
    axes[i].size = (size_t)values[0];
    if (__builtin_mul_overflow(elements, values[0], &elements)) return QN_BAD_SIZE;
    for (uint32_t k = 0; k < SIDES; k += 1) {
      uint64_t stride;
      const size_t unit = k == INDICES ? 1 : item;
      if (__builtin_mul_overflow(values[1 + k], (uint64_t)unit, &stride)) return QN_BAD_SIZE;
      const bool by_index = k == TABLE && i == indexed;
      QN_TRY(qn_add_span(&span[k], by_index ? extent : values[0], stride));
      axes[i].stride[k] = (size_t)stride;
    }
  }
  if (elements > PTRDIFF_MAX / item) return QN_BAD_SIZE;
  return span[INDICES] <= layout[QN_TABLE_INDICES] ? QN_OK : QN_BAD_SIZE;
}

/* ---- Normal form ----------------------------------------------------------- */

static bool are_joined(const struct axis *outer, const struct axis *inner) {
  for (uint32_t k = 0; k < SIDES; k += 1) {
    if (outer->stride[k] != inner->stride[k] * inner->size) return false;
  }
  return true;
}

/* Takes the axes that are not indexed into the walk, joined; true if the last of them
 * is behind the indexed one. */
static bool take_axes(struct table *task, const struct axis *axes, uint32_t rank,
                      uint32_t indexed) {
  uint32_t count = 0;
  bool behind = false;
  for (uint32_t i = 0; i < rank; i += 1) {
    if (i == indexed || axes[i].size == 1) continue;
    struct axis axis = axes[i];
    behind = i > indexed;
    if (count > 0 && are_joined(&task->walk[count - 1], &axis)) {
      axis.size *= task->walk[count - 1].size;
      count -= 1;
    }
    task->walk[count++] = axis;
  }
  if (count == 0) task->walk[count++] = (struct axis){.size = 1};
  task->walked = count - 1;
  return behind;
}

/* Puts the indexed axis beside the last, and cuts both. */
static void place_axes(struct table *task, const struct axis *indexed, bool behind) {
  struct axis *rows = &task->walk[task->walked];
  struct axis *cols = rows + 1;
  *cols = *indexed;
  cols->stride[TABLE] = 0;
  size_t *across = &task->block_rows;
  size_t *along = &task->block_cols;
  if (behind) {
    const struct axis held = *rows;
    *rows = *cols;
    *cols = held;
    across = &task->block_cols;
    along = &task->block_rows;
  }
  const size_t other = behind ? cols->size : rows->size;
  if (task->adds) {
    /* Long runs of columns, but enough for all threads. */
    const size_t share = (other + qn_thread_count() - 1) / qn_thread_count();
    const size_t line = LINE_BYTES / (size_t)task->item_bytes;
    const size_t least = qn_max_size(share, QN_GRAIN_ELEMENTS / indexed->size);
    *along = indexed->size;
    *across = (least / line + 1) * line;
  } else if (behind) {
    *across = qn_min_size(other, QN_GRAIN_ELEMENTS);
    *along = QN_GRAIN_ELEMENTS / *across;
  } else {
    *along = qn_min_size(indexed->size, QN_GRAIN_ELEMENTS);
    *across = QN_GRAIN_ELEMENTS / *along;
  }
  task->block_rows = qn_min_size(task->block_rows, rows->size);
  task->block_cols = qn_min_size(task->block_cols, cols->size);
}

/* ---- The walk -------------------------------------------------------------- */

static void run_block(const struct table *task, const size_t *place, size_t rows, size_t cols) {
  const struct axis *axes = &task->walk[task->walked];
  size_t strides[SIDES][2];
  for (uint32_t k = 0; k < SIDES; k += 1) {
    strides[k][0] = axes[0].stride[k];
    strides[k][1] = axes[1].stride[k];
  }
  const size_t index_bytes = task->index_dtype == QN_I64 ? 8 : 4;
  const char *indices = task->indices + place[INDICES] * index_bytes;
  if (task->adds) {
    qn_kernels->scatter_add(task->y + place[TABLE], task->x + place[DENSE], indices, rows, cols,
                            strides, task->slice, task->extent, task->dtype, task->index_dtype);
  } else {
    qn_kernels->gather(task->y + place[DENSE], task->x + place[TABLE], indices, rows, cols,
                       strides, task->slice, task->extent, (size_t)task->item_bytes,
                       task->index_dtype, task->streams);
  }
}

static void walk_blocks(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct table *task = context;
  const struct axis *rows = &task->walk[task->walked];
  const struct axis *cols = rows + 1;
  const size_t col_blocks = qn_divide_up(cols->size, task->block_cols);
  const size_t row_blocks = qn_divide_up(rows->size, task->block_rows);
  for (size_t step = begin; step < end; step += 1) {
    const size_t col = step % col_blocks * task->block_cols;
    const size_t row = step / col_blocks % row_blocks * task->block_rows;
    size_t rest = step / col_blocks / row_blocks;
    size_t place[SIDES];
    for (uint32_t k = 0; k < SIDES; k += 1) {
      place[k] = row * rows->stride[k] + col * cols->stride[k];
    }
    for (uint32_t i = task->walked; i > 0; i -= 1) {
      const struct axis *axis = &task->walk[i - 1];
      const size_t index = rest % axis->size;
      rest /= axis->size;
      for (uint32_t k = 0; k < SIDES; k += 1) place[k] += index * axis->stride[k];
    }
    run_block(task, place, qn_min_size(task->block_rows, rows->size - row),
              qn_min_size(task->block_cols, cols->size - col));
  }
  qn_end_stream(task->streams);
}

/* ---- Both functions -------------------------------------------------------- */

struct index_check {
  const struct table *table;
  size_t index_bytes;
  atomic_bool fails;
};

static void check_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  struct index_check *check = context;
  const struct table *table = check->table;
  const int64_t extent = (int64_t)table->extent;
  const char *indices = table->indices + begin * check->index_bytes;
  const int32_t fit = qn_kernels->are_indices(indices, end - begin, -extent, extent - 1,
                                              table->index_dtype);
  if (!fit) atomic_store_explicit(&check->fails, true, memory_order_relaxed);
}

static qn_status check_indices(const struct table *task) {
  const size_t bytes = task->index_dtype == QN_I64 ? 8 : 4;
  QN_TRY(qn_check_array(task->indices, task->index_count, 1, 1, bytes, bytes));
  if (task->extent > INT64_MAX) return QN_BAD_SIZE;
  struct index_check check = {.table = task, .index_bytes = bytes};
  qn_parallel_rows(task->index_count, (size_t)4 * QN_GRAIN_ELEMENTS, check_range, &check);
  return atomic_load_explicit(&check.fails, memory_order_relaxed) ? QN_BAD_INDEX : QN_OK;
}

/* Checks everything and runs a task whose sides, item and dtypes are set. */
static qn_status run_table(struct table *task, const uint64_t *layout, uint32_t rank,
                           uint32_t indexed) {
  const size_t item = (size_t)task->item_bytes;
  if (task->index_dtype != QN_I32 && task->index_dtype != QN_I64) return QN_BAD_DTYPE;
  if (rank > MAX_RANK || rank == 0) return QN_BAD_SIZE;
  if (indexed >= rank) return QN_BAD_ARGUMENT;
  if (layout == NULL) return QN_NULL_POINTER;
  task->extent = (size_t)layout[QN_TABLE_EXTENT];
  task->index_count = (size_t)layout[QN_TABLE_INDICES];
  QN_TRY(check_indices(task));
  for (uint32_t i = 0; i < rank; i += 1) {
    if (layout[QN_TABLE_AXES + (1 + SIDES) * i] == 0) return QN_OK;
  }
  if (task->extent == 0) return QN_BAD_SIZE;
  struct axis axes[MAX_RANK];
  QN_TRY(read_axes(axes, layout, rank, indexed, item));
  QN_TRY(qn_check_array(task->y, 1, 1, 1, item, item));
  QN_TRY(qn_check_array(task->x, 1, 1, 1, item, item));
  if (task->adds && !is_distinct(axes, rank, indexed, task->extent, item)) return QN_BAD_ARGUMENT;
  if (!task->adds) {
    size_t bytes = item;
    for (uint32_t i = 0; i < rank; i += 1) bytes *= axes[i].size;
    task->streams = qn_is_streamed(bytes);
  }
  task->slice = axes[indexed].stride[TABLE];
  place_axes(task, &axes[indexed], take_axes(task, axes, rank, indexed));
  const struct axis *rows = &task->walk[task->walked];
  size_t steps = qn_divide_up(rows[0].size, task->block_rows) *
                 qn_divide_up(rows[1].size, task->block_cols);
  for (uint32_t i = 0; i < task->walked; i += 1) steps *= task->walk[i].size;
  qn_parallel_rows(steps, qn_grain_rows(task->block_rows * task->block_cols), walk_blocks, task);
  return QN_OK;
}

int32_t qn_gather(void *y, const void *x, const void *indices, const uint64_t *layout,
                  uint32_t rank, uint32_t axis, uint32_t item_bytes, int32_t index_dtype) {
  if (!qn_is_item(item_bytes)) return QN_BAD_ARGUMENT;
  struct table task = {.y = y,
                       .x = x,
                       .indices = indices,
                       .item_bytes = (int32_t)item_bytes,
                       .index_dtype = index_dtype};
  return run_table(&task, layout, rank, axis);
}

int32_t qn_scatter_add(void *y, const void *x, const void *indices, const uint64_t *layout,
                       uint32_t rank, uint32_t axis, int32_t dtype, int32_t index_dtype) {
  if (qn_item_bytes(dtype) == 0 || dtype == QN_U8 || dtype == QN_BOOL) return QN_BAD_DTYPE;
  struct table task = {.y = y,
                       .x = x,
                       .indices = indices,
                       .item_bytes = (int32_t)qn_item_bytes(dtype),
                       .adds = true,
                       .dtype = dtype,
                       .index_dtype = index_dtype};
  return run_table(&task, layout, rank, axis);
}
