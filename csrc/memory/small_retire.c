/*
 * memory/small_retire.c: what small blocks do rarely: empty spans go back to
 * their segments, pages to the operating system, and counters to statistics.
 */
#include "memory/small_layout.h"

/* Gives the slices of a retired span back to its segment. Returns the bytes of
 * blocks whose pages went to the system. */
static uint64_t release_span(const span *retired, bool discard) {
  qn_small_segment *segment = retired->segment;
  uint32_t first = (uint32_t)(retired - segment->spans);
  size_t carved = retired->carved * qn_class_bytes(retired->size_class);
  uint64_t used = slice_mask(first, (uint32_t)((carved + QN_SLICE_BYTES - 1) / QN_SLICE_BYTES));
  char *base = segment->head.base + first * QN_SLICE_BYTES;
  bool gone = discard && qn_os_discard(base, retired->slices * QN_SLICE_BYTES) != 0;
  qn_lock_take(&qn_small_slice_lock);
  segment->used_slices |= used;
  if (!gone) segment->kept_slices |= used;
  qn_small_free_slices[segment->index] |= slice_mask(first, retired->slices);
  qn_lock_give(&qn_small_slice_lock);
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
  size_class *class_ = &qn_small_classes[index];
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
  size_class *class_ = &qn_small_classes[index];
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

uint64_t qn_small_retire(bool discard) {
  uint64_t released = 0;
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) released += retire_class(i, discard);
  return released;
}

/* ---- Statistics and trimming ------------------------------------------- */

void qn_small_totals_add(qn_small_totals *totals) {
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) {
    size_class *class_ = &qn_small_classes[i];
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
  qn_lock_take(&qn_small_slice_lock);
  for (uint32_t i = 0; i < qn_small_segment_total; i++) {
    uint64_t kept = segment_at(i)->kept_slices;
    totals->cached_bytes += (uint64_t)__builtin_popcountll(kept) * QN_SLICE_BYTES;
  }
  qn_lock_give(&qn_small_slice_lock);
}

void qn_small_counters_reset(void) {
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) {
    size_class *class_ = &qn_small_classes[i];
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
  qn_lock_take(&qn_small_slice_lock);
  for (uint32_t i = 0; i < qn_small_segment_total; i++) {
    qn_small_segment *segment = segment_at(i);
    for (uint32_t slice = 0; slice < SLICE_COUNT; slice++) {
      if ((segment->kept_slices >> slice & 1) == 0) continue;
      size_t bytes = qn_os_discard(segment->head.base + slice * QN_SLICE_BYTES, QN_SLICE_BYTES);
      if (bytes != 0) segment->kept_slices &= ~slice_mask(slice, 1);
      released += bytes;
    }
  }
  qn_lock_give(&qn_small_slice_lock);
  return released;
}

/* The whole pages inside free blocks whose neighbours are in use. */
static uint64_t discard_inner_pages(uint32_t index) {
  size_class *class_ = &qn_small_classes[index];
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
  uint64_t released = discard_kept_slices() + qn_small_retire(true);
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) released += discard_inner_pages(i);
  return released;
}
