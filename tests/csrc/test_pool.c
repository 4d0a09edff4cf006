/*
 * test_pool.c: what the pool grants and refuses, its statistics, budget, reuse
 * and trimming, and a system that gives no memory.
 */
#include "pool_test.h"

#include "base/os.h"
#include "memory/size_class.h"

/* ---- Grants -------------------------------------------------------------- */

static void check_grant(size_t bytes) {
  const size_t page = qn_os_page_size();
  qn_block block = rent(bytes);
  CHECK(block.bytes >= bytes);
  if (bytes > MIB) {
    CHECK(block.bytes < bytes + page);
    CHECK_EQ((uintptr_t)block.address % page, 0);
  } else {
    CHECK(block.bytes <= (bytes < 256 ? 256 : bytes + bytes / 4));
    CHECK_EQ((uintptr_t)block.address % 64, 0);
  }
  const char *start = block.address;
  const char *segment = block.segment;
  CHECK(start >= segment && start + block.bytes <= segment + block.segment_bytes);
  memset(block.address, 0x5a, block.bytes);
  CHECK_EQ(qn_pool_return(block.address, 0, 0), QN_OK);
}

static void every_grant_is_aligned_and_wastes_at_most_a_quarter(void) {
  for (size_t bytes = 1; bytes <= MIB + 4096; bytes += bytes < 5000 ? 1 : 997) check_grant(bytes);
  for (uint32_t i = 0; i < QN_CLASS_COUNT; i += 1) {
    const size_t edge = qn_class_bytes(i);
    for (size_t bytes = edge - 1; bytes <= edge + 1; bytes += 1) check_grant(bytes);
    CHECK_EQ(qn_class_of(edge), i);
    CHECK_EQ(edge % 64, 0);
    CHECK(qn_class_span_slices(i) <= 16);
  }
  for (size_t bytes = MIB + 1; bytes < 40 * MIB; bytes += 3 * MIB + 12345) check_grant(bytes);
  check_invariants();
}

static void the_block_returned_last_is_rented_first(void) {
  const size_t sizes[] = {64, 300, 5000, 70000, MIB};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i += 1) {
    qn_block a = rent(sizes[i]);
    qn_block b = rent(sizes[i]);
    qn_pool_return(a.address, 0, 0);
    qn_pool_return(b.address, 0, 0);
    qn_block first = rent(sizes[i]);
    qn_block second = rent(sizes[i]);
    CHECK(first.address == b.address && second.address == a.address);
    qn_pool_return(first.address, 0, 0);
    qn_pool_return(second.address, 0, 0);
  }
}

/* ---- Refusals ------------------------------------------------------------ */

static void sizes_out_of_range_are_refused(void) {
  uint64_t out[QN_POOL_BLOCK_VALUES] = {7, 7, 7, 7, 7};
  void *address = NULL;
  const size_t bad[] = {0, SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2 + 1, QN_POOL_MAX_BYTES + 1};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i += 1) {
    CHECK_EQ(qn_pool_rent(out, bad[i], 64, 0), QN_BAD_SIZE);
    CHECK_EQ(qn_pool_alloc(bad[i], &address), QN_BAD_SIZE);
  }
  CHECK_EQ(out[0], 7);
  CHECK_EQ(qn_pool_rent(NULL, 64, 64, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_stats(NULL), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_trim(NULL), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_return(NULL, 0, 0), QN_NULL_POINTER);
}

static void check_wrong_addresses(size_t bytes) {
  qn_block block = rent(bytes);
  const size_t inside[] = {1, 8, 32, 63, 64, 128, 192, 200};
  for (size_t i = 0; i < sizeof inside / sizeof *inside; i += 1) {
    CHECK_EQ(qn_pool_return(at(&block, inside[i]), 0, 0), QN_NOT_OWNED);
  }
  CHECK_EQ(qn_pool_return(at(&block, block.bytes / 2), 0, 0), QN_NOT_OWNED);
  CHECK_EQ(qn_pool_return(at(&block, block.bytes - 1), 0, 0), QN_NOT_OWNED);
  CHECK_EQ(qn_pool_return(block.address, 0, 0), QN_OK);
  CHECK_EQ(qn_pool_return(block.address, 0, 0), QN_ALREADY_RETURNED);
  qn_pool_trim((uint64_t[1]){0});
  CHECK_EQ(qn_pool_return(block.address, 0, 0), QN_ALREADY_RETURNED);
}

