/*
 * memory/statistics.h: what statistics.c is told. What it tells stands in pool.h.
 */
#ifndef QN_MEMORY_STATISTICS_H
#define QN_MEMORY_STATISTICS_H

#include <stdint.h>

/* Bytes were given back to the operating system. */
void qn_statistics_trimmed(uint64_t bytes);

#endif
