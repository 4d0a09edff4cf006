/*
 * api/strided.c: copies between tensors whose elements do not lie side by side.
 */
#include "quern.h"

int32_t qn_copy_strided(void *y, const void *x, const uint64_t *layout, uint32_t rank,
                        uint32_t item_bytes) {
  (void)y, (void)x, (void)layout, (void)rank, (void)item_bytes;
  return QN_BAD_ARGUMENT;
}
