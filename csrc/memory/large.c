/*
 * memory/large.c: free ranges of pages, split and joined.
 *
 *   segment   |  rented  |    free    | rented |         free, never used         |
 *   ranges[]   ^        f ^          f ^      f ^                                f
 *
 * Metadata is one `range` for each page, of which only two are meaningful for a
 * range of pages: the one of its first page (^) describes it, and the one of its
 * last page (f) says in `start` where it begins, so that both neighbours of a
 * range are found in O(1). Most are never touched, and cost no memory.
 *
 * Free ranges of all segments form one treap, ordered by pages and then by the
 * address of their metadata. A node's priority is a hash of that address, so the
 * shape depends on the set of free ranges alone.
 *
 * `kept` has a bit for each page that belongs to a free range and was in a block
 * since its pages were last given back: exactly what is cached.
 *
 * One lock protects everything here.
 */
#include "memory/large.h"

#include "base/os.h"
#include "base/thread_os.h"

enum { RANGE_NONE = 0, RANGE_FREE = 1, RANGE_RENTED = 2 };

typedef struct qn_large_segment qn_large_segment;

typedef struct range {
  qn_large_segment *segment;
  struct range *left, *right; /* of a free range: smaller and larger ones */
  uint64_t requested;         /* of a rented range: bytes asked for */
  uint32_t pages;
  uint32_t start; /* of a last page: the first page of its range */
  uint8_t state;
  uint8_t was_block; /* a block began here once: a second return is told as one */
} range;

struct qn_large_segment {
  qn_segment head;
  qn_large_segment *next; /* all large segments, newest first */
  uint32_t pages;
  uint32_t used_pages; /* pages from here on were never handed out */
  uint64_t *kept;
  range ranges[];
};

static qn_lock lock = QN_LOCK_INIT;
static range *free_ranges; /* root of the treap */
static qn_large_segment *segments;
static uint64_t kept_pages;
static qn_large_totals counters;
static qn_large_totals at_reset;
static size_t page_bytes; /* set before the first segment is made */

/* ---- The treap of free ranges ------------------------------------------ */

static uint64_t priority(const range *node) {
  uint64_t x = (uint64_t)(uintptr_t)node;
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
  return x ^ x >> 33;
}

static bool is_before(const range *a, const range *b) {
  if (a->pages != b->pages) return a->pages < b->pages;
  return (uintptr_t)a < (uintptr_t)b;
}

/* Parts a tree into what comes before `pivot` and the rest. */
static void treap_split(range *tree, const range *pivot, range **before, range **rest) {
  while (tree != NULL) {
    if (is_before(tree, pivot)) {
      *before = tree;
      before = &tree->right;
      tree = tree->right;
    } else {
      *rest = tree;
      rest = &tree->left;
      tree = tree->left;
    }
  }
  *before = NULL;
  *rest = NULL;
}

static void treap_insert(range *node) {
  range **link = &free_ranges;
  uint64_t rank = priority(node);
  while (*link != NULL && priority(*link) >= rank) {
    link = is_before(*link, node) ? &(*link)->right : &(*link)->left;
  }
  treap_split(*link, node, &node->left, &node->right);
  *link = node;
}

static void treap_remove(range *node) {
  range **link = &free_ranges;
  while (*link != node) link = is_before(*link, node) ? &(*link)->right : &(*link)->left;
  range *a = node->left;
  range *b = node->right;
  while (a != NULL && b != NULL) {
    if (priority(a) >= priority(b)) {
      *link = a;
      link = &a->right;
      a = a->right;
    } else {
      *link = b;
      link = &b->left;
      b = b->left;
    }
  }
  *link = a != NULL ? a : b;
}

/* The smallest free range of at least `pages`, or null. */
static range *best_fit(uint32_t pages) {
  range *best = NULL;
  for (range *at = free_ranges; at != NULL;) {
    if (at->pages >= pages) {
      best = at;
      at = at->left;
    } else {
      at = at->right;
    }
  }
  return best;
}

/* ---- Ranges ------------------------------------------------------------ */

static uint32_t page_of(const range *node) { return (uint32_t)(node - node->segment->ranges); }

static range *range_write(qn_large_segment *segment, uint32_t first, uint32_t pages,
                          uint8_t state) {
  range *node = &segment->ranges[first];
  node->segment = segment;
  node->pages = pages;
  node->state = state;
  segment->ranges[first + pages - 1].start = first;
  return node;
}

