/*
 * memory/pool.h: the process's one pool of blocks of memory.
 *
 * Words used here and in the files below it:
 *
 *   block      what is rented: its address is a multiple of 64, its contents are
 *              unspecified, it holds at least what was asked for
 *   request    bytes asked for;  grant: bytes of the block that answers it
 *   live       rented and not returned;  cached: returned, pages still held
 *   held       live and cached together: what the budget limits
 *   class      one of 49 sizes up to 1 MiB that small requests are rounded up to
 *   segment    address space from the operating system, mapped for ever
 *   slice      64 KiB of a small segment;  span: slices cut into blocks of a class
 *   range      pages of a large segment: one block over 1 MiB, or free
 *   magazine   blocks of a class in the cache of a thread
 *   isolate    a JavaScript heap with its thread, for which blocks are rented
 *   generation tells the rents of one address apart
 *   to carve   to cut a block from a span for the first time
 *   to retire  to take a span whose blocks are all free from its class
 *   to discard to give physical pages back while the address stays valid
 *
 * Layers:
 *
 *                    pool.c  statistics.c  snapshot.c  keeper.c
 *                   /   |   \
 *      isolate.c  holds.c  file_map.c          who has memory: isolates, several of them
 *                   \   |   /
 *             small.c      large.c             classes         |  ranges of pages
 *                |   \    /   |
 *            thread.c  ledger.c                magazines       |  budget, peaks
 *                     |
 *                 segment.c                    address -> segment
 *                     |
 *                 base/os.c                    pages
 *
 * Everything is safe to call from any thread.
 */
#ifndef QN_MEMORY_POOL_H
#define QN_MEMORY_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/segment.h"
#include "quern.h"

/* Larger requests are refused with QN_BAD_SIZE. */
#define QN_POOL_MAX_BYTES ((size_t)1 << 42)

typedef struct qn_block {
  void *address;
  size_t bytes; /* granted */
  void *segment;
  size_t segment_bytes;
  uint32_t generation;
} qn_block;

/* What is known of a rented block. */
typedef struct qn_rented {
  size_t bytes;                 /* granted */
  uint32_t isolate, generation; /* for which, and which rent of this memory */
  bool shared;                  /* its holds are listed */
} qn_rented;

/* QN_BAD_SIZE (0 bytes, or too many), QN_BAD_ALIGNMENT, QN_UNKNOWN_ISOLATE,
 * QN_OVER_BUDGET or QN_OUT_OF_MEMORY, these two after what is cached was trimmed;
 * the block is written only when the status is QN_OK. */
qn_status qn_pool_take(size_t bytes, size_t alignment, uint32_t isolate, qn_block *block_out);

/* QN_NULL_POINTER, QN_NOT_OWNED, QN_ALREADY_RETURNED or QN_STALE; any address is
 * safe. A `generation` of 0 is not compared. */
qn_status qn_pool_give(void *address, uint32_t generation, uint32_t isolate);

/* Gives back shared memory that nobody holds any more. */
void qn_pool_give_shared(void *address);

/* The same for scratch memory of other C code, which has no use for more than
 * the address. Null may be freed. */
qn_status qn_pool_alloc(size_t bytes, void **out);
void qn_pool_free(void *address);

/* Writes to every page of a rented block; statuses as for qn_pool_give. */
qn_status qn_pool_touch(void *address, uint32_t generation);

/* See qn_pool_prewarm, qn_memory_share and qn_memory_claim. */
qn_status qn_pool_warm(size_t bytes, uint32_t count);
qn_status qn_pool_share(void *address, uint32_t generation, uint32_t isolate, uint32_t receivers);
qn_status qn_pool_claim(void *address, uint32_t generation, uint32_t isolate, qn_block *block_out);

/* Returns every block and mapping that an isolate alone holds. */
void qn_pool_reclaim(uint32_t isolate);

/* QN_STAT_COUNT values, and QN_CLASS_STAT_COUNT for each class. Exact when no other
 * thread rents or returns meanwhile. */
void qn_pool_statistics(uint64_t *values_out);
void qn_pool_class_statistics(uint64_t *values_out);
void qn_pool_statistics_reset(void);

/* Trims what is cached where more is held than the new budget allows. */
void qn_pool_set_budget(size_t bytes);

/* Gives pages of blocks that were returned at `before` or earlier, in ticks, back to
 * the operating system; returns their bytes. */
uint64_t qn_pool_trim_older(uint32_t before);

/* The same for all cached blocks, those of this thread's magazines included. */
uint64_t qn_pool_release_pages(void);

/* What a snapshot says of a block. */
typedef struct qn_block_view {
  const void *address;
  size_t bytes, requested;
  qn_block_state state;
  uint32_t stamp; /* ticks when it came into that state */
  uint32_t isolate;
  const qn_segment *segment;
} qn_block_view;
typedef void qn_block_visitor(const qn_block_view *view, void *context);

/* Writes what qn_pool_snapshot says; returns how many blocks there are. */
uint64_t qn_pool_view(uint64_t *records, uint32_t capacity);

/* For tests: refuses requests for blocks with QN_OUT_OF_MEMORY, as base/refusal.h
 * says. */
void qn_pool_test_refuse(uint64_t after, uint64_t count);

/* For tests: walks the whole pool while no other thread is in it. Null when
 * every invariant holds, else a sentence about the first that does not. */
const char *qn_pool_check(void);

#endif
