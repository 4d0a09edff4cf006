/*
 * memory/small_walk.c: every small block there is, one after the other: for
 * snapshots, and to take back what an isolate left.
 */
#include "memory/small_layout.h"

typedef void each_block(uint32_t ref, size_t bytes, void *context);

/* Takes the lock of the class that a span belongs to, if it is one. The span's class
 * is written under the slices' lock, and whether it is active under its class's. */
static size_class *lock_span(const span *at) {
  qn_lock_take(&qn_small_slice_lock);
  uint32_t index = at->size_class;
  qn_lock_give(&qn_small_slice_lock);
  size_class *class_ = &qn_small_classes[index];
  qn_lock_take(&class_->lock);
  qn_lock_take(&qn_small_slice_lock);
  bool same = at->size_class == index;
  qn_lock_give(&qn_small_slice_lock);
  if (same && at->active) return class_;
  qn_lock_give(&class_->lock);
  return NULL;
}

/* Under the span's class's lock, so that blocks are neither cut nor retired. */
static void walk_span(const qn_small_segment *segment, uint32_t first, each_block *each,
                      void *context) {
  const span *at = &segment->spans[first];
  size_t bytes = qn_class_bytes(at->size_class);
  for (uint32_t i = 0; i < at->carved; i++) {
    size_t offset = first * QN_SLICE_BYTES + i * bytes;
    each(segment->index << ENTRY_BITS | (uint32_t)(offset >> ENTRY_SHIFT), bytes, context);
  }
}

static void walk(each_block *each, void *context) {
  qn_lock_take(&qn_small_slice_lock);
  uint32_t total = qn_small_segment_total;
  qn_lock_give(&qn_small_slice_lock);
  for (uint32_t i = 0; i < total; i++) {
    qn_small_segment *segment = segment_at(i);
    for (uint32_t slice = 0; slice < SLICE_COUNT; slice++) {
      size_class *class_ = lock_span(&segment->spans[slice]);
      if (class_ == NULL) continue;
      walk_span(segment, slice, each, context);
      qn_lock_give(&class_->lock);
    }
  }
}

/* ---- Snapshots ------------------------------------------------------------ */

typedef struct visit_context {
  qn_block_visitor *visit;
  void *context;
} visit_context;

static qn_block_state state_of(uint32_t word) {
  switch (word & STATE_MASK) {
    case STATE_RENTED: return word & SHARED_BIT ? QN_BLOCK_SHARED : QN_BLOCK_LIVE;
    case STATE_CACHED: return QN_BLOCK_THREAD;
    default: return word & DISCARDED_BIT ? QN_BLOCK_DISCARDED : QN_BLOCK_CACHED;
  }
}

static void visit_block(uint32_t ref, size_t bytes, void *context) {
  const visit_context *to = context;
  entry *block = entry_of_ref(ref);
  qn_segment *segment = &segment_of_ref(ref)->head;
  uint32_t word = load_word(block);
  qn_block_state state = state_of(word);
  bool rented = (word & STATE_MASK) == STATE_RENTED;
  qn_block_view view = {
      .address = segment->base + offset_of_ref(ref),
      .bytes = bytes,
      .requested = rented ? request_of_word(word) : 0,
      .state = state,
      .stamp = atomic_load_explicit(&block->stamp, memory_order_relaxed),
      .isolate = state == QN_BLOCK_LIVE ? link_of(block) : 0,
      .segment = segment,
  };
  to->visit(&view, to->context);
}

void qn_small_visit(qn_block_visitor *visit, void *context) {
  walk(visit_block, &(visit_context){visit, context});
}

/* ---- What an isolate left ------------------------------------------------- */

typedef struct reclaim_context {
  uint32_t isolate;
  uint32_t chain; /* of blocks taken back, through `link` */
} reclaim_context;

static void reclaim_block(uint32_t ref, size_t bytes, void *context) {
  (void)bytes;
  reclaim_context *into = context;
  entry *block = entry_of_ref(ref);
  uint64_t state = load_state(block);
  bool wanted = (state & STATE_MASK) == STATE_RENTED && !(state & SHARED_BIT) &&
                link_of(block) == into->isolate;
  if (!wanted || !qn_small_end_rent(qn_thread_get(), block, state)) return;
  store_link(block, into->chain);
  into->chain = ref;
}

void qn_small_reclaim(uint32_t isolate) {
  reclaim_context found = {isolate, NO_BLOCK};
  walk(reclaim_block, &found);
  while (found.chain != NO_BLOCK) {
    uint32_t ref = found.chain;
    entry *block = entry_of_ref(ref);
    found.chain = link_of(block);
    qn_small_put(class_of_word(load_word(block)), &ref, 1);
  }
}
