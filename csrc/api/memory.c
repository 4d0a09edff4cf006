/*
 * api/memory.c: the exported functions over the pool and over mapped files.
 * Checks arguments; the rest is memory/pool.c and memory/file_map.c.
 */
#include "memory/file_map.h"
#include "memory/isolate.h"
#include "memory/keeper.h"
#include "memory/pool.h"
#include "quern.h"

int32_t qn_isolate_open(uint64_t *isolate_out) {
  if (isolate_out == NULL) return QN_NULL_POINTER;
  uint32_t number;
  double *fields;
  qn_status status = qn_isolate_begin(&number, &fields);
  if (status != QN_OK) return status;
  isolate_out[0] = number;
  isolate_out[1] = (uint64_t)(uintptr_t)fields;
  return QN_OK;
}

int32_t qn_isolate_close(uint32_t isolate) { return qn_isolate_end(isolate); }

/* ---- Rent and return ------------------------------------------------------- */

static void write_block(uint64_t *out, const qn_block *block) {
  out[0] = (uint64_t)(uintptr_t)block->address;
  out[1] = block->bytes;
  out[2] = (uint64_t)(uintptr_t)block->segment;
  out[3] = block->segment_bytes;
  out[4] = block->generation;
}

int32_t qn_pool_rent(uint64_t *block_out, size_t bytes, uint32_t alignment, uint32_t isolate) {
  if (block_out == NULL) return QN_NULL_POINTER;
  qn_block block;
  qn_status status = qn_pool_take(bytes, alignment, isolate, &block);
  if (status == QN_OK) write_block(block_out, &block);
  return status;
}

int32_t qn_pool_return(void *block, uint32_t generation, uint32_t isolate) {
  return qn_pool_give(block, generation, isolate);
}

int32_t qn_pool_rent_batch(uint64_t *blocks_out, size_t bytes, uint32_t count, uint32_t isolate) {
  if (count == 0) return QN_OK;
  if (blocks_out == NULL) return QN_NULL_POINTER;
  if (bytes > QN_POOL_MAX_BYTES / count) return QN_BAD_SIZE;
  for (uint32_t i = 0; i < count; i++) {
    qn_block block;
    qn_status status = qn_pool_take(bytes, QN_POOL_ALIGNMENT, isolate, &block);
    if (status != QN_OK) {
      (void)qn_pool_return_batch(blocks_out, i, isolate);
      return status;
    }
    write_block(blocks_out + (size_t)i * QN_POOL_BLOCK_VALUES, &block);
  }
  return QN_OK;
}

int32_t qn_pool_return_batch(const uint64_t *blocks, uint32_t count, uint32_t isolate) {
  if (count == 0) return QN_OK;
  if (blocks == NULL) return QN_NULL_POINTER;
  int32_t first = QN_OK;
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t *block = blocks + (size_t)i * QN_POOL_BLOCK_VALUES;
    qn_status status = qn_pool_give((void *)(uintptr_t)block[0], (uint32_t)block[4], isolate);
    if (first == QN_OK) first = status;
  }
  return first;
}

int32_t qn_pool_touch_batch(const uint64_t *blocks, uint32_t count) {
  if (count == 0) return QN_OK;
  if (blocks == NULL) return QN_NULL_POINTER;
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t *block = blocks + (size_t)i * QN_POOL_BLOCK_VALUES;
    qn_status status = qn_pool_touch((void *)(uintptr_t)block[0], (uint32_t)block[4]);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

int32_t qn_pool_prewarm(size_t bytes, uint32_t count) { return qn_pool_warm(bytes, count); }

/* ---- Sharing ---------------------------------------------------------------- */

int32_t qn_memory_share(void *address, uint32_t generation, uint32_t isolate,
                        uint32_t receivers) {
  return qn_pool_share(address, generation, isolate, receivers);
}

int32_t qn_memory_claim(uint64_t *claimed_out, void *address, uint32_t generation,
                        uint32_t isolate) {
  if (claimed_out == NULL) return QN_NULL_POINTER;
  qn_block block;
  qn_status status = qn_pool_claim(address, generation, isolate, &block);
  if (status == QN_OK) write_block(claimed_out, &block);
  return status;
}

/* ---- Statistics and trimming -------------------------------------------------- */

int32_t qn_pool_stats(uint64_t *stats_out) {
  if (stats_out == NULL) return QN_NULL_POINTER;
  qn_pool_statistics(stats_out);
  return QN_OK;
}

int32_t qn_pool_class_stats(uint64_t *classes_out) {
  if (classes_out == NULL) return QN_NULL_POINTER;
  qn_pool_class_statistics(classes_out);
  return QN_OK;
}

int32_t qn_pool_stats_reset(void) {
  qn_pool_statistics_reset();
  return QN_OK;
}

int32_t qn_pool_snapshot(uint64_t *count_out, uint64_t *records_out, uint32_t capacity) {
  if (count_out == NULL || (records_out == NULL && capacity != 0)) return QN_NULL_POINTER;
  count_out[0] = qn_pool_view(records_out, capacity);
  return QN_OK;
}

int32_t qn_pool_budget_set(size_t bytes) {
  qn_pool_set_budget(bytes);
  return QN_OK;
}

int32_t qn_pool_trim(uint64_t *released_out) {
  if (released_out == NULL) return QN_NULL_POINTER;
  qn_isolate_ask_to_flush();
  released_out[0] = qn_pool_release_pages();
  return QN_OK;
}

int32_t qn_pool_idle_set(uint32_t milliseconds) {
  qn_keeper_set_idle(milliseconds);
  return QN_OK;
}

/* ---- Files -------------------------------------------------------------------- */

int32_t qn_file_map(uint64_t *mapping_out, const char *path, uint32_t isolate) {
  if (mapping_out == NULL || path == NULL) return QN_NULL_POINTER;
  if (!qn_isolate_is_open(isolate)) return QN_UNKNOWN_ISOLATE;
  qn_mapping mapping;
  qn_status status = qn_file_map_open(path, isolate, &mapping);
  if (status != QN_OK) return status;
  mapping_out[0] = (uint64_t)(uintptr_t)mapping.address;
  mapping_out[1] = mapping.bytes;
  mapping_out[2] = mapping.generation;
  return QN_OK;
}

int32_t qn_file_unmap(void *address, uint32_t generation, uint32_t isolate) {
  if (address == NULL) return QN_NULL_POINTER;
  return qn_file_map_close(address, generation, isolate);
}
