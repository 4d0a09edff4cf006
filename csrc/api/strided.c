/*
 * api/strided.c: copies between tensors whose elements do not lie side by side.
 *
 * The axes are first put into a normal form: those of size 1 go, the others are
 * sorted by the stride of y, the largest first, and neighbours that both sides
 * walk as one axis become one. So every dense copy has one axis, however many it
 * came with. Then two axes make a tile and the rest is walked around it:
 *
 *   cols  the last axis, along which y is closest
 *   rows  ROWS:   the axis before it; both sides are dense along cols
 *         SQUARE: the axis along which x is dense, y being dense along cols
 *         POINTS: the axis along which x is closest; nothing is dense
 *
 * Tiles are cut into blocks, a block is a step of the walk, and threads take
 * runs of steps. Strides are in bytes from the normal form on.
 */
#include <stdbool.h>
#include <string.h>

#include "api/check.h"
#include "base/copy.h"
#include "base/cpu.h"
#include "base/sizes.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

enum {
  MAX_RANK = 16,
  BLOCK_BYTES = 65536, /* of a block of ROWS or POINTS */
  /* Elements of a block of SQUARE: its rows are long, so that y is written in order. */
  SQUARE_BLOCK = 32768,
  SQUARE_COLS = 1024,
  BAND_COLS = 64, /* of a step of a SQUARE that is streamed */
  LINE_BYTES = 64,
};

struct axis {
  size_t size;
  size_t y_bytes;
  ptrdiff_t x_bytes; /* below 0 where x is walked backwards */
};

/* A block within the whole, as the tile functions below take it. */
struct block {
  char *y;
  const char *x;
  size_t rows;
  size_t cols;
};

struct strided {
  char *y;
  const char *x;
  struct axis rows;
  struct axis cols;
  size_t block_rows;
  size_t block_cols;
  /* The walk: axes outside the tile, then the blocks of rows, then those of cols. */
  struct axis walk[MAX_RANK + 2];
  uint32_t walk_rank;
  uint32_t item_bytes;
  bool streams;
  void (*copy)(const struct strided *task, const struct block *block);
};

/* ---- Normal form ----------------------------------------------------------- */

static size_t distance(ptrdiff_t bytes) { return bytes < 0 ? 0 - (size_t)bytes : (size_t)bytes; }

/* Reads the axes of size 2 and more, sorted by the stride of y. */
static qn_status read_axes(struct axis *axes, uint32_t *rank, const uint64_t *layout,
                           uint32_t given, uint32_t item_bytes) {
  uint64_t y_span = item_bytes;
  uint64_t x_span = item_bytes;
  *rank = 0;
  for (uint32_t i = 0; i < given; i += 1, layout += 3) {
    if (layout[0] == 1) continue;
    struct axis axis = {.size = (size_t)layout[0]};
    if (__builtin_mul_overflow(layout[1], (uint64_t)item_bytes, &axis.y_bytes) ||
        __builtin_mul_overflow((int64_t)layout[2], (int64_t)item_bytes, &axis.x_bytes)) {
      return QN_BAD_SIZE;
    }
    QN_TRY(qn_add_span(&y_span, layout[0], axis.y_bytes));
    QN_TRY(qn_add_span(&x_span, layout[0], distance(axis.x_bytes)));
    uint32_t at = *rank;
    for (; at > 0 && axes[at - 1].y_bytes < axis.y_bytes; at -= 1) axes[at] = axes[at - 1];
    axes[at] = axis;
    *rank += 1;
  }
  return QN_OK;
}

/* Whether no element of y is written twice, for axes that are sorted: each steps
 * over all that lies inside it. Then the number of elements fits a size_t too. */
static bool is_distinct(const struct axis *axes, uint32_t rank, uint32_t item_bytes) {
  size_t inside = item_bytes;
  for (uint32_t i = rank; i > 0; i -= 1) {
    if (axes[i - 1].y_bytes < inside) return false;
    inside += (axes[i - 1].size - 1) * axes[i - 1].y_bytes;
  }
  return true;
}

/* Joins neighbours; returns how many axes are left. */
static uint32_t join_axes(struct axis *axes, uint32_t rank) {
  uint32_t last = 0;
  for (uint32_t i = 1; i < rank; i += 1) {
    struct axis *outer = &axes[last];
    const struct axis inner = axes[i];
    if (outer->y_bytes == inner.y_bytes * inner.size &&
        (size_t)outer->x_bytes == (size_t)inner.x_bytes * inner.size) {
      *outer = (struct axis){outer->size * inner.size, inner.y_bytes, inner.x_bytes};
    } else {
      axes[++last] = inner;
    }
  }
  return rank == 0 ? 0 : last + 1;
}

/* ---- Tiles ----------------------------------------------------------------- */

