/*
 * test_pool_owners.c: who holds memory: generations, isolates, shared blocks and
 * files, and what is left when an isolate or its thread ends.
 */
#include "pool_test.h" /* before thread_os.h, whose windows.h has macros for common words */

#include <stdatomic.h>

#include "base/os.h"
#include "base/thread_os.h"
#include "memory/isolate.h"

static const size_t sizes[] = {1, 4096, 65536, 300000, 3 * MIB};
enum { SIZES = sizeof sizes / sizeof *sizes };

typedef struct account {
  uint32_t number;
  double *fields;
} account;

static account open_account(void) {
  uint64_t out[2] = {0, 0};
  CHECK_EQ(qn_isolate_open(out), QN_OK);
  CHECK(out[0] != 0 && out[1] != 0);
  return (account){(uint32_t)out[0], (double *)(uintptr_t)out[1]};
}

static qn_block rent_for(uint32_t isolate, size_t bytes) {
  uint64_t out[QN_POOL_BLOCK_VALUES] = {0};
  CHECK_EQ(qn_pool_rent(out, bytes, 64, isolate), QN_OK);
  return (qn_block){(void *)(uintptr_t)out[0], (size_t)out[1], (void *)(uintptr_t)out[2],
                    (size_t)out[3], (uint32_t)out[4]};
}

/* ---- Generations --------------------------------------------------------- */

static void a_stale_handle_is_told_from_its_successor(void) {
  for (size_t i = 0; i < SIZES; i += 1) {
    qn_block first = rent(sizes[i]);
    CHECK_EQ(qn_pool_return(first.address, first.generation + 1, 0), QN_STALE);
    CHECK_EQ(qn_pool_return(first.address, first.generation, 0), QN_OK);
    CHECK_EQ(qn_pool_return(first.address, first.generation, 0), QN_ALREADY_RETURNED);
    qn_block second = rent(sizes[i]);
    CHECK(second.address == first.address && second.generation != first.generation);
    CHECK_EQ(qn_pool_return(first.address, first.generation, 0), QN_STALE);
    CHECK_EQ(qn_pool_return(second.address, second.generation, 0), QN_OK);
  }
  check_invariants();
}

static void generations_outlive_the_class_of_their_span(void) {
  qn_block first = rent(700000);
  CHECK_EQ(qn_pool_return(first.address, first.generation, 0), QN_OK);
  uint64_t released;
  CHECK_EQ(qn_pool_trim(&released), QN_OK);
  for (int i = 0; i < 200; i += 1) {
    qn_block other = rent(900000);
    if (other.address == first.address) CHECK(other.generation != first.generation);
    CHECK_EQ(qn_pool_return(other.address, other.generation, 0), QN_OK);
  }
}

static void alignments_are_kept(void) {
  uint64_t out[QN_POOL_BLOCK_VALUES];
  for (uint32_t alignment = 1; alignment <= 4096; alignment *= 2) {
    for (size_t bytes = 1; bytes < 3 * MIB; bytes = bytes * 3 / 2 + 1) {
      CHECK_EQ(qn_pool_rent(out, bytes, alignment, 0), QN_OK);
      CHECK_EQ(out[0] % (alignment < 64 ? 64 : alignment), 0);
      CHECK(out[1] >= bytes);
      CHECK_EQ(qn_pool_return((void *)(uintptr_t)out[0], 0, 0), QN_OK);
    }
  }
  const uint32_t bad[] = {0, 3, 65, 96, 8192, UINT32_MAX};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i += 1) {
    CHECK_EQ(qn_pool_rent(out, 100, bad[i], 0), QN_BAD_ALIGNMENT);
  }
}

/* ---- Batches and prewarming ------------------------------------------------ */

static void batches_are_all_or_nothing(void) {
  enum { COUNT = 64 };
  static uint64_t blocks[COUNT * QN_POOL_BLOCK_VALUES];
  const uint64_t live = stat(QN_STAT_LIVE_BYTES);
  for (size_t i = 0; i < SIZES; i += 1) {
    CHECK_EQ(qn_pool_rent_batch(blocks, sizes[i], COUNT, 0), QN_OK);
    CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live + COUNT * blocks[1]);
    CHECK_EQ(qn_pool_touch_batch(blocks, COUNT), QN_OK);
    CHECK_EQ(qn_pool_return_batch(blocks, COUNT, 0), QN_OK);
    CHECK_EQ(qn_pool_return_batch(blocks, COUNT, 0), QN_ALREADY_RETURNED);
    qn_pool_test_refuse(COUNT / 2, UINT64_MAX / 2);
    CHECK_EQ(qn_pool_rent_batch(blocks, sizes[i], COUNT, 0), QN_OUT_OF_MEMORY);
    qn_pool_test_refuse(0, 0);
    CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live);
  }
  CHECK_EQ(qn_pool_rent_batch(blocks, 0, 2, 0), QN_BAD_SIZE);
  CHECK_EQ(qn_pool_rent_batch(blocks, SIZE_MAX / 2, 4, 0), QN_BAD_SIZE);
  CHECK_EQ(qn_pool_rent_batch(NULL, 64, 1, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_rent_batch(NULL, 64, 0, 0), QN_OK);
  blocks[0] = (uintptr_t)blocks;
  CHECK_EQ(qn_pool_touch_batch(blocks, 1), QN_NOT_OWNED);
  check_invariants();
}

