/*
 * base/copy.h: memcpy for lengths that are short more often than not.
 *
 * Rows of a few elements are copied by the million. A call of memcpy takes longer
 * than they do; here their two ends are moved, which overlap where they must.
 */
#ifndef QN_BASE_COPY_H
#define QN_BASE_COPY_H

#include <stddef.h>
#include <string.h>

/* From here on a kernel (copy) moves bytes faster than memcpy does. */
enum { QN_LONG_RUN = 1024 };

/* The first and the last `part` bytes of part .. 2 * part bytes; inlined with `part`
 * known, so that each copy is one move. */
static inline __attribute__((always_inline)) void qn_copy_ends(char *y, const char *x,
                                                               size_t bytes, size_t part) {
  char first[32];
  char last[32];
  memcpy(first, x, part);
  memcpy(last, x + bytes - part, part);
  memcpy(y, first, part);
  memcpy(y + bytes - part, last, part);
}

/* y and x do not overlap. */
static inline void qn_copy_bytes(char *y, const char *x, size_t bytes) {
  if (bytes > 64) memcpy(y, x, bytes);
  else if (bytes >= 32) qn_copy_ends(y, x, bytes, 32);
  else if (bytes >= 16) qn_copy_ends(y, x, bytes, 16);
  else if (bytes >= 8) qn_copy_ends(y, x, bytes, 8);
  else if (bytes >= 4) qn_copy_ends(y, x, bytes, 4);
  else if (bytes >= 2) qn_copy_ends(y, x, bytes, 2);
  else if (bytes == 1) *y = *x;
}

/* To be called by a thread after its last streaming store (kernels/stream.h), before others
 * may read what it wrote. */
static inline void qn_end_stream(int streams) {
  if (streams) __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
