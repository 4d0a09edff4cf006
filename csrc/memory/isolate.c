/*
 * memory/isolate.c: slots of isolates. A number is a slot and how often that slot
 * was used, so that it is never used again, and is recognised after its end.
 *
 * Fields belong to the slot and are used by the next isolate in it: they are never
 * unmapped, so that a late write by JavaScript meets memory that is there.
 */
#include "memory/isolate.h"

#include <stdatomic.h>

#include "base/os.h"
#include "base/thread_os.h"
#include "memory/holds.h"
#include "memory/keeper.h"
#include "memory/pool.h"

#define SLOT_MASK (QN_ISOLATE_MAX - 1)

typedef struct slot {
  _Atomic uint32_t number; /* 0: free */
  uint32_t uses;
  const qn_thread *thread;
  _Atomic double *fields;
} slot;

static qn_lock lock = QN_LOCK_INIT;
static slot slots[QN_ISOLATE_MAX];
static uint32_t slots_used; /* no slot from here on was ever used */
static _Atomic uint32_t open_count;
static qn_shelf_totals ended; /* counts of isolates that ended */

static size_t fields_bytes(void) {
  size_t page = qn_os_page_size();
  size_t bytes = QN_ISOLATE_FIELDS * sizeof(double);
  return (bytes + page - 1) & ~(page - 1);
}

static double read_field(const slot *of, uint32_t index) {
  return atomic_load_explicit(&of->fields[index], memory_order_relaxed);
}

static void write_field(const slot *of, uint32_t index, double value) {
  atomic_store_explicit(&of->fields[index], value, memory_order_relaxed);
}

bool qn_isolate_is_open(uint32_t number) {
  if (number == 0) return true;
  return atomic_load_explicit(&slots[number & SLOT_MASK].number, memory_order_relaxed) == number;
}

uint32_t qn_isolate_count(void) { return atomic_load(&open_count); }

/* Under the lock: the first free slot, with fields, or null. */
static slot *take_slot(void) {
  for (uint32_t i = 0; i < QN_ISOLATE_MAX; i++) {
    slot *at = &slots[i];
    if (atomic_load_explicit(&at->number, memory_order_relaxed) != 0) continue;
    if (at->fields == NULL) {
      at->fields = qn_os_reserve(fields_bytes(), qn_os_page_size());
      if (at->fields == NULL) return NULL;
    }
    if (i >= slots_used) slots_used = i + 1;
    return at;
  }
  return NULL;
}

qn_status qn_isolate_begin(uint32_t *number_out, double **fields_out) {
  const qn_thread *thread = qn_thread_get();
  if (thread == NULL) return QN_OUT_OF_MEMORY;
  qn_lock_take(&lock);
  slot *made = take_slot();
  if (made != NULL) {
    for (uint32_t i = 0; i < QN_ISOLATE_FIELDS; i++) write_field(made, i, 0);
    write_field(made, QN_ISOLATE_NOW, qn_clock_update());
    made->thread = thread;
    made->uses = made->uses % (UINT32_MAX / QN_ISOLATE_MAX) + 1;
    *number_out = made->uses * QN_ISOLATE_MAX + (uint32_t)(made - slots);
    *fields_out = (double *)made->fields;
    atomic_store(&made->number, *number_out);
    atomic_fetch_add(&open_count, 1);
  }
  qn_lock_give(&lock);
  return made != NULL ? QN_OK : QN_OUT_OF_MEMORY;
}

/* Under the lock. What is on the shelves is about to be returned, and counted as
 * that: it is not counted twice. */
static void keep_counts(const slot *of) {
  for (uint32_t i = 0; i <= QN_CLASS_COUNT; i++) {
    uint64_t rents = (uint64_t)read_field(of, QN_ISOLATE_RENTS + i);
    ended.rents[i] += rents;
    ended.returns[i] += rents;
  }
}

qn_status qn_isolate_end(uint32_t number) {
  qn_lock_take(&lock);
  slot *closing = &slots[number & SLOT_MASK];
  bool open = number != 0 && atomic_load(&closing->number) == number;
  if (open) {
    keep_counts(closing);
    atomic_store(&closing->number, 0);
    atomic_fetch_sub(&open_count, 1);
  }
  qn_lock_give(&lock);
  if (!open) return QN_UNKNOWN_ISOLATE;
  qn_holds_reclaim(number);
  qn_pool_reclaim(number);
  return QN_OK;
}

void qn_isolate_close_all_of(const qn_thread *thread) {
  for (uint32_t i = 0; i < QN_ISOLATE_MAX; i++) {
    qn_lock_take(&lock);
    bool past = i >= slots_used;
    uint32_t number = slots[i].thread == thread ? atomic_load(&slots[i].number) : 0;
    qn_lock_give(&lock);
    if (past) return;
    if (number != 0) (void)qn_isolate_end(number);
  }
}

/* ---- Fields of all open isolates ------------------------------------------ */

static void add_fields(const slot *of, qn_shelf_totals *totals) {
  for (uint32_t i = 0; i <= QN_CLASS_COUNT; i++) {
    double rents = read_field(of, QN_ISOLATE_RENTS + i);
    double returns = read_field(of, QN_ISOLATE_RETURNS + i);
    totals->rents[i] += (uint64_t)rents;
    totals->returns[i] += (uint64_t)returns;
    if (returns > rents) totals->blocks[i] += (uint64_t)(returns - rents);
  }
  totals->large_bytes += (uint64_t)read_field(of, QN_ISOLATE_LARGE_SHELVED);
  totals->requested += (int64_t)read_field(of, QN_ISOLATE_REQUESTED);
}

void qn_isolate_sum(qn_shelf_totals *totals_out) {
  qn_lock_take(&lock);
  *totals_out = ended;
  for (uint32_t i = 0; i < slots_used; i++) {
    if (atomic_load(&slots[i].number) != 0) add_fields(&slots[i], totals_out);
  }
  qn_lock_give(&lock);
}

void qn_isolate_tell_time(uint32_t ticks) {
  qn_lock_take(&lock);
  for (uint32_t i = 0; i < slots_used; i++) {
    if (atomic_load(&slots[i].number) != 0) write_field(&slots[i], QN_ISOLATE_NOW, ticks);
  }
  qn_lock_give(&lock);
}

void qn_isolate_ask_to_flush(void) {
  qn_lock_take(&lock);
  for (uint32_t i = 0; i < slots_used; i++) {
    if (atomic_load(&slots[i].number) == 0) continue;
    write_field(&slots[i], QN_ISOLATE_FLUSHES, read_field(&slots[i], QN_ISOLATE_FLUSHES) + 1);
  }
  qn_lock_give(&lock);
}
