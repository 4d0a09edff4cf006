/*
 * kernels/broadcast.h: elementwise kernels with inputs of any strides.
 *
 * y[rows, cols] is dense. An input steps through memory along both axes by strides
 * of its own; a stride of 0 repeats an element. Here rows are made out of that
 * which a simple loop can take: it reads a vector of every input, writes one of y,
 * and steps on, or, with a step of 0, reads the same vector again:
 *
 *   as it is   long rows, inputs dense along them or repeating one element, whose
 *              vector is then made once a row
 *   gathered   anything else: blocks of elements are first brought together
 */
#ifndef QN_KERNELS_BROADCAST_H
#define QN_KERNELS_BROADCAST_H

#include <stdbool.h>
#include <string.h>

#include <vec.h>

enum {
  MOST_INPUTS = 3,
  LARGEST_ITEM = 8,
  SHORT_ROW = 64, /* elements; shorter rows are gathered */
  GATHERED = 512, /* elements of a block */
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

/* `count` elements from number `first` on, counted row by row, side by side. */
QN_INLINE void gather_items(char *to, const struct source *source, size_t cols, size_t first,
                            size_t count, size_t item) {
  size_t row = first / cols;
  size_t col = first % cols;
  for (size_t i = 0; i < count; i += 1) {
    memcpy(to + i * item, source->first + (row * source->row + col * source->col) * item, item);
    if (++col == cols) {
      col = 0;
      row += 1;
    }
  }
}

QN_INLINE void gather(char *to, const struct source *source, size_t cols, size_t first,
                      size_t count) {
  switch (source->item) {
    case 1: gather_items(to, source, cols, first, count, 1); return;
    case 2: gather_items(to, source, cols, first, count, 2); return;
    case 4: gather_items(to, source, cols, first, count, 4); return;
    default: gather_items(to, source, cols, first, count, 8); return;
  }
}

/* Whether rows can be taken as they are. */
QN_INLINE bool are_rows(const struct source *sources, size_t inputs, size_t rows, size_t cols) {
  for (size_t k = 0; k < inputs; k += 1) {
    if (sources[k].col > 1 && cols > 1) return false;
  }
  return rows == 1 || cols >= SHORT_ROW;
}

/* Calls body(run, context) for runs that cover y. */
QN_INLINE void each_run(char *y, size_t y_item, const struct source *sources, size_t inputs,
                        size_t rows, size_t cols, const void *context,
                        void (*body)(const struct run *run, const void *context)) {
  char gathered[MOST_INPUTS][GATHERED * LARGEST_ITEM];
  struct run run = {.y = y};
  if (are_rows(sources, inputs, rows, cols)) {
    run.count = cols;
    for (size_t r = 0; r < rows; r += 1) {
      for (size_t k = 0; k < inputs; k += 1) {
        const struct source source = sources[k];
        run.x[k] = source.first + r * source.row * source.item;
        run.step[k] = QN_LANES * source.item;
        if (source.col != 0) continue;
        const struct source one = {.first = run.x[k], .item = source.item};
        gather(gathered[k], &one, cols, 0, QN_LANES);
        run.x[k] = gathered[k];
        run.step[k] = 0;
      }
      body(&run, context);
      run.y += cols * y_item;
    }
    return;
  }
  const size_t total = rows * cols;
  for (size_t done = 0; done < total; done += run.count) {
    run.count = total - done < GATHERED ? total - done : GATHERED;
    for (size_t k = 0; k < inputs; k += 1) {
      const struct source *source = &sources[k];
      run.step[k] = QN_LANES * source->item;
      if (source->col == 1 && source->row == cols) {
        run.x[k] = source->first + done * source->item;
      } else {
        gather(gathered[k], source, cols, done, run.count);
        run.x[k] = gathered[k];
      }
    }
    body(&run, context);
    run.y += run.count * y_item;
  }
}

#endif
