/*
 * kernels/shared/sort.h: the scratch that the kernel of sorting needs.
 */
#ifndef QN_KERNELS_SHARED_SORT_H
#define QN_KERNELS_SHARED_SORT_H

#include <stddef.h>

/* Bytes of a record: a key of 4 bytes, or of 8 for items of 8 bytes, and an index. */
static inline size_t qn_sort_record(size_t item_bytes, int with_indices) {
  const size_t key = item_bytes == 8 ? 8 : 4;
  return with_indices ? 2 * key : key;
}

/* Bytes of scratch for a row of `cols` elements: two arrays of records. */
static inline size_t qn_sort_scratch(size_t cols, size_t item_bytes, int with_indices) {
  return 2 * cols * qn_sort_record(item_bytes, with_indices);
}

#endif
