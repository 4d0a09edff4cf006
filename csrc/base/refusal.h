/*
 * base/refusal.h: refusing memory on demand, for tests.
 *
 * A refusal lets the next `after` requests pass, refuses the `count` that follow,
 * then lets all pass again. (0, 0) ends it; a count of UINT64_MAX - after refuses
 * for ever. While it is off it costs one load a request.
 */
#ifndef QN_BASE_REFUSAL_H
#define QN_BASE_REFUSAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct qn_refusal {
  _Atomic bool on;
  _Atomic uint64_t passes_left, refusals_left;
} qn_refusal;

static inline void qn_refusal_set(qn_refusal *refusal, uint64_t after, uint64_t count) {
  atomic_store(&refusal->passes_left, after);
  atomic_store(&refusal->refusals_left, count);
  atomic_store(&refusal->on, count != 0);
}

/* Takes one from a counter; false when it is at 0. */
static inline bool qn_refusal_take(_Atomic uint64_t *counter) {
  uint64_t value = atomic_load(counter);
  while (value != 0) {
    if (atomic_compare_exchange_weak(counter, &value, value - 1)) return true;
  }
  return false;
}

/* Whether the present request is to be refused. */
static inline bool qn_refusal_now(qn_refusal *refusal) {
  if (!atomic_load_explicit(&refusal->on, memory_order_relaxed)) return false;
  if (qn_refusal_take(&refusal->passes_left)) return false;
  return qn_refusal_take(&refusal->refusals_left);
}

#endif
