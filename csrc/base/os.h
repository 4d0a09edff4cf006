/*
 * base/os.h: pages and mapped files from the operating system.
 *
 * Everything that the memory layer needs from a platform stands here, so that
 * the pool itself is plain C11. Nothing here keeps locks or lists.
 *
 * Memory is asked for in whole reservations that are readable and writable at
 * once. It costs address space (and, on Windows, commit charge), but physical
 * pages only when they are touched: a page that was never touched reads as zero.
 */
#ifndef QN_BASE_OS_H
#define QN_BASE_OS_H

#include <stddef.h>
#include <stdint.h>

#include "quern.h"

/* Bytes of a page: 4 KiB on x86, 16 KiB on Apple's arm64, up to 64 KiB elsewhere. */
size_t qn_os_page_size(void);

/* Reserves `bytes` (a multiple of the page) of zeroed memory at an address that
 * is a multiple of `alignment` (a power of two of at least a page). Null when the
 * operating system refuses; nothing is left behind then. */
void *qn_os_reserve(size_t bytes, size_t alignment);

/* Gives a whole reservation back, address space included. */
void qn_os_release(void *address, size_t bytes);

/* Gives the physical pages of a page-aligned part of a reservation back. The
 * part stays readable and writable; its contents are unspecified from then on.
 * Returns the bytes given back: `bytes`, or 0 when the system declined. */
size_t qn_os_discard(void *address, size_t bytes);

/* Writes to every page of a part, so that its first use meets no page fault; what it
 * held is lost. */
void qn_os_touch(void *address, size_t bytes);

/* Asks for huge pages in a part of a reservation. A hint: may do nothing. */
void qn_os_prefer_huge_pages(void *address, size_t bytes);

/* Maps the whole of a regular file, copy-on-write, readable and writable. `path`
 * is UTF-8. QN_FILE_NOT_FOUND, QN_FILE_DENIED, QN_FILE_EMPTY (0 bytes),
 * QN_OUT_OF_MEMORY, or QN_FILE_ERROR (a folder, a device, a failing disk). A file
 * that is made shorter while it is mapped faults where it is read past its end. */
qn_status qn_os_file_map(const char *path, void **address_out, size_t *bytes_out);
void qn_os_file_unmap(void *address, size_t bytes);

/* For tests: refuses requests to the operating system for memory or mappings, as
 * base/refusal.h says. */
void qn_os_test_refuse(uint64_t after, uint64_t count);

#endif