static void prewarmed_blocks_are_hits(void) {
  enum { COUNT = 40 };
  const size_t warm[] = {300, 5000, 100000, 5 * MIB};
  uint64_t released;
  for (size_t i = 0; i < 4; i += 1) {
    qn_block blocks[COUNT];
    const uint32_t count = warm[i] > MIB ? 4 : COUNT;
    qn_pool_trim(&released);
    CHECK_EQ(qn_pool_prewarm(warm[i], count), QN_OK);
    CHECK(stat(QN_STAT_CACHED_BYTES) >= count * warm[i]);
    const uint64_t held = stat(QN_STAT_HELD_BYTES);
    CHECK_EQ(qn_pool_prewarm(warm[i], count), QN_OK);
    CHECK_EQ(stat(QN_STAT_HELD_BYTES), held);
    qn_pool_stats_reset();
    for (uint32_t k = 0; k < count; k += 1) blocks[k] = rent(warm[i]);
    CHECK_EQ(stat(QN_STAT_MISSES), 0);
    CHECK_EQ(stat(QN_STAT_HELD_BYTES), held);
    for (uint32_t k = 0; k < count; k += 1) qn_pool_return(blocks[k].address, 0, 0);
  }
  CHECK_EQ(qn_pool_prewarm(100, 0), QN_OK);
  CHECK_EQ(qn_pool_prewarm(0, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_pool_prewarm(QN_POOL_MAX_BYTES, 4096), QN_BAD_SIZE);
  check_invariants();
}

/* ---- Isolates --------------------------------------------------------------- */

static void closing_an_isolate_takes_its_blocks_back(void) {
  const uint64_t outstanding = stat(QN_STAT_OUTSTANDING);
  const uint64_t isolates = stat(QN_STAT_ISOLATES);
  account a = open_account();
  account b = open_account();
  CHECK(a.number != b.number);
  qn_block of_b = rent_for(b.number, 1000);
  for (size_t i = 0; i < 100; i += 1) rent_for(a.number, sizes[i % SIZES]);
  CHECK_EQ(stat(QN_STAT_OUTSTANDING), outstanding + 101);
  CHECK_EQ(qn_isolate_close(a.number), QN_OK);
  CHECK_EQ(stat(QN_STAT_OUTSTANDING), outstanding + 1);
  CHECK_EQ(qn_isolate_close(a.number), QN_UNKNOWN_ISOLATE);
  uint64_t out[QN_POOL_BLOCK_VALUES];
  CHECK_EQ(qn_pool_rent(out, 10, 64, a.number), QN_UNKNOWN_ISOLATE);
  CHECK_EQ(qn_pool_return(of_b.address, of_b.generation, b.number), QN_OK);
  CHECK_EQ(qn_isolate_close(b.number), QN_OK);
  CHECK_EQ(qn_isolate_close(0), QN_UNKNOWN_ISOLATE);
  CHECK_EQ(qn_isolate_open(NULL), QN_NULL_POINTER);
  CHECK_EQ(stat(QN_STAT_ISOLATES), isolates);
  check_invariants();
}

/* What the isolate's own shelf holds counts as cached, and is not lost either. */
static void shelves_count_as_cached(void) {
  const uint64_t live = stat(QN_STAT_LIVE_BYTES);
  qn_pool_stats_reset();
  account a = open_account();
  qn_block block = rent_for(a.number, 1024);
  a.fields[QN_ISOLATE_RETURNS + 8] = 1; /* class 8: 1 KiB */
  CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live);
  CHECK_EQ(stat(QN_STAT_SHELVED_BYTES), block.bytes);
  CHECK_EQ(stat(QN_STAT_RETURNS), 1);
  a.fields[QN_ISOLATE_RENTS + 8] = 1;
  CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live + block.bytes);
  CHECK_EQ(stat(QN_STAT_RENTS), 2);
  a.fields[QN_ISOLATE_RETURNS + 8] = 2;
  CHECK_EQ(qn_isolate_close(a.number), QN_OK);
  CHECK_EQ(stat(QN_STAT_RENTS), 2);
  CHECK_EQ(stat(QN_STAT_RETURNS), 2);
  CHECK_EQ(stat(QN_STAT_SHELVED_BYTES), 0);
  CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live);
  check_invariants();
}

