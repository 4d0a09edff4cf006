/*
 * memory/small.c: spans, entries and free lists of small blocks.
 *
 *   segment, 4 MiB  |slice 0|slice 1|slice 2|slice 3|  ...                |slice 63|
 *                   |span of class 0|  span of class 20     |  free slices ...    |
 *                   |b|b|b|b|b|.....|  block   | block |...|
 *
 *   metadata        entries[16384]: one for each 256 bytes of the segment; the
 *                   entry of a block is the one in which the block begins.
 *
 * No block is smaller than 256 bytes, so no two begin in one entry, and the
 * entry of an address is found by a shift. An entry says whether a block begins
 * there, at which of the four multiples of 64, of which class, and what was asked
 * for: enough to accept or refuse any address. Most entries are never touched,
 * and cost no memory.
 *
 * The free blocks of a class form a list through `next`, last in, first out, of
 * 32-bit references: segment index << 14 | entry index.
 *
 * A span whose blocks are all free goes back to its segment (it is "retired")
 * when another class would otherwise need a new segment, and when the pool is
 * trimmed. That is found out by counting the free list then, so that renting
 * need not keep a count for each span. Entries of a retired span keep saying
 * that their blocks were returned, until its slices are used again.
 *
 * Locks: a class's lock protects its fields, the entries of its blocks and its
 * spans; `slice_lock` protects which slices are free. A class's lock may be held
 * when slice_lock is taken, never the other way, and never two classes' locks.
 * An entry's word is read without a lock to learn the class, and again with it.
 */
#include "memory/small.h"

#include <stdatomic.h>

#include "base/os.h"
#include "base/thread_os.h"
#include "memory/size_class.h"

#define ENTRY_SHIFT 8
#define ENTRY_BITS 14
#define ENTRY_COUNT ((size_t)1 << ENTRY_BITS)
#define ENTRIES_PER_SLICE (QN_SLICE_BYTES >> ENTRY_SHIFT)
#define SLICE_COUNT 64u
#define SEGMENT_MAX ((uint32_t)1 << 16) /* 256 GiB of small blocks */
#define NO_BLOCK UINT32_MAX

/* The word of an entry, from its lowest bit: state 2, class 6, which multiple of
 * 64 within the 256 bytes 2, pages given back 1, bytes asked for - 1 20. */
enum { STATE_NONE = 0, STATE_FREE = 1, STATE_RENTED = 2 };
#define STATE_MASK 3u
#define DISCARDED_BIT (1u << 10)
#define REQUEST_SHIFT 11
#define PLACE_MASK 0x3ffu /* state, class and multiple together are below this */

typedef struct entry {
  uint32_t next; /* of a free block: the next one of its class */
  _Atomic uint32_t word;
} entry;

typedef struct qn_small_segment qn_small_segment;

typedef struct span {
  qn_small_segment *segment;
  struct span *next_retired; /* while retiring: spans whose slices become free after the walk */
  uint64_t used_before; /* slices, as a mask, that held blocks of an earlier span */
  uint32_t blocks;      /* that fit */
  uint32_t carved;      /* that were handed out at least once: the lowest ones */
  uint32_t free_seen;   /* while retiring: its blocks on the free list; otherwise 0 */
  uint8_t size_class, slices;
  bool active; /* false: retired, or never a span */
} span;

struct qn_small_segment {
  qn_segment head;
  uint32_t index;
  uint64_t used_slices; /* mask: hold, or held, blocks */
  uint64_t kept_slices; /* mask: free, and their physical pages were not given back */
  uint8_t span_start[SLICE_COUNT]; /* first slice of the span that a slice is, or was, in */
  span spans[SLICE_COUNT];         /* by first slice */
  entry entries[ENTRY_COUNT];
};

typedef struct size_class {
  /* Every rent and return. */
  _Alignas(64) qn_lock lock;
  uint32_t head; /* of the free list */
  uint64_t rents, returns;
  uint64_t requested_bytes;
  /* Cutting, trimming and statistics. */
  _Alignas(64) span *fresh; /* the span that blocks are cut from, or null */
  qn_small_segment *fresh_segment;
  uint64_t carved; /* blocks cut, of active spans */
  uint64_t misses;
  uint64_t discarded_bytes; /* of free blocks, given back to the system */
  uint64_t rents_at_reset, returns_at_reset, misses_at_reset;
} size_class;

