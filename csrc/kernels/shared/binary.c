/*
 * kernels/shared/binary.c: two elements make one: arithmetic, comparisons, logic.
 *
 * Contract: dispatch/shared_kernels.inc. An operation is written once, as an expression
 * on vectors of any element type; `operation` and the dtype are constants where it
 * is inlined, so that each pair becomes a loop of its own. Each result is rounded
 * once; that of ADD_SCALED in float32 too, where the processor has a fused
 * multiply-add. A comparison with NaN is false but for NOT_EQUAL; booleans are 0 and 1.
 */
#include <math.h>

#include "base/dtype.h"
#include "dispatch/kernel_table.h"
#include "kernels/shared/broadcast.h"
#include <vec.h>
#include "isa/vec_pow.h"

typedef uint8_t vec_u8 __attribute__((ext_vector_type(QN_LANES)));
typedef char mask_i8 __attribute__((ext_vector_type(QN_LANES)));

struct operation {
  double scalar;
  int32_t code; /* of qn_binary_op */
  int32_t dtype;
};

/* NaN where one of the two is: nothing else differs from itself. */
#define LARGER(a, b) ((((a) > (b)) | ((a) != (a))) ? (a) : (b))
#define SMALLER(a, b) ((((a) < (b)) | ((a) != (a))) ? (a) : (b))

#define ARITHMETIC(code, a, b)           \
  ((code) == QN_ADD        ? (a) + (b)   \
   : (code) == QN_SUBTRACT ? (a) - (b)   \
   : (code) == QN_MULTIPLY ? (a) * (b)   \
   : (code) == QN_DIVIDE   ? (a) / (b)   \
   : (code) == QN_MAXIMUM  ? LARGER(a, b) \
                           : SMALLER(a, b))

#define COMPARISON(code, a, b)             \
  ((code) == QN_EQUAL        ? (a) == (b)  \
   : (code) == QN_NOT_EQUAL  ? (a) != (b)  \
   : (code) == QN_LESS       ? (a) < (b)   \
   : (code) == QN_LESS_EQUAL ? (a) <= (b)  \
   : (code) == QN_GREATER    ? (a) > (b)   \
                             : (a) >= (b))

QN_INLINE void store_mask(char *y, mask_i8 mask) {
  mask &= 1;
  memcpy(y, &mask, sizeof mask);
}

/* ---- One vector of each dtype ---------------------------------------------- */

QN_INLINE void step_f32(char *y, const char *const *x, const void *context) {
  const struct operation *operation = context;
  const int32_t code = operation->code;
  qn_vf a, b, result;
  memcpy(&a, x[0], sizeof a);
  memcpy(&b, x[1], sizeof b);
  if (code >= QN_EQUAL) {
    store_mask(y, __builtin_convertvector(COMPARISON(code, a, b), mask_i8));
    return;
  }
  if (code == QN_POWER) {
    result = qn_vpow(a, b);
  } else if (code == QN_ADD_SCALED) {
    result = qn_vfma(qn_vset1((float)operation->scalar), b, a);
  } else {
    result = ARITHMETIC(code, a, b);
  }
  memcpy(y, &result, sizeof result);
}

QN_INLINE void step_f64(char *y, const char *const *x, const void *context) {
  const struct operation *operation = context;
  const int32_t code = operation->code;
  qn_vd a, b, result;
  memcpy(&a, x[0], sizeof a);
  memcpy(&b, x[1], sizeof b);
  if (code >= QN_EQUAL) {
    store_mask(y, __builtin_convertvector(COMPARISON(code, a, b), mask_i8));
    return;
  }
  if (code == QN_POWER) {
    for (int lane = 0; lane < QN_LANES; lane += 1) result[lane] = pow(a[lane], b[lane]);
  } else if (code == QN_ADD_SCALED) {
    result = a + operation->scalar * b;
  } else {
    result = ARITHMETIC(code, a, b);
  }
  memcpy(y, &result, sizeof result);
}

QN_INLINE void step_i32(char *y, const char *const *x, const void *context) {
  const int32_t code = ((const struct operation *)context)->code;
  qn_vi a, b;
  memcpy(&a, x[0], sizeof a);
  memcpy(&b, x[1], sizeof b);
  if (code >= QN_EQUAL) {
    store_mask(y, __builtin_convertvector(COMPARISON(code, a, b), mask_i8));
  } else {
    const qn_vi result = ARITHMETIC(code, a, b);
    memcpy(y, &result, sizeof result);
  }
}

QN_INLINE void step_i64(char *y, const char *const *x, const void *context) {
  const int32_t code = ((const struct operation *)context)->code;
  qn_vl a, b;
  memcpy(&a, x[0], sizeof a);
  memcpy(&b, x[1], sizeof b);
  if (code >= QN_EQUAL) {
    store_mask(y, __builtin_convertvector(COMPARISON(code, a, b), mask_i8));
  } else {
    const qn_vl result = ARITHMETIC(code, a, b);
    memcpy(y, &result, sizeof result);
  }
}

