/*
 * memory/small_retire.c: what small blocks do rarely: empty spans go back to
 * their segments, pages to the operating system, and counters to statistics.
 */
#include "memory/small_layout.h"

/* Gives the slices of a retired span back to its segment. Returns whether its pages
 * went to the system; else its slices hold them. */
static bool release_span(const span *retired, bool discard) {
  qn_small_segment *segment = retired->segment;
  uint32_t first = (uint32_t)(retired - segment->spans);
  size_t carved = retired->carved * qn_class_bytes(retired->size_class);
  uint64_t used = slice_mask(first, (uint32_t)((carved + QN_SLICE_BYTES - 1) / QN_SLICE_BYTES));
  char *base = segment->head.base + first * QN_SLICE_BYTES;
  bool gone = discard && qn_os_discard(base, retired->slices * QN_SLICE_BYTES) != 0;
  qn_lock_take(&qn_small_slice_lock);
  segment->used_slices |= used;
  if (!gone) segment->kept_slices |= used;
  if (!gone) qn_ledger_hold_unchecked((uint64_t)__builtin_popcountll(used) * QN_SLICE_BYTES);
  qn_small_free_slices[segment->index] |= slice_mask(first, retired->slices);
  qn_lock_give(&qn_small_slice_lock);
  return gone;
}

/* ---- Retiring ---------------------------------------------------------- */

/* Counts the free blocks of each span that are old enough, in the span. */
static void count_free(const size_class *class_, uint32_t before) {
  for (uint32_t at = class_->head; at != NO_BLOCK; at = link_of(entry_of_ref(at))) {
    if (is_older(entry_of_ref(at), before)) span_of_ref(at)->free_seen++;
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
  uint32_t kept_last = NO_BLOCK;
  for (uint32_t at = class_->head, next; at != NO_BLOCK; at = next) {
    entry *block = entry_of_ref(at);
    span *owner = span_of_ref(at);
    next = link_of(block);
    if (owner->active && owner->free_seen == owner->carved) deactivate(class_, owner, &retired);
    if (owner->active) {
      kept_last = at;
      continue;
    }
    size_t first;
    bool discarded = (load_word(block) & DISCARDED_BIT) != 0;
    if (discarded) *discarded_out += inner_pages(offset_of_ref(at), qn_class_bytes(index), &first);
    if (kept_last == NO_BLOCK) {
      class_->head = next;
    } else {
      store_link(entry_of_ref(kept_last), next);
    }
  }
  return retired;
}

/* Retires every span of the class whose blocks are all free. Returns the bytes whose
 * pages went. */
static uint64_t retire_class(uint32_t index, bool discard, uint32_t before) {
  size_class *class_ = &qn_small_classes[index];
  uint64_t held = 0; /* by the spans retired */
  uint64_t kept = 0; /* of that, what is still held */
  uint64_t discarded = 0;
  qn_lock_take(&class_->lock);
  count_free(class_, before);
  span *retired = unlink_empty(index, &discarded);
  class_->discarded_bytes -= discarded;
  for (uint32_t at = class_->head; at != NO_BLOCK; at = link_of(entry_of_ref(at))) {
    span_of_ref(at)->free_seen = 0;
  }
  while (retired != NULL) {
    span *next = retired->next_retired; /* read before another class may take the slices */
    uint64_t bytes = retired->carved * qn_class_bytes(index);
    held += bytes;
    if (!release_span(retired, discard)) kept += bytes;
    retired = next;
  }
  /* What was given back before is not given back again. */
  qn_ledger_drop(held - discarded);
  qn_lock_give(&class_->lock);
  return held - discarded > kept ? held - discarded - kept : 0;
}

uint64_t qn_small_retire(bool discard, uint32_t before) {
  uint64_t released = 0;
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) released += retire_class(i, discard, before);
  return released;
}

/* ---- Statistics and trimming ------------------------------------------- */

void qn_small_totals_get(qn_small_totals *totals_out) {
  *totals_out = (qn_small_totals){.requested_bytes = 0};
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) {
    size_class *class_ = &qn_small_classes[i];
    qn_lock_take(&class_->lock);
    totals_out->misses[i] = atomic_load(&class_->misses);
    totals_out->held_bytes[i] = class_->carved * qn_class_bytes(i) - class_->discarded_bytes;
    totals_out->rents[i] = atomic_load(&class_->rents);
    totals_out->returns[i] = atomic_load(&class_->returns);
    totals_out->requested_bytes += atomic_load(&class_->requested_bytes);
    qn_lock_give(&class_->lock);
  }
  qn_lock_take(&qn_small_slice_lock);
  for (uint32_t i = 0; i < qn_small_segment_total; i++) {
    uint64_t kept = segment_at(i)->kept_slices;
    totals_out->kept_bytes += (uint64_t)__builtin_popcountll(kept) * QN_SLICE_BYTES;
  }
  qn_lock_give(&qn_small_slice_lock);
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
  qn_ledger_drop(released);
  qn_lock_give(&qn_small_slice_lock);
  return released;
}

/* The whole pages inside old free blocks whose neighbours are in use. */
static uint64_t discard_inner_pages(uint32_t index, uint32_t before) {
  size_class *class_ = &qn_small_classes[index];
  if (qn_class_bytes(index) < qn_os_page_size()) return 0;
  uint64_t released = 0;
  qn_lock_take(&class_->lock);
  for (uint32_t at = class_->head; at != NO_BLOCK; at = link_of(entry_of_ref(at))) {
    size_t first;
    size_t bytes = inner_pages(offset_of_ref(at), qn_class_bytes(index), &first);
    uint32_t word = load_word(entry_of_ref(at));
    bool wanted = bytes != 0 && !(word & DISCARDED_BIT) && is_older(entry_of_ref(at), before);
    if (!wanted || qn_os_discard(segment_of_ref(at)->head.base + first, bytes) == 0) continue;
    store_word(entry_of_ref(at), word | DISCARDED_BIT);
    class_->discarded_bytes += bytes;
    released += bytes;
  }
  qn_ledger_drop(released);
  qn_lock_give(&class_->lock);
  return released;
}

uint64_t qn_small_trim(uint32_t before) {
  uint64_t released = discard_kept_slices() + qn_small_retire(true, before);
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) released += discard_inner_pages(i, before);
  return released;
}
