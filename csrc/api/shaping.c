/*
 * api/shaping.c: tensors with something around them, tensors beside each other, triangles,
 * and tensors that are made from nothing: sequences and one-hot rows.
 *
 * Padding works on rows of the last axis that grows; what lies behind that axis is
 * one item. A row outside of x along an earlier axis is a row of x too, or, where the
 * padding is a value, filled:
 *
 *     row      [ before | x, copied whole | behind ]
 *     before   filled, or items of the same row by their places
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "api/check.h"
#include "base/copy.h"
#include "base/cpu.h"
#include "base/half.h"
#include "base/sizes.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

enum { MAX_RANK = 16, PIECE_BYTES = 65536 };

/* The item, again and again, in 8 bytes. */
static uint64_t pattern_of(const void *item, size_t item_bytes) {
  uint64_t pattern;
  for (size_t at = 0; at < sizeof pattern; at += item_bytes) {
    memcpy((char *)&pattern + at, item, item_bytes);
  }
  return pattern;
}

/* ---- Padding --------------------------------------------------------------- */

struct padded {
  size_t size;
  size_t before;
  size_t total;
  size_t x_bytes; /* from one place of the axis to the next */
};

struct pad {
  char *y;
  const char *x;
  struct padded axes[MAX_RANK]; /* the last is that of the rows */
  uint32_t rank;
  size_t inner; /* bytes of an item of a row */
  size_t piece; /* items of a row that one step makes */
  size_t pieces;
  uint64_t pattern;
  int32_t mode;
  bool streams;
};

/* The place in an axis of x that padding shows at `place`, or SIZE_MAX for the value. */
static size_t shown_place(const struct padded *axis, size_t place, int32_t mode) {
  const size_t at = place - axis->before; /* wraps around before the axis */
  if (at < axis->size) return at;
  const bool is_before = place < axis->before;
  const size_t gap = is_before ? axis->before - place : at - axis->size + 1;
  if (mode == QN_PAD_CONSTANT) return SIZE_MAX;
  if (mode == QN_PAD_EDGE || axis->size == 1) return is_before ? 0 : axis->size - 1;
  if (mode == QN_PAD_WRAP) {
    return is_before ? (axis->size - gap % axis->size) % axis->size : (gap - 1) % axis->size;
  }
  /* Mirrored at both ends, the axis repeats itself after twice its steps. */
  const size_t last = axis->size - 1;
  const size_t turned = (is_before ? gap : last + gap) % (2 * last);
  return turned <= last ? turned : 2 * last - turned;
}

/* The places begin .. end - 1 of a row, all of them outside of x. */
static void pad_border(const struct pad *task, char *y, const char *row, size_t begin,
                       size_t end) {
  if (begin >= end) return;
  if (task->mode == QN_PAD_CONSTANT) {
    qn_kernels->fill(y + begin * task->inner, (end - begin) * task->inner, task->pattern);
    return;
  }
  const struct padded *axis = &task->axes[task->rank - 1];
  for (size_t i = begin; i < end; i += 1) {
    const size_t place = shown_place(axis, i, task->mode);
    qn_copy_bytes(y + i * task->inner, row + place * task->inner, task->inner);
  }
}

static void pad_row(const struct pad *task, char *y, const char *row, size_t begin, size_t end) {
  const struct padded *axis = &task->axes[task->rank - 1];
  const size_t first = axis->before;
  const size_t last = first + axis->size;
  pad_border(task, y, row, begin, qn_min_size(end, first));
  const size_t from = qn_max_size(begin, first);
  const size_t to = qn_min_size(end, last);
  if (from < to) {
    const char *x = row + (from - first) * task->inner;
    const size_t bytes = (to - from) * task->inner;
    qn_kernels->copy(y + from * task->inner, x, bytes, x + bytes, task->streams);
  }
  pad_border(task, y, row, qn_max_size(begin, last), end);
}

/* The row of x that row `number` of y shows; null where it is the value. */
static const char *shown_row(const struct pad *task, size_t number) {
  const char *row = task->x;
  for (uint32_t i = task->rank - 1; i > 0; i -= 1) {
    const struct padded *axis = &task->axes[i - 1];
    const size_t place = shown_place(axis, number % axis->total, task->mode);
    if (place == SIZE_MAX) return NULL;
    number /= axis->total;
    row += place * axis->x_bytes;
  }
  return row;
}

