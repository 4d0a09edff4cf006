/*
 * memory/large.h: blocks over 1 MiB, as ranges of pages.
 *
 * A request is rounded up to pages and served from the smallest free range that
 * holds it (of equal ones, the lowest), which is split; a range that comes back
 * is joined with its free neighbours. O(log n) in the number of free ranges.
 */
#ifndef QN_MEMORY_LARGE_H
#define QN_MEMORY_LARGE_H

#include "memory/pool.h"
#include "memory/segment.h"

#define QN_LARGE_SEGMENT_BYTES ((size_t)32 << 20)

/* The bytes granted for a request; no overflow up to QN_POOL_MAX_BYTES. */
size_t qn_large_granted(size_t bytes);

/* QN_OVER_BUDGET or QN_OUT_OF_MEMORY. */
qn_status qn_large_rent(size_t bytes, uint32_t isolate, qn_block *block_out);

/* As qn_small_return. */
qn_status qn_large_return(qn_segment *segment, void *address, uint32_t generation,
                          bool *shared_out);

/* A rented block; statuses as for a return. */
qn_status qn_large_find(qn_segment *segment, const void *address, uint32_t generation,
                        qn_rented *rented_out);

/* False: the block was returned meanwhile. */
bool qn_large_mark_shared(qn_segment *segment, const void *address);

/* Makes sure that there is a free range for `count` blocks, pages touched. */
qn_status qn_large_prewarm(size_t bytes, uint32_t count);

/* Returns the blocks that an isolate alone holds. */
void qn_large_reclaim(uint32_t isolate);

typedef struct qn_large_totals {
  uint64_t rents, returns, misses; /* since the process began */
  uint64_t outstanding, live_bytes, requested_bytes;
  uint64_t cached_bytes; /* of returned pages that are still held */
} qn_large_totals;
void qn_large_totals_get(qn_large_totals *totals_out);

/* Gives back physical pages of ranges returned at `before` or earlier, in ticks;
 * returns their bytes. */
uint64_t qn_large_trim(uint32_t before);

/* Calls `visit` for each rented range and each free one that was used. */
void qn_large_visit(qn_block_visitor *visit, void *context);

/* Walks every structure, with no other thread in the pool. Null, or what is wrong. */
const char *qn_large_check(void);

#endif
