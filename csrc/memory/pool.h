/*
 * memory/pool.h: the process's one pool of blocks of memory.
 *
 * Words used here and in the files below it:
 *
 *   block      what is rented: its address is a multiple of 64, its contents are
 *              unspecified, it holds at least what was asked for
 *   request    bytes asked for;  grant: bytes of the block that answers it
 *   live       rented and not returned;  cached: returned, pages still held
 *   class      one of 49 sizes up to 1 MiB that small requests are rounded up to
 *   segment    address space from the operating system, mapped for ever
 *   slice      64 KiB of a small segment;  span: slices cut into blocks of a class
 *   range      pages of a large segment: one block over 1 MiB, or free
 *   to carve   to cut a block from a span for the first time
 *   to retire  to take a span whose blocks are all free from its class
 *   to discard to give physical pages back while the address stays valid
 *
 * Layers:
 *
 *              pool.c        budget, statistics
 *              /    \
 *        small.c    large.c      classes        |  ranges of pages
 *              \    /
 *            segment.c       address -> segment
 *                |
 *           base/os.c        pages
 *
 * Everything is safe to call from any thread.
 */
#ifndef QN_MEMORY_POOL_H
#define QN_MEMORY_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "quern.h"

/* Larger requests are refused with QN_BAD_SIZE. */
#define QN_POOL_MAX_BYTES ((size_t)1 << 42)

typedef struct qn_block {
  void *address;
  size_t bytes; /* granted */
  void *segment;
  size_t segment_bytes;
} qn_block;

/* QN_BAD_SIZE (0 bytes, or too many), QN_OVER_BUDGET or QN_OUT_OF_MEMORY; the
 * block is written only when the status is QN_OK. */
qn_status qn_pool_take(size_t bytes, qn_block *block_out);

/* QN_NULL_POINTER, QN_NOT_OWNED or QN_ALREADY_RETURNED; any address is safe. */
qn_status qn_pool_give(void *address);

/* The same for scratch memory of other C code, which has no use for more than
 * the address. Null may be freed. */
qn_status qn_pool_alloc(size_t bytes, void **out);
void qn_pool_free(void *address);

/* QN_STAT_COUNT values. Exact when no other thread rents or returns meanwhile. */
void qn_pool_statistics(uint64_t *values_out);
void qn_pool_statistics_reset(void);
void qn_pool_set_budget(size_t bytes);

/* Bytes given back to the operating system. */
uint64_t qn_pool_release_pages(void);

/* For tests: walks the whole pool while no other thread is in it. Null when
 * every invariant holds, else a sentence about the first that does not. */
const char *qn_pool_check(void);

#endif
