/*
 * memory/thread.h: what the pool keeps for each thread that uses it: a cache of
 * small blocks, and counts of what it did.
 *
 * A magazine holds blocks of one class that this thread took from the class or
 * that were returned here, whoever rented them: most rents and returns touch the
 * magazine, the block's entry and the thread's own counts, and no lock. A full
 * magazine passes half of its blocks to the class, an empty one takes half from
 * it, so blocks that one thread rents and another returns travel back in groups.
 *
 * Only its own thread writes a record; statistics read the counts from elsewhere.
 * When the thread ends, its isolates are closed, its magazines emptied and its
 * counts added to those of threads that ended before.
 */
#ifndef QN_MEMORY_THREAD_H
#define QN_MEMORY_THREAD_H

#include <stdatomic.h>
#include <stdint.h>

#include "memory/size_class.h"

/* Classes up to 64 KiB have a magazine, of at most 16 blocks and 128 KiB; beyond,
 * the lock of a class is nothing beside the use of such a block. */
#define QN_MAGAZINE_CLASSES 33u
#define QN_MAGAZINE_BLOCKS 16u

typedef struct qn_magazine {
  uint32_t count;
  uint32_t refs[QN_MAGAZINE_BLOCKS];
} qn_magazine;

/* What was done with blocks of a class. Written by one thread at a time. */
typedef struct qn_class_count {
  _Atomic uint64_t rents, returns;
} qn_class_count;

typedef struct qn_thread {
  _Atomic uint64_t requested; /* bytes: rents minus returns, modulo 2^64 */
  qn_class_count counts[QN_CLASS_COUNT];
  qn_magazine magazines[QN_MAGAZINE_CLASSES];
  _Alignas(64) struct qn_thread *next; /* all threads that live, or all spare records */
} qn_thread;

/* The record of this thread, made when needed. Null where there is no memory. */
qn_thread *qn_thread_get(void);

/* Adds the counts of all threads, those that ended included: QN_CLASS_COUNT counts. */
void qn_thread_sum(uint64_t *rents, uint64_t *returns, uint64_t *requested_out);

/* Blocks that a magazine of the class may hold; 0 for classes without one. Halved
 * with each doubling of the size beyond 8 KiB, class 20, up to 64 KiB, class 32. */
static inline uint32_t qn_magazine_limit(uint32_t size_class) {
  if (size_class >= QN_MAGAZINE_CLASSES) return 0;
  return size_class <= 20 ? QN_MAGAZINE_BLOCKS : QN_MAGAZINE_BLOCKS >> (size_class - 17) / 4;
}

/* Adds to a count that only this thread writes. */
static inline void qn_count_add(_Atomic uint64_t *count, uint64_t value) {
  uint64_t before = atomic_load_explicit(count, memory_order_relaxed);
  atomic_store_explicit(count, before + value, memory_order_relaxed);
}

#endif
