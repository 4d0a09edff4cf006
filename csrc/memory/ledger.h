/*
 * memory/ledger.h: the sums over the whole pool that must be right at every
 * moment, whoever rents and returns: the bytes that hold pages, against the
 * budget, and the bytes handed out, for the peak.
 *
 * Neither is written when a block goes from a thread's cache to its user and
 * back; `held` changes when pages are taken or given away, `out` when blocks pass
 * between the shared lists and a cache or a user.
 */
#ifndef QN_MEMORY_LEDGER_H
#define QN_MEMORY_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

/* Takes bytes that are to hold pages. False, and nothing is taken, when the budget
 * does not allow it. Check and charge are one atomic step: threads together never
 * exceed the budget. */
bool qn_ledger_hold(uint64_t bytes);

/* The same where pages are there already, whatever the budget says. */
void qn_ledger_hold_unchecked(uint64_t bytes);

/* Pages went back to the operating system, or were never taken after all. */
void qn_ledger_drop(uint64_t bytes);

/* Blocks left the shared lists, or came back. */
void qn_ledger_out(uint64_t bytes);
void qn_ledger_in(uint64_t bytes);

typedef struct qn_ledger_values {
  uint64_t held, peak_held, out, peak_out, budget;
} qn_ledger_values;

qn_ledger_values qn_ledger_read(void);

/* Sets both peaks to what is now. */
void qn_ledger_reset_peaks(void);

/* 0: no budget. */
void qn_ledger_set_budget(uint64_t bytes);
uint64_t qn_ledger_budget(void);

#endif
