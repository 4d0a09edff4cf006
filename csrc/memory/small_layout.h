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
 * spans; `qn_small_slice_lock` protects which slices are free. A class's lock may be held
 * when qn_small_slice_lock is taken, never the other way, and never two qn_small_classes' locks.
 * An entry's word is read without a lock to learn the class, and again with it.
 */
#ifndef QN_MEMORY_SMALL_LAYOUT_H
#define QN_MEMORY_SMALL_LAYOUT_H

#include <stdatomic.h>

#include "base/os.h"
#include "base/thread_os.h"
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

/* The state of small.c; read and written by small_retire.c and small_check.c. */
extern size_class qn_small_classes[QN_CLASS_COUNT];
extern qn_lock qn_small_slice_lock;
extern uint64_t qn_small_free_slices[SEGMENT_MAX]; /* masks, by segment: searched in one sweep */
extern uint32_t qn_small_segment_total;
extern qn_small_segment *_Atomic qn_small_segments[SEGMENT_MAX];

/* Retires every span whose blocks are all free, of every class. With `discard`,
 * gives their pages to the system and returns the bytes of blocks that went. No
 * lock of this layer may be held. */
uint64_t qn_small_retire(bool discard);

/* ---- Entries ----------------------------------------------------------- */

static inline uint32_t load_word(entry *at) {
  return atomic_load_explicit(&at->word, memory_order_relaxed);
}
static inline void store_word(entry *at, uint32_t word) {
  atomic_store_explicit(&at->word, word, memory_order_relaxed);
}
static inline uint32_t class_of_word(uint32_t word) { return word >> 2 & 63; }
static inline uint64_t request_of_word(uint32_t word) {
  return (uint64_t)(word >> REQUEST_SHIFT) + 1;
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
