/*
 * base/dtype.h: how the elements of the dtypes of quern.h are stored.
 */
#ifndef QN_BASE_DTYPE_H
#define QN_BASE_DTYPE_H

#include <stddef.h>

#include "quern.h"

/* Bytes of an element of a dtype without blocks; 0 for any other. */
static inline size_t qn_item_bytes(int32_t dtype) {
  switch (dtype) {
    case QN_F32:
    case QN_I32: return 4;
    case QN_F16:
    case QN_BF16: return 2;
    case QN_F64:
    case QN_I64: return 8;
    case QN_U8:
    case QN_BOOL: return 1;
    default: return 0;
  }
}

#endif
