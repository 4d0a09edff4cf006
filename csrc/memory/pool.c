/*
 * memory/pool.c: the way of a request through the pool.
 *
 *   rent:    size -> charge the budget -> class or range -> address
 *   return:  address -> registry -> segment -> class or range -> credit the budget
 *
 * A block, as its parts see it:
 *
 *   segment  |.......................|== granted ==========|.......................|
 *                                    ^ address (64-byte)
 *   block                            |== requested ===|====|
 *   entry    outside the segment: state, class, requested
 *
 * The ledger is one cache line that every rent and return writes. A rent is
 * charged before it looks for memory, and the check and the charge are one atomic
 * step, so that threads together never exceed the budget. What is charged is
 * granted bytes.
 */
#include "memory/pool.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "memory/large.h"
#include "memory/segment.h"
#include "memory/size_class.h"
#include "memory/small.h"

static struct {
  _Alignas(64) _Atomic uint64_t live;
  _Atomic uint64_t peak;
  _Atomic uint64_t budget; /* 0: none */
} ledger;

/* Adds to what is live unless the budget forbids it. */
static bool charge(uint64_t bytes, uint64_t *live_out) {
  uint64_t budget = atomic_load_explicit(&ledger.budget, memory_order_relaxed);
  uint64_t live = atomic_load_explicit(&ledger.live, memory_order_relaxed);
  do {
    if (budget != 0 && (bytes > budget || live > budget - bytes)) return false;
  } while (!atomic_compare_exchange_weak_explicit(&ledger.live, &live, live + bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
  *live_out = live + bytes;
  return true;
}

static void credit(uint64_t bytes) {
  atomic_fetch_sub_explicit(&ledger.live, bytes, memory_order_relaxed);
}

static void raise_peak(uint64_t live) {
  uint64_t peak = atomic_load_explicit(&ledger.peak, memory_order_relaxed);
  while (live > peak &&
         !atomic_compare_exchange_weak_explicit(&ledger.peak, &peak, live, memory_order_relaxed,
                                                memory_order_relaxed)) {
  }
}

qn_status qn_pool_take(size_t bytes, qn_block *block_out) {
  if (bytes == 0 || bytes > QN_POOL_MAX_BYTES) return QN_BAD_SIZE;
  bool small = bytes <= QN_CLASS_MAX_BYTES;
  uint32_t size_class = small ? qn_class_of(bytes) : 0;
  size_t granted = small ? qn_class_bytes(size_class) : qn_large_granted(bytes);
  uint64_t live;
  if (!charge(granted, &live)) return QN_OVER_BUDGET;
  qn_segment *segment = NULL;
  void *address = small ? qn_small_rent(size_class, bytes, &segment)
                        : qn_large_rent(bytes, &segment);
  if (address == NULL) {
    credit(granted);
    return QN_OUT_OF_MEMORY;
  }
  raise_peak(live);
  *block_out = (qn_block){address, granted, segment->base, segment->bytes};
  return QN_OK;
}

qn_status qn_pool_give(void *address) {
  if (address == NULL) return QN_NULL_POINTER;
  qn_segment *segment = qn_segment_of(address);
  if (segment == NULL) return QN_NOT_OWNED;
  size_t granted = 0;
  qn_status status = segment->kind == QN_SEGMENT_SMALL
                         ? qn_small_return(segment, address, &granted)
                         : qn_large_return(segment, address, &granted);
  if (status == QN_OK) credit(granted);
  return status;
}

qn_status qn_pool_alloc(size_t bytes, void **out) {
  qn_block block;
  qn_status status = qn_pool_take(bytes, &block);
  if (status == QN_OK) *out = block.address;
  return status;
}

void qn_pool_free(void *address) {
  if (address != NULL) (void)qn_pool_give(address);
}

void qn_pool_statistics(uint64_t *values) {
  qn_small_totals small = {0};
  qn_large_totals large = {0};
  qn_small_totals_add(&small);
  qn_large_totals_get(&large);
  uint64_t misses = small.misses + large.misses;
  values[QN_STAT_RENTS] = small.rents + large.rents;
  values[QN_STAT_RETURNS] = small.returns + large.returns;
  values[QN_STAT_HITS] = values[QN_STAT_RENTS] - misses;
  values[QN_STAT_MISSES] = misses;
  values[QN_STAT_OUTSTANDING] = small.outstanding + large.outstanding;
  values[QN_STAT_LIVE_BYTES] = small.live_bytes + large.live_bytes;
  values[QN_STAT_CACHED_BYTES] = small.cached_bytes + large.cached_bytes;
  values[QN_STAT_RESERVED_BYTES] = qn_segment_reserved_bytes();
  values[QN_STAT_PEAK_BYTES] = atomic_load(&ledger.peak);
  values[QN_STAT_REQUESTED_BYTES] = small.requested_bytes + large.requested_bytes;
  values[QN_STAT_SEGMENTS] = qn_segment_count();
  values[QN_STAT_BUDGET_BYTES] = atomic_load(&ledger.budget);
  for (uint32_t i = QN_STAT_HELD_BYTES; i < QN_STAT_COUNT; i++) values[i] = 0;
}

void qn_pool_statistics_reset(void) {
  qn_small_counters_reset();
  qn_large_counters_reset();
  atomic_store(&ledger.peak, atomic_load(&ledger.live));
}

void qn_pool_set_budget(size_t bytes) { atomic_store(&ledger.budget, bytes); }

uint64_t qn_pool_release_pages(void) { return qn_small_trim() + qn_large_trim(); }

const char *qn_pool_check(void) {
  const char *wrong = qn_small_check();
  if (wrong == NULL) wrong = qn_large_check();
  if (wrong != NULL) return wrong;
  uint64_t values[QN_STAT_COUNT];
  qn_pool_statistics(values);
  if (values[QN_STAT_LIVE_BYTES] != atomic_load(&ledger.live)) return "the ledger is wrong";
  if (values[QN_STAT_PEAK_BYTES] < values[QN_STAT_LIVE_BYTES]) return "the peak is below live";
  return NULL;
}
