/*
 * api/memory.c: the exported functions over the pool and over mapped files.
 * Checks arguments; the rest is memory/pool.c and memory/file_map.c.
 */
#include "memory/file_map.h"
#include "memory/pool.h"
#include "quern.h"

#include <stdlib.h>
#include <string.h>
static uint32_t shim_isolates;

int32_t qn_isolate_open(uint64_t *isolate_out) {
  double *fields = calloc(QN_ISOLATE_FIELDS, sizeof *fields);
  isolate_out[0] = ++shim_isolates;
  isolate_out[1] = (uint64_t)(uintptr_t)fields;
  return QN_OK;
}

int32_t qn_isolate_close(uint32_t isolate) {
  (void)isolate;
  return QN_OK;
}

int32_t qn_pool_rent(uint64_t *block_out, size_t bytes, uint32_t alignment, uint32_t isolate) {
  (void)isolate;
  if (block_out == NULL) return QN_NULL_POINTER;
  if (alignment == 0 || (alignment & (alignment - 1)) || alignment > 4096) return QN_BAD_ALIGNMENT;
  qn_block block;
  qn_status status = qn_pool_take(bytes, &block);
  if (status != QN_OK) return status;
  block_out[0] = (uint64_t)(uintptr_t)block.address;
  block_out[1] = block.bytes;
  block_out[2] = (uint64_t)(uintptr_t)block.segment;
  block_out[3] = block.segment_bytes;
  block_out[4] = 1;
  return QN_OK;
}

int32_t qn_pool_return(void *block, uint32_t generation, uint32_t isolate) {
  (void)generation, (void)isolate;
  return qn_pool_give(block);
}

int32_t qn_pool_rent_batch(uint64_t *blocks_out, size_t bytes, uint32_t count, uint32_t isolate) {
  for (uint32_t i = 0; i < count; i++) {
    int32_t status = qn_pool_rent(blocks_out + i * 5, bytes, 64, isolate);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

int32_t qn_pool_return_batch(const uint64_t *blocks, uint32_t count, uint32_t isolate) {
  for (uint32_t i = 0; i < count; i++) {
    int32_t status = qn_pool_return((void *)(uintptr_t)blocks[i * 5], 0, isolate);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

int32_t qn_pool_touch_batch(const uint64_t *blocks, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) memset((void *)(uintptr_t)blocks[i * 5], 0, blocks[i * 5 + 1]);
  return QN_OK;
}

int32_t qn_pool_prewarm(size_t bytes, uint32_t count) {
  uint64_t *blocks = calloc((size_t)count * 5 + 1, 8);
  int32_t status = qn_pool_rent_batch(blocks, bytes, count, 0);
  if (status == QN_OK) status = qn_pool_return_batch(blocks, count, 0);
  free(blocks);
  return status;
}

int32_t qn_memory_share(void *address, uint32_t generation, uint32_t isolate, uint32_t receivers) {
  (void)address, (void)generation, (void)isolate, (void)receivers;
  return QN_OK;
}

int32_t qn_memory_claim(uint64_t *claimed_out, void *address, uint32_t generation,
                        uint32_t isolate) {
  (void)claimed_out, (void)address, (void)generation, (void)isolate;
  return QN_NOT_SHARED;
}

int32_t qn_pool_class_stats(uint64_t *classes_out) {
  memset(classes_out, 0, 8 * QN_CLASS_STAT_COUNT * (QN_POOL_CLASSES + 1));
  return QN_OK;
}

int32_t qn_pool_snapshot(uint64_t *count_out, uint64_t *records_out, uint32_t capacity) {
  (void)records_out, (void)capacity;
  count_out[0] = 0;
  return QN_OK;
}

int32_t qn_pool_idle_set(uint32_t milliseconds) {
  (void)milliseconds;
  return QN_OK;
}

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

int32_t qn_file_map(uint64_t *mapping_out, const char *path, uint32_t isolate) {
  (void)isolate;
  if (mapping_out == NULL || path == NULL) return QN_NULL_POINTER;
  void *address = NULL;
  size_t bytes = 0;
  qn_status status = qn_file_map_open(path, &address, &bytes);
  if (status != QN_OK) return status;
  mapping_out[0] = (uint64_t)(uintptr_t)address;
  mapping_out[1] = bytes;
  mapping_out[2] = 1;
  return QN_OK;
}

int32_t qn_file_unmap(void *address, uint32_t generation, uint32_t isolate) {
  (void)generation, (void)isolate;
  if (address == NULL) return QN_NULL_POINTER;
  return qn_file_map_close(address);
}