static void wrong_addresses_are_recognised(void) {
  int local = 0;
  void *foreign = malloc(100000);
  const uint64_t outstanding = stat(QN_STAT_OUTSTANDING);
  CHECK_EQ(qn_pool_return(&local, 0, 0), QN_NOT_OWNED);
  CHECK_EQ(qn_pool_return(foreign, 0, 0), QN_NOT_OWNED);
  for (int bit = 0; bit < 64; bit += 1) {
    CHECK_EQ(qn_pool_return((void *)(uintptr_t)((uint64_t)1 << bit), 0, 0), QN_NOT_OWNED);
    CHECK_EQ(qn_pool_return((void *)(uintptr_t)(UINT64_MAX << bit), 0, 0), QN_NOT_OWNED);
  }
  const size_t sizes[] = {1, 320, 448, 1000, 40000, 300000, MIB, MIB + 1, 5 * MIB, 50 * MIB};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i += 1) check_wrong_addresses(sizes[i]);
  CHECK_EQ(stat(QN_STAT_OUTSTANDING), outstanding);
  free(foreign);
  check_invariants();
}

/* ---- Statistics, budget -------------------------------------------------- */

static void statistics_are_exact(void) {
  qn_pool_stats_reset();
  const uint64_t live = stat(QN_STAT_LIVE_BYTES);
  const uint64_t asked = stat(QN_STAT_REQUESTED_BYTES);
  CHECK_EQ(stat(QN_STAT_PEAK_BYTES), live);
  uint64_t granted = 0;
  qn_block blocks[20];
  for (size_t i = 0; i < 20; i += 1) {
    blocks[i] = rent(1000 + i * 150000);
    granted += blocks[i].bytes;
  }
  CHECK_EQ(stat(QN_STAT_RENTS), 20);
  CHECK_EQ(stat(QN_STAT_HITS) + stat(QN_STAT_MISSES), 20);
  CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live + granted);
  CHECK_EQ(stat(QN_STAT_REQUESTED_BYTES), asked + 20 * 1000 + 190 * 150000);
  const uint64_t cached = stat(QN_STAT_CACHED_BYTES);
  for (size_t i = 0; i < 20; i += 1) qn_pool_return(blocks[i].address, 0, 0);
  CHECK_EQ(stat(QN_STAT_RETURNS), 20);
  CHECK_EQ(stat(QN_STAT_LIVE_BYTES), live);
  CHECK_EQ(stat(QN_STAT_REQUESTED_BYTES), asked);
  CHECK_EQ(stat(QN_STAT_CACHED_BYTES), cached + granted);
  CHECK_EQ(stat(QN_STAT_PEAK_BYTES), live + granted);
  qn_pool_stats_reset();
  const uint64_t reserved = stat(QN_STAT_RESERVED_BYTES);
  for (size_t i = 0; i < 20; i += 1) blocks[i] = rent(1000 + i * 150000);
  CHECK_EQ(stat(QN_STAT_HITS), 20);
  CHECK_EQ(stat(QN_STAT_MISSES), 0);
  CHECK_EQ(stat(QN_STAT_RESERVED_BYTES), reserved);
  for (size_t i = 0; i < 20; i += 1) qn_pool_return(blocks[i].address, 0, 0);
  qn_pool_stats_reset();
  CHECK_EQ(stat(QN_STAT_RENTS) + stat(QN_STAT_RETURNS) + stat(QN_STAT_HITS), 0);
  CHECK_EQ(stat(QN_STAT_PEAK_BYTES), live);
}

static void the_budget_limits_what_is_rented(void) {
  uint64_t out[QN_POOL_BLOCK_VALUES];
  CHECK_EQ(stat(QN_STAT_LIVE_BYTES), 0);
  qn_pool_budget_set(3 * MIB);
  CHECK_EQ(stat(QN_STAT_BUDGET_BYTES), 3 * MIB);
  qn_block a = rent(MIB);
  qn_block b = rent(2 * MIB);
  const uint64_t rents = stat(QN_STAT_RENTS);
  CHECK_EQ(qn_pool_rent(out, 1, 64, 0), QN_OVER_BUDGET);
  CHECK_EQ(qn_pool_rent(out, 2 * MIB, 64, 0), QN_OVER_BUDGET);
  CHECK_EQ(qn_pool_rent(out, QN_POOL_MAX_BYTES, 64, 0), QN_OVER_BUDGET);
  CHECK_EQ(stat(QN_STAT_RENTS), rents);
  CHECK_EQ(stat(QN_STAT_PEAK_BYTES), 3 * MIB);
  qn_pool_budget_set(1);
  CHECK_EQ(qn_pool_return(a.address, 0, 0), QN_OK);
  CHECK_EQ(qn_pool_rent(out, 1, 64, 0), QN_OVER_BUDGET);
  qn_pool_budget_set(0);
  a = rent(4 * MIB);
  CHECK_EQ(qn_pool_return(a.address, 0, 0), QN_OK);
  CHECK_EQ(qn_pool_return(b.address, 0, 0), QN_OK);
  check_invariants();
}

