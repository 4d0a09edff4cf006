/*
 * memory/segment.c: creating segments, and the registry.
 *
 *   address   | 16 bits: 0 | 13 bits | 13 bits | 22 bits: within the chunk |
 *                               |         |
 *                               |         +-- leaf[...]: the segment
 *                               +------------ root[...]: the leaf, made when needed
 *
 * The root is 64 KiB of zeroed static memory, of which a process touches a page
 * or two; a leaf covers 32 GiB of addresses.
 */
#include "memory/segment.h"

#include <stdatomic.h>

#include "base/os.h"

#define CHUNK_SHIFT 22
#define LEVEL_BITS 13
#define LEVEL_SIZE ((size_t)1 << LEVEL_BITS)

typedef struct leaf {
  _Atomic(qn_segment *) segments[LEVEL_SIZE];
} leaf;

static _Atomic(leaf *) root[LEVEL_SIZE];
static _Atomic uint64_t segment_count;
static _Atomic uint64_t reserved_bytes;

qn_segment *qn_segment_of(const void *address) {
  uint64_t chunk = (uint64_t)(uintptr_t)address >> CHUNK_SHIFT;
  if (chunk >> (2 * LEVEL_BITS) != 0) return NULL;
  leaf *found = atomic_load_explicit(&root[chunk >> LEVEL_BITS], memory_order_acquire);
  if (found == NULL) return NULL;
  return atomic_load_explicit(&found->segments[chunk & (LEVEL_SIZE - 1)], memory_order_acquire);
}

/* The leaf of a chunk, made if there is none. Two threads may make one at once:
 * the second gives its own back. */
static leaf *leaf_of(uint64_t chunk) {
  _Atomic(leaf *) *slot = &root[chunk >> LEVEL_BITS];
  leaf *found = atomic_load_explicit(slot, memory_order_acquire);
  if (found != NULL) return found;
  leaf *made = qn_os_reserve(sizeof *made, qn_os_page_size());
  if (made == NULL) return NULL;
  if (atomic_compare_exchange_strong(slot, &found, made)) return made;
  qn_os_release(made, sizeof *made);
  return found;
}

static size_t round_up_to_page(size_t bytes) {
  size_t page = qn_os_page_size();
  return (bytes + page - 1) & ~(page - 1);
}

/* Huge pages make the first touch several times faster and the rest a little, but a
 * program that needs a few small blocks would pay megabytes for them: the first
 * small segment goes without. */
static bool huge_pages_pay(qn_segment_kind kind) {
  return kind == QN_SEGMENT_LARGE || qn_segment_count() != 0;
}

void *qn_segment_create(qn_segment_kind kind, size_t bytes, size_t metadata_bytes) {
  size_t metadata_pages = round_up_to_page(metadata_bytes);
  qn_segment *segment = qn_os_reserve(metadata_pages, qn_os_page_size());
  if (segment == NULL) return NULL;
  char *base = qn_os_reserve(bytes, QN_CHUNK_BYTES);
  if (base == NULL) {
    qn_os_release(segment, metadata_pages);
    return NULL;
  }
  if (huge_pages_pay(kind)) qn_os_prefer_huge_pages(base, bytes);
  segment->base = base;
  segment->bytes = bytes;
  segment->kind = kind;
  return segment;
}

/* Every leaf is made before the first entry is written, so that a failure leaves
 * no entry behind. */
static bool make_leaves(uint64_t first_chunk, uint64_t last_chunk) {
  if (last_chunk >> (2 * LEVEL_BITS) != 0) return false;
  for (uint64_t chunk = first_chunk; chunk <= last_chunk; chunk += LEVEL_SIZE) {
    if (leaf_of(chunk) == NULL) return false;
  }
  return leaf_of(last_chunk) != NULL;
}

bool qn_segment_register(qn_segment *segment, size_t metadata_bytes) {
  uint64_t first = (uint64_t)(uintptr_t)segment->base >> CHUNK_SHIFT;
  uint64_t last = first + (segment->bytes >> CHUNK_SHIFT) - 1;
  if (!make_leaves(first, last)) {
    qn_os_release(segment->base, segment->bytes);
    qn_os_release(segment, round_up_to_page(metadata_bytes));
    return false;
  }
  for (uint64_t chunk = first; chunk <= last; chunk++) {
    leaf *owner = atomic_load_explicit(&root[chunk >> LEVEL_BITS], memory_order_relaxed);
    atomic_store_explicit(&owner->segments[chunk & (LEVEL_SIZE - 1)], segment,
                          memory_order_release);
  }
  atomic_fetch_add(&segment_count, 1);
  atomic_fetch_add(&reserved_bytes, segment->bytes);
  return true;
}

uint64_t qn_segment_count(void) { return atomic_load(&segment_count); }
uint64_t qn_segment_reserved_bytes(void) { return atomic_load(&reserved_bytes); }
