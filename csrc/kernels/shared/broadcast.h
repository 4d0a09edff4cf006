/*
 * kernels/shared/broadcast.h: elementwise kernels with inputs of any strides.
 *
 * y[rows, cols] is dense. An input steps through memory along both axes by strides
 * of its own; a stride of 0 repeats an element. Here rows are made out of that
 * which a simple loop can take: it reads a vector of every input, writes one of y,
 * and steps on, or, with a step of 0, reads the same vector again:
 *
 *   as it is   long rows, inputs dense along them or repeating one element, whose
 *              vector is then made once a row
 *   together   short rows: so many of them that they fill vectors are brought
 *              together; an input that is the same for each row, once
 *   in tiles   long rows, an input not dense along them: a few rows of some columns
 *              at a time, so that each of its lines of memory is read once
 */
#ifndef QN_KERNELS_SHARED_BROADCAST_H
#define QN_KERNELS_SHARED_BROADCAST_H

#include <stdbool.h>
#include <string.h>

#include <vec.h>

#include "kernels/turn.h"

enum {
  MOST_INPUTS = 3,
  LARGEST_ITEM = 8,
  SHORT_ROW = 128, /* elements; shorter rows are brought together */
  GATHERED = 2048, /* elements of a block, and room for SHORT_ROW rows of them */
  TILE_ROWS = QN_SQUARE_SIDE,
};

/* An input; strides in elements. */
struct source {
  const char *first;
  size_t row;
  size_t col;
  size_t item; /* bytes of an element */
};

/* What a loop runs over. */
struct run {
  char *y;
  const char *x[MOST_INPUTS];
  size_t step[MOST_INPUTS]; /* bytes from one vector of an input to the next */
  size_t count;             /* elements */
};

/* The first n of QN_LANES items. */
QN_INLINE void copy_part(char *to, const char *from, size_t n, size_t item) {
  if (item == sizeof(float)) {
    qn_vstore_n((float *)(void *)to, qn_vload_n((const float *)(const void *)from, n), n);
  } else {
    memcpy(to, from, n * item);
  }
}

/* Calls step(y, inputs, context) for every QN_LANES elements of a run, four times a
 * turn; the last few go through memory that has room for all lanes. What the loop
 * needs is copied first, since what is written through `y` could be any byte. */
QN_INLINE void run_steps(const struct run *run, size_t inputs, size_t y_item,
                         const size_t *items, const void *context,
                         void (*step)(char *y, const char *const *x, const void *context)) {
  const char *x[MOST_INPUTS];
  size_t steps[MOST_INPUTS];
  for (size_t k = 0; k < inputs; k += 1) {
    x[k] = run->x[k];
    steps[k] = run->step[k];
  }
  char *y = run->y;
  size_t rest = run->count;
  for (; rest >= 4 * QN_LANES; rest -= 4 * QN_LANES) {
    for (size_t turn = 0; turn < 4; turn += 1) {
      const char *at[MOST_INPUTS];
      for (size_t k = 0; k < inputs; k += 1) at[k] = x[k] + turn * steps[k];
      step(y + turn * QN_LANES * y_item, at, context);
    }
    y += 4 * QN_LANES * y_item;
    for (size_t k = 0; k < inputs; k += 1) x[k] += 4 * steps[k];
  }
  for (; rest >= QN_LANES; rest -= QN_LANES) {
    step(y, x, context);
    y += QN_LANES * y_item;
    for (size_t k = 0; k < inputs; k += 1) x[k] += steps[k];
  }
  if (rest == 0) return;
  char part[MOST_INPUTS + 1][QN_LANES * LARGEST_ITEM];
  for (size_t k = 0; k < inputs; k += 1) {
    memset(part[k], 0, QN_LANES * items[k]);
    copy_part(part[k], x[k], rest, items[k]);
    x[k] = part[k];
  }
  step(part[MOST_INPUTS], x, context);
  copy_part(y, part[MOST_INPUTS], rest, y_item);
}

/* ---- Gathering ------------------------------------------------------------- */

typedef uint8_t lanes_1 __attribute__((ext_vector_type(QN_LANES)));
typedef uint16_t lanes_2 __attribute__((ext_vector_type(QN_LANES)));
typedef uint32_t lanes_4 __attribute__((ext_vector_type(QN_LANES)));
typedef uint64_t lanes_8 __attribute__((ext_vector_type(QN_LANES)));

/* One item in QN_LANES places. */
QN_INLINE void repeat_lanes(char *to, const char *from, size_t item) {
  uint64_t bits = 0;
  memcpy(&bits, from, item);
  const lanes_1 one = (lanes_1)(uint8_t)bits;
  const lanes_2 two = (lanes_2)(uint16_t)bits;
  const lanes_4 four = (lanes_4)(uint32_t)bits;
  const lanes_8 eight = (lanes_8)bits;
  if (item == 1) memcpy(to, &one, sizeof one);
  else if (item == 2) memcpy(to, &two, sizeof two);
  else if (item == 4) memcpy(to, &four, sizeof four);
  else memcpy(to, &eight, sizeof eight);
}

/* to[rows, cols], dense, of an input from `x` on. Where each row repeats one item, up to
 * QN_LANES items behind the end are written too. Inlined with the item known. */
QN_INLINE void gather_items(char *to, const char *x, const struct source *source, size_t rows,
                            size_t cols, size_t item) {
  const size_t row_bytes = source->row * item;
  const size_t col_bytes = source->col * item;
  if (source->col == 0) {
    for (size_t r = 0; r < rows; r += 1) {
      for (size_t c = 0; c < cols; c += QN_LANES) {
        repeat_lanes(to + (r * cols + c) * item, x + r * row_bytes, item);
      }
    }
  } else if (source->row == 1) {
    qn_turn_block(to, x, rows, cols, cols * item, col_bytes, item);
  } else {
    for (size_t r = 0; r < rows; r += 1) {
      const char *from = x + r * row_bytes;
      for (size_t c = 0; c < cols; c += 1, to += item, from += col_bytes) memcpy(to, from, item);
    }
  }
}