QN_INLINE void step_u8(char *y, const char *const *x, const void *context) {
  const int32_t code = ((const struct operation *)context)->code;
  vec_u8 a, b;
  memcpy(&a, x[0], sizeof a);
  memcpy(&b, x[1], sizeof b);
  if (code < QN_AND) {
    store_mask(y, COMPARISON(code, a, b));
  } else {
    const vec_u8 result = code == QN_AND ? a & b : a | b;
    memcpy(y, &result, sizeof result);
  }
}

/* ---- Runs of each dtype and operation -------------------------------------- */

/* Inlined with a constant code, so that its steps hold one operation alone. */
QN_INLINE void run_code(const struct run *run, size_t item, int32_t code, double scalar,
                        void (*step)(char *y, const char *const *x, const void *context)) {
  const struct operation operation = {.scalar = scalar, .code = code};
  const size_t items[] = {item, item};
  run_steps(run, 2, code >= QN_EQUAL ? 1 : item, items, &operation, step);
}

QN_INLINE void run_comparison(const struct run *run, size_t item, int32_t code,
                              void (*step)(char *y, const char *const *x, const void *context)) {
  switch (code) {
    case QN_EQUAL: run_code(run, item, QN_EQUAL, 0, step); return;
    case QN_NOT_EQUAL: run_code(run, item, QN_NOT_EQUAL, 0, step); return;
    case QN_LESS: run_code(run, item, QN_LESS, 0, step); return;
    case QN_LESS_EQUAL: run_code(run, item, QN_LESS_EQUAL, 0, step); return;
    case QN_GREATER: run_code(run, item, QN_GREATER, 0, step); return;
    default: run_code(run, item, QN_GREATER_EQUAL, 0, step); return;
  }
}

/* What integers can do too. */
QN_INLINE void run_common(const struct run *run, size_t item, int32_t code,
                          void (*step)(char *y, const char *const *x, const void *context)) {
  switch (code) {
    case QN_ADD: run_code(run, item, QN_ADD, 0, step); return;
    case QN_SUBTRACT: run_code(run, item, QN_SUBTRACT, 0, step); return;
    case QN_MULTIPLY: run_code(run, item, QN_MULTIPLY, 0, step); return;
    case QN_MAXIMUM: run_code(run, item, QN_MAXIMUM, 0, step); return;
    case QN_MINIMUM: run_code(run, item, QN_MINIMUM, 0, step); return;
    default: run_comparison(run, item, code, step); return;
  }
}

QN_INLINE void run_real(const struct run *run, size_t item, const struct operation *operation,
                        void (*step)(char *y, const char *const *x, const void *context)) {
  switch (operation->code) {
    case QN_DIVIDE: run_code(run, item, QN_DIVIDE, 0, step); return;
    case QN_POWER: run_code(run, item, QN_POWER, 0, step); return;
    case QN_ADD_SCALED: run_code(run, item, QN_ADD_SCALED, operation->scalar, step); return;
    default: run_common(run, item, operation->code, step); return;
  }
}

static void run_f32(const struct run *run, const void *context) {
  run_real(run, sizeof(float), context, step_f32);
}

static void run_f64(const struct run *run, const void *context) {
  run_real(run, sizeof(double), context, step_f64);
}

static void run_i32(const struct run *run, const void *context) {
  run_common(run, sizeof(int32_t), ((const struct operation *)context)->code, step_i32);
}

static void run_i64(const struct run *run, const void *context) {
  run_common(run, sizeof(int64_t), ((const struct operation *)context)->code, step_i64);
}

static void run_u8(const struct run *run, const void *context) {
  const int32_t code = ((const struct operation *)context)->code;
  switch (code) {
    case QN_AND: run_code(run, 1, QN_AND, 0, step_u8); return;
    case QN_OR: run_code(run, 1, QN_OR, 0, step_u8); return;
    default: run_comparison(run, 1, code, step_u8); return;
  }
}

static void run_any(const struct run *run, const void *context) {
  switch (((const struct operation *)context)->dtype) {
    case QN_F32: run_f32(run, context); return;
    case QN_F64: run_f64(run, context); return;
    case QN_I32: run_i32(run, context); return;
    case QN_I64: run_i64(run, context); return;
    default: run_u8(run, context); return;
  }
}

void QN_VARIANT(binary)(char *y, const char *a, const char *b, size_t rows, size_t cols,
                        size_t a_row, size_t a_col, size_t b_row, size_t b_col, double scalar,
                        int32_t op, int32_t dtype) {
  const size_t item = qn_item_bytes(dtype);
  const struct operation operation = {scalar, op, dtype};
  const struct source sources[] = {{a, a_row, a_col, item}, {b, b_row, b_col, item}};
  each_run(y, op >= QN_EQUAL ? 1 : item, sources, 2, rows, cols, &operation, run_any);
}
