/*
 * memory/pool.c: the way of a request through the pool.
 *
 *   rent:    size, alignment -> class -> magazine -> class's list -> span
 *                            -> range of pages
 *   return:  address -> registry -> segment -> block -> shared? -> holds
 *                                                    -> magazine or range
 *
 * A block, as its parts see it:
 *
 *   segment  |.......................|== granted ==========|.......................|
 *                                    ^ address (64-byte)
 *   block                            |== requested ===|====|
 *   entry    outside the segment: state, class, requested, isolate, generation
 *
 * What is refused is asked for once more, after everything cached was trimmed.
 */
#include "memory/pool.h"

#include "base/os.h"
#include "base/refusal.h"
#include "memory/file_map.h"
#include "memory/holds.h"
#include "memory/isolate.h"
#include "memory/keeper.h"
#include "memory/large.h"
#include "memory/ledger.h"
#include "memory/small.h"
#include "memory/statistics.h"

static qn_refusal refusal;

void qn_pool_test_refuse(uint64_t after, uint64_t count) {
  qn_refusal_set(&refusal, after, count);
}

/* ---- Rent and return -------------------------------------------------------- */

/* The class of a request whose blocks are aligned to `alignment`, or QN_CLASS_COUNT:
 * blocks of a class lie at multiples of its size from a multiple of 64 KiB. */
static uint32_t class_for(size_t bytes, size_t alignment) {
  if (bytes > QN_CLASS_MAX_BYTES) return QN_CLASS_COUNT;
  uint32_t index = qn_class_of(bytes);
  while ((qn_class_bytes(index) & (alignment - 1)) != 0) index++; /* the last one is aligned */
  return index;
}

static qn_status check_request(size_t bytes, size_t alignment, uint32_t isolate) {
  if (bytes == 0 || bytes > QN_POOL_MAX_BYTES) return QN_BAD_SIZE;
  bool power = alignment != 0 && (alignment & (alignment - 1)) == 0;
  if (!power || alignment > QN_POOL_LARGEST_ALIGNMENT) return QN_BAD_ALIGNMENT;
  return qn_isolate_is_open(isolate) ? QN_OK : QN_UNKNOWN_ISOLATE;
}

static qn_status take(uint32_t index, size_t bytes, uint32_t isolate, qn_block *block_out) {
  if (qn_refusal_now(&refusal)) return QN_OUT_OF_MEMORY;
  return index < QN_CLASS_COUNT ? qn_small_rent(index, bytes, isolate, block_out)
                                : qn_large_rent(bytes, isolate, block_out);
}

static bool is_refusal(qn_status status) {
  return status == QN_OVER_BUDGET || status == QN_OUT_OF_MEMORY;
}

qn_status qn_pool_take(size_t bytes, size_t alignment, uint32_t isolate, qn_block *block_out) {
  qn_status status = check_request(bytes, alignment, isolate);
  if (status != QN_OK) return status;
  uint32_t index = class_for(bytes, alignment);
  status = take(index, bytes, isolate, block_out);
  if (is_refusal(status) && qn_pool_release_pages() != 0) {
    status = take(index, bytes, isolate, block_out);
  }
  return status;
}

static qn_status give(qn_segment *segment, void *address, uint32_t generation, bool *shared_out) {
  return segment->kind == QN_SEGMENT_SMALL
             ? qn_small_return(segment, address, generation, shared_out)
             : qn_large_return(segment, address, generation, shared_out);
}

qn_status qn_pool_give(void *address, uint32_t generation, uint32_t isolate) {
  if (address == NULL) return QN_NULL_POINTER;
  qn_segment *segment = qn_segment_of(address);
  if (segment == NULL) return QN_NOT_OWNED;
  bool shared = false;
  qn_status status = give(segment, address, generation, &shared);
  if (status != QN_OK || !shared) return status;
  bool last = false;
  status = qn_holds_release(address, isolate, &last);
  if (last) qn_pool_give_shared(address);
  return status;
}

void qn_pool_give_shared(void *address) {
  qn_segment *segment = qn_segment_of(address);
  if (segment != NULL) (void)give(segment, address, 0, NULL);
}

qn_status qn_pool_alloc(size_t bytes, void **out) {
  qn_block block;
  qn_status status = qn_pool_take(bytes, QN_POOL_ALIGNMENT, 0, &block);
  if (status == QN_OK) *out = block.address;
  return status;
}

void qn_pool_free(void *address) {
  if (address != NULL) (void)qn_pool_give(address, 0, 0);
}

/* ---- Rented blocks, and blocks to come ---------------------------------------- */

/* The rented block that begins at an address of a segment. */
static qn_status find(qn_segment *segment, const void *address, uint32_t generation,
                      qn_rented *rented_out) {
  return segment->kind == QN_SEGMENT_SMALL
             ? qn_small_find(segment, address, generation, rented_out)
             : qn_large_find(segment, address, generation, rented_out);
}

qn_status qn_pool_touch(void *address, uint32_t generation) {
  if (address == NULL) return QN_NULL_POINTER;
  qn_segment *segment = qn_segment_of(address);
  if (segment == NULL) return QN_NOT_OWNED;
  qn_rented block;
  qn_status status = find(segment, address, generation, &block);
  if (status != QN_OK) return status;
  qn_os_touch(address, block.bytes);
  return QN_OK;
}