#define CLASS_INIT {.lock = QN_LOCK_INIT, .head = NO_BLOCK}
#define SEVEN(x) x, x, x, x, x, x, x
static size_class classes[QN_CLASS_COUNT] = {
    SEVEN(CLASS_INIT), SEVEN(CLASS_INIT), SEVEN(CLASS_INIT), SEVEN(CLASS_INIT),
    SEVEN(CLASS_INIT), SEVEN(CLASS_INIT), SEVEN(CLASS_INIT),
};

static qn_lock slice_lock = QN_LOCK_INIT;
static uint64_t free_slices[SEGMENT_MAX]; /* masks, by segment: searched in one sweep */
static uint32_t segment_total;
static qn_small_segment *_Atomic segments[SEGMENT_MAX];

/* ---- Entries ----------------------------------------------------------- */

static uint32_t load_word(entry *at) {
  return atomic_load_explicit(&at->word, memory_order_relaxed);
}
static void store_word(entry *at, uint32_t word) {
  atomic_store_explicit(&at->word, word, memory_order_relaxed);
}
static uint32_t class_of_word(uint32_t word) { return word >> 2 & 63; }
static uint64_t request_of_word(uint32_t word) { return (uint64_t)(word >> REQUEST_SHIFT) + 1; }

static uint32_t word_of(uint32_t state, uint32_t size_class_index, size_t offset) {
  return state | size_class_index << 2 | (uint32_t)(offset >> 6 & 3) << 8;
}

static qn_small_segment *segment_at(uint32_t index) {
  return atomic_load_explicit(&segments[index], memory_order_relaxed);
}
static qn_small_segment *segment_of_ref(uint32_t ref) { return segment_at(ref >> ENTRY_BITS); }
static entry *entry_of_ref(uint32_t ref) {
  return &segment_of_ref(ref)->entries[ref & (ENTRY_COUNT - 1)];
}
static size_t offset_of_ref(uint32_t ref) {
  size_t place = load_word(entry_of_ref(ref)) >> 8 & 3;
  return ((size_t)(ref & (ENTRY_COUNT - 1)) << ENTRY_SHIFT) + (place << 6);
}
static span *span_of_ref(uint32_t ref) {
  qn_small_segment *segment = segment_of_ref(ref);
  size_t slice = (ref & (ENTRY_COUNT - 1)) / ENTRIES_PER_SLICE;
  return &segment->spans[segment->span_start[slice]];
}

/* The whole pages inside a block: what can be given back while it is free. */
static size_t inner_pages(size_t offset, size_t bytes, size_t *first_out) {
  size_t page = qn_os_page_size();
  size_t first = (offset + page - 1) & ~(page - 1);
  size_t end = (offset + bytes) & ~(page - 1);
  *first_out = first;
  return end > first ? end - first : 0;
}

/* ---- Spans ------------------------------------------------------------- */

static uint64_t slice_mask(uint32_t first, uint32_t count) {
  return (count == 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1) << first;
}

/* The first slice of `count` adjacent set bits, or SLICE_COUNT. */
static uint32_t find_run(uint64_t mask, uint32_t count) {
  for (uint32_t have = 1; have < count && mask != 0;) {
    uint32_t step = count - have < have ? count - have : have;
    mask &= mask >> step;
    have += step;
  }
  return mask == 0 ? SLICE_COUNT : (uint32_t)__builtin_ctzll(mask);
}

/* Under slice_lock. Null: the system refused. */
static qn_small_segment *map_segment(void) {
  if (segment_total == SEGMENT_MAX) return NULL;
  qn_small_segment *segment =
      qn_segment_create(QN_SEGMENT_SMALL, QN_CHUNK_BYTES, sizeof *segment);
  if (segment == NULL) return NULL;
  segment->index = segment_total;
  if (!qn_segment_register(&segment->head, sizeof *segment)) return NULL;
  free_slices[segment_total] = ~(uint64_t)0;
  atomic_store_explicit(&segments[segment_total], segment, memory_order_relaxed);
  segment_total++;
  return segment;
}

/* Under slice_lock: the lowest segment with a run of free slices. */
static qn_small_segment *find_slices(uint32_t count, uint32_t *first_out) {
  for (uint32_t i = 0; i < segment_total; i++) {
    *first_out = find_run(free_slices[i], count);
    if (*first_out < SLICE_COUNT) return segment_at(i);
  }
  return NULL;
}

/* Makes slices a span of the class, whose lock is held. Entries that tell of an
 * earlier span are wiped; those never used are still zero. */
