/*
 * lease.h: what the tests of the exported memory functions share, on top of
 * test.h: a rented block as plain fields, contents that tell blocks apart, and
 * the statistics that come back to where they were when everything was returned.
 *
 * Include it before base/thread_os.h, whose windows.h has macros for common words.
 */
#ifndef QN_TESTS_LEASE_H
#define QN_TESTS_LEASE_H

#include "test.h"

#include "memory/pool.h"

#define MIB ((size_t)1 << 20)

/* ---- Leases -------------------------------------------------------------- */

typedef struct lease {
  char *address;
  size_t bytes; /* granted */
  char *segment;
  size_t segment_bytes;
  uint32_t generation;
  uint32_t isolate;
  size_t requested;
} lease;

static inline lease lease_of(const uint64_t *values, size_t requested, uint32_t isolate) {
  return (lease){(char *)(uintptr_t)values[0],
                 (size_t)values[1],
                 (char *)(uintptr_t)values[2],
                 (size_t)values[3],
                 (uint32_t)values[4],
                 isolate,
                 requested};
}

/* Written only when the status is QN_OK. */
static inline int32_t lease_rent(lease *made, size_t bytes, uint32_t alignment, uint32_t isolate) {
  uint64_t values[QN_POOL_BLOCK_VALUES];
  const int32_t status = qn_pool_rent(values, bytes, alignment, isolate);
  if (status == QN_OK) *made = lease_of(values, bytes, isolate);
  return status;
}

static inline int32_t lease_return(const lease *held) {
  return qn_pool_return(held->address, held->generation, held->isolate);
}

/* ---- Contents ------------------------------------------------------------ */

/* Eight bytes at the start of every 512, and at the end: every page of a block,
 * both its edges, and nothing that costs much. */
enum { LEASE_STEP = 512 };

static inline uint64_t lease_word(uint64_t seed, size_t offset) {
  return (seed ^ offset) * 0x9e3779b97f4a7c15u + 1;
}

static inline void lease_fill(const lease *held, uint64_t seed) {
  for (size_t offset = 0; offset + 8 <= held->bytes; offset += LEASE_STEP) {
    const uint64_t word = lease_word(seed, offset);
    memcpy(held->address + offset, &word, 8);
  }
  const uint64_t last = lease_word(seed, held->bytes - 8);
  memcpy(held->address + held->bytes - 8, &last, 8);
}

static inline bool lease_holds(const lease *held, uint64_t seed) {
  uint64_t word;
  for (size_t offset = 0; offset + 8 <= held->bytes; offset += LEASE_STEP) {
    memcpy(&word, held->address + offset, 8);
    if (word != lease_word(seed, offset)) return false;
  }
  memcpy(&word, held->address + held->bytes - 8, 8);
  return word == lease_word(seed, held->bytes - 8);
}

/* ---- Statistics ---------------------------------------------------------- */

static inline uint64_t statistic(qn_pool_stat which) {
  uint64_t values[QN_STAT_COUNT];
  CHECK_EQ(qn_pool_stats(values), QN_OK);
  return values[which];
}

/* What depends only on what is held, and is the same again when as much is. */
static const qn_pool_stat lease_balances[] = {
    QN_STAT_OUTSTANDING, QN_STAT_LIVE_BYTES,    QN_STAT_REQUESTED_BYTES, QN_STAT_SHELVED_BYTES,
    QN_STAT_SHARED,      QN_STAT_MAPPED_BYTES, QN_STAT_ISOLATES};

#define LEASE_BALANCES (sizeof lease_balances / sizeof *lease_balances)
#define BALANCE_ISOLATES (LEASE_BALANCES - 1)

typedef struct balance {
  uint64_t values[LEASE_BALANCES];
} balance;

static inline balance balance_now(void) {
  uint64_t values[QN_STAT_COUNT];
  balance now;
  CHECK_EQ(qn_pool_stats(values), QN_OK);
  for (size_t i = 0; i < LEASE_BALANCES; i += 1) now.values[i] = values[lease_balances[i]];
  return now;
}

static inline bool balance_is(balance a, balance b) {
  return memcmp(a.values, b.values, sizeof a.values) == 0;
}

static inline void check_pool(void) {
  const char *wrong = qn_pool_check();
  if (wrong != NULL) printf("invariant: %s\n", wrong);
  CHECK(wrong == NULL);
}

#endif