qn_status qn_pool_warm(size_t bytes, uint32_t count) {
  if (bytes == 0 || bytes > QN_POOL_MAX_BYTES) return QN_BAD_SIZE;
  if (count != 0 && bytes > QN_POOL_MAX_BYTES / count) return QN_BAD_SIZE;
  if (qn_refusal_now(&refusal)) return QN_OUT_OF_MEMORY;
  return bytes <= QN_CLASS_MAX_BYTES ? qn_small_prewarm(qn_class_of(bytes), count)
                                     : qn_large_prewarm(bytes, count);
}

/* ---- Sharing ---------------------------------------------------------------- */

static bool mark_shared(qn_segment *segment, const void *address) {
  return segment->kind == QN_SEGMENT_SMALL ? qn_small_mark_shared(segment, address)
                                           : qn_large_mark_shared(segment, address);
}

qn_status qn_pool_share(void *address, uint32_t generation, uint32_t isolate,
                        uint32_t receivers) {
  if (address == NULL) return QN_NULL_POINTER;
  if (receivers == 0) return QN_BAD_ARGUMENT;
  if (!qn_isolate_is_open(isolate)) return QN_UNKNOWN_ISOLATE;
  qn_segment *segment = qn_segment_of(address);
  if (segment == NULL) {
    return qn_file_map_share(address, generation, isolate, receivers);
  }
  qn_rented block;
  qn_status status = find(segment, address, generation, &block);
  if (status != QN_OK) return status;
  if (!block.shared && block.isolate != isolate) return QN_NOT_OWNED;
  status = qn_holds_share(address, isolate, receivers, !block.shared);
  if (status != QN_OK || block.shared) return status;
  if (mark_shared(segment, address)) return QN_OK;
  qn_holds_forget(address); /* it was returned meanwhile */
  return QN_ALREADY_RETURNED;
}

qn_status qn_pool_claim(void *address, uint32_t generation, uint32_t isolate,
                        qn_block *block_out) {
  if (address == NULL) return QN_NULL_POINTER;
  if (!qn_isolate_is_open(isolate)) return QN_UNKNOWN_ISOLATE;
  qn_segment *segment = qn_segment_of(address);
  if (segment == NULL) {
    qn_mapping mapping;
    qn_status status = qn_file_map_claim(address, generation, isolate, &mapping);
    if (status == QN_OK) {
      *block_out = (qn_block){mapping.address, mapping.bytes, NULL, 0, mapping.generation};
    }
    return status;
  }
  qn_rented block;
  qn_status status = find(segment, address, generation, &block);
  if (status == QN_ALREADY_RETURNED) return QN_STALE;
  if (status != QN_OK) return status;
  if (!block.shared) return QN_NOT_SHARED;
  status = qn_holds_claim(address, isolate);
  if (status == QN_OK) {
    *block_out = (qn_block){address, block.bytes, segment->base, segment->bytes,
                            block.generation};
  }
  return status;
}

void qn_pool_reclaim(uint32_t isolate) {
  qn_small_reclaim(isolate);
  qn_large_reclaim(isolate);
  qn_file_map_reclaim(isolate);
}

/* ---- Trimming --------------------------------------------------------------- */

uint64_t qn_pool_trim_older(uint32_t before) {
  uint64_t released = qn_small_trim(before) + qn_large_trim(before);
  qn_statistics_trimmed(released);
  return released;
}

uint64_t qn_pool_release_pages(void) {
  qn_thread *thread = qn_thread_get();
  if (thread != NULL) qn_small_flush(thread);
  return qn_pool_trim_older(qn_clock_update() + (1u << 30));
}

void qn_pool_set_budget(size_t bytes) {
  qn_ledger_set_budget(bytes);
  if (bytes == 0) return;
  /* With a budget, what is retired gives its pages back at once; what kept them
   * before does so now. */
  if (qn_ledger_read().held > bytes) qn_isolate_ask_to_flush();
  qn_pool_release_pages();
}

/* ---- Invariants, for tests -------------------------------------------------- */

static const char *check_all(void) {
  const char *wrong = qn_small_check();
  if (wrong == NULL) wrong = qn_large_check();
  if (wrong != NULL) return wrong;
  qn_small_totals small;
  qn_large_totals large;
  qn_small_totals_get(&small);
  qn_large_totals_get(&large);
  uint64_t held = small.kept_bytes + large.live_bytes + large.cached_bytes;
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) held += small.held_bytes[i];
  qn_ledger_values ledger = qn_ledger_read();
  uint64_t values[QN_STAT_COUNT];
  qn_pool_statistics(values);
  if (ledger.held != held) return "the ledger of held bytes is wrong";
  if (ledger.peak_held < ledger.held) return "the peak is below what is held";
  if (ledger.out > ledger.held) return "more is handed out than held";
  if (values[QN_STAT_LIVE_BYTES] + values[QN_STAT_SHELVED_BYTES] > ledger.out) {
    return "more is live than handed out";
  }
  return NULL;
}

const char *qn_pool_check(void) {
  qn_keeper_hold();
  const char *wrong = check_all();
  qn_keeper_release();
  return wrong;
}
