/*
 * memory/size_class.h: which sizes the pool grants.
 *
 * Small requests, up to 1 MiB, are rounded up to a class. There are four classes
 * for each doubling, 1, 1.25, 1.5 and 1.75 times a power of two, from 256 bytes:
 *
 *   class     0    1    2    3    4    5    6    7    8   ...   48
 *   bytes   256  320  384  448  512  640  768  896 1024   ...   1 MiB
 *
 * so that a request above 256 bytes is granted at most 25 % more than it asks
 * for, and every size is a multiple of 64.
 *
 * A segment is divided into slices of 64 KiB. Blocks of a class are cut from a
 * span: the fewest adjacent slices of which at most 1/16 is left over.
 */
#ifndef QN_MEMORY_SIZE_CLASS_H
#define QN_MEMORY_SIZE_CLASS_H

#include <stddef.h>
#include <stdint.h>

#define QN_CLASS_COUNT 49u
#define QN_CLASS_MIN_BYTES ((size_t)256)
#define QN_CLASS_MAX_BYTES ((size_t)1 << 20)
#define QN_SLICE_BYTES ((size_t)1 << 16)

/* The class for a request of 1 .. QN_CLASS_MAX_BYTES. */
static inline uint32_t qn_class_of(size_t bytes) {
  if (bytes <= QN_CLASS_MIN_BYTES) return 0;
  uint64_t last = (uint64_t)bytes - 1;
  uint32_t top = 63u - (uint32_t)__builtin_clzll(last); /* at least 8 */
  return (top - 8) * 4 + ((uint32_t)(last >> (top - 2)) & 3) + 1;
}

static inline size_t qn_class_bytes(uint32_t size_class) {
  return (size_t)(4 + size_class % 4) << (6 + size_class / 4);
}

/* Slices of a span of this class: at most 16. */
static inline uint32_t qn_class_span_slices(uint32_t size_class) {
  size_t block = qn_class_bytes(size_class);
  uint32_t slices = 1;
  while (slices * QN_SLICE_BYTES < block ||
         (slices * QN_SLICE_BYTES) % block > slices * QN_SLICE_BYTES / 16) {
    slices++;
  }
  return slices;
}

#endif