static void copy_rows(const struct strided *task, const struct block *block) {
  const size_t bytes = block->cols * task->item_bytes;
  for (size_t r = 0; r < block->rows; r += 1) {
    char *y = block->y + r * task->rows.y_bytes;
    const char *x = block->x + (ptrdiff_t)r * task->rows.x_bytes;
    if (bytes < QN_LONG_RUN) qn_copy_bytes(y, x, bytes);
    else qn_kernels->copy(y, x, bytes, x + task->rows.x_bytes, task->streams);
  }
}

/* Inlined with the size of an item known, so that each copy is one move. */
static inline __attribute__((always_inline)) void copy_items(const struct strided *task,
                                                             const struct block *block,
                                                             ptrdiff_t item) {
  const struct axis rows = task->rows;
  const struct axis cols = task->cols;
  const bool turned = cols.y_bytes == (size_t)item && cols.x_bytes == -item;
  for (size_t r = 0; r < block->rows; r += 1) {
    char *y = block->y + r * rows.y_bytes;
    const char *x = block->x + (ptrdiff_t)r * rows.x_bytes;
    const ptrdiff_t count = (ptrdiff_t)block->cols;
    if (turned) {
      for (ptrdiff_t c = 0; c < count; c += 1) memcpy(y + c * item, x - c * item, (size_t)item);
      continue;
    }
    for (ptrdiff_t c = 0; c < count; c += 1) {
      memcpy(y + (size_t)c * cols.y_bytes, x + c * cols.x_bytes, (size_t)item);
    }
  }
}

static void copy_points(const struct strided *task, const struct block *block) {
  switch (task->item_bytes) {
    case 1: copy_items(task, block, 1); return;
    case 2: copy_items(task, block, 2); return;
    case 4: copy_items(task, block, 4); return;
    default: copy_items(task, block, 8); return;
  }
}

/* Asks for the lines of x that rows of one line of items and `cols` columns are made of. */
static void ask_for(const char *x, size_t cols, size_t x_bytes) {
  for (size_t c = 0; c < cols; c += 1) __builtin_prefetch(x + c * x_bytes);
}

/* Past the caches: bands of a line of items of x, some columns at a time, are turned in the
 * first cache. The lines of x are as far apart as its rows: the processor foresees none. */
static void stream_square(const struct strided *task, const struct block *block) {
  char made[BAND_COLS * LINE_BYTES];
  const size_t item = task->item_bytes;
  const size_t x_bytes = (size_t)task->cols.x_bytes;
  const size_t y_bytes = task->rows.y_bytes;
  const size_t band = LINE_BYTES / item;
  for (size_t r = 0; r < block->rows; r += band) {
    const size_t rows = qn_min_size(band, block->rows - r);
    for (size_t c = 0; c < block->cols; c += BAND_COLS) {
      const size_t cols = qn_min_size(BAND_COLS, block->cols - c);
      const char *x = block->x + c * x_bytes + r * item;
      char *y = block->y + r * y_bytes + c * item;
      if (c + cols < block->cols) {
        ask_for(x + cols * x_bytes, qn_min_size(BAND_COLS, block->cols - c - cols), x_bytes);
      }
      qn_kernels->transpose(made, x, rows, cols, cols * item, x_bytes, item);
      for (size_t i = 0; i < rows; i += 1) {
        const char *row = made + i * cols * item;
        qn_kernels->copy(y + i * y_bytes, row, cols * item, row + cols * item, 1);
      }
    }
  }
}

static void copy_square(const struct strided *task, const struct block *block) {
  if (task->streams) {
    stream_square(task, block);
    return;
  }
  qn_kernels->transpose(block->y, block->x, block->rows, block->cols, task->rows.y_bytes,
                        (size_t)task->cols.x_bytes, task->item_bytes);
}

/* ---- The walk -------------------------------------------------------------- */

/* Takes the axis `index` out of `axes`; where there is none, an axis of one item. */
static struct axis take_axis(struct axis *axes, uint32_t *rank, uint32_t index, size_t item) {
  if (*rank == 0) return (struct axis){1, item, (ptrdiff_t)item};
  const struct axis taken = axes[index];
  *rank -= 1;
  for (uint32_t i = index; i < *rank; i += 1) axes[i] = axes[i + 1];
  return taken;
}

/* The axis along which x is closest. */
static uint32_t closest_axis(const struct axis *axes, uint32_t rank) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < rank; i += 1) {
    if (distance(axes[i].x_bytes) <= distance(axes[best].x_bytes)) best = i;
  }
  return best;
}