static void start_span(uint32_t index, qn_small_segment *segment, uint32_t first) {
  uint32_t slices = qn_class_span_slices(index);
  uint64_t mask = slice_mask(first, slices);
  span *made = &segment->spans[first];
  made->segment = segment;
  made->used_before = segment->used_slices & mask;
  made->blocks = (uint32_t)(slices * QN_SLICE_BYTES / qn_class_bytes(index));
  made->carved = 0;
  made->free_seen = 0;
  made->size_class = (uint8_t)index;
  made->slices = (uint8_t)slices;
  made->active = true;
  for (uint32_t slice = first; slice < first + slices; slice++) {
    segment->span_start[slice] = (uint8_t)first;
    if ((made->used_before >> slice & 1) == 0) continue;
    entry *entries = &segment->entries[slice * ENTRIES_PER_SLICE];
    for (size_t i = 0; i < ENTRIES_PER_SLICE; i++) store_word(&entries[i], 0);
  }
  free_slices[segment->index] &= ~mask;
  segment->kept_slices &= ~mask;
  classes[index].fresh = made;
  classes[index].fresh_segment = segment;
}

/* Under the class's lock. */
static bool take_span(uint32_t index, bool may_map) {
  uint32_t first = 0;
  qn_lock_take(&slice_lock);
  qn_small_segment *segment = find_slices(qn_class_span_slices(index), &first);
  if (segment == NULL && may_map) {
    segment = map_segment();
    first = 0;
  }
  if (segment != NULL) start_span(index, segment, first);
  qn_lock_give(&slice_lock);
  return segment != NULL;
}

/* Gives the slices of a retired span back to its segment. Returns the bytes of
 * blocks whose pages went to the system. */
static uint64_t release_span(const span *retired, bool discard) {
  qn_small_segment *segment = retired->segment;
  uint32_t first = (uint32_t)(retired - segment->spans);
  size_t carved = retired->carved * qn_class_bytes(retired->size_class);
  uint64_t used = slice_mask(first, (uint32_t)((carved + QN_SLICE_BYTES - 1) / QN_SLICE_BYTES));
  char *base = segment->head.base + first * QN_SLICE_BYTES;
  bool gone = discard && qn_os_discard(base, retired->slices * QN_SLICE_BYTES) != 0;
  qn_lock_take(&slice_lock);
  segment->used_slices |= used;
  if (!gone) segment->kept_slices |= used;
  free_slices[segment->index] |= slice_mask(first, retired->slices);
  qn_lock_give(&slice_lock);
  return gone ? carved : 0;
}

/* ---- Retiring ---------------------------------------------------------- */

/* Counts the free blocks of each span, in the span. */
static void count_free(const size_class *class_) {
  for (uint32_t at = class_->head; at != NO_BLOCK; at = entry_of_ref(at)->next) {
    span_of_ref(at)->free_seen++;
  }
}

/* Takes a span out of its class, but leaves its slices alone: other blocks of it
 * are still on the list that is being walked. */
static void deactivate(size_class *class_, span *empty, span **retired) {
  class_->carved -= empty->carved;
  if (class_->fresh == empty) class_->fresh = NULL;
  empty->active = false;
  empty->next_retired = *retired;
  *retired = empty;
}

/* Drops blocks of spans that are all free from the list, which keeps its order.
 * Adds to `discarded_out` what the blocks dropped had given back before. */
static span *unlink_empty(uint32_t index, uint64_t *discarded_out) {
  size_class *class_ = &classes[index];
  span *retired = NULL;
  uint32_t *link = &class_->head;
  for (uint32_t at = class_->head; at != NO_BLOCK; at = *link) {
    entry *block = entry_of_ref(at);
    span *owner = span_of_ref(at);
    if (owner->active && owner->free_seen == owner->carved) deactivate(class_, owner, &retired);
    if (owner->active) {
      link = &block->next;
      continue;
    }
    size_t first;
    bool discarded = (load_word(block) & DISCARDED_BIT) != 0;
    if (discarded) *discarded_out += inner_pages(offset_of_ref(at), qn_class_bytes(index), &first);
    *link = block->next;
  }
  return retired;
}

/* Retires every span of the class whose blocks are all free. */
static uint64_t retire_class(uint32_t index, bool discard) {
  size_class *class_ = &classes[index];
  uint64_t released = 0;
  uint64_t discarded = 0;
  qn_lock_take(&class_->lock);
  count_free(class_);
  span *retired = unlink_empty(index, &discarded);
  class_->discarded_bytes -= discarded;
  for (uint32_t at = class_->head; at != NO_BLOCK; at = entry_of_ref(at)->next) {
    span_of_ref(at)->free_seen = 0;
  }
  while (retired != NULL) {
    span *next = retired->next_retired; /* read before another class may take the slices */
    released += release_span(retired, discard);
    retired = next;
  }
  qn_lock_give(&class_->lock);
  /* What was given back before is not given back again. */
  return released > discarded ? released - discarded : 0;
}