static _Atomic int ended;

static void hold_and_end(void *argument) {
  (void)argument;
  uint64_t out[QN_POOL_BLOCK_VALUES];
  bool good = qn_isolate_open(out) == QN_OK;
  const uint32_t isolate = (uint32_t)out[0];
  for (size_t i = 0; i < 50; i += 1) {
    good = good && qn_pool_rent(out, sizes[i % SIZES], 64, isolate) == QN_OK;
  }
  ended += good ? 1 : 1000;
}

static void the_end_of_a_thread_closes_its_isolates(void) {
  const uint64_t outstanding = stat(QN_STAT_OUTSTANDING);
  const uint64_t isolates = stat(QN_STAT_ISOLATES);
  enum { ROUNDS = 20, THREADS = 4 };
  for (int round = 0; round < ROUNDS; round += 1) {
    ended = 0;
    for (int i = 0; i < THREADS; i += 1) CHECK(qn_thread_start(hold_and_end, NULL));
    while (ended != THREADS) qn_thread_yield();
    /* A thread says that it ended a moment before it does. */
    while (stat(QN_STAT_ISOLATES) != isolates) qn_thread_yield();
  }
  while (stat(QN_STAT_OUTSTANDING) != outstanding) qn_thread_yield();
  check_invariants();
}

/* ---- Sharing ------------------------------------------------------------------ */

