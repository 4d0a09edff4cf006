/*
 * api/memory.c: the exported functions over the pool and over mapped files.
 * Checks arguments; the rest is memory/pool.c and memory/file_map.c.
 */
#include "memory/file_map.h"
#include "memory/pool.h"
#include "quern.h"

int32_t qn_pool_rent(uint64_t *block_out, size_t bytes) {
  if (block_out == NULL) return QN_NULL_POINTER;
  qn_block block;
  qn_status status = qn_pool_take(bytes, &block);
  if (status != QN_OK) return status;
  block_out[0] = (uint64_t)(uintptr_t)block.address;
  block_out[1] = block.bytes;
  block_out[2] = (uint64_t)(uintptr_t)block.segment;
  block_out[3] = block.segment_bytes;
  return QN_OK;
}

int32_t qn_pool_return(void *block) { return qn_pool_give(block); }

int32_t qn_pool_stats(uint64_t *stats_out) {
  if (stats_out == NULL) return QN_NULL_POINTER;
  qn_pool_statistics(stats_out);
  return QN_OK;
}

int32_t qn_pool_stats_reset(void) {
  qn_pool_statistics_reset();
  return QN_OK;
}

int32_t qn_pool_budget_set(size_t bytes) {
  qn_pool_set_budget(bytes);
  return QN_OK;
}

int32_t qn_pool_trim(uint64_t *released_out) {
  if (released_out == NULL) return QN_NULL_POINTER;
  released_out[0] = qn_pool_release_pages();
  return QN_OK;
}

int32_t qn_file_map(uint64_t *mapping_out, const char *path) {
  if (mapping_out == NULL || path == NULL) return QN_NULL_POINTER;
  void *address = NULL;
  size_t bytes = 0;
  qn_status status = qn_file_map_open(path, &address, &bytes);
  if (status != QN_OK) return status;
  mapping_out[0] = (uint64_t)(uintptr_t)address;
  mapping_out[1] = bytes;
  return QN_OK;
}

int32_t qn_file_unmap(void *address, size_t bytes) {
  if (address == NULL) return QN_NULL_POINTER;
  return qn_file_map_close(address, bytes);
}
