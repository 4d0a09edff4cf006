/*
 * kernels/copy.c: bytes from one place to another.
 *
 * Contract: dispatch/kernels.inc. The work is done in kernels/stream.h.
 */
#include "dispatch/kernel_table.h"
#include "kernels/stream.h"

void QN_VARIANT(copy)(char *y, const char *x, size_t bytes, const char *next, int32_t streams) {
  if (streams) qn_stream_bytes(y, x, bytes, next);
  else qn_store_bytes(y, x, bytes);
}
