/*
 * memory/small.h: blocks of up to 1 MiB, in size classes.
 *
 * A rent takes the block that came back last (it is still in the processor's
 * cache) from this thread's magazine, else from its class, else cuts a new one
 * from the class's span. All are O(1). Each class has its own lock, which only
 * magazines and classes without one take.
 *
 * What a rent and its return touch: the thread's own record, and the 16 bytes of
 * the block's entry. Everything else (classes, spans, slices) is touched only when
 * a magazine is empty or full, by statistics and by trimming.
 */
#ifndef QN_MEMORY_SMALL_H
#define QN_MEMORY_SMALL_H

#include "memory/pool.h"
#include "memory/segment.h"
#include "memory/size_class.h"
#include "memory/thread.h"

/* Takes a block of `size_class` for a request of `bytes`. QN_OVER_BUDGET or
 * QN_OUT_OF_MEMORY. */
qn_status qn_small_rent(uint32_t size_class, size_t bytes, uint32_t isolate, qn_block *block_out);

/* Takes back the block at `address`, which lies in `segment`. A shared one stays as
 * it is, and `shared_out` is set, unless that is null. `generation` 0 is not
 * compared. */
qn_status qn_small_return(qn_segment *segment, void *address, uint32_t generation,
                          bool *shared_out);

/* A rented block; statuses as for a return. */
qn_status qn_small_find(qn_segment *segment, const void *address, uint32_t generation,
                        qn_rented *rented_out);

/* False: the block was returned meanwhile. */
bool qn_small_mark_shared(qn_segment *segment, const void *address);

/* Takes `want` cached blocks at most, at least one, as references; and gives such
 * blocks back to their class. Neither counts as a rent. */
qn_status qn_small_take(uint32_t size_class, uint32_t want, uint32_t *refs, uint32_t *count_out);
void qn_small_put(uint32_t size_class, const uint32_t *refs, uint32_t count);

/* Empties a thread's magazines. */
void qn_small_flush(qn_thread *thread);

/* Makes sure that `count` blocks are free or cached by this thread, pages touched. */
qn_status qn_small_prewarm(uint32_t size_class, uint32_t count);

/* Returns the blocks that an isolate alone holds. */
void qn_small_reclaim(uint32_t isolate);

/* Of each class: rents that needed new pages, and the bytes that hold pages; of all: what is counted where threads have no record. */
typedef struct qn_small_totals {
  uint64_t misses[QN_CLASS_COUNT], held_bytes[QN_CLASS_COUNT];
  uint64_t rents[QN_CLASS_COUNT], returns[QN_CLASS_COUNT];
  uint64_t requested_bytes;
  uint64_t kept_bytes; /* of slices that belong to no class, but hold pages */
} qn_small_totals;
void qn_small_totals_get(qn_small_totals *totals_out);

/* Gives back physical pages of blocks returned at `before` or earlier, in ticks;
 * returns their bytes. */
uint64_t qn_small_trim(uint32_t before);

/* Calls `visit` for each block that was ever cut, in the order of addresses. */
void qn_small_visit(qn_block_visitor *visit, void *context);

/* Walks every structure, with no other thread in the pool. Null, or what is wrong. */
const char *qn_small_check(void);

#endif
