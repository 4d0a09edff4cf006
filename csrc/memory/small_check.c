/*
 * memory/small_check.c: the invariants of small_layout.h, as a walk.
 */
#include "memory/small_layout.h"

/* Every block on the free list is a free block of the class, and none is there
 * twice: there would be more than were cut. */
static const char *check_list(uint32_t index) {
  size_class *class_ = &qn_small_classes[index];
  uint64_t length = 0;
  for (uint32_t at = class_->head; at != NO_BLOCK; at = link_of(entry_of_ref(at))) {
    uint32_t word = load_word(entry_of_ref(at));
    if ((word & STATE_MASK) != STATE_FREE) return "a block on a free list is not free";
    if (class_of_word(word) != index) return "a block is on another class's list";
    if (!span_of_ref(at)->active) return "a block on a free list has no span";
    if (span_of_ref(at)->free_seen != 0) return "a count of retiring was left behind";
    if (++length > class_->carved) return "a free list is longer than the class";
  }
  if (length + class_->out != class_->carved) return "a block is lost";
  return NULL;
}

typedef struct class_sums {
  uint64_t carved, out, discarded;
} class_sums;

static const char *check_span(qn_small_segment *segment, span *at, class_sums *sums) {
  uint32_t first = (uint32_t)(at - segment->spans);
  size_t bytes = qn_class_bytes(at->size_class);
  if (at->carved > at->blocks) return "a span was cut past its end";
  sums[at->size_class].carved += at->carved;
  for (uint32_t i = 0; i < at->blocks; i++) {
    size_t offset = first * QN_SLICE_BYTES + i * bytes;
    uint32_t word = load_word(&segment->entries[offset >> ENTRY_SHIFT]);
    uint32_t state = word & STATE_MASK;
    if (i >= at->carved) {
      if (word != 0) return "a block that was never cut has an entry";
      continue;
    }
    if (state == STATE_NONE) return "a block has no entry";
    if ((word & PLACE_MASK) != word_of(state, at->size_class, offset)) return "an entry is wrong";
    if (state != STATE_FREE) sums[at->size_class].out++;
    if ((word & DISCARDED_BIT) && state == STATE_RENTED) return "a block in use has no pages";
    if ((word & DISCARDED_BIT) && state == STATE_FREE) {
      size_t unused;
      sums[at->size_class].discarded += inner_pages(offset, bytes, &unused);
    }
  }
  return NULL;
}

static const char *check_segment(qn_small_segment *segment, class_sums *sums) {
  uint64_t covered = 0;
  for (uint32_t slice = 0; slice < SLICE_COUNT; slice++) {
    span *at = &segment->spans[slice];
    if (!at->active) continue;
    uint64_t mask = slice_mask(slice, at->slices);
    if (slice + at->slices > SLICE_COUNT) return "a span ends past its segment";
    if (covered & mask) return "two spans overlap";
    covered |= mask;
    const char *wrong = check_span(segment, at, sums);
    if (wrong != NULL) return wrong;
  }
  uint64_t free_mask = qn_small_free_slices[segment->index];
  if (covered != ~free_mask) return "a slice is neither free nor in a span";
  if (segment->kept_slices & covered) return "a slice in use counts as cached";
  return NULL;
}

static const char *check_all(void) {
  class_sums sums[QN_CLASS_COUNT] = {{0, 0, 0}};
  for (uint32_t i = 0; i < qn_small_segment_total; i++) {
    const char *wrong = check_segment(segment_at(i), sums);
    if (wrong != NULL) return wrong;
  }
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) {
    const char *wrong = check_list(i);
    if (wrong != NULL) return wrong;
    size_class *class_ = &qn_small_classes[i];
    if (sums[i].carved != class_->carved) return "the count of blocks cut is wrong";
    if (sums[i].out != class_->out) return "the count of blocks that are out is wrong";
    if (sums[i].discarded != class_->discarded_bytes) return "the bytes given back are wrong";
  }
  return NULL;
}

/* Nobody holds one of these locks and waits for another class's. */
const char *qn_small_check(void) {
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) qn_lock_take(&qn_small_classes[i].lock);
  qn_lock_take(&qn_small_slice_lock);
  const char *wrong = check_all();
  qn_lock_give(&qn_small_slice_lock);
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) qn_lock_give(&qn_small_classes[i].lock);
  return wrong;
}