static uint64_t retire_all(bool discard) {
  uint64_t released = 0;
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) released += retire_class(i, discard);
  return released;
}

/* ---- Rent and return --------------------------------------------------- */

/* The block that came back last, or NO_BLOCK. Under the class's lock. */
static uint32_t pop(size_class *class_) {
  uint32_t ref = class_->head;
  if (ref != NO_BLOCK) class_->head = entry_of_ref(ref)->next;
  return ref;
}

/* Whether all slices of a block were used by an earlier span. */
static bool was_used(const span *from, uint32_t first, size_t offset, size_t bytes) {
  if (from->used_before == 0) return false;
  uint32_t low = first + (uint32_t)(offset / QN_SLICE_BYTES);
  uint32_t high = first + (uint32_t)((offset + bytes - 1) / QN_SLICE_BYTES);
  uint64_t mask = slice_mask(low, high - low + 1);
  return (from->used_before & mask) == mask;
}

/* Cuts a new block from the class's span, or NO_BLOCK. Under the class's lock. */
static uint32_t carve(uint32_t index, bool may_map) {
  size_class *class_ = &classes[index];
  bool usable = class_->fresh != NULL && class_->fresh->carved < class_->fresh->blocks;
  if (!usable && !take_span(index, may_map)) return NO_BLOCK;
  span *from = class_->fresh;
  qn_small_segment *segment = class_->fresh_segment;
  uint32_t first = (uint32_t)(from - segment->spans);
  size_t bytes = qn_class_bytes(index);
  size_t within = from->carved * bytes;
  size_t offset = first * QN_SLICE_BYTES + within;
  if (!was_used(from, first, within, bytes)) class_->misses++;
  from->carved++;
  class_->carved++;
  store_word(&segment->entries[offset >> ENTRY_SHIFT], word_of(STATE_FREE, index, offset));
  return segment->index << ENTRY_BITS | (uint32_t)(offset >> ENTRY_SHIFT);
}

/* Marks a free block that is on no list as rented. Under the class's lock. */
static void *hand_out(uint32_t index, uint32_t ref, size_t bytes, qn_segment **segment_out) {
  size_class *class_ = &classes[index];
  qn_small_segment *segment = segment_of_ref(ref);
  entry *block = entry_of_ref(ref);
  size_t offset = offset_of_ref(ref);
  uint32_t word = load_word(block);
  if (word & DISCARDED_BIT) {
    size_t first;
    class_->discarded_bytes -= inner_pages(offset, qn_class_bytes(index), &first);
  }
  store_word(block, word_of(STATE_RENTED, index, offset) | (uint32_t)(bytes - 1) << REQUEST_SHIFT);
  class_->rents++;
  class_->requested_bytes += bytes;
  *segment_out = &segment->head;
  return segment->head.base + offset;
}

/* Whether a new segment should wait until empty spans were looked for: only when
 * enough lies idle to be worth the walk. */
static bool worth_retiring(void) {
  qn_small_totals totals = {0};
  qn_small_totals_add(&totals);
  return totals.cached_bytes >= totals.live_bytes / 4;
}

void *qn_small_rent(uint32_t index, size_t bytes, qn_segment **segment_out) {
  size_class *class_ = &classes[index];
  void *address = NULL;
  for (int attempt = 0; attempt < 3 && address == NULL; attempt++) {
    /* First what is there; then what other classes left; then new memory, and,
     * where there is none, once more what other classes left. */
    bool may_map = attempt == 1;
    if (attempt == 2 || (attempt == 1 && worth_retiring())) {
      retire_all(false);
    }
    qn_lock_take(&class_->lock);
    uint32_t ref = pop(class_);
    if (ref == NO_BLOCK) ref = carve(index, may_map);
    if (ref != NO_BLOCK) address = hand_out(index, ref, bytes, segment_out);
    qn_lock_give(&class_->lock);
  }
  return address;
}

/* Takes the block back if the entry still says that it is a rented block of this
 * class. Under the class's lock. */
static qn_status take_back(uint32_t index, uint32_t ref, uint32_t word) {
  size_class *class_ = &classes[index];
  entry *block = entry_of_ref(ref);
  if ((word & STATE_MASK) != STATE_RENTED) return QN_ALREADY_RETURNED;
  class_->returns++;
  class_->requested_bytes -= request_of_word(word);
  store_word(block, (word & PLACE_MASK & ~STATE_MASK) | STATE_FREE);
  block->next = class_->head;
  class_->head = ref;
  return QN_OK;
}

