/*
 * memory/small.c: taking spans, renting and returning small blocks. What the
 * structures look like stands in small_layout.h.
 */
#include "memory/small_layout.h"

#define CLASS_INIT {.lock = QN_LOCK_INIT, .head = NO_BLOCK}
#define SEVEN(x) x, x, x, x, x, x, x
size_class qn_small_classes[QN_CLASS_COUNT] = {
    SEVEN(CLASS_INIT), SEVEN(CLASS_INIT), SEVEN(CLASS_INIT), SEVEN(CLASS_INIT),
    SEVEN(CLASS_INIT), SEVEN(CLASS_INIT), SEVEN(CLASS_INIT),
};

qn_lock qn_small_slice_lock = QN_LOCK_INIT;
uint64_t qn_small_free_slices[SEGMENT_MAX];
uint32_t qn_small_segment_total;
qn_small_segment *_Atomic qn_small_segments[SEGMENT_MAX];

/* ---- Spans ------------------------------------------------------------- */

/* The first slice of `count` adjacent set bits, or SLICE_COUNT. */
static uint32_t find_run(uint64_t mask, uint32_t count) {
  for (uint32_t have = 1; have < count && mask != 0;) {
    uint32_t step = count - have < have ? count - have : have;
    mask &= mask >> step;
    have += step;
  }
  return mask == 0 ? SLICE_COUNT : (uint32_t)__builtin_ctzll(mask);
}

/* Under qn_small_slice_lock. Null: the system refused. */
static qn_small_segment *map_segment(void) {
  if (qn_small_segment_total == SEGMENT_MAX) return NULL;
  qn_small_segment *segment =
      qn_segment_create(QN_SEGMENT_SMALL, QN_CHUNK_BYTES, sizeof *segment);
  if (segment == NULL) return NULL;
  segment->index = qn_small_segment_total;
  if (!qn_segment_register(&segment->head, sizeof *segment)) return NULL;
  qn_small_free_slices[qn_small_segment_total] = ~(uint64_t)0;
  atomic_store_explicit(&qn_small_segments[qn_small_segment_total], segment, memory_order_relaxed);
  qn_small_segment_total++;
  return segment;
}

/* Under qn_small_slice_lock: the lowest segment with a run of free slices. */
static qn_small_segment *find_slices(uint32_t count, uint32_t *first_out) {
  for (uint32_t i = 0; i < qn_small_segment_total; i++) {
    *first_out = find_run(qn_small_free_slices[i], count);
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
  qn_small_free_slices[segment->index] &= ~mask;
  segment->kept_slices &= ~mask;
  qn_small_classes[index].fresh = made;
  qn_small_classes[index].fresh_segment = segment;
}

/* Under the class's lock. */
static bool take_span(uint32_t index, bool may_map) {
  uint32_t first = 0;
  qn_lock_take(&qn_small_slice_lock);
  qn_small_segment *segment = find_slices(qn_class_span_slices(index), &first);
  if (segment == NULL && may_map) {
    segment = map_segment();
    first = 0;
  }
  if (segment != NULL) start_span(index, segment, first);
  qn_lock_give(&qn_small_slice_lock);
  return segment != NULL;
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
  size_class *class_ = &qn_small_classes[index];
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
  size_class *class_ = &qn_small_classes[index];
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
  size_class *class_ = &qn_small_classes[index];
  void *address = NULL;
  for (int attempt = 0; attempt < 3 && address == NULL; attempt++) {
    /* First what is there; then what other qn_small_classes left; then new memory, and,
     * where there is none, once more what other qn_small_classes left. */
    bool may_map = attempt == 1;
    if (attempt == 2 || (attempt == 1 && worth_retiring())) {
      qn_small_retire(false);
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
  size_class *class_ = &qn_small_classes[index];
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
    qn_lock_take(&qn_small_classes[index].lock);
    uint32_t now = load_word(block);
    /* Anything but the same place and class means that the block was free, and
     * its span went to another class in between: look again. */
    bool same = (now & PLACE_MASK & ~STATE_MASK) == (word & PLACE_MASK & ~STATE_MASK) &&
                (now & STATE_MASK) != STATE_NONE;
    qn_status status = same ? take_back(index, ref, now) : QN_OK;
    qn_lock_give(&qn_small_classes[index].lock);
    *granted_out = qn_class_bytes(index);
    if (same) return status;
  }
}