static void pad_pieces(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct pad *task = context;
  const size_t total = task->axes[task->rank - 1].total;
  for (size_t step = begin; step < end; step += 1) {
    const size_t number = step / task->pieces;
    const size_t first = step % task->pieces * task->piece;
    const size_t last = qn_min_size(first + task->piece, total);
    char *y = task->y + number * total * task->inner;
    const char *row = shown_row(task, number);
    if (row != NULL) pad_row(task, y, row, first, last);
    else qn_kernels->fill(y + first * task->inner, (last - first) * task->inner, task->pattern);
  }
  qn_end_stream(task->streams);
}

/* Reads the axes; `size` and `total` are the elements of x and y, at least 1 an axis. */
static qn_status read_padding(struct padded *axes, const uint64_t *layout, uint32_t rank,
                              uint64_t *size, uint64_t *total, int32_t mode) {
  *size = *total = 1;
  for (uint32_t i = 0; i < rank; i += 1, layout += 3) {
    uint64_t sum;
    if (__builtin_add_overflow(layout[0], layout[1], &sum) ||
        __builtin_add_overflow(sum, layout[2], &sum) ||
        __builtin_mul_overflow(*total, sum == 0 ? 1 : sum, total) || *total > PTRDIFF_MAX / 8) {
      return QN_BAD_SIZE;
    }
    if (layout[0] == 0 && sum != 0 && mode != QN_PAD_CONSTANT) return QN_BAD_ARGUMENT;
    axes[i] = (struct padded){(size_t)layout[0], (size_t)layout[1], (size_t)sum, 0};
    if (layout[0] != 0) *size *= layout[0];
  }
  return QN_OK;
}

/* Joins axes that do not grow with the axis before them, and leaves out the last of
 * them, which are part of an item. */
static void join_padding(struct pad *task, struct padded *axes, uint32_t rank, size_t item) {
  task->inner = item;
  while (rank > 1 && axes[rank - 1].total == axes[rank - 1].size) {
    rank -= 1;
    task->inner *= axes[rank].size;
  }
  uint32_t count = 0;
  for (uint32_t i = 0; i < rank; i += 1) {
    struct padded *last = &task->axes[count == 0 ? 0 : count - 1];
    if (count > 0 && axes[i].total == axes[i].size && last->total == last->size) {
      last->size *= axes[i].size;
      last->total = last->size;
    } else {
      task->axes[count++] = axes[i];
    }
  }
  if (count == 0) task->axes[count++] = (struct padded){1, 0, 1, 0};
  task->rank = count;
  size_t bytes = task->inner;
  for (uint32_t i = count; i > 0; i -= 1) {
    task->axes[i - 1].x_bytes = bytes;
    bytes *= task->axes[i - 1].size;
  }
}

int32_t qn_pad(void *y, const void *x, const uint64_t *layout, uint32_t rank,
               const uint64_t *item, uint32_t item_bytes, int32_t mode) {
  if (!qn_is_item(item_bytes) || mode < QN_PAD_CONSTANT || mode > QN_PAD_WRAP) {
    return QN_BAD_ARGUMENT;
  }
  if (rank > MAX_RANK) return QN_BAD_SIZE;
  if ((rank > 0 && layout == NULL) || item == NULL) return QN_NULL_POINTER;
  struct padded axes[MAX_RANK];
  uint64_t size, total;
  bool is_empty = false;
  bool has_none = false;
  QN_TRY(read_padding(axes, layout, rank, &size, &total, mode));
  for (uint32_t i = 0; i < rank; i += 1) {
    is_empty = is_empty || axes[i].total == 0;
    has_none = has_none || axes[i].size == 0;
  }
  if (is_empty) return QN_OK;
  QN_TRY(qn_check_array(y, total, 1, 1, item_bytes, item_bytes));
  if (!has_none) QN_TRY(qn_check_array(x, size, 1, 1, item_bytes, item_bytes));
  struct pad task = {.y = y, .x = x, .mode = mode, .pattern = pattern_of(item, item_bytes)};
  task.streams = qn_is_streamed((size_t)total * item_bytes);
  join_padding(&task, axes, rank, item_bytes);
  const size_t row = task.axes[task.rank - 1].total;
  task.piece = qn_min_size(row, qn_max_size(PIECE_BYTES / task.inner, 1));
  task.pieces = (row + task.piece - 1) / task.piece;
  size_t steps = task.pieces;
  for (uint32_t i = 0; i + 1 < task.rank; i += 1) steps *= task.axes[i].total;
  const size_t bytes = task.piece * task.inner;
  qn_parallel_rows(steps, bytes < PIECE_BYTES ? PIECE_BYTES / bytes : 1, pad_pieces, &task);
  return QN_OK;
}

