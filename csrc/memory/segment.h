/*
 * memory/segment.h: the pieces of address space that the pool is made of, and
 * the way from an address back to its segment.
 *
 * A segment begins at a multiple of 4 MiB and stays mapped until the process
 * ends: callers hold views of whole segments. What is known about its blocks
 * lies outside it, in memory of its own, so a caller that writes past a block
 * cannot damage the pool, and a page of a free block can be given away.
 *
 * The registry is a table of two levels over the 4 MiB chunks of a 48-bit
 * address space. Entries are only ever added, so it is read without a lock, and
 * any address at all may be looked up.
 */
#ifndef QN_MEMORY_SEGMENT_H
#define QN_MEMORY_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QN_CHUNK_BYTES ((size_t)1 << 22)

typedef enum qn_segment_kind {
  QN_SEGMENT_SMALL, /* one chunk, divided into spans of small blocks: small.c */
  QN_SEGMENT_LARGE, /* several chunks, divided into ranges of pages: large.c */
} qn_segment_kind;

/* The head of qn_small_segment and qn_large_segment. Never changes once the
 * segment is in the registry. */
typedef struct qn_segment {
  char *base;
  size_t bytes;
  qn_segment_kind kind;
} qn_segment;

/* Fills in `head`, the first member of zeroed metadata of `metadata_bytes`, and
 * returns it with `bytes` (a multiple of the chunk) of memory behind it, or null
 * when the operating system refuses either. Not yet in the registry. */
void *qn_segment_create(qn_segment_kind kind, size_t bytes, size_t metadata_bytes);

/* Makes a complete segment known. False, and the segment is gone, when there is
 * no memory for the registry. */
bool qn_segment_register(qn_segment *segment, size_t metadata_bytes);

/* The segment that holds an address, or null. */
qn_segment *qn_segment_of(const void *address);

/* Segments in the registry, and their bytes. */
uint64_t qn_segment_count(void);
uint64_t qn_segment_reserved_bytes(void);

#endif
