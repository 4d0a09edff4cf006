/*
 * memory/large_layout.h: free and rented ranges of pages.
 *
 * Private to large.c, range_tree.c, large_walk.c and large_check.c.
 *
 *   segment   |  rented  |    free    | rented |         free, never used         |
 *   ranges[]   ^        f ^          f ^      f ^                                f
 *
 * Metadata is one `range` for each page, of which only two are meaningful for a
 * range of pages: the one of its first page (^) describes it, and the one of its
 * last page (f) says in `start` where it begins, so that both neighbours of a
 * range are found in O(1). Most are never touched, and cost no memory.
 *
 * `kept` has a bit for each page that belongs to a free range and was in a block
 * since its pages were last given back: exactly what is cached.
 *
 * One lock protects everything here.
 */
#ifndef QN_MEMORY_LARGE_LAYOUT_H
#define QN_MEMORY_LARGE_LAYOUT_H

#include "base/os.h"
#include "base/thread_os.h"
#include "memory/keeper.h"
#include "memory/large.h"
#include "memory/ledger.h"

enum { RANGE_NONE = 0, RANGE_FREE = 1, RANGE_RENTED = 2 };

typedef struct qn_large_segment qn_large_segment;

typedef struct range {
  qn_large_segment *segment;
  struct range *left, *right; /* of a free range: smaller and larger ones */
  uint64_t requested;         /* of a rented range: bytes asked for */
  uint32_t pages;
  uint32_t start;      /* of a last page: the first page of its range */
  uint32_t isolate;    /* of a rented range: for which */
  uint32_t generation; /* returns of blocks that began here */
  uint32_t stamp;      /* ticks when it was rented, or the last part of it returned */
  uint8_t state;
  uint8_t was_block; /* a block began here once: a second return is told as one */
  uint8_t shared;    /* of a rented range: its holds are listed */
} range;

struct qn_large_segment {
  qn_segment head;
  qn_large_segment *next; /* all large segments, newest first */
  uint32_t pages;
  uint32_t used_pages; /* pages from here on were never handed out, nor warmed */
  uint64_t *kept;
  range ranges[];
};

/* The state of large.c. */
extern qn_lock qn_large_lock;
extern qn_large_segment *qn_large_segments;
extern uint64_t qn_large_kept_pages;
extern qn_large_totals qn_large_counters;
extern size_t qn_large_page; /* bytes; set before the first segment is made */

/* range_tree.c: the free ranges of all segments, by size. */
extern range *qn_range_tree; /* its root */
void qn_range_insert(range *node);
void qn_range_remove(range *node);
range *qn_range_best_fit(uint32_t pages);
/* How many ranges there are, or UINT64_MAX when they are not in order. */
uint64_t qn_range_check(void);

/* Under the lock: takes a rented range back. */
void qn_large_take_back(range *block);

/* Marks pages as cached or not, and keeps the count. */
void qn_large_set_kept(qn_large_segment *segment, uint32_t first, uint32_t count, bool kept);

static inline uint32_t page_of(const range *node) {
  return (uint32_t)(node - node->segment->ranges);
}
static inline char *address_of(const range *node) {
  return node->segment->head.base + page_of(node) * qn_large_page;
}

#endif
