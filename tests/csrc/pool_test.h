/*
 * pool_test.h: what the tests of the pool share, on top of test.h.
 */
#ifndef QN_TESTS_POOL_TEST_H
#define QN_TESTS_POOL_TEST_H

#include "test.h"

#include "memory/pool.h"

/* Where memory and time are not what they would be. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW_BUILD 1
#endif
#endif
#if !defined(SLOW_BUILD)
#define SLOW_BUILD TEST_UNDER_TSAN
#endif

#define MIB ((size_t)1 << 20)

static inline uint64_t stat(qn_pool_stat which) {
  uint64_t values[QN_STAT_COUNT];
  qn_pool_stats(values);
  return values[which];
}

static inline void check_invariants(void) {
  const char *wrong = qn_pool_check();
  if (wrong != NULL) printf("invariant: %s\n", wrong);
  CHECK(wrong == NULL);
}

static inline qn_block rent(size_t bytes) {
  uint64_t out[QN_POOL_BLOCK_VALUES] = {0};
  CHECK_EQ(qn_pool_rent(out, bytes, 64, 0), QN_OK);
  return (qn_block){(void *)(uintptr_t)out[0], (size_t)out[1], (void *)(uintptr_t)out[2],
                    (size_t)out[3], (uint32_t)out[4]};
}

static inline void *at(const qn_block *block, size_t offset) {
  return (char *)block->address + offset;
}

#endif
