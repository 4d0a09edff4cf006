/*
 * memory/large.c: ranges of pages, split and joined. What the structures look like
 * stands in large_layout.h.
 */
#include "memory/large_layout.h"

qn_lock qn_large_lock = QN_LOCK_INIT;
qn_large_segment *qn_large_segments;
uint64_t qn_large_kept_pages;
qn_large_totals qn_large_counters;
size_t qn_large_page;

/* ---- Ranges ------------------------------------------------------------ */

static range *range_write(qn_large_segment *segment, uint32_t first, uint32_t pages,
                          uint8_t state) {
  range *node = &segment->ranges[first];
  node->segment = segment;
  node->pages = pages;
  node->state = state;
  segment->ranges[first + pages - 1].start = first;
  return node;
}

/* Joins a range that is in no tree with its free neighbours; it becomes as young as
 * the youngest of them. */
static range *join(range *node) {
  qn_large_segment *segment = node->segment;
  uint32_t first = page_of(node);
  uint32_t pages = node->pages;
  uint32_t stamp = node->stamp;
  node->state = RANGE_NONE;
  if (first + pages < segment->pages && segment->ranges[first + pages].state == RANGE_FREE) {
    range *after = &segment->ranges[first + pages];
    qn_range_remove(after);
    after->state = RANGE_NONE;
    pages += after->pages;
  }
  if (first != 0) {
    range *before = &segment->ranges[segment->ranges[first - 1].start];
    if (before->state == RANGE_FREE) {
      qn_range_remove(before);
      before->state = RANGE_NONE;
      pages += before->pages;
      first = page_of(before);
    }
  }
  node = range_write(segment, first, pages, RANGE_FREE);
  node->stamp = stamp;
  return node;
}

/* Bits of pages first .. first + count - 1 within word `word` of a bit set. */
static uint64_t word_mask(uint32_t first, uint32_t count, uint32_t word) {
  uint64_t low = (uint64_t)word * 64;
  uint64_t begin = first > low ? first - low : 0;
  uint64_t end = (uint64_t)first + count - low;
  uint64_t up_to_end = end >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << end) - 1;
  return up_to_end & ~(uint64_t)0 << begin;
}

void qn_large_set_kept(qn_large_segment *segment, uint32_t first, uint32_t count, bool kept) {
  for (uint32_t word = first / 64; word <= (first + count - 1) / 64; word++) {
    uint64_t mask = word_mask(first, count, word);
    uint64_t before = segment->kept[word];
    uint64_t after = kept ? before | mask : before & ~mask;
    segment->kept[word] = after;
    qn_large_kept_pages += (uint64_t)__builtin_popcountll(after);
    qn_large_kept_pages -= (uint64_t)__builtin_popcountll(before);
  }
}

/* ---- Segments ---------------------------------------------------------- */

/* A segment that holds at least `bytes`, as one free range. */
static bool map_segment(size_t bytes) {
  size_t size = (bytes + QN_CHUNK_BYTES - 1) & ~(QN_CHUNK_BYTES - 1);
  if (size < QN_LARGE_SEGMENT_BYTES) size = QN_LARGE_SEGMENT_BYTES;
  size_t pages = size / qn_large_page;
  size_t ranges_bytes = sizeof(qn_large_segment) + pages * sizeof(range);
  size_t metadata_bytes = ranges_bytes + (pages + 63) / 64 * sizeof(uint64_t);
  qn_large_segment *segment = qn_segment_create(QN_SEGMENT_LARGE, size, metadata_bytes);
  if (segment == NULL) return false;
  segment->pages = (uint32_t)pages;
  segment->kept = (uint64_t *)((char *)segment + ranges_bytes);
  segment->next = qn_large_segments;
  if (!qn_segment_register(&segment->head, metadata_bytes)) return false;
  qn_large_segments = segment;
  qn_range_insert(range_write(segment, 0, segment->pages, RANGE_FREE));
  return true;
}

/* ---- Rent and return --------------------------------------------------- */

size_t qn_large_granted(size_t bytes) {
  size_t page = qn_os_page_size();
  return (bytes + page - 1) & ~(page - 1);
}

/* Pages of a range that are cached. */
static uint32_t count_kept(const qn_large_segment *segment, uint32_t first, uint32_t count) {
  uint32_t kept = 0;
  for (uint32_t word = first / 64; word <= (first + count - 1) / 64; word++) {
    uint64_t mask = word_mask(first, count, word);
    kept += (uint32_t)__builtin_popcountll(segment->kept[word] & mask);
  }
  return kept;
}

/* Under the lock: a free range of at least that many pages, the smallest there is,
 * whose first ones are charged to the budget; `fresh`: they had no pages before. */
static qn_status find_charged(uint32_t pages, range **found_out, bool *fresh_out) {
  range *found = qn_range_best_fit(pages);
  uint32_t kept = found == NULL ? 0 : count_kept(found->segment, page_of(found), pages);
  size_t charge = (pages - kept) * qn_large_page;
  if (!qn_ledger_hold(charge)) return QN_OVER_BUDGET;
  if (found == NULL && map_segment(pages * qn_large_page)) found = qn_range_best_fit(pages);
  if (found == NULL) qn_ledger_drop(charge);
  *fresh_out = charge != 0;
  *found_out = found;
  return found != NULL ? QN_OK : QN_OUT_OF_MEMORY;
}

