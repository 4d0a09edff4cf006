/*
 * memory/holds.h: who holds memory that several isolates share.
 *
 * Memory that was never shared has one holder, and is not listed here. Sharing
 * lists it: with the isolate that shared it, and with a number of holds "in
 * flight", each of which one claim turns into a hold of the claimer. What is in
 * flight belongs to nobody, so it outlives the isolate that sent it. The memory is
 * given back when the last hold goes.
 */
#ifndef QN_MEMORY_HOLDS_H
#define QN_MEMORY_HOLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "quern.h"

/* Lists `receivers` holds in flight. Memory that is not listed is listed with one
 * hold of `isolate` if this is the `first` time; else `isolate` must hold it:
 * QN_NOT_OWNED. */
qn_status qn_holds_share(const void *address, uint32_t isolate, uint32_t receivers, bool first);

/* Takes all holds of the address away. */
void qn_holds_forget(const void *address);

/* Turns a hold in flight into one of `isolate`. QN_NOT_SHARED: there is none. */
qn_status qn_holds_claim(const void *address, uint32_t isolate);

/* Takes one hold of the isolate away. `last_out`: it was the last of all, and the
 * memory is no longer listed. QN_NOT_OWNED: the isolate has none. */
qn_status qn_holds_release(const void *address, uint32_t isolate, bool *last_out);

/* Takes all holds of an isolate away, and gives memory back that nobody holds. */
void qn_holds_reclaim(uint32_t isolate);

/* Pieces of memory that are listed. */
uint64_t qn_holds_count(void);

#endif