/* ---- Reuse --------------------------------------------------------------- */

static void large_blocks_are_split_and_joined(void) {
  qn_block whole = rent(24 * MIB);
  const uint64_t reserved = stat(QN_STAT_RESERVED_BYTES);
  qn_pool_return(whole.address, 0, 0);
  for (int round = 0; round < 3; round += 1) {
    qn_block part[12];
    for (int i = 0; i < 12; i += 1) part[i] = rent(2 * MIB);
    for (int i = 0; i < 12; i += 1) qn_pool_return(part[(i * 5 + round) % 12].address, 0, 0);
    check_invariants();
    qn_block again = rent(24 * MIB);
    CHECK_EQ(qn_pool_return(again.address, 0, 0), QN_OK);
  }
  CHECK_EQ(stat(QN_STAT_RESERVED_BYTES), reserved);
}

static void the_smallest_range_that_fits_is_taken(void) {
  qn_block hole = rent(3 * MIB);
  qn_block wall = rent(2 * MIB);
  qn_block snug = rent(2 * MIB);
  qn_block end = rent(2 * MIB);
  qn_pool_return(hole.address, 0, 0);
  qn_pool_return(snug.address, 0, 0);
  qn_block found = rent(2 * MIB);
  CHECK(found.address == snug.address);
  qn_pool_return(found.address, 0, 0);
  qn_pool_return(wall.address, 0, 0);
  qn_pool_return(end.address, 0, 0);
  check_invariants();
}

/* What one class returned serves another before a segment is asked for. */
static void empty_spans_serve_other_classes(void) {
  enum { COUNT = 64 };
  qn_block blocks[COUNT];
  for (int i = 0; i < COUNT; i += 1) blocks[i] = rent(512 * 1024);
  for (int i = 0; i < COUNT; i += 1) qn_pool_return(blocks[i].address, 0, 0);
  const uint64_t reserved = stat(QN_STAT_RESERVED_BYTES);
  const uint64_t cached = stat(QN_STAT_CACHED_BYTES);
  for (int i = 0; i < COUNT; i += 1) blocks[i] = rent(200 * 1024);
  CHECK_EQ(stat(QN_STAT_RESERVED_BYTES), reserved);
  /* The other class's pages that were not needed are still cached, and trimmed. */
  const uint64_t left = stat(QN_STAT_CACHED_BYTES);
  uint64_t released = 0;
  CHECK(left + COUNT / 2 * 7 * QN_SLICE_BYTES >= cached);
  qn_pool_trim(&released);
  CHECK_EQ(released, left);
  check_invariants();
  for (int i = 0; i < COUNT; i += 1) qn_pool_return(blocks[i].address, 0, 0);
  check_invariants();
}

/* ---- Trimming ------------------------------------------------------------ */

/* Resident bytes of this process, or 0 where /proc does not tell. */
static uint64_t resident(void) {
  unsigned long size = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL) return 0;
  const int fields = fscanf(file, "%lu %lu", &size, &pages);
  fclose(file);
  return fields == 2 ? (uint64_t)pages * qn_os_page_size() : 0;
}

static void trimming_gives_pages_back(size_t bytes, size_t count) {
  void **blocks = malloc(count * sizeof *blocks);
  for (size_t i = 0; i < count; i += 1) {
    qn_block block = rent(bytes);
    blocks[i] = block.address;
    memset(block.address, 1, block.bytes);
  }
  const uint64_t before = resident();
  for (size_t i = 0; i < count; i += 1) qn_pool_return(blocks[i], 0, 0);
  uint64_t released = 0;
  const uint64_t cached = stat(QN_STAT_CACHED_BYTES);
  CHECK(cached >= bytes * count);
  CHECK_EQ(qn_pool_trim(&released), QN_OK);
  CHECK_EQ(released, cached);
  CHECK_EQ(stat(QN_STAT_CACHED_BYTES), 0);
  const bool measurable = before != 0 && !SLOW_BUILD && !test_state.emulated;
  if (measurable) CHECK(resident() + bytes * count * 9 / 10 < before);
  check_invariants();
  for (size_t i = 0; i < count; i += 1) {
    qn_block block = rent(bytes);
    blocks[i] = block.address;
    memset(block.address, 2, block.bytes);
  }
  for (size_t i = 0; i < count; i += 1) qn_pool_return(blocks[i], 0, 0);
  free(blocks);
}

