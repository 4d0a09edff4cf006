/*
 * memory/file_map.h: files as memory, and the list of those that are mapped.
 *
 * The list exists so that unmapping is as safe as returning a block: only the
 * address and generation of a mapping that is still there are accepted, and a
 * stale or invented address cannot unmap anything else. A mapping belongs to an
 * isolate, and may be shared with others: holds.h.
 */
#ifndef QN_MEMORY_FILE_MAP_H
#define QN_MEMORY_FILE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "quern.h"

typedef struct qn_mapping {
  void *address;
  size_t bytes;
  uint32_t generation; /* never 0 */
} qn_mapping;

/* See qn_os_file_map for the statuses. */
qn_status qn_file_map_open(const char *path, uint32_t isolate, qn_mapping *mapping_out);

/* Gives up the isolate's hold; the last one unmaps. `generation` 0 is not compared.
 * QN_NOT_OWNED: nothing is mapped there, or the isolate does not hold it. QN_STALE:
 * another file is mapped there now. */
qn_status qn_file_map_close(void *address, uint32_t generation, uint32_t isolate);

/* As qn_memory_share and qn_memory_claim. QN_NOT_OWNED: nothing is mapped there. */
qn_status qn_file_map_share(const void *address, uint32_t generation, uint32_t isolate,
                            uint32_t receivers);
qn_status qn_file_map_claim(const void *address, uint32_t generation, uint32_t isolate,
                            qn_mapping *mapping_out);

/* Unmaps whatever is mapped at an address that nobody holds any more. */
qn_status qn_file_map_discard(const void *address);

/* Unmaps what an isolate alone holds. */
void qn_file_map_reclaim(uint32_t isolate);

uint64_t qn_file_map_bytes(void);

#endif
