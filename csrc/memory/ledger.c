/*
 * memory/ledger.c: two counters with their peaks, each on a cache line of its own.
 */
#include "memory/ledger.h"

#include <stdatomic.h>

#include "memory/keeper.h"

typedef struct counter {
  _Alignas(64) _Atomic uint64_t now;
  _Atomic uint64_t peak;
} counter;

static counter held, out;
static _Atomic uint64_t budget; /* 0: none */

static void raise_peak(counter *of, uint64_t value) {
  uint64_t peak = atomic_load_explicit(&of->peak, memory_order_relaxed);
  while (value > peak &&
         !atomic_compare_exchange_weak_explicit(&of->peak, &peak, value, memory_order_relaxed,
                                                memory_order_relaxed)) {
  }
}

static void add(counter *to, uint64_t bytes) {
  raise_peak(to, bytes + atomic_fetch_add_explicit(&to->now, bytes, memory_order_relaxed));
}

static void subtract(counter *from, uint64_t bytes) {
  atomic_fetch_sub_explicit(&from->now, bytes, memory_order_relaxed);
}

bool qn_ledger_hold(uint64_t bytes) {
  if (bytes == 0) return true;
  uint64_t limit = atomic_load_explicit(&budget, memory_order_relaxed);
  uint64_t now = atomic_load_explicit(&held.now, memory_order_relaxed);
  do {
    if (limit != 0 && (bytes > limit || now > limit - bytes)) return false;
  } while (!atomic_compare_exchange_weak_explicit(&held.now, &now, now + bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
  raise_peak(&held, now + bytes);
  if (now == 0) qn_keeper_wake();
  return true;
}

void qn_ledger_hold_unchecked(uint64_t bytes) { add(&held, bytes); }
void qn_ledger_drop(uint64_t bytes) { subtract(&held, bytes); }
void qn_ledger_out(uint64_t bytes) { add(&out, bytes); }
void qn_ledger_in(uint64_t bytes) { subtract(&out, bytes); }

qn_ledger_values qn_ledger_read(void) {
  return (qn_ledger_values){
      .held = atomic_load(&held.now),
      .peak_held = atomic_load(&held.peak),
      .out = atomic_load(&out.now),
      .peak_out = atomic_load(&out.peak),
      .budget = atomic_load(&budget),
  };
}

void qn_ledger_reset_peaks(void) {
  atomic_store(&held.peak, atomic_load(&held.now));
  atomic_store(&out.peak, atomic_load(&out.now));
}

void qn_ledger_set_budget(uint64_t bytes) { atomic_store(&budget, bytes); }
uint64_t qn_ledger_budget(void) { return atomic_load_explicit(&budget, memory_order_relaxed); }
