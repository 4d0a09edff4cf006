/*
 * memory/large_check.c: the invariants of large_layout.h, as a walk.
 */
#include "memory/large_layout.h"

typedef struct walk_sums {
  uint64_t free_count, rented, live, requested, kept;
} walk_sums;

static const char *check_range(const qn_large_segment *segment, uint32_t page, walk_sums *sums) {
  const range *at = &segment->ranges[page];
  if (at->state == RANGE_NONE || at->pages == 0) return "a range is missing";
  if (at->pages > segment->pages - page) return "a range ends past its segment";
  if (segment->ranges[page + at->pages - 1].start != page) return "a last page points elsewhere";
  uint32_t end = page + at->pages;
  bool joined = end == segment->pages || at->state != RANGE_FREE ||
                segment->ranges[end].state != RANGE_FREE;
  if (!joined) return "two free ranges were not joined";
  for (uint32_t i = page; i < end; i++) {
    bool kept = (segment->kept[i / 64] >> (i % 64) & 1) != 0;
    if (kept && at->state != RANGE_FREE) return "a rented page counts as cached";
    if (kept && i >= segment->used_pages) return "a page that was never used is cached";
    sums->kept += kept;
  }
  if (at->state == RANGE_FREE) {
    sums->free_count++;
  } else {
    sums->rented++;
    sums->live += at->pages * qn_large_page;
    sums->requested += at->requested;
  }
  return NULL;
}

static const char *check_all(void) {
  walk_sums sums = {0, 0, 0, 0, 0};
  for (const qn_large_segment *segment = qn_large_segments; segment != NULL; segment = segment->next) {
    for (uint32_t page = 0; page < segment->pages; page += segment->ranges[page].pages) {
      const char *wrong = check_range(segment, page, &sums);
      if (wrong != NULL) return wrong;
    }
  }
  if (qn_range_check() != sums.free_count) return "the tree of ranges is wrong";
  if (sums.rented != qn_large_counters.outstanding) return "the count of large blocks is wrong";
  if (sums.live != qn_large_counters.live_bytes) return "the bytes of large blocks are wrong";
  if (sums.requested != qn_large_counters.requested_bytes) return "the large bytes asked for are wrong";
  if (sums.kept != qn_large_kept_pages) return "the count of cached pages is wrong";
  return NULL;
}

const char *qn_large_check(void) {
  qn_lock_take(&qn_large_lock);
  const char *wrong = check_all();
  qn_lock_give(&qn_large_lock);
  return wrong;
}
