/*
 * memory/keeper.h: the one thread that looks after the pool.
 *
 * A few times a second, while the pool holds memory, it moves the pool's clock on,
 * gives back pages of blocks that lay idle, and, where the system says that memory
 * is short, of all that is cached. While the pool holds nothing it sleeps.
 */
#ifndef QN_MEMORY_KEEPER_H
#define QN_MEMORY_KEEPER_H

#include <stdatomic.h>
#include <stdint.h>

/* The pool's clock, in ticks of 10 ms, as the keeper last wrote it: good for ages
 * to half a second, and as cheap as a load. It wraps around after 497 days. */
#define QN_TICK_MS 10u
extern _Atomic uint32_t qn_keeper_ticks;
static inline uint32_t qn_now(void) {
  return atomic_load_explicit(&qn_keeper_ticks, memory_order_relaxed);
}

/* Moves the clock on to what it is now; returns it. */
uint32_t qn_clock_update(void);

/* Starts the keeper or wakes it up: the pool begins to hold memory. */
void qn_keeper_wake(void);

/* For tests: the keeper does nothing between the two. */
void qn_keeper_hold(void);
void qn_keeper_release(void);

/* How long returned blocks keep their pages, at least. 0: for ever. */
void qn_keeper_set_idle(uint32_t milliseconds);

#endif