/* Joins a range that is in no tree with its free neighbours. */
static range *join(range *node) {
  qn_large_segment *segment = node->segment;
  uint32_t first = page_of(node);
  uint32_t pages = node->pages;
  node->state = RANGE_NONE;
  if (first + pages < segment->pages && segment->ranges[first + pages].state == RANGE_FREE) {
    range *after = &segment->ranges[first + pages];
    treap_remove(after);
    after->state = RANGE_NONE;
    pages += after->pages;
  }
  if (first != 0) {
    range *before = &segment->ranges[segment->ranges[first - 1].start];
    if (before->state == RANGE_FREE) {
      treap_remove(before);
      before->state = RANGE_NONE;
      pages += before->pages;
      first = page_of(before);
    }
  }
  return range_write(segment, first, pages, RANGE_FREE);
}

/* Bits of pages first .. first + count - 1 within word `word` of a bit set. */
static uint64_t word_mask(uint32_t first, uint32_t count, uint32_t word) {
  uint64_t low = (uint64_t)word * 64;
  uint64_t begin = first > low ? first - low : 0;
  uint64_t end = (uint64_t)first + count - low;
  uint64_t up_to_end = end >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << end) - 1;
  return up_to_end & ~(uint64_t)0 << begin;
}

/* Marks pages as cached or not, and keeps the count. */
static void set_kept(qn_large_segment *segment, uint32_t first, uint32_t count, bool kept) {
  for (uint32_t word = first / 64; word <= (first + count - 1) / 64; word++) {
    uint64_t mask = word_mask(first, count, word);
    uint64_t before = segment->kept[word];
    uint64_t after = kept ? before | mask : before & ~mask;
    segment->kept[word] = after;
    kept_pages += (uint64_t)__builtin_popcountll(after);
    kept_pages -= (uint64_t)__builtin_popcountll(before);
  }
}

/* ---- Segments ---------------------------------------------------------- */

/* A segment that holds at least `bytes`, as one free range. */
static bool map_segment(size_t bytes) {
  size_t size = (bytes + QN_CHUNK_BYTES - 1) & ~(QN_CHUNK_BYTES - 1);
  if (size < QN_LARGE_SEGMENT_BYTES) size = QN_LARGE_SEGMENT_BYTES;
  size_t pages = size / page_bytes;
  size_t ranges_bytes = sizeof(qn_large_segment) + pages * sizeof(range);
  size_t metadata_bytes = ranges_bytes + (pages + 63) / 64 * sizeof(uint64_t);
  qn_large_segment *segment = qn_segment_create(QN_SEGMENT_LARGE, size, metadata_bytes);
  if (segment == NULL) return false;
  segment->pages = (uint32_t)pages;
  segment->kept = (uint64_t *)((char *)segment + ranges_bytes);
  segment->next = segments;
  if (!qn_segment_register(&segment->head, metadata_bytes)) return false;
  segments = segment;
  treap_insert(range_write(segment, 0, segment->pages, RANGE_FREE));
  return true;
}

/* ---- Rent and return --------------------------------------------------- */

size_t qn_large_granted(size_t bytes) {
  size_t page = qn_os_page_size();
  return (bytes + page - 1) & ~(page - 1);
}

/* Makes the low `pages` of a free range a block. */
static range *take(range *found, uint32_t pages) {
  qn_large_segment *segment = found->segment;
  uint32_t first = page_of(found);
  uint32_t rest = found->pages - pages;
  treap_remove(found);
  if (rest != 0) treap_insert(range_write(segment, first + pages, rest, RANGE_FREE));
  if (first + pages > segment->used_pages) {
    counters.misses++;
    segment->used_pages = first + pages;
  }
  set_kept(segment, first, pages, false);
  return range_write(segment, first, pages, RANGE_RENTED);
}

void *qn_large_rent(size_t bytes, qn_segment **segment_out) {
  size_t granted = qn_large_granted(bytes);
  char *address = NULL;
  qn_lock_take(&lock);
  if (page_bytes == 0) page_bytes = qn_os_page_size();
  uint32_t pages = (uint32_t)(granted / page_bytes);
  range *found = best_fit(pages);
  if (found == NULL && map_segment(granted)) found = best_fit(pages);
  if (found != NULL) {
    range *block = take(found, pages);
    block->requested = bytes;
    block->was_block = 1;
    counters.rents++;
    counters.outstanding++;
    counters.live_bytes += granted;
    counters.requested_bytes += bytes;
    *segment_out = &block->segment->head;
    address = block->segment->head.base + page_of(block) * page_bytes;
  }
  qn_lock_give(&lock);
  return address;
}

