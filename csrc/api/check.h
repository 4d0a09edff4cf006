/*
 * api/check.h: what the exported functions check before a kernel may run.
 *
 * Sizes are multiplied in 64 bits; an array that could not be addressed is
 * QN_BAD_SIZE. The address of an array without elements is never looked at.
 */
#ifndef QN_API_CHECK_H
#define QN_API_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "dispatch/dispatch.h"
#include "quern.h"

/* Leaves the function with the first status that is not QN_OK. */
#define QN_TRY(expression)                       \
  do {                                           \
    const qn_status status_ = (expression);      \
    if (status_ != QN_OK) return status_;        \
  } while (0)

/* Work of a thread is a few microseconds at least: about this many elements. */
enum { QN_GRAIN_ELEMENTS = 16384 };

/* An array of a x b x c elements of `element_bytes` each. */
static inline qn_status qn_check_array(const void *address, uint64_t a, uint64_t b, uint64_t c,
                                       size_t element_bytes, size_t alignment) {
  if (a == 0 || b == 0 || c == 0) return QN_OK;
  uint64_t bytes;
  if (__builtin_mul_overflow(a, b, &bytes) || __builtin_mul_overflow(bytes, c, &bytes) ||
      __builtin_mul_overflow(bytes, (uint64_t)element_bytes, &bytes) || bytes > PTRDIFF_MAX) {
    return QN_BAD_SIZE;
  }
  if (address == NULL) return QN_NULL_POINTER;
  return (uintptr_t)address % alignment == 0 ? QN_OK : QN_BAD_ALIGNMENT;
}

/* Adds what an axis of one step or more spans, in units of its stride. */
static inline qn_status qn_add_span(uint64_t *span, uint64_t size, uint64_t stride) {
  uint64_t steps;
  if (__builtin_mul_overflow(size - 1, stride, &steps) ||
      __builtin_add_overflow(steps, *span, span) || *span > PTRDIFF_MAX) {
    return QN_BAD_SIZE;
  }
  return QN_OK;
}

/* Whether an element whose bits are moved may have so many bytes. */
static inline bool qn_is_item(uint32_t bytes) {
  return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

/* An array of a x b x c floats or int32. */
static inline qn_status qn_check_words(const void *address, uint64_t a, uint64_t b, uint64_t c) {
  return qn_check_array(address, a, b, c, 4, 4);
}

/* How a dtype that can be widened to float32 is stored. */
struct qn_dtype_layout {
  size_t block;     /* elements */
  size_t bytes;     /* of a block */
  size_t alignment; /* of an address */
};

/* What computes with the elements of a dtype that may be QN_F32 or QN_F64. */
struct qn_real {
  const struct qn_real_kernels *kernels;
  size_t bytes; /* of an element */
};

static inline qn_status qn_find_real(struct qn_real *real, int32_t dtype) {
  real->kernels = qn_real_kernels(dtype);
  real->bytes = qn_item_bytes(dtype);
  return real->kernels == NULL ? QN_BAD_DTYPE : QN_OK;
}

/* An array of a x b x c such elements. */
static inline qn_status qn_check_reals(const struct qn_real *real, const void *address, uint64_t a,
                                       uint64_t b, uint64_t c) {
  return qn_check_array(address, a, b, c, real->bytes, real->bytes);
}

/* The address of element number `at` of an array; null where that is. */
static inline void *qn_real_at(const struct qn_real *real, const void *address, size_t at) {
  return address == NULL ? NULL : (char *)(uintptr_t)address + at * real->bytes;
}

static inline qn_status qn_find_layout(struct qn_dtype_layout *layout, int32_t dtype) {
  switch (dtype) {
    case QN_F32: *layout = (struct qn_dtype_layout){1, 4, 4}; return QN_OK;
    case QN_F16:
    case QN_BF16: *layout = (struct qn_dtype_layout){1, 2, 2}; return QN_OK;
    case QN_Q8_0: *layout = (struct qn_dtype_layout){32, 34, 2}; return QN_OK;
    case QN_Q4_0: *layout = (struct qn_dtype_layout){32, 18, 2}; return QN_OK;
    case QN_Q4_1: *layout = (struct qn_dtype_layout){32, 20, 2}; return QN_OK;
    default: return QN_BAD_DTYPE;
  }
}

/* rows x cols elements of a layout, cols being whole blocks. */
static inline qn_status qn_check_stored(const void *address, uint64_t rows, uint64_t cols,
                                        const struct qn_dtype_layout *layout) {
  if (cols % layout->block != 0) return QN_BAD_SIZE;
  return qn_check_array(address, rows, cols / layout->block, 1, layout->bytes, layout->alignment);
}

/* Every index is in 0 .. limit - 1. */
static inline qn_status qn_check_indices(const int32_t *indices, size_t count, uint32_t limit) {
  for (size_t i = 0; i < count; i += 1) {
    if (indices[i] < 0 || (uint32_t)indices[i] >= limit) return QN_BAD_INDEX;
  }
  return QN_OK;
}

/* An array whose every index is in 0 .. limit - 1, or is `ignored`. */
static inline qn_status qn_check_targets(const int32_t *targets, uint32_t count, uint32_t limit,
                                         int32_t ignored) {
  QN_TRY(qn_check_words(targets, count, 1, 1));
  for (uint32_t i = 0; i < count; i += 1) {
    if (targets[i] == ignored) continue;
    if (targets[i] < 0 || (uint32_t)targets[i] >= limit) return QN_BAD_INDEX;
  }
  return QN_OK;
}

/* Rows of `cols` elements that are worth one task of a thread. */
static inline size_t qn_grain_rows(size_t cols) {
  return cols == 0 || cols >= QN_GRAIN_ELEMENTS ? 1 : QN_GRAIN_ELEMENTS / cols;
}

#endif
