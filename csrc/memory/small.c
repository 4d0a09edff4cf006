/*
 * memory/small.c: taking spans, renting and returning small blocks. What the
 * structures look like stands in small_layout.h.
 */
#include "memory/small_layout.h"

#include "memory/thread.h"

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
 * earlier span are wiped but for their generations; those never used are still zero. */
static void start_span(uint32_t index, qn_small_segment *segment, uint32_t first) {
  uint32_t slices = qn_class_span_slices(index);
  uint64_t mask = slice_mask(first, slices);
  span *made = &segment->spans[first];
  made->segment = segment;
  made->kept_before = segment->kept_slices & mask;
  made->blocks = (uint32_t)(slices * QN_SLICE_BYTES / qn_class_bytes(index));
  made->carved = 0;
  made->free_seen = 0;
  made->size_class = (uint8_t)index;
  made->slices = (uint8_t)slices;
  made->active = true;
  for (uint32_t slice = first; slice < first + slices; slice++) {
    segment->span_start[slice] = (uint8_t)first;
    if ((segment->used_slices >> slice & 1) == 0) continue;
    entry *entries = &segment->entries[slice * ENTRIES_PER_SLICE];
    for (size_t i = 0; i < ENTRIES_PER_SLICE; i++) store_word(&entries[i], 0);
  }
  qn_small_free_slices[segment->index] &= ~mask;
  uint64_t kept = (uint64_t)__builtin_popcountll(segment->kept_slices & mask) * QN_SLICE_BYTES;
  qn_ledger_drop(kept); /* charged again block by block */
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

/* ---- Blocks, taken and put back in groups ------------------------------- */

/* Whether all slices of a block have kept their pages from an earlier span. */
static bool has_pages(const span *from, uint32_t first, size_t offset, size_t bytes) {
  if (from->kept_before == 0) return false;
  uint32_t low = first + (uint32_t)(offset / QN_SLICE_BYTES);
  uint32_t high = first + (uint32_t)((offset + bytes - 1) / QN_SLICE_BYTES);
  uint64_t mask = slice_mask(low, high - low + 1);
  return (from->kept_before & mask) == mask;
}

/* Cuts a new block from the class's span. Under the class's lock. */
static qn_status carve(uint32_t index, bool may_map, uint32_t *ref_out) {
  size_class *class_ = &qn_small_classes[index];
  bool usable = class_->fresh != NULL && class_->fresh->carved < class_->fresh->blocks;
  if (!usable && !take_span(index, may_map)) return QN_OUT_OF_MEMORY;
  size_t bytes = qn_class_bytes(index);
  if (!qn_ledger_hold(bytes)) return QN_OVER_BUDGET;
  span *from = class_->fresh;
  qn_small_segment *segment = class_->fresh_segment;
  uint32_t first = (uint32_t)(from - segment->spans);
  size_t within = from->carved * bytes;
  size_t offset = first * QN_SLICE_BYTES + within;
  uint32_t fresh = has_pages(from, first, within, bytes) ? 0 : DISCARDED_BIT;
  from->carved++;
  class_->carved++;
  entry *block = &segment->entries[offset >> ENTRY_SHIFT];
  store_word(block, word_of(STATE_CACHED, index, offset) | fresh);
  *ref_out = segment->index << ENTRY_BITS | (uint32_t)(offset >> ENTRY_SHIFT);
  return QN_OK;
}

/* Takes the first block off the free list, which is not empty. Its pages are
 * charged again if they were given back. Under the class's lock. */
static qn_status pop(uint32_t index, uint32_t *ref_out) {
  size_class *class_ = &qn_small_classes[index];
  uint32_t ref = class_->head;
  entry *block = entry_of_ref(ref);
  uint32_t word = load_word(block);
  if (word & DISCARDED_BIT) {
    size_t first;
    size_t pages = inner_pages(offset_of_ref(ref), qn_class_bytes(index), &first);
    if (!qn_ledger_hold(pages)) return QN_OVER_BUDGET;
    class_->discarded_bytes -= pages;
  }
  class_->head = link_of(block);
  store_word(block, (word & (PLACE_MASK | DISCARDED_BIT)) | STATE_CACHED);
  *ref_out = ref;
  return QN_OK;
}

/* Up to `want` blocks of what lies free, or else one that is cut. Under the lock. */
static qn_status take_some(uint32_t index, uint32_t want, bool may_map, uint32_t *refs,
                           uint32_t *count_out) {
  size_class *class_ = &qn_small_classes[index];
  qn_status status = QN_OK;
  uint32_t count = 0;
  while (count < want && class_->head != NO_BLOCK && status == QN_OK) {
    status = pop(index, &refs[count]);
    if (status == QN_OK) count++;
  }
  if (count == 0 && status == QN_OK) {
    status = carve(index, may_map, refs);
    if (status == QN_OK) count = 1;
  }
  class_->out += count;
  *count_out = count;
  return count != 0 ? QN_OK : status;
}

/* Whether a new segment should wait until empty spans were looked for: only when
 * enough lies idle to be worth the walk. */
static bool worth_retiring(void) {
  qn_ledger_values now = qn_ledger_read();
  return now.held - now.out >= now.out / 4;
}

qn_status qn_small_take(uint32_t index, uint32_t want, uint32_t *refs, uint32_t *count_out) {
  size_class *class_ = &qn_small_classes[index];
  qn_status status = QN_OUT_OF_MEMORY;
  for (int attempt = 0; attempt < 3 && status == QN_OUT_OF_MEMORY; attempt++) {
    /* First what is there; then what other classes left; then new memory, and,
     * where there is none, once more what other classes left. */
    bool may_map = attempt == 1;
    if (attempt == 2 || (attempt == 1 && worth_retiring())) {
      qn_small_retire(qn_ledger_budget() != 0, QN_ANY_AGE);
    }
    qn_lock_take(&class_->lock);
    status = take_some(index, want, may_map, refs, count_out);
    if (status == QN_OK) qn_ledger_out(*count_out * qn_class_bytes(index));
    qn_lock_give(&class_->lock);
  }
  return status;
}

void qn_small_put(uint32_t index, const uint32_t *refs, uint32_t count) {
  if (count == 0) return;
  size_class *class_ = &qn_small_classes[index];
  qn_lock_take(&class_->lock);
  for (uint32_t i = 0; i < count; i++) {
    entry *block = entry_of_ref(refs[i]);
    store_word(block, (load_word(block) & PLACE_MASK & ~STATE_MASK) | STATE_FREE);
    store_link(block, class_->head);
    class_->head = refs[i];
  }
  class_->out -= count;
  qn_ledger_in(count * qn_class_bytes(index));
  qn_lock_give(&class_->lock);
}

/* ---- Rent and return ---------------------------------------------------- */

/* One cached block, from the magazine where the class has one. */
static qn_status take_one(qn_thread *thread, uint32_t index, uint32_t *ref_out) {
  uint32_t limit = thread != NULL ? qn_magazine_limit(index) : 0;
  uint32_t count;
  if (limit == 0) return qn_small_take(index, 1, ref_out, &count);
  qn_magazine *magazine = &thread->magazines[index];
  if (magazine->count == 0) {
    qn_status status = qn_small_take(index, limit / 2, magazine->refs, &magazine->count);
    if (status != QN_OK) return status;
    /* The list was last in, first out, and so is the magazine. */
    for (uint32_t i = 0, j = magazine->count - 1; i < j; i++, j--) {
      uint32_t kept = magazine->refs[i];
      magazine->refs[i] = magazine->refs[j];
      magazine->refs[j] = kept;
    }
  }
  *ref_out = magazine->refs[--magazine->count];
  return QN_OK;
}

/* Passes a cached block on: to the magazine, of which half goes to the class when
 * it is full. */
static void put_one(qn_thread *thread, uint32_t index, uint32_t ref) {
  uint32_t limit = thread != NULL ? qn_magazine_limit(index) : 0;
  if (limit == 0) {
    qn_small_put(index, &ref, 1);
    return;
  }
  qn_magazine *magazine = &thread->magazines[index];
  if (magazine->count == limit) {
    uint32_t half = limit / 2; /* those that lay there longest */
    qn_small_put(index, magazine->refs, half);
    magazine->count -= half;
    for (uint32_t i = 0; i < magazine->count; i++) magazine->refs[i] = magazine->refs[i + half];
  }
  magazine->refs[magazine->count++] = ref;
}

static void count_rent(qn_thread *thread, uint32_t index, uint64_t bytes, bool miss) {
  if (miss) atomic_fetch_add(&qn_small_classes[index].misses, 1);
  if (thread != NULL) {
    qn_count_add(&thread->requested, bytes);
    qn_count_add(&thread->counts[index].rents, 1);
    return;
  }
  atomic_fetch_add(&qn_small_classes[index].rents, 1);
  atomic_fetch_add(&qn_small_classes[index].requested_bytes, bytes);
}

static void count_return(qn_thread *thread, uint32_t index, uint64_t bytes) {
  if (thread != NULL) {
    qn_count_add(&thread->requested, 0 - bytes);
    qn_count_add(&thread->counts[index].returns, 1);
    return;
  }
  atomic_fetch_add(&qn_small_classes[index].returns, 1);
  atomic_fetch_sub(&qn_small_classes[index].requested_bytes, bytes);
}

qn_status qn_small_rent(uint32_t index, size_t bytes, uint32_t isolate, qn_block *block_out) {
  qn_thread *thread = qn_thread_get();
  uint32_t ref;
  qn_status status = take_one(thread, index, &ref);
  if (status != QN_OK) return status;
  qn_small_segment *segment = segment_of_ref(ref);
  entry *block = entry_of_ref(ref);
  size_t offset = offset_of_ref(ref);
  bool miss = (load_word(block) & DISCARDED_BIT) != 0;
  store_link(block, isolate);
  stamp_entry(block);
  store_word(block, word_of(STATE_RENTED, index, offset) | (uint32_t)(bytes - 1) << REQUEST_SHIFT);
  count_rent(thread, index, bytes, miss);
  *block_out = (qn_block){segment->head.base + offset, qn_class_bytes(index), segment->head.base,
                          segment->head.bytes, generation_of(load_state(block))};
  return QN_OK;
}

/* Whether a block begins at the offset, by its entry's word. */
static bool begins_at(uint32_t word, size_t offset) {
  return (word & STATE_MASK) != STATE_NONE && (offset & 63) == 0 &&
         (word >> 8 & 3) == (offset >> 6 & 3);
}

static entry *entry_at(qn_segment *head, const void *address, size_t *offset_out) {
  qn_small_segment *segment = (qn_small_segment *)head;
  *offset_out = (size_t)((const char *)address - head->base);
  return &segment->entries[*offset_out >> ENTRY_SHIFT];
}

/* QN_OK when the state says that a block is rented there, of that generation. */
static qn_status check_rented(uint64_t state, size_t offset, uint32_t generation) {
  uint32_t word = (uint32_t)state;
  if (!begins_at(word, offset)) return QN_NOT_OWNED;
  if ((word & STATE_MASK) != STATE_RENTED) return QN_ALREADY_RETURNED;
  return generation == 0 || generation == generation_of(state) ? QN_OK : QN_STALE;
}

bool qn_small_end_rent(qn_thread *thread, entry *block, uint64_t state) {
  uint32_t word = (uint32_t)state;
  uint64_t returned = ((state >> 32) + 1) << 32 | (word & PLACE_MASK) | STATE_CACHED;
  bool mine = atomic_compare_exchange_strong_explicit(
      &block->state, &state, returned, memory_order_acquire, memory_order_relaxed);
  if (!mine) return false;
  stamp_entry(block);
  count_return(thread, class_of_word(word), request_of_word(word));
  return true;
}

qn_status qn_small_return(qn_segment *head, void *address, uint32_t generation,
                          bool *shared_out) {
  qn_thread *thread = qn_thread_get();
  size_t offset;
  entry *block = entry_at(head, address, &offset);
  uint64_t state;
  do { /* again, where another return or share of the same block came first */
    state = load_state(block);
    qn_status status = check_rented(state, offset, generation);
    if (status != QN_OK) return status;
    if (shared_out != NULL && (state & SHARED_BIT)) {
      *shared_out = true;
      return QN_OK;
    }
  } while (!qn_small_end_rent(thread, block, state));
  uint32_t segment_index = ((qn_small_segment *)head)->index;
  put_one(thread, class_of_word((uint32_t)state), segment_index << ENTRY_BITS | (uint32_t)(offset >> ENTRY_SHIFT));
  return QN_OK;
}

qn_status qn_small_find(qn_segment *head, const void *address, uint32_t generation,
                        qn_rented *rented_out) {
  size_t offset;
  entry *block = entry_at(head, address, &offset);
  uint64_t state = load_state(block);
  qn_status status = check_rented(state, offset, generation);
  if (status != QN_OK) return status;
  rented_out->bytes = qn_class_bytes(class_of_word((uint32_t)state));
  rented_out->isolate = link_of(block);
  rented_out->generation = generation_of(state);
  rented_out->shared = (state & SHARED_BIT) != 0;
  return QN_OK;
}

bool qn_small_mark_shared(qn_segment *head, const void *address) {
  size_t offset;
  entry *block = entry_at(head, address, &offset);
  uint64_t state = load_state(block);
  do {
    if ((state & STATE_MASK) != STATE_RENTED) return false;
  } while (!atomic_compare_exchange_weak_explicit(&block->state, &state, state | SHARED_BIT,
                                                  memory_order_relaxed, memory_order_relaxed));
  return true;
}

void qn_small_flush(qn_thread *thread) {
  for (uint32_t i = 0; i < QN_MAGAZINE_CLASSES; i++) {
    qn_small_put(i, thread->magazines[i].refs, thread->magazines[i].count);
    thread->magazines[i].count = 0;
  }
}

/* ---- Prewarming ---------------------------------------------------------- */

/* The blocks taken form a chain through `link` until all of them are there. */
qn_status qn_small_prewarm(uint32_t index, uint32_t count) {
  qn_thread *thread = qn_thread_get();
  if (thread != NULL) qn_small_flush(thread);
  uint32_t chain = NO_BLOCK;
  qn_status status = QN_OK;
  for (uint32_t i = 0; i < count && status == QN_OK; i++) {
    uint32_t ref, taken;
    status = qn_small_take(index, 1, &ref, &taken);
    if (status != QN_OK) break;
    entry *block = entry_of_ref(ref);
    qn_os_touch(segment_of_ref(ref)->head.base + offset_of_ref(ref), qn_class_bytes(index));
    stamp_entry(block);
    store_link(block, chain);
    chain = ref;
  }
  while (chain != NO_BLOCK) {
    uint32_t ref = chain;
    chain = link_of(entry_of_ref(ref));
    qn_small_put(index, &ref, 1);
  }
  return status;
}