/* Under the lock: takes the block back if it is one. */
static qn_status take_back(qn_large_segment *segment, size_t offset, size_t *granted_out) {
  if (offset % page_bytes != 0) return QN_NOT_OWNED;
  range *block = &segment->ranges[offset / page_bytes];
  if (block->state != RANGE_RENTED) {
    return block->was_block ? QN_ALREADY_RETURNED : QN_NOT_OWNED;
  }
  *granted_out = block->pages * page_bytes;
  counters.returns++;
  counters.outstanding--;
  counters.live_bytes -= *granted_out;
  counters.requested_bytes -= block->requested;
  set_kept(segment, page_of(block), block->pages, true);
  treap_insert(join(block));
  return QN_OK;
}

qn_status qn_large_return(qn_segment *segment, void *address, size_t *granted_out) {
  size_t offset = (size_t)((char *)address - segment->base);
  qn_lock_take(&lock);
  qn_status status = take_back((qn_large_segment *)segment, offset, granted_out);
  qn_lock_give(&lock);
  return status;
}

/* ---- Statistics and trimming ------------------------------------------- */

void qn_large_totals_get(qn_large_totals *totals_out) {
  qn_lock_take(&lock);
  *totals_out = counters;
  totals_out->rents -= at_reset.rents;
  totals_out->returns -= at_reset.returns;
  totals_out->misses -= at_reset.misses;
  totals_out->cached_bytes = kept_pages * page_bytes;
  qn_lock_give(&lock);
}

void qn_large_counters_reset(void) {
  qn_lock_take(&lock);
  at_reset = counters;
  qn_lock_give(&lock);
}

/* The end of the run of pages from `first` that are all cached, or all not. */
static uint32_t run_end(const qn_large_segment *segment, uint32_t first, bool *kept_out) {
  uint64_t flip = (segment->kept[first / 64] >> (first % 64) & 1) != 0 ? ~(uint64_t)0 : 0;
  *kept_out = flip != 0;
  uint32_t page = first;
  while (page < segment->pages) {
    uint64_t other = (segment->kept[page / 64] ^ flip) >> (page % 64);
    if (other != 0) return page + (uint32_t)__builtin_ctzll(other);
    page = (page / 64 + 1) * 64;
  }
  return segment->pages;
}

static uint64_t trim_segment(qn_large_segment *segment) {
  uint64_t released = 0;
  for (uint32_t page = 0, end; page < segment->used_pages; page = end) {
    bool kept;
    end = run_end(segment, page, &kept);
    if (end > segment->pages) end = segment->pages;
    if (!kept) continue;
    char *address = segment->head.base + page * page_bytes;
    if (qn_os_discard(address, (end - page) * page_bytes) == 0) continue;
    released += (end - page) * page_bytes;
    set_kept(segment, page, end - page, false);
  }
  return released;
}

uint64_t qn_large_trim(void) {
  uint64_t released = 0;
  qn_lock_take(&lock);
  for (qn_large_segment *at = segments; at != NULL; at = at->next) released += trim_segment(at);
  qn_lock_give(&lock);
  return released;
}

/* ---- Invariants, for tests --------------------------------------------- */

/* Counts the nodes of a tree; UINT64_MAX when it is not in order. */
static uint64_t check_tree(const range *node, const range *after, const range *before) {
  if (node == NULL) return 0;
  bool ordered = (after == NULL || is_before(after, node)) &&
                 (before == NULL || is_before(node, before));
  bool heap = (node->left == NULL || priority(node->left) <= priority(node)) &&
              (node->right == NULL || priority(node->right) <= priority(node));
  uint64_t left = check_tree(node->left, after, node);
  uint64_t right = check_tree(node->right, node, before);
  bool good = ordered && heap && node->state == RANGE_FREE && left != UINT64_MAX;
  return good && right != UINT64_MAX ? left + right + 1 : UINT64_MAX;
}

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
    sums->live += at->pages * page_bytes;
    sums->requested += at->requested;
  }
  return NULL;
}

const char *qn_large_check(void) {
  walk_sums sums = {0, 0, 0, 0, 0};
  for (const qn_large_segment *segment = segments; segment != NULL; segment = segment->next) {
    for (uint32_t page = 0; page < segment->pages; page += segment->ranges[page].pages) {
      const char *wrong = check_range(segment, page, &sums);
      if (wrong != NULL) return wrong;
    }
  }
  if (check_tree(free_ranges, NULL, NULL) != sums.free_count) return "the tree of ranges is wrong";
  if (sums.rented != counters.outstanding) return "the count of large blocks is wrong";
  if (sums.live != counters.live_bytes) return "the bytes of large blocks are wrong";
  if (sums.requested != counters.requested_bytes) return "the large bytes asked for are wrong";
  if (sums.kept != kept_pages) return "the count of cached pages is wrong";
  return NULL;
}
