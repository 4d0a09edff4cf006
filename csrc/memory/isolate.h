/*
 * memory/isolate.h: accounts of isolates, each a JavaScript heap on a thread.
 *
 * A block rented for an isolate carries its number. Closing the isolate, which the
 * end of its thread does by itself, takes back whatever still carries it: that is
 * how a worker that was terminated loses nothing.
 *
 * What an isolate does with the blocks on its own shelves stands in fields that it
 * writes and the pool's statistics read: qn_isolate_field in quern.h.
 */
#ifndef QN_MEMORY_ISOLATE_H
#define QN_MEMORY_ISOLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/size_class.h"
#include "memory/thread.h"
#include "quern.h"

/* Isolates that may be open at one time. */
#define QN_ISOLATE_MAX 4096u

qn_status qn_isolate_begin(uint32_t *number_out, double **fields_out);

/* Takes back what the isolate holds. QN_UNKNOWN_ISOLATE when it is not open. */
qn_status qn_isolate_end(uint32_t number);
void qn_isolate_close_all_of(const qn_thread *thread);

/* 0, the process itself, is always open. */
bool qn_isolate_is_open(uint32_t number);
uint32_t qn_isolate_count(void);

/* What the isolates' shelves did and hold. Index QN_CLASS_COUNT: large blocks. */
typedef struct qn_shelf_totals {
  uint64_t rents[QN_CLASS_COUNT + 1], returns[QN_CLASS_COUNT + 1];
  uint64_t blocks[QN_CLASS_COUNT + 1]; /* on shelves now */
  uint64_t large_bytes;                /* on shelves now */
  int64_t requested;                   /* to add to the bytes that the pool was asked for */
} qn_shelf_totals;

void qn_isolate_sum(qn_shelf_totals *totals_out);

/* Writes the pool's clock where isolates read it. */
void qn_isolate_tell_time(uint32_t ticks);

/* Asks every isolate to empty its shelves. */
void qn_isolate_ask_to_flush(void);

#endif