/* ---- Parts beside each other ------------------------------------------------ */

struct joined {
  char *y;
  const uint64_t *parts; /* of each its address and the bytes of a row */
  uint32_t count;
  size_t row_bytes; /* of y */
  bool streams;
};

/* The bytes begin .. end - 1 of y, from part to part and from row to row. */
static void join_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct joined *task = context;
  size_t row = begin / task->row_bytes;
  size_t at = begin % task->row_bytes; /* in the part */
  uint32_t part = 0;
  for (; at >= task->parts[2 * part + 1]; part += 1) at -= (size_t)task->parts[2 * part + 1];
  for (size_t done = begin; done < end;) {
    const char *x = (const char *)(uintptr_t)task->parts[2 * part];
    const size_t part_bytes = (size_t)task->parts[2 * part + 1];
    const size_t bytes = qn_min_size(part_bytes - at, end - done);
    x += row * part_bytes + at;
    qn_kernels->copy(task->y + done, x, bytes, x + bytes, task->streams);
    done += bytes;
    at = 0;
    part += 1;
    if (part == task->count) {
      part = 0;
      row += 1;
    }
  }
  qn_end_stream(task->streams);
}

int32_t qn_concatenate(void *y, const uint64_t *parts, uint32_t count, uint32_t rows) {
  if (count != 0 && parts == NULL) return QN_NULL_POINTER;
  uint64_t row_bytes = 0;
  for (uint32_t i = 0; i < count; i += 1) {
    const uint64_t bytes = parts[2 * i + 1];
    if (__builtin_add_overflow(row_bytes, bytes, &row_bytes)) return QN_BAD_SIZE;
    QN_TRY(qn_check_array((const void *)(uintptr_t)parts[2 * i], rows, bytes, 1, 1, 1));
  }
  QN_TRY(qn_check_array(y, rows, row_bytes, 1, 1, 1));
  const size_t all = (size_t)row_bytes * rows;
  if (all == 0) return QN_OK;
  struct joined task = {y, parts, count, (size_t)row_bytes, qn_is_streamed(all)};
  qn_parallel_rows(all, PIECE_BYTES, join_range, &task);
  return QN_OK;
}

/* ---- Triangles ------------------------------------------------------------- */

struct triangle {
  char *y;
  const char *x;
  size_t rows;
  size_t cols;
  int64_t diagonal;
  size_t item;
  bool upper;
};

static void triangle_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct triangle *task = context;
  const int64_t cols = (int64_t)task->cols;
  for (size_t r = begin; r < end; r += 1) {
    char *y = task->y + r * task->cols * task->item;
    const char *x = task->x + r * task->cols * task->item;
    /* Columns before `cut` belong to the lower triangle. */
    int64_t cut = (int64_t)(r % task->rows) + task->diagonal + (task->upper ? 0 : 1);
    cut = cut < 0 ? 0 : cut > cols ? cols : cut;
    const size_t low = (size_t)cut * task->item;
    const size_t whole = task->cols * task->item;
    const size_t kept = task->upper ? low : 0;
    const size_t count = task->upper ? whole - low : low;
    if (x != y) memcpy(y + kept, x + kept, count);
    memset(y + (task->upper ? 0 : low), 0, whole - count);
  }
}

int32_t qn_triangle(void *y, const void *x, uint32_t matrices, uint32_t rows, uint32_t cols,
                    int32_t diagonal, int32_t upper, uint32_t item_bytes) {
  if (!qn_is_item(item_bytes)) return QN_BAD_ARGUMENT;
  QN_TRY(qn_check_array(y, matrices, rows, cols, item_bytes, item_bytes));
  QN_TRY(qn_check_array(x, matrices, rows, cols, item_bytes, item_bytes));
  if (cols == 0) return QN_OK;
  struct triangle task = {y, x, rows, cols, diagonal, item_bytes, upper != 0};
  qn_parallel_rows((size_t)matrices * rows, qn_grain_rows(cols), triangle_rows, &task);
  return QN_OK;
}

