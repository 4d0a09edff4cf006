/*
 * memory/small.h: blocks of up to 1 MiB, in size classes.
 *
 * A class hands out the block that came back last (it is still in the cache),
 * else cuts a new one from its span. Both are O(1). Each class has its own lock.
 *
 * What a rent and its return touch: two cache lines of the class (lock, head of
 * the list, counters) and the 8 bytes of the block's entry. Everything else
 * (spans, slices, what was counted at the last reset) is touched only when a
 * span is taken, by statistics and by trimming.
 */
#ifndef QN_MEMORY_SMALL_H
#define QN_MEMORY_SMALL_H

#include "memory/segment.h"
#include "quern.h"

/* Sums over all classes; what they mean stands at qn_pool_stat. */
typedef struct qn_small_totals {
  uint64_t rents, returns, misses, outstanding, live_bytes, cached_bytes, requested_bytes;
} qn_small_totals;

/* Takes a block of `size_class` for a request of `bytes`. Null: out of memory. */
void *qn_small_rent(uint32_t size_class, size_t bytes, qn_segment **segment_out);

/* Takes back the block at `address`, which lies in `segment`. */
qn_status qn_small_return(qn_segment *segment, void *address, size_t *granted_out);

/* Adds to `totals`, which the caller has zeroed. */
void qn_small_totals_add(qn_small_totals *totals);
void qn_small_counters_reset(void);

/* Gives physical pages of returned blocks back; returns their bytes. */
uint64_t qn_small_trim(void);

/* Walks every structure, with no other thread in the pool. Null, or what is wrong. */
const char *qn_small_check(void);

#endif
