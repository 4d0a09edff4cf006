/*
 * memory/file_map.c: a list of mappings behind one lock. Programs map a handful
 * of files, so a walk is fast enough.
 */
#include "memory/file_map.h"

#include <stdlib.h>

#include "base/os.h"
#include "base/thread_os.h"

typedef struct mapping {
  struct mapping *next;
  void *address;
  size_t bytes;
} mapping;

static qn_lock lock = QN_LOCK_INIT;
static mapping *mappings;

qn_status qn_file_map_open(const char *path, void **address_out, size_t *bytes_out) {
  mapping *made = malloc(sizeof *made);
  if (made == NULL) return QN_OUT_OF_MEMORY;
  qn_status status = qn_os_file_map(path, &made->address, &made->bytes);
  if (status != QN_OK) {
    free(made);
    return status;
  }
  *address_out = made->address;
  *bytes_out = made->bytes;
  qn_lock_take(&lock);
  made->next = mappings;
  mappings = made;
  qn_lock_give(&lock);
  return QN_OK;
}

qn_status qn_file_map_close(void *address) {
  mapping *found = NULL;
  qn_lock_take(&lock);
  for (mapping **link = &mappings; *link != NULL && found == NULL; ) {
    if ((*link)->address == address) {
      found = *link;
      *link = found->next;
    } else {
      link = &(*link)->next;
    }
  }
  qn_lock_give(&lock);
  if (found == NULL) return QN_NOT_OWNED;
  qn_os_file_unmap(address, found->bytes);
  free(found);
  return QN_OK;
}