/* ---- Sequences ------------------------------------------------------------- */

struct sequence {
  char *y;
  double start;
  double step;
  int32_t dtype;
};

/* Writes a number as an element, rounded to the nearest; an integer wraps around. */
static void store_number(char *y, double value, int32_t dtype) {
  const float narrow = (float)value;
  if (dtype == QN_F64) {
    memcpy(y, &value, sizeof value);
  } else if (dtype == QN_F32) {
    memcpy(y, &narrow, sizeof narrow);
  } else if (dtype == QN_F16 || dtype == QN_BF16) {
    const uint16_t half = dtype == QN_F16 ? qn_f16_from_f32(narrow) : qn_bf16_from_f32(narrow);
    memcpy(y, &half, sizeof half);
  } else {
    const int64_t whole = (int64_t)value;
    const uint32_t word = (uint32_t)whole;
    const uint8_t byte = (uint8_t)whole;
    if (dtype == QN_I64) memcpy(y, &whole, sizeof whole);
    else if (dtype == QN_I32) memcpy(y, &word, sizeof word);
    else memcpy(y, &byte, sizeof byte);
  }
}

static void sequence_range(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct sequence *task = context;
  const size_t item = qn_item_bytes(task->dtype);
  for (size_t i = begin; i < end; i += 1) {
    store_number(task->y + i * item, task->start + (double)i * task->step, task->dtype);
  }
}

int32_t qn_sequence(void *y, size_t count, double start, double step, double last,
                    int32_t dtype) {
  const size_t item = qn_item_bytes(dtype);
  if (item == 0 || dtype == QN_BOOL) return QN_BAD_DTYPE;
  const bool is_real = dtype != QN_I32 && dtype != QN_I64 && dtype != QN_U8;
  /* The numbers between lie between these two. */
  const double limit = is_real ? INFINITY : 0x1p53;
  if (!(fabs(start) <= limit) || !(fabs(last) <= limit) || isnan(step)) return QN_BAD_ARGUMENT;
  QN_TRY(qn_check_array(y, count, 1, 1, item, item));
  if (count == 0) return QN_OK;
  if (!is_real && !(fabs(start + (double)(count - 1) * step) <= limit)) return QN_BAD_ARGUMENT;
  struct sequence task = {y, start, step, dtype};
  qn_parallel_rows(count, QN_GRAIN_ELEMENTS, sequence_range, &task);
  store_number((char *)y + (count - 1) * item, last, dtype);
  return QN_OK;
}

/* ---- One-hot rows ---------------------------------------------------------- */

struct one_hot {
  char *y;
  const char *indices;
  size_t classes;
  int32_t dtype;
  int32_t index_dtype;
};

static void one_hot_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct one_hot *task = context;
  const size_t item = qn_item_bytes(task->dtype);
  const int32_t number = task->dtype == QN_BOOL ? QN_U8 : task->dtype;
  memset(task->y + begin * task->classes * item, 0, (end - begin) * task->classes * item);
  for (size_t r = begin; r < end; r += 1) {
    int64_t index;
    if (task->index_dtype == QN_I64) {
      memcpy(&index, task->indices + 8 * r, 8);
    } else {
      int32_t narrow;
      memcpy(&narrow, task->indices + 4 * r, 4);
      index = narrow;
    }
    store_number(task->y + (r * task->classes + (size_t)index) * item, 1.0, number);
  }
}

int32_t qn_one_hot(void *y, const void *indices, uint32_t count, uint32_t classes, int32_t dtype,
                   int32_t index_dtype) {
  const size_t item = qn_item_bytes(dtype);
  if (item == 0 || (index_dtype != QN_I32 && index_dtype != QN_I64)) return QN_BAD_DTYPE;
  const size_t index_bytes = qn_item_bytes(index_dtype);
  QN_TRY(qn_check_array(y, count, classes, 1, item, item));
  QN_TRY(qn_check_array(indices, count, 1, 1, index_bytes, index_bytes));
  if (!qn_kernels->are_indices(indices, count, 0, (int64_t)classes - 1, index_dtype)) {
    return QN_BAD_INDEX;
  }
  struct one_hot task = {y, indices, classes, dtype, index_dtype};
  qn_parallel_rows(count, qn_grain_rows(classes), one_hot_rows, &task);
  return QN_OK;
}
