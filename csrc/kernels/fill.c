/*
 * kernels/fill.c: one value for every element.
 *
 * y: [bytes], with any alignment. Items of 1, 2, 4 or 8 bytes all make a pattern of 8.
 */
#include <string.h>

#include "dispatch/kernel_table.h"

void QN_VARIANT(fill)(char *y, size_t bytes, uint64_t pattern) {
  size_t i = 0;
  for (; i + sizeof pattern <= bytes; i += sizeof pattern) memcpy(y + i, &pattern, sizeof pattern);
  for (size_t j = 0; i + j < bytes; j += 1) y[i + j] = ((const char *)&pattern)[j];
}
