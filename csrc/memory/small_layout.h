/*
 * memory/small_layout.h: spans, entries and free lists of small blocks.
 *
 * Private to small.c, small_retire.c and small_check.c.
 *
 *   segment, 4 MiB  |slice 0|slice 1|slice 2|slice 3|  ...                |slice 63|
 *                   |span of class 0|  span of class 20     |  free slices ...    |
 *                   |b|b|b|b|b|.....|  block   | block |...|
 *
 *   metadata        entries[16384]: one for each 256 bytes of the segment; the
 *                   entry of a block is the one in which the block begins.
 *
 * No block is smaller than 256 bytes, so no two begin in one entry, and the
 * entry of an address is found by a shift. An entry is a quarter of a cache line
 * and holds all that a rent or a return of its block writes: whether a block begins
 * there, at which of the four multiples of 64, of which class, what was asked for,
 * for whom, the block's generation, and when it came into its state: enough to
 * accept or refuse any address. Most entries are never touched, and cost no memory.
 *
 *   NONE ──carve──▶ FREE ──pop──▶ CACHED ──rent──▶ RENTED
 *                    ▲              │  ▲              │
 *                    └────flush─────┘  └────return────┘
 *
 * The free blocks of a class form a list through `link`, last in, first out, of
 * 32-bit references: segment index << 14 | entry index. A cached block is on no
 * list: its reference lies in a magazine of a thread, or on the stack of the
 * thread that is passing it on.
 *
 * A span whose blocks are all free goes back to its segment (it is "retired")
 * when another class would otherwise need a new segment, and when the pool is
 * trimmed. That is found out by counting the free list then, so that renting
 * need not keep a count for each span. Entries of a retired span keep saying
 * that their blocks were returned, until its slices are used again; generations
 * are kept for ever.
 *
 * Locks: a class's lock protects its fields, its spans and the entries of its FREE
 * blocks; `qn_small_slice_lock` protects which slices are free. A class's lock may
 * be held when qn_small_slice_lock is taken, never the other way, and never two
 * classes' locks. A CACHED entry belongs to the thread that has its reference. A
 * RENTED entry becomes CACHED, and its generation the next, by one compare-and-swap
 * of its state: exactly one of several returns of the same rent wins, and none that
 * comes after the memory was rented again.
 */
#ifndef QN_MEMORY_SMALL_LAYOUT_H
#define QN_MEMORY_SMALL_LAYOUT_H

#include <stdatomic.h>

#include "base/os.h"
#include "base/thread_os.h"
#include "memory/keeper.h"
#include "memory/ledger.h"
#include "memory/size_class.h"
#include "memory/small.h"

#define ENTRY_SHIFT 8
#define ENTRY_BITS 14
#define ENTRY_COUNT ((size_t)1 << ENTRY_BITS)
#define ENTRIES_PER_SLICE (QN_SLICE_BYTES >> ENTRY_SHIFT)
#define SLICE_COUNT 64u
#define SEGMENT_MAX ((uint32_t)1 << 16) /* 256 GiB of small blocks */
#define NO_BLOCK UINT32_MAX

/* The word of an entry, from its lowest bit: state 2, class 6, which multiple of
 * 64 within the 256 bytes 2, without pages 1, bytes asked for - 1 20, shared 1. A
 * free block without pages is not charged for those inside it; a cached one is
 * charged, and its next rent is the first to touch them: a miss. */
enum { STATE_NONE = 0, STATE_FREE = 1, STATE_RENTED = 2, STATE_CACHED = 3 };
#define STATE_MASK 3u
#define DISCARDED_BIT (1u << 10)
#define REQUEST_SHIFT 11
#define SHARED_BIT (1u << 31)
#define PLACE_MASK 0x3ffu /* state, class and multiple together are below this */

typedef struct entry {
  _Atomic uint64_t state; /* the word, and above it the generation: returns so far */
  _Atomic uint32_t link;  /* FREE: the next one of its class; RENTED: for which isolate */
  _Atomic uint32_t stamp; /* ticks when it came into its state */
} entry;

typedef struct qn_small_segment qn_small_segment;

typedef struct span {
  qn_small_segment *segment;
  struct span *next_retired; /* while retiring: spans whose slices become free after the walk */
  uint64_t kept_before; /* slices, as a mask, that had pages when the span was started */
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
  /* Every group of blocks that comes or goes. */
  _Alignas(64) qn_lock lock;
  uint32_t head; /* of the free list */
  uint32_t out;  /* blocks that are cached or rented */
  /* Cutting, trimming and statistics. */
  _Alignas(64) span *fresh; /* the span that blocks are cut from, or null */
  qn_small_segment *fresh_segment;
  uint64_t carved; /* blocks cut, of active spans */
  _Atomic uint64_t misses;
  uint64_t discarded_bytes; /* of free blocks, given back to the system */
  /* Where a thread has no record: what is counted there otherwise. */
  _Atomic uint64_t rents, returns, requested_bytes;
} size_class;

