/*
 * memory/large_walk.c: every range of pages there is, one after the other: for
 * statistics, trimming, snapshots, and to take back what an isolate left.
 */
#include "memory/large_layout.h"

void qn_large_totals_get(qn_large_totals *totals_out) {
  qn_lock_take(&qn_large_lock);
  *totals_out = qn_large_counters;
  totals_out->cached_bytes = qn_large_kept_pages * qn_large_page;
  qn_lock_give(&qn_large_lock);
}

/* ---- Trimming ------------------------------------------------------------- */

/* The end of the run of pages from `first`, before `limit`, that are all cached, or
 * all not. */
static uint32_t run_end(const qn_large_segment *segment, uint32_t first, uint32_t limit,
                        bool *kept_out) {
  uint64_t flip = (segment->kept[first / 64] >> (first % 64) & 1) != 0 ? ~(uint64_t)0 : 0;
  *kept_out = flip != 0;
  for (uint32_t page = first; page < limit; page = (page / 64 + 1) * 64) {
    uint64_t other = (segment->kept[page / 64] ^ flip) >> (page % 64);
    if (other == 0) continue;
    uint32_t end = page + (uint32_t)__builtin_ctzll(other);
    return end < limit ? end : limit;
  }
  return limit;
}

/* Gives back the cached pages of a free range. */
static uint64_t trim_range(const range *free_range) {
  qn_large_segment *segment = free_range->segment;
  uint32_t first = page_of(free_range);
  uint32_t limit = first + free_range->pages;
  uint64_t released = 0;
  for (uint32_t page = first, end; page < limit; page = end) {
    bool kept;
    end = run_end(segment, page, limit, &kept);
    char *address = segment->head.base + page * qn_large_page;
    if (!kept || qn_os_discard(address, (end - page) * qn_large_page) == 0) continue;
    released += (end - page) * qn_large_page;
    qn_large_set_kept(segment, page, end - page, false);
  }
  return released;
}

uint64_t qn_large_trim(uint32_t before) {
  uint64_t released = 0;
  qn_lock_take(&qn_large_lock);
  for (qn_large_segment *segment = qn_large_segments; segment != NULL; segment = segment->next) {
    for (uint32_t page = 0; page < segment->used_pages; page += segment->ranges[page].pages) {
      const range *at = &segment->ranges[page];
      bool old = at->state == RANGE_FREE && (int32_t)(before - at->stamp) >= 0;
      if (old) released += trim_range(at);
    }
  }
  qn_ledger_drop(released);
  qn_lock_give(&qn_large_lock);
  return released;
}

/* ---- Snapshots, and what an isolate left ------------------------------------ */

static qn_block_state state_of(const range *at) {
  if (at->state == RANGE_RENTED) return at->shared ? QN_BLOCK_SHARED : QN_BLOCK_LIVE;
  bool kept;
  uint32_t first = page_of(at);
  uint32_t end = run_end(at->segment, first, first + at->pages, &kept);
  return kept || end < first + at->pages ? QN_BLOCK_CACHED : QN_BLOCK_DISCARDED;
}

void qn_large_visit(qn_block_visitor *visit, void *context) {
  qn_lock_take(&qn_large_lock);
  for (qn_large_segment *segment = qn_large_segments; segment != NULL; segment = segment->next) {
    for (uint32_t page = 0; page < segment->used_pages; page += segment->ranges[page].pages) {
      const range *at = &segment->ranges[page];
      uint32_t end = page + at->pages;
      bool rented = at->state == RANGE_RENTED;
      /* The last free range reaches into pages that were never used. */
      if (end > segment->used_pages) end = segment->used_pages;
      qn_block_view view = {
          .address = address_of(at),
          .bytes = (end - page) * qn_large_page,
          .requested = rented ? at->requested : 0,
          .state = state_of(at),
          .stamp = at->stamp,
          .isolate = rented && !at->shared ? at->isolate : 0,
          .segment = &segment->head,
      };
      visit(&view, context);
    }
  }
  qn_lock_give(&qn_large_lock);
}

void qn_large_reclaim(uint32_t isolate) {
  qn_lock_take(&qn_large_lock);
  for (qn_large_segment *segment = qn_large_segments; segment != NULL; segment = segment->next) {
    for (uint32_t page = 0; page < segment->used_pages;) {
      range *at = &segment->ranges[page];
      page += at->pages; /* before it is joined with others */
      bool left = at->state == RANGE_RENTED && at->isolate == isolate && !at->shared;
      if (left) qn_large_take_back(at);
    }
  }
  qn_lock_give(&qn_large_lock);
}
