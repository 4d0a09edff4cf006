/*
 * kernels/stream.h: runs of bytes, line by line, into the caches or past them.
 *
 * An ordinary store first reads the line that it changes; a streaming store of a whole
 * line does not, and leaves what is in the caches alone. That is worth half of the time
 * where y is too large to be in them when it is read, and costs where it is not:
 * qn_is_streamed of base/cpu.h says which. Streaming stores are seen by other threads
 * only after qn_end_stream of base/copy.h.
 */
#ifndef QN_KERNELS_STREAM_H
#define QN_KERNELS_STREAM_H

#include <string.h>

#include "base/copy.h"
#include <vec.h>

enum { QN_LINE = 64, QN_STREAM_AHEAD = 2048 };

typedef uint64_t qn_line __attribute__((vector_size(QN_LINE)));

/* y is at the begin of a line. */
QN_INLINE void qn_stream_line(char *y, const char *x) {
  qn_line line;
  memcpy(&line, x, sizeof line);
  __builtin_nontemporal_store(line, (qn_line *)(void *)y);
}

/* y[bytes] = x, apart: whole lines of y are streamed, what is before and behind stored.
 * `next` is where the caller reads on. Behind x, it is asked for some lines ahead;
 * elsewhere, where the processor foresees nothing, as much ahead as there are bytes. */
QN_INLINE void qn_stream_bytes(char *y, const char *x, size_t bytes, const char *next) {
  size_t at = (0 - (uintptr_t)y) % QN_LINE;
  if (bytes < at + QN_LINE) {
    qn_copy_bytes(y, x, bytes);
    return;
  }
  qn_copy_bytes(y, x, at);
  if (next == x + bytes) {
    for (; at + QN_LINE <= bytes; at += QN_LINE) {
      __builtin_prefetch(x + at + QN_STREAM_AHEAD);
      qn_stream_line(y + at, x + at);
    }
  } else {
    for (; at + QN_LINE <= bytes; at += QN_LINE) {
      __builtin_prefetch(next + at, 0, 2);
      qn_stream_line(y + at, x + at);
    }
  }
  qn_copy_bytes(y + at, x + at, bytes - at);
}

/* The same with ordinary stores: for rows of a few KB faster than a call of memcpy. */
QN_INLINE void qn_store_bytes(char *y, const char *x, size_t bytes) {
  size_t at = (0 - (uintptr_t)y) % QN_LINE;
  if (bytes < QN_LONG_RUN) {
    qn_copy_bytes(y, x, bytes);
    return;
  }
  qn_copy_bytes(y, x, at);
  for (; at + QN_LINE <= bytes; at += QN_LINE) {
    qn_line line;
    memcpy(&line, x + at, sizeof line);
    memcpy(y + at, &line, sizeof line);
  }
  qn_copy_bytes(y + at, x + at, bytes - at);
}

#endif
