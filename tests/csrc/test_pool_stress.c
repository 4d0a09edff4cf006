/*
 * test_pool_stress.c: the pool under random operations, against a model of it and
 * with its invariants walked, on one thread and on several.
 *
 * Contents are verified with a pattern that depends on the block, so that two
 * blocks which overlap, or a block whose metadata lies inside it, show.
 */
#include "pool_test.h" /* before thread_os.h, whose windows.h has macros for common words */

#include <stdatomic.h>

#include "base/thread_os.h"

/* ---- A model ------------------------------------------------------------- */

typedef struct held {
  qn_block block;
  size_t bytes;
  uint64_t seed;
} held;

static void stamp(const held *item) {
  memset(item->block.address, (int)(item->seed & 255), item->bytes < 256 ? item->bytes : 256);
  memcpy(at(&item->block, item->block.bytes - 8), &item->seed, 8);
}

static bool is_intact(const held *item) {
  const unsigned char *bytes = item->block.address;
  const size_t end = item->bytes < 248 ? item->bytes : 248;
  uint64_t tail;
  memcpy(&tail, bytes + item->block.bytes - 8, 8);
  return tail == item->seed && bytes[0] == (item->seed & 255) &&
         bytes[end / 2] == (item->seed & 255);
}

static size_t random_size(uint64_t *state) {
  const uint64_t r = test_random(state);
  const unsigned shift = (unsigned)(r % 21);
  const size_t small = (size_t)((r >> 8) & (((uint64_t)2 << shift) - 1)) + 1;
  return r >> 58 == 0 ? MIB + (size_t)((r >> 8) % (6 * MIB)) : small % MIB + 1;
}

static void random_operations_agree_with_a_model(void) {
  enum { SLOTS = 300 };
  static held slots[SLOTS];
  const int operations = SLOW_BUILD || test_state.emulated ? 100000 : 1000000;
  uint64_t state = 42;
  uint64_t live = 0, asked = 0, count = 0, rents = 0, damaged = 0, refused = 0;
  qn_pool_stats_reset();
  for (int i = 0; i < operations; i += 1) {
    held *slot = &slots[test_random(&state) % SLOTS];
    if (slot->bytes != 0) {
      damaged += !is_intact(slot);
      refused += qn_pool_return(slot->block.address, 0, 0) != QN_OK;
      live -= slot->block.bytes, asked -= slot->bytes, count -= 1;
      slot->bytes = 0;
    } else {
      slot->bytes = random_size(&state);
      slot->seed = test_random(&state);
      refused += qn_pool_take(slot->bytes, 64, 0, &slot->block) != QN_OK;
      stamp(slot);
      live += slot->block.bytes, asked += slot->bytes, count += 1, rents += 1;
    }
    if (i % 50000 == 0) qn_pool_trim((uint64_t[1]){0});
    if (i % 9973 != 0) continue;
    check_invariants();
    CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live);
    CHECK_EQ(stat(QN_STAT_REQUESTED_BYTES), asked);
    CHECK_EQ(stat(QN_STAT_OUTSTANDING), count);
    CHECK_EQ(stat(QN_STAT_RENTS), rents);
  }
  for (int i = 0; i < SLOTS; i += 1) {
    if (slots[i].bytes != 0) refused += qn_pool_return(slots[i].block.address, 0, 0) != QN_OK;
  }
  CHECK_EQ(damaged, 0);
  CHECK_EQ(refused, 0);
  CHECK_EQ(stat(QN_STAT_OUTSTANDING), 0);
  check_invariants();
}

/* ---- Threads ------------------------------------------------------------- */

static _Atomic int threads_left;
static _Atomic uint64_t thread_faults;

static void churn(void *argument) {
  enum { HELD = 24 };
  held mine[HELD];
  memset(mine, 0, sizeof mine);
  uint64_t state = (uint64_t)(uintptr_t)argument;
  const int rounds = SLOW_BUILD || test_state.emulated ? 3000 : 60000;
  for (int round = 0; round < rounds; round += 1) {
    held *item = &mine[test_random(&state) % HELD];
    if (item->bytes != 0) {
      const bool good = is_intact(item) && qn_pool_give(item->block.address, 0, 0) == QN_OK;
      thread_faults += !good;
      item->bytes = 0;
    } else {
      item->bytes = random_size(&state);
      item->seed = test_random(&state);
      thread_faults += qn_pool_take(item->bytes, 64, 0, &item->block) != QN_OK;
      stamp(item);
    }
    if (round % 997 == 0) (void)qn_pool_release_pages();
    if (round % 499 == 0) (void)stat(QN_STAT_CACHED_BYTES);
  }
  for (int i = 0; i < HELD; i += 1) {
    if (mine[i].bytes != 0) thread_faults += qn_pool_give(mine[i].block.address, 0, 0) != QN_OK;
  }
  threads_left -= 1;
}

static void threads_share_the_pool(void) {
  threads_left = 8;
  for (uintptr_t i = 0; i < 8; i += 1) CHECK(qn_thread_start(churn, (void *)(i + 1)));
  while (threads_left != 0) qn_thread_yield();
  CHECK_EQ(thread_faults, 0);
  CHECK_EQ(stat(QN_STAT_OUTSTANDING), 0);
  CHECK_EQ(stat(QN_STAT_LIVE_BYTES), 0);
  check_invariants();
}

static void squeeze(void *argument) {
  (void)argument;
  for (int i = 0; i < 2000; i += 1) {
    qn_block block;
    const qn_status status = qn_pool_take(4096, 64, 0, &block);
    if (status == QN_OK) thread_faults += qn_pool_give(block.address, 0, 0) != QN_OK;
    thread_faults += status != QN_OK && status != QN_OVER_BUDGET;
  }
  threads_left -= 1;
}

static void threads_together_stay_within_the_budget(void) {
  qn_pool_budget_set(3 * 4096);
  qn_pool_stats_reset();
  threads_left = 6;
  for (int i = 0; i < 6; i += 1) CHECK(qn_thread_start(squeeze, NULL));
  while (threads_left != 0) qn_thread_yield();
  CHECK(stat(QN_STAT_PEAK_HELD_BYTES) <= 3 * 4096);
  CHECK_EQ(thread_faults, 0);
  qn_pool_budget_set(0);
  check_invariants();
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  random_operations_agree_with_a_model();
  threads_share_the_pool();
  threads_together_stay_within_the_budget();
  return test_finish();
}