qn_status qn_small_return(qn_segment *head, void *address, size_t *granted_out) {
  qn_small_segment *segment = (qn_small_segment *)head;
  size_t offset = (size_t)((char *)address - head->base);
  entry *block = &segment->entries[offset >> ENTRY_SHIFT];
  uint32_t ref = segment->index << ENTRY_BITS | (uint32_t)(offset >> ENTRY_SHIFT);
  for (;;) {
    uint32_t word = load_word(block);
    bool begins = (word & STATE_MASK) != STATE_NONE && (offset & 63) == 0 &&
                  (word >> 8 & 3) == (offset >> 6 & 3);
    if (!begins) return QN_NOT_OWNED;
    uint32_t index = class_of_word(word);
    qn_lock_take(&classes[index].lock);
    uint32_t now = load_word(block);
    /* Anything but the same place and class means that the block was free, and
     * its span went to another class in between: look again. */
    bool same = (now & PLACE_MASK & ~STATE_MASK) == (word & PLACE_MASK & ~STATE_MASK) &&
                (now & STATE_MASK) != STATE_NONE;
    qn_status status = same ? take_back(index, ref, now) : QN_OK;
    qn_lock_give(&classes[index].lock);
    *granted_out = qn_class_bytes(index);
    if (same) return status;
  }
}

/* ---- Statistics and trimming ------------------------------------------- */

void qn_small_totals_add(qn_small_totals *totals) {
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) {
    size_class *class_ = &classes[i];
    qn_lock_take(&class_->lock);
    uint64_t outstanding = class_->rents - class_->returns;
    totals->rents += class_->rents - class_->rents_at_reset;
    totals->returns += class_->returns - class_->returns_at_reset;
    totals->misses += class_->misses - class_->misses_at_reset;
    totals->outstanding += outstanding;
    totals->live_bytes += outstanding * qn_class_bytes(i);
    totals->cached_bytes +=
        (class_->carved - outstanding) * qn_class_bytes(i) - class_->discarded_bytes;
    totals->requested_bytes += class_->requested_bytes;
    qn_lock_give(&class_->lock);
  }
  qn_lock_take(&slice_lock);
  for (uint32_t i = 0; i < segment_total; i++) {
    uint64_t kept = segment_at(i)->kept_slices;
    totals->cached_bytes += (uint64_t)__builtin_popcountll(kept) * QN_SLICE_BYTES;
  }
  qn_lock_give(&slice_lock);
}

void qn_small_counters_reset(void) {
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) {
    size_class *class_ = &classes[i];
    qn_lock_take(&class_->lock);
    class_->rents_at_reset = class_->rents;
    class_->returns_at_reset = class_->returns;
    class_->misses_at_reset = class_->misses;
    qn_lock_give(&class_->lock);
  }
}

/* Slices that were retired with their pages. */
static uint64_t discard_kept_slices(void) {
  uint64_t released = 0;
  qn_lock_take(&slice_lock);
  for (uint32_t i = 0; i < segment_total; i++) {
    qn_small_segment *segment = segment_at(i);
    for (uint32_t slice = 0; slice < SLICE_COUNT; slice++) {
      if ((segment->kept_slices >> slice & 1) == 0) continue;
      size_t bytes = qn_os_discard(segment->head.base + slice * QN_SLICE_BYTES, QN_SLICE_BYTES);
      if (bytes != 0) segment->kept_slices &= ~slice_mask(slice, 1);
      released += bytes;
    }
  }
  qn_lock_give(&slice_lock);
  return released;
}

/* The whole pages inside free blocks whose neighbours are in use. */
static uint64_t discard_inner_pages(uint32_t index) {
  size_class *class_ = &classes[index];
  uint64_t released = 0;
  qn_lock_take(&class_->lock);
  for (uint32_t at = class_->head; at != NO_BLOCK; at = entry_of_ref(at)->next) {
    size_t first;
    size_t bytes = inner_pages(offset_of_ref(at), qn_class_bytes(index), &first);
    uint32_t word = load_word(entry_of_ref(at));
    if (bytes == 0 || (word & DISCARDED_BIT)) continue;
    if (qn_os_discard(segment_of_ref(at)->head.base + first, bytes) == 0) continue;
    store_word(entry_of_ref(at), word | DISCARDED_BIT);
    class_->discarded_bytes += bytes;
    released += bytes;
  }
  qn_lock_give(&class_->lock);
  return released;
}

uint64_t qn_small_trim(void) {
  uint64_t released = discard_kept_slices() + retire_all(true);
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) released += discard_inner_pages(i);
  return released;
}

/* The walk over all of this, for tests. */
#include "memory/small_check.inc"