/* Chooses the tile among the axes, and takes its axes out. */
static void choose_tile(struct strided *task, struct axis *axes, uint32_t *rank) {
  const size_t item = task->item_bytes;
  const ptrdiff_t step = (ptrdiff_t)item;
  task->cols = take_axis(axes, rank, *rank - 1, item);
  const bool dense = task->cols.y_bytes == item && task->cols.x_bytes == step;
  const uint32_t beside = dense ? *rank - 1 : closest_axis(axes, *rank);
  task->rows = take_axis(axes, rank, beside, item);
  if (task->cols.y_bytes == item && task->rows.x_bytes == step && !dense &&
      task->cols.x_bytes >= 0) {
    task->copy = copy_square;
    task->block_cols = SQUARE_COLS;
    task->block_rows = SQUARE_BLOCK / qn_min_size(task->cols.size, SQUARE_COLS);
  } else {
    task->copy = dense ? copy_rows : copy_points;
    task->block_cols = BLOCK_BYTES / item;
    task->block_rows = BLOCK_BYTES / (item * qn_min_size(task->cols.size, task->block_cols));
  }
  task->block_rows = qn_min_size(task->block_rows, task->rows.size);
  task->block_cols = qn_min_size(task->block_cols, task->cols.size);
}

static struct axis blocks_of(struct axis axis, size_t block) {
  return (struct axis){(axis.size + block - 1) / block, axis.y_bytes * block,
                       axis.x_bytes * (ptrdiff_t)block};
}

/* The steps begin .. end - 1 of the walk. */
static void walk_blocks(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct strided *task = context;
  const uint32_t rank = task->walk_rank;
  size_t index[MAX_RANK + 2];
  struct block block = {task->y, task->x, 0, 0};
  size_t rest = begin;
  for (uint32_t i = rank; i > 0; i -= 1) {
    const struct axis axis = task->walk[i - 1];
    index[i - 1] = rest % axis.size;
    rest /= axis.size;
    block.y += index[i - 1] * axis.y_bytes;
    block.x += (ptrdiff_t)index[i - 1] * axis.x_bytes;
  }
  for (size_t step = begin; step < end; step += 1) {
    const size_t row = index[rank - 2] * task->block_rows;
    const size_t col = index[rank - 1] * task->block_cols;
    block.rows = qn_min_size(task->block_rows, task->rows.size - row);
    block.cols = qn_min_size(task->block_cols, task->cols.size - col);
    task->copy(task, &block);
    qn_end_stream(task->streams);
    for (uint32_t i = rank; i > 0; i -= 1) {
      const struct axis axis = task->walk[i - 1];
      block.y += axis.y_bytes;
      block.x += axis.x_bytes;
      if (++index[i - 1] < axis.size) break;
      block.y -= axis.size * axis.y_bytes;
      block.x -= (ptrdiff_t)axis.size * axis.x_bytes;
      index[i - 1] = 0;
    }
  }
}

/* A stride of y is at least what the axes inside it span, so that no element is
 * written twice: QN_BAD_ARGUMENT otherwise. */
int32_t qn_copy_strided(void *y, const void *x, const uint64_t *layout, uint32_t rank,
                        uint32_t item_bytes) {
  if (!qn_is_item(item_bytes)) return QN_BAD_ARGUMENT;
  if (rank > MAX_RANK) return QN_BAD_SIZE;
  if (rank > 0 && layout == NULL) return QN_NULL_POINTER;
  for (uint32_t i = 0; i < rank; i += 1) {
    if (layout[3 * i] == 0) return QN_OK;
  }
  struct axis axes[MAX_RANK];
  QN_TRY(read_axes(axes, &rank, layout, rank, item_bytes));
  if (!is_distinct(axes, rank, item_bytes)) return QN_BAD_ARGUMENT;
  QN_TRY(qn_check_array(y, 1, 1, 1, item_bytes, item_bytes));
  QN_TRY(qn_check_array(x, 1, 1, 1, item_bytes, item_bytes));
  size_t y_bytes = item_bytes;
  for (uint32_t i = 0; i < rank; i += 1) y_bytes *= axes[i].size;
  rank = join_axes(axes, rank);

  struct strided task = {.y = y, .x = x, .item_bytes = item_bytes};
  choose_tile(&task, axes, &rank);
  memcpy(task.walk, axes, rank * sizeof axes[0]);
  task.walk[rank] = blocks_of(task.rows, task.block_rows);
  task.walk[rank + 1] = blocks_of(task.cols, task.block_cols);
  task.walk_rank = rank + 2;
  size_t steps = 1;
  for (uint32_t i = 0; i < task.walk_rank; i += 1) steps *= task.walk[i].size;
  task.streams = qn_is_streamed(y_bytes);
  const size_t elements = task.block_rows * task.block_cols;
  const size_t grain = elements < QN_GRAIN_ELEMENTS ? QN_GRAIN_ELEMENTS / elements : 1;
  qn_parallel_rows(steps, grain, walk_blocks, &task);
  return QN_OK;
}
