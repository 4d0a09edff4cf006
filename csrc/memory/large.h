/*
 * memory/large.h: blocks over 1 MiB, as ranges of pages.
 *
 * A request is rounded up to pages and served from the smallest free range that
 * holds it (of equal ones, the lowest), which is split; a range that comes back
 * is joined with its free neighbours. O(log n) in the number of free ranges.
 */
#ifndef QN_MEMORY_LARGE_H
#define QN_MEMORY_LARGE_H

#include "memory/segment.h"
#include "quern.h"

#define QN_LARGE_SEGMENT_BYTES ((size_t)32 << 20)

/* What they mean stands at qn_pool_stat. */
typedef struct qn_large_totals {
  uint64_t rents, returns, misses, outstanding, live_bytes, cached_bytes, requested_bytes;
} qn_large_totals;

/* The bytes granted for a request; no overflow up to QN_POOL_MAX_BYTES. */
size_t qn_large_granted(size_t bytes);

/* Null: out of memory. */
void *qn_large_rent(size_t bytes, qn_segment **segment_out);
qn_status qn_large_return(qn_segment *segment, void *address, size_t *granted_out);

void qn_large_totals_get(qn_large_totals *totals_out);
void qn_large_counters_reset(void);

/* Gives physical pages of returned blocks back; returns their bytes. */
uint64_t qn_large_trim(void);

/* Walks every structure, with no other thread in the pool. Null, or what is wrong. */
const char *qn_large_check(void);

#endif
