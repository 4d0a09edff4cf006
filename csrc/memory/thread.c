/*
 * memory/thread.c: the records of threads: made, summed up, and taken back.
 */
#include "memory/thread.h"

#include <stddef.h>

#include "base/os.h"
#include "base/thread_os.h"
#include "memory/isolate.h"
#include "memory/small.h"

static qn_lock lock = QN_LOCK_INIT;
static qn_thread *living;
static qn_thread *spare; /* of threads that ended; their counts are 0 */
static qn_thread ended;  /* sums of the threads that ended */

static _Thread_local qn_thread *mine;

static size_t record_bytes(void) {
  size_t page = qn_os_page_size();
  return (sizeof(qn_thread) + page - 1) & ~(page - 1);
}

/* Moves counts, under the lock, so that no sum ever misses or doubles them. */
static void move_counts(qn_thread *from) {
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) {
    qn_count_add(&ended.counts[i].rents, atomic_exchange(&from->counts[i].rents, 0));
    qn_count_add(&ended.counts[i].returns, atomic_exchange(&from->counts[i].returns, 0));
  }
  qn_count_add(&ended.requested, atomic_exchange(&from->requested, 0));
}

static void thread_ended(void *record) {
  qn_thread *thread = record;
  qn_isolate_close_all_of(thread); /* returns blocks, by way of this record */
  qn_small_flush(thread);
  mine = NULL;
  qn_lock_take(&lock);
  move_counts(thread);
  qn_thread **link = &living;
  while (*link != thread) link = &(*link)->next;
  *link = thread->next;
  thread->next = spare;
  spare = thread;
  qn_lock_give(&lock);
}

static qn_thread *take_record(void) {
  qn_lock_take(&lock);
  qn_thread *thread = spare;
  if (thread != NULL) spare = thread->next;
  qn_lock_give(&lock);
  return thread != NULL ? thread : qn_os_reserve(record_bytes(), qn_os_page_size());
}

static qn_thread *make(void) {
  qn_thread *thread = take_record();
  if (thread == NULL) return NULL;
  bool told = qn_thread_on_exit(thread_ended, thread);
  qn_lock_take(&lock);
  qn_thread **list = told ? &living : &spare;
  thread->next = *list;
  *list = thread;
  qn_lock_give(&lock);
  if (!told) return NULL;
  /* Its end must find this code still loaded. */
  qn_library_pin();
  return mine = thread;
}

qn_thread *qn_thread_get(void) { return mine != NULL ? mine : make(); }

static void add(const qn_thread *thread, uint64_t *rents, uint64_t *returns, uint64_t *requested) {
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i++) {
    /* Returns first: a block that goes out and back meanwhile is not counted as
     * returned but never rented. */
    returns[i] += atomic_load_explicit(&thread->counts[i].returns, memory_order_acquire);
    rents[i] += atomic_load_explicit(&thread->counts[i].rents, memory_order_relaxed);
  }
  *requested += atomic_load_explicit(&thread->requested, memory_order_relaxed);
}

void qn_thread_sum(uint64_t *rents, uint64_t *returns, uint64_t *requested_out) {
  qn_lock_take(&lock);
  add(&ended, rents, returns, requested_out);
  for (qn_thread *at = living; at != NULL; at = at->next) {
    add(at, rents, returns, requested_out);
  }
  qn_lock_give(&lock);
}