/* The state of small.c; read and written by small_retire.c and small_check.c. */
extern size_class qn_small_classes[QN_CLASS_COUNT];
extern qn_lock qn_small_slice_lock;
extern uint64_t qn_small_free_slices[SEGMENT_MAX]; /* masks, by segment: searched in one sweep */
extern uint32_t qn_small_segment_total;
extern qn_small_segment *_Atomic qn_small_segments[SEGMENT_MAX];

/* An age that every block has. */
#define QN_ANY_AGE (qn_now() + (1u << 30))

/* Retires every span whose blocks are all free, of every class. With `discard`,
 * gives their pages to the system. Only blocks that were returned at `before` or
 * earlier count. No lock of this layer may be held. */
uint64_t qn_small_retire(bool discard, uint32_t before);

/* Makes a rented block a cached one of this thread, if its state is still that. */
bool qn_small_end_rent(qn_thread *thread, entry *block, uint64_t state);

/* ---- Entries ----------------------------------------------------------- */

static inline uint64_t load_state(entry *at) {
  return atomic_load_explicit(&at->state, memory_order_relaxed);
}
static inline uint32_t load_word(entry *at) { return (uint32_t)load_state(at); }
/* Of a block that is not rented, by whom it belongs to. */
static inline void store_word(entry *at, uint32_t word) {
  atomic_store_explicit(&at->state, load_state(at) >> 32 << 32 | word, memory_order_relaxed);
}
static inline uint32_t class_of_word(uint32_t word) { return word >> 2 & 63; }
static inline uint64_t request_of_word(uint32_t word) {
  return (uint64_t)(word >> REQUEST_SHIFT & 0xfffff) + 1;
}

static inline uint32_t link_of(entry *at) {
  return atomic_load_explicit(&at->link, memory_order_relaxed);
}
static inline void store_link(entry *at, uint32_t link) {
  atomic_store_explicit(&at->link, link, memory_order_relaxed);
}
static inline void stamp_entry(entry *at) {
  atomic_store_explicit(&at->stamp, qn_now(), memory_order_relaxed);
}
/* What the present or next rent of the block is known by; never 0. */
static inline uint32_t generation_of(uint64_t state) {
  return (uint32_t)(state >> 32) % UINT32_MAX + 1;
}
/* Whether it was stamped at `before` or earlier, on a clock that wraps around. */
static inline bool is_older(entry *at, uint32_t before) {
  return (int32_t)(before - atomic_load_explicit(&at->stamp, memory_order_relaxed)) >= 0;
}

static inline uint32_t word_of(uint32_t state, uint32_t size_class_index, size_t offset) {
  return state | size_class_index << 2 | (uint32_t)(offset >> 6 & 3) << 8;
}

static inline qn_small_segment *segment_at(uint32_t index) {
  return atomic_load_explicit(&qn_small_segments[index], memory_order_relaxed);
}
static inline qn_small_segment *segment_of_ref(uint32_t ref) {
  return segment_at(ref >> ENTRY_BITS);
}
static inline entry *entry_of_ref(uint32_t ref) {
  return &segment_of_ref(ref)->entries[ref & (ENTRY_COUNT - 1)];
}
static inline size_t offset_of_ref(uint32_t ref) {
  size_t place = load_word(entry_of_ref(ref)) >> 8 & 3;
  return ((size_t)(ref & (ENTRY_COUNT - 1)) << ENTRY_SHIFT) + (place << 6);
}
static inline span *span_of_ref(uint32_t ref) {
  qn_small_segment *segment = segment_of_ref(ref);
  size_t slice = (ref & (ENTRY_COUNT - 1)) / ENTRIES_PER_SLICE;
  return &segment->spans[segment->span_start[slice]];
}

/* The whole pages inside a block: what can be given back while it is free. */
static inline size_t inner_pages(size_t offset, size_t bytes, size_t *first_out) {
  size_t page = qn_os_page_size();
  size_t first = (offset + page - 1) & ~(page - 1);
  size_t end = (offset + bytes) & ~(page - 1);
  *first_out = first;
  return end > first ? end - first : 0;
}

static inline uint64_t slice_mask(uint32_t first, uint32_t count) {
  return (count == 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1) << first;
}

#endif
