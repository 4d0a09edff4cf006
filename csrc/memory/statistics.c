/*
 * memory/statistics.c: the pool in numbers, summed up when somebody asks: over the
 * records of threads, the fields of isolates, the classes and the large ranges.
 *
 * Blocks on the shelves of isolates were handed out by the pool, but are cached for
 * their users, and count as that here.
 */
#include "memory/statistics.h"

#include <stdatomic.h>

#include "base/thread_os.h"
#include "memory/file_map.h"
#include "memory/holds.h"
#include "memory/isolate.h"
#include "memory/large.h"
#include "memory/ledger.h"
#include "memory/small.h"

#define CLASSES (QN_CLASS_COUNT + 1) /* the last one: large blocks */

typedef struct class_sums {
  uint64_t rents, returns, misses; /* since the process began */
  uint64_t outstanding, live_bytes, held_bytes;
} class_sums;

typedef struct sums {
  class_sums classes[CLASSES];
  uint64_t requested_bytes, shelved_bytes;
} sums;

static qn_lock lock = QN_LOCK_INIT;
static class_sums at_reset[CLASSES];
static uint64_t trimmed_at_reset;
static _Atomic uint64_t trimmed_bytes;

void qn_statistics_trimmed(uint64_t bytes) { atomic_fetch_add(&trimmed_bytes, bytes); }

/* Counts of threads that go on meanwhile may be a little apart. */
static uint64_t difference(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

static void sum_small(sums *to, const qn_shelf_totals *shelves) {
  qn_small_totals small;
  uint64_t rents[QN_CLASS_COUNT] = {0}, returns[QN_CLASS_COUNT] = {0};
  qn_thread_sum(rents, returns, &to->requested_bytes);
  qn_small_totals_get(&small);
  to->requested_bytes += small.requested_bytes;
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) {
    class_sums *sum = &to->classes[i];
    uint64_t native_rents = rents[i] + small.rents[i];
    uint64_t native_returns = returns[i] + small.returns[i];
    uint64_t out = difference(native_rents, native_returns);
    sum->rents = native_rents + shelves->rents[i];
    sum->returns = native_returns + shelves->returns[i];
    sum->misses = small.misses[i];
    sum->outstanding = difference(out, shelves->blocks[i]);
    sum->live_bytes = sum->outstanding * qn_class_bytes(i);
    sum->held_bytes = small.held_bytes[i];
    to->shelved_bytes += shelves->blocks[i] * qn_class_bytes(i);
  }
}

static void sum_large(sums *to, const qn_shelf_totals *shelves) {
  qn_large_totals large;
  class_sums *sum = &to->classes[QN_CLASS_COUNT];
  qn_large_totals_get(&large);
  sum->rents = large.rents + shelves->rents[QN_CLASS_COUNT];
  sum->returns = large.returns + shelves->returns[QN_CLASS_COUNT];
  sum->misses = large.misses;
  sum->outstanding = difference(large.outstanding, shelves->blocks[QN_CLASS_COUNT]);
  sum->live_bytes = difference(large.live_bytes, shelves->large_bytes);
  sum->held_bytes = large.live_bytes + large.cached_bytes;
  to->requested_bytes += large.requested_bytes;
  to->shelved_bytes += shelves->large_bytes;
}

static void sum_all(sums *to) {
  qn_shelf_totals shelves;
  *to = (sums){.requested_bytes = 0};
  qn_isolate_sum(&shelves);
  sum_small(to, &shelves);
  sum_large(to, &shelves);
  to->requested_bytes += (uint64_t)shelves.requested;
}

void qn_pool_statistics(uint64_t *values) {
  sums now;
  sum_all(&now);
  qn_ledger_values ledger = qn_ledger_read();
  for (uint32_t i = 0; i < QN_STAT_COUNT; i++) values[i] = 0;
  qn_lock_take(&lock);
  for (uint32_t i = 0; i < CLASSES; i++) {
    values[QN_STAT_RENTS] += difference(now.classes[i].rents, at_reset[i].rents);
    values[QN_STAT_RETURNS] += difference(now.classes[i].returns, at_reset[i].returns);
    values[QN_STAT_MISSES] += difference(now.classes[i].misses, at_reset[i].misses);
    values[QN_STAT_OUTSTANDING] += now.classes[i].outstanding;
    values[QN_STAT_LIVE_BYTES] += now.classes[i].live_bytes;
  }
  values[QN_STAT_TRIMMED_BYTES] = atomic_load(&trimmed_bytes) - trimmed_at_reset;
  qn_lock_give(&lock);
  values[QN_STAT_HITS] = difference(values[QN_STAT_RENTS], values[QN_STAT_MISSES]);
  values[QN_STAT_CACHED_BYTES] = difference(ledger.held, values[QN_STAT_LIVE_BYTES]);
  values[QN_STAT_RESERVED_BYTES] = qn_segment_reserved_bytes();
  values[QN_STAT_PEAK_BYTES] = ledger.peak_out;
  values[QN_STAT_REQUESTED_BYTES] = now.requested_bytes;
  values[QN_STAT_SEGMENTS] = qn_segment_count();
  values[QN_STAT_BUDGET_BYTES] = ledger.budget;
  values[QN_STAT_HELD_BYTES] = ledger.held;
  values[QN_STAT_PEAK_HELD_BYTES] = ledger.peak_held;
  values[QN_STAT_SHELVED_BYTES] = now.shelved_bytes;
  values[QN_STAT_SHARED] = qn_holds_count();
  values[QN_STAT_ISOLATES] = qn_isolate_count();
  values[QN_STAT_MAPPED_BYTES] = qn_file_map_bytes();
}

void qn_pool_class_statistics(uint64_t *values) {
  sums now;
  sum_all(&now);
  qn_lock_take(&lock);
  for (uint32_t i = 0; i < CLASSES; i++) {
    uint64_t *of = values + (uint64_t)i * QN_CLASS_STAT_COUNT;
    const class_sums *sum = &now.classes[i];
    of[QN_CLASS_BYTES] = i < QN_CLASS_COUNT ? qn_class_bytes(i) : 0;
    of[QN_CLASS_RENTS] = difference(sum->rents, at_reset[i].rents);
    of[QN_CLASS_RETURNS] = difference(sum->returns, at_reset[i].returns);
    of[QN_CLASS_MISSES] = difference(sum->misses, at_reset[i].misses);
    of[QN_CLASS_OUTSTANDING] = sum->outstanding;
    of[QN_CLASS_LIVE_BYTES] = sum->live_bytes;
    of[QN_CLASS_CACHED_BYTES] = difference(sum->held_bytes, sum->live_bytes);
  }
  qn_lock_give(&lock);
}

void qn_pool_statistics_reset(void) {
  sums now;
  /* So that the peak of what is handed out begins with what is live. */
  qn_thread *thread = qn_thread_get();
  if (thread != NULL) qn_small_flush(thread);
  sum_all(&now);
  qn_lock_take(&lock);
  for (uint32_t i = 0; i < CLASSES; i++) at_reset[i] = now.classes[i];
  trimmed_at_reset = atomic_load(&trimmed_bytes);
  qn_lock_give(&lock);
  qn_ledger_reset_peaks();
}