/* Under the lock: a range of exactly that many pages, in no tree, that holds them. */
static qn_status take(uint32_t pages, range **range_out, bool *fresh_out) {
  range *found;
  qn_status status = find_charged(pages, &found, fresh_out);
  if (status != QN_OK) return status;
  qn_large_segment *segment = found->segment;
  uint32_t first = page_of(found);
  uint32_t rest = found->pages - pages;
  uint32_t stamp = found->stamp;
  qn_range_remove(found);
  if (rest != 0) {
    range *left = range_write(segment, first + pages, rest, RANGE_FREE);
    left->stamp = stamp;
    qn_range_insert(left);
  }
  if (first + pages > segment->used_pages) segment->used_pages = first + pages;
  qn_large_set_kept(segment, first, pages, false);
  *range_out = range_write(segment, first, pages, RANGE_RENTED);
  return QN_OK;
}

/* Under the lock: makes a range that is in no tree a free one, its pages cached. */
static void put(range *back) {
  qn_large_set_kept(back->segment, page_of(back), back->pages, true);
  back->stamp = qn_now();
  qn_range_insert(join(back));
}

static void describe(range *block, size_t bytes, uint32_t isolate, qn_block *block_out) {
  block->requested = bytes;
  block->isolate = isolate;
  block->was_block = 1;
  block->shared = 0;
  block->stamp = qn_now();
  qn_segment *segment = &block->segment->head;
  *block_out = (qn_block){address_of(block), block->pages * qn_large_page, segment->base,
                          segment->bytes, block->generation % UINT32_MAX + 1};
}

qn_status qn_large_rent(size_t bytes, uint32_t isolate, qn_block *block_out) {
  size_t granted = qn_large_granted(bytes);
  range *block;
  bool fresh;
  qn_lock_take(&qn_large_lock);
  if (qn_large_page == 0) qn_large_page = qn_os_page_size();
  qn_status status = take((uint32_t)(granted / qn_large_page), &block, &fresh);
  if (status == QN_OK) {
    describe(block, bytes, isolate, block_out);
    qn_large_counters.rents++;
    qn_large_counters.misses += fresh;
    qn_large_counters.outstanding++;
    qn_large_counters.live_bytes += granted;
    qn_large_counters.requested_bytes += bytes;
    qn_ledger_out(granted);
  }
  qn_lock_give(&qn_large_lock);
  return status;
}

void qn_large_take_back(range *block) {
  size_t granted = block->pages * qn_large_page;
  block->generation++;
  qn_large_counters.returns++;
  qn_large_counters.outstanding--;
  qn_large_counters.live_bytes -= granted;
  qn_large_counters.requested_bytes -= block->requested;
  put(block);
  qn_ledger_in(granted);
}

/* Under the lock: the rented range that begins at an address. */
static qn_status find(qn_segment *head, const void *address, uint32_t generation,
                      range **range_out) {
  qn_large_segment *segment = (qn_large_segment *)head;
  size_t offset = (size_t)((const char *)address - head->base);
  if (offset % qn_large_page != 0) return QN_NOT_OWNED;
  range *block = &segment->ranges[offset / qn_large_page];
  if (block->state != RANGE_RENTED) {
    return block->was_block ? QN_ALREADY_RETURNED : QN_NOT_OWNED;
  }
  *range_out = block;
  bool stale = generation != 0 && generation != block->generation % UINT32_MAX + 1;
  return stale ? QN_STALE : QN_OK;
}

qn_status qn_large_return(qn_segment *segment, void *address, uint32_t generation,
                          bool *shared_out) {
  range *block;
  qn_lock_take(&qn_large_lock);
  qn_status status = find(segment, address, generation, &block);
  if (status == QN_OK && shared_out != NULL && block->shared) {
    *shared_out = true;
  } else if (status == QN_OK) {
    qn_large_take_back(block);
  }
  qn_lock_give(&qn_large_lock);
  return status;
}

qn_status qn_large_find(qn_segment *segment, const void *address, uint32_t generation,
                        qn_rented *rented_out) {
  range *block;
  qn_lock_take(&qn_large_lock);
  qn_status status = find(segment, address, generation, &block);
  if (status == QN_OK) {
    *rented_out = (qn_rented){block->pages * qn_large_page, block->isolate,
                                  block->generation % UINT32_MAX + 1, block->shared != 0};
  }
  qn_lock_give(&qn_large_lock);
  return status;
}

bool qn_large_mark_shared(qn_segment *segment, const void *address) {
  range *block;
  qn_lock_take(&qn_large_lock);
  bool rented = find(segment, address, 0, &block) == QN_OK;
  if (rented) block->shared = 1;
  qn_lock_give(&qn_large_lock);
  return rented;
}

qn_status qn_large_prewarm(size_t bytes, uint32_t count) {
  size_t granted = qn_large_granted(bytes);
  range *warmed;
  bool fresh;
  if (count == 0) return QN_OK;
  if (granted > QN_POOL_MAX_BYTES / count) return QN_BAD_SIZE;
  qn_lock_take(&qn_large_lock);
  if (qn_large_page == 0) qn_large_page = qn_os_page_size();
  qn_status status = take((uint32_t)(granted / qn_large_page) * count, &warmed, &fresh);
  if (status == QN_OK) warmed->isolate = 0, warmed->shared = 0; /* the pool's, meanwhile */
  qn_lock_give(&qn_large_lock);
  if (status != QN_OK) return status;
  qn_os_touch(address_of(warmed), warmed->pages * qn_large_page);
  qn_lock_take(&qn_large_lock);
  put(warmed);
  qn_lock_give(&qn_large_lock);
  return QN_OK;
}