static void shared_blocks_stay_until_the_last_holder(void) {
  const uint64_t live = stat(QN_STAT_LIVE_BYTES);
  uint64_t out[QN_POOL_BLOCK_VALUES];
  for (size_t i = 0; i < SIZES; i += 1) {
    account a = open_account(), b = open_account(), c = open_account();
    qn_block block = rent_for(a.number, sizes[i]);
    CHECK_EQ(qn_memory_claim(out, block.address, block.generation, b.number), QN_NOT_SHARED);
    CHECK_EQ(qn_memory_share(block.address, block.generation, b.number, 1), QN_NOT_OWNED);
    CHECK_EQ(qn_memory_share(block.address, block.generation, a.number, 2), QN_OK);
    CHECK_EQ(stat(QN_STAT_SHARED), 1);
    /* The sender gives it up, and ends, before anyone has it. */
    CHECK_EQ(qn_pool_return(block.address, block.generation, a.number), QN_OK);
    CHECK_EQ(qn_pool_return(block.address, block.generation, a.number), QN_NOT_OWNED);
    CHECK_EQ(qn_isolate_close(a.number), QN_OK);
    CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live + block.bytes);
    CHECK_EQ(qn_memory_claim(out, block.address, block.generation + 1, b.number), QN_STALE);
    CHECK_EQ(qn_memory_claim(out, block.address, block.generation, b.number), QN_OK);
    CHECK(out[0] == (uintptr_t)block.address && out[1] == block.bytes);
    CHECK(out[2] == (uintptr_t)block.segment && out[4] == block.generation);
    CHECK_EQ(qn_memory_claim(out, block.address, block.generation, c.number), QN_OK);
    CHECK_EQ(qn_memory_claim(out, block.address, block.generation, c.number), QN_NOT_SHARED);
    CHECK_EQ(qn_isolate_close(c.number), QN_OK);
    CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live + block.bytes);
    CHECK_EQ(qn_pool_return(block.address, block.generation, b.number), QN_OK);
    CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live);
    CHECK_EQ(stat(QN_STAT_SHARED), 0);
    CHECK_EQ(qn_memory_claim(out, block.address, block.generation, b.number), QN_STALE);
    CHECK_EQ(qn_memory_share(block.address, block.generation, b.number, 1), QN_ALREADY_RETURNED);
    CHECK_EQ(qn_isolate_close(b.number), QN_OK);
  }
  CHECK_EQ(qn_memory_share(NULL, 1, 0, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_memory_share(out, 1, 0, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_memory_share(out, 1, 0, 1), QN_NOT_OWNED);
  check_invariants();
}

static void many_blocks_are_shared_at_once(void) {
  enum { COUNT = 3000 };
  static qn_block blocks[COUNT];
  uint64_t out[QN_POOL_BLOCK_VALUES];
  account a = open_account(), b = open_account();
  for (int i = 0; i < COUNT; i += 1) {
    blocks[i] = rent_for(a.number, 256);
    CHECK_EQ(qn_memory_share(blocks[i].address, blocks[i].generation, a.number, 3), QN_OK);
    CHECK_EQ(qn_memory_claim(out, blocks[i].address, blocks[i].generation, b.number), QN_OK);
  }
  CHECK_EQ(stat(QN_STAT_SHARED), COUNT);
  CHECK_EQ(qn_isolate_close(a.number), QN_OK);
  CHECK_EQ(qn_isolate_close(b.number), QN_OK);
  CHECK_EQ(stat(QN_STAT_SHARED), COUNT); /* in flight */
  account c = open_account();
  for (int i = 0; i < COUNT; i += 1) {
    for (int k = 0; k < 2; k += 1) {
      CHECK_EQ(qn_memory_claim(out, blocks[i].address, blocks[i].generation, c.number), QN_OK);
    }
  }
  CHECK_EQ(qn_isolate_close(c.number), QN_OK);
  CHECK_EQ(stat(QN_STAT_SHARED), 0);
  check_invariants();
}

/* ---- Snapshots, idle memory ----------------------------------------------------- */

static void a_snapshot_shows_every_block(void) {
  static uint64_t records[20000 * QN_BLOCK_FIELDS];
  uint64_t count = 0, live = 0, found = 0;
  account a = open_account();
  qn_block block = rent_for(a.number, 12345);
  CHECK_EQ(qn_pool_snapshot(&count, NULL, 0), QN_OK);
  CHECK(count > 0 && count <= 20000);
  CHECK_EQ(qn_pool_snapshot(&count, records, 20000), QN_OK);
  for (uint64_t i = 0; i < count && i < 20000; i += 1) {
    const uint64_t *record = records + i * QN_BLOCK_FIELDS;
    const bool used = record[QN_BLOCK_STATE] == QN_BLOCK_LIVE;
    if (used) live += record[QN_BLOCK_BYTES];
    CHECK(record[QN_BLOCK_ADDRESS] >= record[QN_BLOCK_SEGMENT]);
    CHECK(record[QN_BLOCK_ADDRESS] + record[QN_BLOCK_BYTES] <=
          record[QN_BLOCK_SEGMENT] + record[QN_BLOCK_SEGMENT_BYTES]);
    if (record[QN_BLOCK_ADDRESS] != (uintptr_t)block.address) continue;
    found += 1;
    CHECK(used && record[QN_BLOCK_ISOLATE] == a.number && record[QN_BLOCK_REQUESTED] == 12345);
    CHECK(record[QN_BLOCK_AGE_MS] < 60000);
  }
  CHECK_EQ(found, 1);
  CHECK_EQ(live, stat(QN_STAT_LIVE_BYTES));
  CHECK_EQ(qn_pool_snapshot(&count, NULL, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_snapshot(NULL, records, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_isolate_close(a.number), QN_OK);
}

static void idle_memory_goes_back_by_itself(void) {
  enum { COUNT = 30 };
  qn_block blocks[COUNT];
  qn_block kept = rent(200000);
  qn_pool_idle_set(30);
  for (int i = 0; i < COUNT; i += 1) blocks[i] = rent(sizes[i % SIZES]);
  for (int i = 0; i < COUNT; i += 1) qn_pool_return(blocks[i].address, 0, 0);
  /* What this thread's magazines hold stays; everything else goes. */
  const uint64_t bound = 33 * ((uint64_t)128 << 10);
  const uint64_t start = qn_clock_ns();
  while (stat(QN_STAT_CACHED_BYTES) > bound && qn_clock_ns() - start < 20000000000u) {
    qn_thread_yield();
  }
  CHECK(stat(QN_STAT_CACHED_BYTES) <= bound);
  CHECK(stat(QN_STAT_TRIMMED_BYTES) > 0);
  qn_pool_idle_set(10000);
  CHECK_EQ(qn_pool_return(kept.address, 0, 0), QN_OK);
  check_invariants();
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  a_stale_handle_is_told_from_its_successor();
  generations_outlive_the_class_of_their_span();
  alignments_are_kept();
  batches_are_all_or_nothing();
  prewarmed_blocks_are_hits();
  closing_an_isolate_takes_its_blocks_back();
  shelves_count_as_cached();
  the_end_of_a_thread_closes_its_isolates();
  shared_blocks_stay_until_the_last_holder();
  many_blocks_are_shared_at_once();
  a_snapshot_shows_every_block();
  idle_memory_goes_back_by_itself();
  return test_finish();
}
