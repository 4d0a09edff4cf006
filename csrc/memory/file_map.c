/*
 * memory/file_map.c: a list of mappings behind one lock. Programs map a handful
 * of files, so a walk is fast enough.
 */
#include "memory/file_map.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/os.h"
#include "base/thread_os.h"
#include "memory/holds.h"

typedef struct mapping {
  struct mapping *next;
  qn_mapping map;
  uint32_t isolate; /* that mapped it; the only holder unless it is shared */
  bool shared;      /* its holds are listed */
} mapping;

static qn_lock lock = QN_LOCK_INIT;
static mapping *mappings;
static uint64_t mapped_bytes;
static uint32_t generations;

qn_status qn_file_map_open(const char *path, uint32_t isolate, qn_mapping *mapping_out) {
  mapping *made = calloc(1, sizeof *made);
  if (made == NULL) return QN_OUT_OF_MEMORY;
  qn_status status = qn_os_file_map(path, &made->map.address, &made->map.bytes);
  if (status != QN_OK) {
    free(made);
    return status;
  }
  made->isolate = isolate;
  qn_lock_take(&lock);
  generations = generations == UINT32_MAX ? 1 : generations + 1;
  made->map.generation = generations;
  *mapping_out = made->map;
  made->next = mappings;
  mappings = made;
  mapped_bytes += made->map.bytes;
  qn_lock_give(&lock);
  return QN_OK;
}

/* Under the lock. */
static mapping *find(const void *address, uint32_t generation, qn_status *status_out) {
  mapping *at = mappings;
  while (at != NULL && at->map.address != address) at = at->next;
  bool stale = at != NULL && generation != 0 && at->map.generation != generation;
  *status_out = at == NULL ? QN_NOT_OWNED : stale ? QN_STALE : QN_OK;
  return stale ? NULL : at;
}

/* Under the lock: takes a mapping off the list. */
static void unlink_mapping(mapping *gone) {
  mapping **link = &mappings;
  while (*link != gone) link = &(*link)->next;
  *link = gone->next;
  mapped_bytes -= gone->map.bytes;
}

static void unmap(mapping *gone) {
  qn_os_file_unmap(gone->map.address, gone->map.bytes);
  free(gone);
}

/* Under the lock: whether the isolate's hold was the last one. */
static qn_status release(mapping *of, uint32_t isolate, bool *last_out) {
  if (of->shared) return qn_holds_release(of->map.address, isolate, last_out);
  *last_out = of->isolate == isolate;
  return *last_out ? QN_OK : QN_NOT_OWNED;
}

qn_status qn_file_map_close(void *address, uint32_t generation, uint32_t isolate) {
  qn_status status;
  bool last = false;
  qn_lock_take(&lock);
  mapping *found = find(address, generation, &status);
  if (found != NULL) status = release(found, isolate, &last);
  if (last) unlink_mapping(found);
  qn_lock_give(&lock);
  if (last) unmap(found);
  return status;
}

qn_status qn_file_map_share(const void *address, uint32_t generation, uint32_t isolate,
                            uint32_t receivers) {
  qn_status status;
  qn_lock_take(&lock);
  mapping *found = find(address, generation, &status);
  if (found != NULL && !found->shared && found->isolate != isolate) {
    status = QN_NOT_OWNED;
  } else if (found != NULL) {
    status = qn_holds_share(address, isolate, receivers, !found->shared);
    if (status == QN_OK) found->shared = true;
  }
  qn_lock_give(&lock);
  return status;
}

qn_status qn_file_map_claim(const void *address, uint32_t generation, uint32_t isolate,
                            qn_mapping *mapping_out) {
  qn_status status;
  qn_lock_take(&lock);
  mapping *found = find(address, generation, &status);
  if (found != NULL) status = found->shared ? qn_holds_claim(address, isolate) : QN_NOT_SHARED;
  if (status == QN_OK) *mapping_out = found->map;
  qn_lock_give(&lock);
  return status;
}

qn_status qn_file_map_discard(const void *address) {
  qn_status status;
  qn_lock_take(&lock);
  mapping *found = find(address, 0, &status);
  if (found != NULL) unlink_mapping(found);
  qn_lock_give(&lock);
  if (found != NULL) unmap(found);
  return status;
}

void qn_file_map_reclaim(uint32_t isolate) {
  for (;;) {
    qn_lock_take(&lock);
    mapping *at = mappings;
    while (at != NULL && (at->shared || at->isolate != isolate)) at = at->next;
    if (at != NULL) unlink_mapping(at);
    qn_lock_give(&lock);
    if (at == NULL) return;
    unmap(at);
  }
}

uint64_t qn_file_map_bytes(void) {
  qn_lock_take(&lock);
  uint64_t bytes = mapped_bytes;
  qn_lock_give(&lock);
  return bytes;
}
