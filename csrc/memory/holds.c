/*
 * memory/holds.c: a hash table of holds, by address, behind one lock.
 *
 *   heads[hash of address] -> hold -> hold -> ...     holds of other addresses too
 *
 * A hold is (address, isolate, count). Holds live in one array that grows and
 * never shrinks; links are indices into it.
 */
#include "memory/holds.h"

#include <string.h>

#include "base/os.h"
#include "base/thread_os.h"
#include "memory/file_map.h"
#include "memory/pool.h"

#define HEAD_BITS 10
#define IN_FLIGHT UINT32_MAX /* in place of an isolate */

typedef struct hold {
  const void *address;
  uint32_t isolate, count;
  uint32_t next; /* 0: none; else index + 1 */
} hold;

static qn_lock lock = QN_LOCK_INIT;
static uint32_t heads[1 << HEAD_BITS]; /* 0: none; else index + 1 */
static hold *holds;
static uint32_t capacity, used;
static uint32_t spare; /* list of free holds */
static uint64_t listed;

static uint32_t *head_of(const void *address) {
  uint64_t x = (uint64_t)(uintptr_t)address * 0x9e3779b97f4a7c15ull;
  return &heads[x >> (64 - HEAD_BITS)];
}

/* Room for one more, without moving what is there when it fails. */
static bool make_room(void) {
  if (spare != 0 || used < capacity) return true;
  size_t page = qn_os_page_size();
  size_t bytes = (size_t)capacity * sizeof *holds * 2;
  bytes = bytes < page ? page : (bytes + page - 1) & ~(page - 1);
  hold *grown = qn_os_reserve(bytes, page);
  if (grown == NULL) return false;
  if (holds != NULL) {
    size_t old_bytes = ((size_t)capacity * sizeof *holds + page - 1) & ~(page - 1);
    memcpy(grown, holds, used * sizeof *holds);
    qn_os_release(holds, old_bytes);
  }
  holds = grown;
  capacity = (uint32_t)(bytes / sizeof *holds);
  return true;
}

static hold *find(const void *address, uint32_t isolate) {
  for (uint32_t at = *head_of(address); at != 0; at = holds[at - 1].next) {
    hold *found = &holds[at - 1];
    if (found->address == address && found->isolate == isolate) return found;
  }
  return NULL;
}

static bool is_listed(const void *address) {
  uint32_t at = *head_of(address);
  while (at != 0 && holds[at - 1].address != address) at = holds[at - 1].next;
  return at != 0;
}

static bool add(const void *address, uint32_t isolate, uint32_t count) {
  hold *found = find(address, isolate);
  if (found != NULL) {
    if (count > UINT32_MAX - found->count) return false;
    found->count += count;
    return true;
  }
  if (!make_room()) return false;
  uint32_t taken = spare != 0 ? spare : ++used;
  hold *made = &holds[taken - 1];
  if (taken == spare) spare = made->next;
  uint32_t *head = head_of(address);
  *made = (hold){address, isolate, count, *head};
  *head = taken;
  return true;
}

/* Takes `count` from a hold, and the hold away when nothing is left. */
static void take(hold *from, uint32_t count) {
  from->count -= count;
  if (from->count != 0) return;
  uint32_t *link = head_of(from->address);
  while (&holds[*link - 1] != from) link = &holds[*link - 1].next;
  uint32_t freed = *link;
  *link = from->next;
  from->next = spare;
  from->address = NULL;
  spare = freed;
}

qn_status qn_holds_share(const void *address, uint32_t isolate, uint32_t receivers, bool first) {
  qn_status status = QN_OK;
  qn_lock_take(&lock);
  bool known = is_listed(address);
  if (known ? find(address, isolate) == NULL : !first) {
    status = QN_NOT_OWNED;
  } else if (!known && !add(address, isolate, 1)) {
    status = QN_OUT_OF_MEMORY;
  } else if (!add(address, IN_FLIGHT, receivers)) {
    if (!known) take(find(address, isolate), 1);
    status = QN_OUT_OF_MEMORY;
  } else if (!known) {
    listed++;
  }
  qn_lock_give(&lock);
  return status;
}

qn_status qn_holds_claim(const void *address, uint32_t isolate) {
  qn_status status = QN_NOT_SHARED;
  qn_lock_take(&lock);
  if (find(address, IN_FLIGHT) != NULL) {
    status = add(address, isolate, 1) ? QN_OK : QN_OUT_OF_MEMORY;
    /* Found again: making room may have moved it. */
    if (status == QN_OK) take(find(address, IN_FLIGHT), 1);
  }
  qn_lock_give(&lock);
  return status;
}

/* Under the lock: whether that was the last hold of the address. */
static bool take_last(hold *from, uint32_t count) {
  const void *address = from->address;
  take(from, count);
  if (is_listed(address)) return false;
  listed--;
  return true;
}

qn_status qn_holds_release(const void *address, uint32_t isolate, bool *last_out) {
  qn_lock_take(&lock);
  hold *found = find(address, isolate);
  if (found != NULL) *last_out = take_last(found, 1);
  qn_lock_give(&lock);
  return found != NULL ? QN_OK : QN_NOT_OWNED;
}

void qn_holds_forget(const void *address) {
  qn_lock_take(&lock);
  for (uint32_t at = *head_of(address); at != 0;) {
    hold *found = &holds[at - 1];
    at = found->next;
    if (found->address == address && take_last(found, found->count)) break;
  }
  qn_lock_give(&lock);
}

/* Under the lock: takes one hold of the isolate away; its address, or null. */
static const void *take_any(uint32_t isolate, uint32_t *from, bool *last_out) {
  for (; *from < used; ++*from) {
    hold *at = &holds[*from];
    if (at->address == NULL || at->isolate != isolate) continue;
    const void *address = at->address;
    *last_out = take_last(at, at->count);
    return address;
  }
  return NULL;
}

void qn_holds_reclaim(uint32_t isolate) {
  uint32_t from = 0;
  for (;;) {
    bool last = false;
    qn_lock_take(&lock);
    const void *address = take_any(isolate, &from, &last);
    qn_lock_give(&lock);
    if (address == NULL) return;
    if (!last) continue;
    if (qn_file_map_discard(address) != QN_OK) qn_pool_give_shared((void *)(uintptr_t)address);
  }
}

uint64_t qn_holds_count(void) {
  qn_lock_take(&lock);
  uint64_t count = listed;
  qn_lock_give(&lock);
  return count;
}
