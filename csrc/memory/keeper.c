/*
 * memory/keeper.c: the keeper's thread, and what it does on each round.
 *
 *   pressure   what it gives back
 *   none       what lay idle for `idle`
 *   some       what lay idle for a second
 *   high       everything that is cached, and it asks isolates for their shelves
 */
#include "memory/keeper.h"

#include <stdbool.h>

#include "base/pressure.h"
#include "base/thread_os.h"
#include "memory/isolate.h"
#include "memory/ledger.h"
#include "memory/pool.h"

#define ROUND_MS 500u
#define SHORTEST_ROUND_MS 20u
#define DEFAULT_IDLE_MS 10000u
#define IDLE_UNDER_PRESSURE_MS 1000u
/* Less than this is not worth a look at the system's pressure. */
#define WORTH_LOOKING_BYTES ((uint64_t)4 << 20)

_Atomic uint32_t qn_keeper_ticks;

static qn_lock lock = QN_LOCK_INIT;
static qn_condition condition = QN_CONDITION_INIT;
static bool running, sleeping;
static qn_lock round_lock = QN_LOCK_INIT; /* held while the keeper is at work */
static _Atomic uint32_t idle_ms = DEFAULT_IDLE_MS;

uint32_t qn_clock_update(void) {
  uint32_t ticks = (uint32_t)(qn_clock_ns() / 1000000u / QN_TICK_MS);
  atomic_store_explicit(&qn_keeper_ticks, ticks, memory_order_relaxed);
  return ticks;
}

/* Looking for idle blocks is a walk, so it waits until a good part of the time has
 * passed after which they count as idle. */
static bool is_due(uint32_t now, uint32_t idle) {
  static uint32_t last; /* of the keeper's thread alone */
  if (now - last < idle / QN_TICK_MS / 4) return false;
  last = now;
  return true;
}

static void trim(uint32_t now) {
  uint32_t idle = atomic_load_explicit(&idle_ms, memory_order_relaxed);
  qn_ledger_values ledger = qn_ledger_read();
  if (ledger.held == ledger.out) return;
  qn_pressure pressure = QN_PRESSURE_NONE;
  if (ledger.held >= WORTH_LOOKING_BYTES) pressure = qn_os_memory_pressure();
  if (pressure == QN_PRESSURE_HIGH) {
    qn_isolate_ask_to_flush();
    qn_pool_trim_older(now + (1u << 30));
    return;
  }
  if (pressure == QN_PRESSURE_SOME && (idle == 0 || idle > IDLE_UNDER_PRESSURE_MS)) {
    idle = IDLE_UNDER_PRESSURE_MS;
  }
  if (idle != 0 && is_due(now, idle)) qn_pool_trim_older(now - idle / QN_TICK_MS);
}

/* How long to the next round: several of them in the shortest time that matters. */
static uint32_t round_ms(void) {
  uint32_t idle = atomic_load_explicit(&idle_ms, memory_order_relaxed);
  uint32_t round = idle == 0 ? ROUND_MS : idle / 4;
  if (round > ROUND_MS) return ROUND_MS;
  return round < SHORTEST_ROUND_MS ? SHORTEST_ROUND_MS : round;
}

static void keep(void *unused) {
  (void)unused;
  for (;;) {
    qn_lock_take(&lock);
    while (qn_ledger_read().held == 0) {
      sleeping = true;
      qn_condition_wait(&condition, &lock);
    }
    sleeping = false;
    qn_condition_wait_for(&condition, &lock, round_ms());
    qn_lock_give(&lock);
    uint32_t now = qn_clock_update();
    qn_lock_take(&round_lock);
    qn_isolate_tell_time(now);
    trim(now);
    qn_lock_give(&round_lock);
  }
}

/* In the child of a fork there is one thread, and it is not the keeper. */
static void after_fork(void) {
  lock = (qn_lock)QN_LOCK_INIT;
  round_lock = (qn_lock)QN_LOCK_INIT;
  condition = (qn_condition)QN_CONDITION_INIT;
  running = false;
}

void qn_keeper_wake(void) {
  static bool fork_told;
  qn_isolate_tell_time(qn_clock_update()); /* nobody did while the keeper slept */
  qn_lock_take(&lock);
  if (!running) {
    qn_library_pin();
    if (!fork_told) qn_on_fork(after_fork);
    fork_told = true;
    running = qn_thread_start(keep, NULL);
  } else if (sleeping) {
    qn_condition_wake_one(&condition);
  }
  qn_lock_give(&lock);
}

void qn_keeper_hold(void) { qn_lock_take(&round_lock); }
void qn_keeper_release(void) { qn_lock_give(&round_lock); }

void qn_keeper_set_idle(uint32_t milliseconds) {
  atomic_store(&idle_ms, milliseconds);
  qn_lock_take(&lock);
  if (running) qn_condition_wake_one(&condition);
  qn_lock_give(&lock);
}
