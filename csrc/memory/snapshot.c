/*
 * memory/snapshot.c: every block there is, written down.
 */
#include "memory/keeper.h"
#include "memory/large.h"
#include "memory/small.h"

typedef struct page {
  uint64_t *records;
  uint64_t capacity, count;
  uint32_t now;
} page;

static void write_record(const qn_block_view *view, void *context) {
  page *to = context;
  if (to->count++ >= to->capacity) return;
  uint64_t *record = to->records + (to->count - 1) * QN_BLOCK_FIELDS;
  record[QN_BLOCK_ADDRESS] = (uint64_t)(uintptr_t)view->address;
  record[QN_BLOCK_BYTES] = view->bytes;
  record[QN_BLOCK_REQUESTED] = view->requested;
  record[QN_BLOCK_STATE] = view->state;
  record[QN_BLOCK_AGE_MS] = (uint64_t)(to->now - view->stamp) * QN_TICK_MS;
  record[QN_BLOCK_ISOLATE] = view->isolate;
  record[QN_BLOCK_SEGMENT] = (uint64_t)(uintptr_t)view->segment->base;
  record[QN_BLOCK_SEGMENT_BYTES] = view->segment->bytes;
}

uint64_t qn_pool_view(uint64_t *records, uint32_t capacity) {
  page to = {records, capacity, 0, qn_clock_update()};
  qn_small_visit(write_record, &to);
  qn_large_visit(write_record, &to);
  return to.count;
}
