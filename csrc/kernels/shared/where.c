/*
 * kernels/shared/where.c: each element from one of two inputs, as a condition has it.
 *
 * Contract: dispatch/shared_kernels.inc. Any byte but 0 is true. Items keep their bits.
 */
#include "dispatch/kernel_table.h"
#include "kernels/shared/broadcast.h"
#include <vec.h>

/* Vectors of items by their bytes. */
typedef uint8_t vec_1 __attribute__((ext_vector_type(QN_LANES)));
typedef int16_t vec_2 __attribute__((ext_vector_type(QN_LANES)));
typedef int64_t vec_8 __attribute__((ext_vector_type(QN_LANES)));

QN_INLINE vec_1 load_condition(const char *x) {
  vec_1 condition;
  memcpy(&condition, x, sizeof condition);
  return condition;
}

QN_INLINE void step_1(char *y, const char *const *x, const void *context) {
  (void)context;
  vec_1 a, b;
  memcpy(&a, x[1], sizeof a);
  memcpy(&b, x[2], sizeof b);
  const vec_1 result = load_condition(x[0]) != 0 ? a : b;
  memcpy(y, &result, sizeof result);
}

QN_INLINE void step_2(char *y, const char *const *x, const void *context) {
  (void)context;
  vec_2 a, b;
  memcpy(&a, x[1], sizeof a);
  memcpy(&b, x[2], sizeof b);
  const vec_2 result = __builtin_convertvector(load_condition(x[0]), vec_2) != 0 ? a : b;
  memcpy(y, &result, sizeof result);
}

QN_INLINE void step_4(char *y, const char *const *x, const void *context) {
  (void)context;
  qn_vi a, b;
  memcpy(&a, x[1], sizeof a);
  memcpy(&b, x[2], sizeof b);
  const qn_vi result = __builtin_convertvector(load_condition(x[0]), qn_vi) != 0 ? a : b;
  memcpy(y, &result, sizeof result);
}

QN_INLINE void step_8(char *y, const char *const *x, const void *context) {
  (void)context;
  vec_8 a, b;
  memcpy(&a, x[1], sizeof a);
  memcpy(&b, x[2], sizeof b);
  const vec_8 result = __builtin_convertvector(load_condition(x[0]), vec_8) != 0 ? a : b;
  memcpy(y, &result, sizeof result);
}

QN_INLINE void run_items(const struct run *run, size_t item,
                         void (*step)(char *y, const char *const *x, const void *context)) {
  const size_t items[] = {1, item, item};
  run_steps(run, 3, item, items, NULL, step);
}

static void run_any(const struct run *run, const void *context) {
  switch (*(const size_t *)context) {
    case 1: run_items(run, 1, step_1); return;
    case 2: run_items(run, 2, step_2); return;
    case 4: run_items(run, 4, step_4); return;
    default: run_items(run, 8, step_8); return;
  }
}

void QN_VARIANT(where)(char *y, const char *condition, const char *a, const char *b, size_t rows,
                       size_t cols, const size_t strides[3][2], size_t item_bytes) {
  const struct source sources[] = {
      {condition, strides[0][0], strides[0][1], 1},
      {a, strides[1][0], strides[1][1], item_bytes},
      {b, strides[2][0], strides[2][1], item_bytes},
  };
  each_run(y, item_bytes, sources, 3, rows, cols, &item_bytes, run_any);
}