/* Not inlined: it is large, and called once for many elements. */
static __attribute__((noinline)) void gather(char *to, const char *x, const struct source *source,
                                             size_t rows, size_t cols) {
  switch (source->item) {
    case 1: gather_items(to, x, source, rows, cols, 1); return;
    case 2: gather_items(to, x, source, rows, cols, 2); return;
    case 4: gather_items(to, x, source, rows, cols, 4); return;
    default: gather_items(to, x, source, rows, cols, 8); return;
  }
}

/* ---- Runs ------------------------------------------------------------------ */

/* What is the same for each of the three ways. */
struct rows {
  char *y;
  size_t y_item;
  const struct source *sources;
  size_t inputs;
  size_t rows;
  size_t cols;
  const void *context;
  void (*body)(const struct run *run, const void *context);
  char (*gathered)[(GATHERED + QN_LANES) * LARGEST_ITEM]; /* one for each input */
};

/* Whether rows can be taken as they are. */
QN_INLINE bool are_rows(const struct source *sources, size_t inputs, size_t rows, size_t cols) {
  for (size_t k = 0; k < inputs; k += 1) {
    if (sources[k].col > 1 && cols > 1) return false;
  }
  return rows == 1 || cols >= SHORT_ROW;
}

QN_INLINE void run_long_rows(const struct rows *all) {
  struct run run = {.y = all->y, .count = all->cols};
  for (size_t r = 0; r < all->rows; r += 1) {
    for (size_t k = 0; k < all->inputs; k += 1) {
      const struct source source = all->sources[k];
      run.x[k] = source.first + r * source.row * source.item;
      run.step[k] = QN_LANES * source.item;
      if (source.col != 0) continue;
      gather(all->gathered[k], run.x[k], &source, 1, QN_LANES);
      run.x[k] = all->gathered[k];
      run.step[k] = 0;
    }
    all->body(&run, all->context);
    run.y += all->cols * all->y_item;
  }
}

/* The rows of a block fill vectors, but for those of the last block. */
QN_INLINE void run_short_rows(const struct rows *all) {
  const size_t cols = all->cols;
  const size_t most = GATHERED / cols / QN_LANES * QN_LANES;
  struct run run = {.y = all->y};
  for (size_t r = 0; r < all->rows; r += most) {
    const size_t rows = all->rows - r < most ? all->rows - r : most;
    run.count = rows * cols;
    for (size_t k = 0; k < all->inputs; k += 1) {
      const struct source *source = &all->sources[k];
      run.step[k] = QN_LANES * source->item;
      run.x[k] = source->first + r * source->row * source->item;
      if (source->col == 1 && source->row == cols) continue;
      if (r == 0 || source->row != 0) gather(all->gathered[k], run.x[k], source, rows, cols);
      run.x[k] = all->gathered[k];
    }
    all->body(&run, all->context);
    run.y += run.count * all->y_item;
  }
}

/* The rows and columns of a tile, from the element (r, c) on. */
QN_INLINE void run_tile(const struct rows *all, size_t r, size_t c, size_t rows, size_t cols) {
  struct run run = {.y = all->y + (r * all->cols + c) * all->y_item, .count = cols};
  size_t row_bytes[MOST_INPUTS];
  for (size_t k = 0; k < all->inputs; k += 1) {
    const struct source *source = &all->sources[k];
    run.step[k] = QN_LANES * source->item;
    run.x[k] = source->first + (r * source->row + c * source->col) * source->item;
    row_bytes[k] = source->row * source->item;
    if (source->col == 1) continue;
    gather(all->gathered[k], run.x[k], source, rows, cols);
    run.x[k] = all->gathered[k];
    row_bytes[k] = cols * source->item;
  }
  for (size_t i = 0; i < rows; i += 1) {
    all->body(&run, all->context);
    run.y += all->cols * all->y_item;
    for (size_t k = 0; k < all->inputs; k += 1) run.x[k] += row_bytes[k];
  }
}

QN_INLINE void run_tiles(const struct rows *all) {
  const size_t most_rows = all->rows < TILE_ROWS ? all->rows : TILE_ROWS;
  const size_t most_cols = GATHERED / most_rows;
  for (size_t r = 0; r < all->rows; r += most_rows) {
    const size_t rows = all->rows - r < most_rows ? all->rows - r : most_rows;
    for (size_t c = 0; c < all->cols; c += most_cols) {
      const size_t cols = all->cols - c < most_cols ? all->cols - c : most_cols;
      run_tile(all, r, c, rows, cols);
    }
  }
}

/* Calls body(run, context) for runs that cover y, which is not empty. */
QN_INLINE void each_run(char *y, size_t y_item, const struct source *sources, size_t inputs,
                        size_t rows, size_t cols, const void *context,
                        void (*body)(const struct run *run, const void *context)) {
  char gathered[MOST_INPUTS][(GATHERED + QN_LANES) * LARGEST_ITEM];
  const struct rows all = {.y = y,
                           .y_item = y_item,
                           .sources = sources,
                           .inputs = inputs,
                           .rows = rows,
                           .cols = cols,
                           .context = context,
                           .body = body,
                           .gathered = gathered};
  if (are_rows(sources, inputs, rows, cols)) run_long_rows(&all);
  else if (cols < SHORT_ROW) run_short_rows(&all);
  else run_tiles(&all);
}

#endif