/* Neighbours in use keep a span; the pages inside its free blocks still go. */
static void trimming_reaches_blocks_between_others(void) {
  enum { COUNT = 32 };
  qn_block blocks[COUNT];
  uint64_t released = 0;
  qn_pool_trim(&released);
  for (int i = 0; i < COUNT; i += 1) {
    blocks[i] = rent(60000);
    memset(blocks[i].address, i, blocks[i].bytes);
  }
  for (int i = 0; i < COUNT; i += 2) qn_pool_return(blocks[i].address, 0, 0);
  qn_pool_trim(&released);
  const size_t page = qn_os_page_size();
  CHECK(released > 0);
  if (page == 4096) CHECK(released >= (uint64_t)COUNT / 2 * (blocks[0].bytes - 2 * page));
  check_invariants();
  for (int i = 1; i < COUNT; i += 2) {
    const unsigned char *bytes = blocks[i].address;
    CHECK(bytes[0] == i && bytes[blocks[i].bytes - 1] == i);
  }
  for (int i = 0; i < COUNT; i += 2) blocks[i] = rent(60000);
  for (int i = 0; i < COUNT; i += 1) qn_pool_return(blocks[i].address, 0, 0);
  check_invariants();
}

/* ---- A failing operating system ------------------------------------------ */

/* Each request to the system in turn fails, once or for ever, while enough is
 * rented to need new segments of both kinds. */
static void refusals_leave_the_pool_whole(uint64_t after, bool for_ever) {
  enum { COUNT = 160 };
  static void *blocks[COUNT];
  int got = 0, refused = 0;
  qn_pool_trim((uint64_t[1]){0});
  qn_os_test_refuse(after, for_ever ? UINT64_MAX - after : 1);
  for (int i = 0; i < COUNT; i += 1) {
    const size_t bytes = i % 2 == 0 ? MIB : (size_t)(i % 9) * MIB + 1;
    void *address = NULL;
    const qn_status status = qn_pool_alloc(bytes, &address);
    if (status == QN_OK) {
      memset(address, i, 64);
      blocks[got++] = address;
    } else {
      CHECK_EQ(status, QN_OUT_OF_MEMORY);
      refused += 1;
    }
  }
  qn_os_test_refuse(0, 0);
  if (for_ever && after == 0) CHECK(got > 0 && refused > 0);
  CHECK_EQ(stat(QN_STAT_OUTSTANDING), got);
  check_invariants();
  for (int i = 0; i < got; i += 1) qn_pool_free(blocks[i]);
  CHECK_EQ(stat(QN_STAT_LIVE_BYTES), 0);
  check_invariants();
}

/* Run first, on an empty pool: not even the registry is there. */
static void a_pool_without_memory_says_so(void) {
  uint64_t out[QN_POOL_BLOCK_VALUES];
  for (uint64_t after = 0; after < 3; after += 1) {
    qn_os_test_refuse(after, UINT64_MAX - after);
    CHECK_EQ(qn_pool_rent(out, 64, 64, 0), QN_OUT_OF_MEMORY);
    qn_os_test_refuse(after, UINT64_MAX - after);
    CHECK_EQ(qn_pool_rent(out, 2 * MIB, 64, 0), QN_OUT_OF_MEMORY);
    CHECK_EQ(stat(QN_STAT_SEGMENTS) + stat(QN_STAT_LIVE_BYTES) + stat(QN_STAT_RENTS), 0);
    check_invariants();
  }
  qn_os_test_refuse(0, 0);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  a_pool_without_memory_says_so();
  every_grant_is_aligned_and_wastes_at_most_a_quarter();
  the_block_returned_last_is_rented_first();
  sizes_out_of_range_are_refused();
  wrong_addresses_are_recognised();
  statistics_are_exact();
  the_budget_limits_what_is_rented();
  large_blocks_are_split_and_joined();
  the_smallest_range_that_fits_is_taken();
  empty_spans_serve_other_classes();
  trimming_gives_pages_back(300, 100000);
  trimming_gives_pages_back(50000, 600);
  trimming_gives_pages_back(3 * MIB, 12);
  trimming_reaches_blocks_between_others();
  for (uint64_t after = 0; after < 8; after += 1) {
    refusals_leave_the_pool_whole(after, false);
    refusals_leave_the_pool_whole(after, true);
  }
  return test_finish();
}
