/*
 * memory/file_map.h: files as memory, and the list of those that are mapped.
 *
 * The list exists so that unmapping is as safe as returning a block: only the
 * exact address and size of a mapping that is still there are accepted, and a
 * stale or invented address cannot unmap anything else.
 */
#ifndef QN_MEMORY_FILE_MAP_H
#define QN_MEMORY_FILE_MAP_H

#include <stddef.h>

#include "quern.h"

/* See qn_os_file_map for the statuses. */
qn_status qn_file_map_open(const char *path, void **address_out, size_t *bytes_out);

/* QN_NOT_OWNED: no mapping has this address and size. */
qn_status qn_file_map_close(void *address);

#endif
