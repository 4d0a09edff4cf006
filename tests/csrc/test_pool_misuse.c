/*
 * test_pool_misuse.c: what the exported memory functions say to sizes, alignments,
 * addresses, generations and isolates that are wrong: one exact status each, and
 * nothing is held, written or lost by it.
 */
#include "lease.h"

#define ROWS(table) (sizeof(table) / sizeof *(table))

/* Two isolates, and a block of the first: most misuse is of these. */
static uint32_t mine, other;

static uint32_t open_isolate(void) {
  uint64_t values[2] = {0, 0};
  CHECK_EQ(qn_isolate_open(values), QN_OK);
  CHECK(values[0] != 0 && values[1] != 0);
  return (uint32_t)values[0];
}

static lease rented(size_t bytes, uint32_t isolate) {
  lease made = {0};
  CHECK_EQ(lease_rent(&made, bytes, 64, isolate), QN_OK);
  return made;
}

/* A check that fails says of which row it is. */
static void check_row(int32_t actual, int32_t expected, const char *function, const char *row) {
  CHECK_EQ(actual, expected);
  if (actual != expected) printf("  %s: %s\n", function, row);
}

/* ---- Sizes and alignments ------------------------------------------------ */

static const struct {
  const char *title;
  uint64_t bytes;
  uint32_t alignment;
  int32_t expected;
} rents[] = {
    {"nothing", 0, 64, QN_BAD_SIZE},
    {"everything", UINT64_MAX, 64, QN_BAD_SIZE},
    {"everything but a line", UINT64_MAX - 63, 64, QN_BAD_SIZE},
    {"half of everything", UINT64_MAX / 2 + 1, 64, QN_BAD_SIZE},
    {"a negative number", (uint64_t)-1000, 64, QN_BAD_SIZE},
    {"the first integer that a double confuses", (uint64_t)1 << 53, 64, QN_BAD_SIZE},
    {"a byte more than the most", ((uint64_t)1 << 42) + 1, 64, QN_BAD_SIZE},
    {"no alignment", 100, 0, QN_BAD_ALIGNMENT},
    {"alignment to 3", 100, 3, QN_BAD_ALIGNMENT},
    {"alignment to 96", 100, 96, QN_BAD_ALIGNMENT},
    {"alignment to 4097", 100, 4097, QN_BAD_ALIGNMENT},
    {"alignment to 8192", 100, 8192, QN_BAD_ALIGNMENT},
    {"alignment to 2^31", 100, 0x80000000u, QN_BAD_ALIGNMENT},
    {"alignment to 2^32 - 1", 100, UINT32_MAX, QN_BAD_ALIGNMENT},
};

static void wrong_sizes_and_alignments_are_refused(void) {
  for (size_t i = 0; i < ROWS(rents); i += 1) {
    uint64_t values[QN_POOL_BLOCK_VALUES] = {7, 7, 7, 7, 7};
    const int32_t status = qn_pool_rent(values, (size_t)rents[i].bytes, rents[i].alignment, mine);
    check_row(status, rents[i].expected, "rent", rents[i].title);
    CHECK(values[0] == 7 && values[4] == 7);
  }
  uint64_t values[QN_POOL_BLOCK_VALUES];
  CHECK_EQ(qn_pool_rent(NULL, 100, 64, mine), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_rent(values, 100, 64, 0xfffffff0u), QN_UNKNOWN_ISOLATE);
}

static const struct {
  const char *title;
  uint64_t bytes;
  uint32_t count;
  int32_t expected;
} batches[] = {
    {"blocks of nothing", 0, 4, QN_BAD_SIZE},
    {"blocks of everything", UINT64_MAX, 4, QN_BAD_SIZE},
    {"blocks of 2^53", (uint64_t)1 << 53, 4, QN_BAD_SIZE},
    {"a product beyond 64 bits", (uint64_t)1 << 40, UINT32_MAX, QN_BAD_SIZE},
    {"a product beyond the most", (uint64_t)1 << 40, 5, QN_BAD_SIZE},
    {"small blocks of more than the most", 4096, UINT32_MAX, QN_BAD_SIZE},
    {"no blocks", 64, 0, QN_OK},
};

static void wrong_sizes_of_batches_are_refused(void) {
  for (size_t i = 0; i < ROWS(batches); i += 1) {
    uint64_t values[8 * QN_POOL_BLOCK_VALUES] = {7};
    const size_t bytes = (size_t)batches[i].bytes;
    const int32_t rent = qn_pool_rent_batch(values, bytes, batches[i].count, mine);
    check_row(rent, batches[i].expected, "rent_batch", batches[i].title);
    CHECK_EQ(values[0], 7);
    const int32_t warm = qn_pool_prewarm(bytes, batches[i].count);
    check_row(warm, batches[i].expected, "prewarm", batches[i].title);
  }
  uint64_t values[QN_POOL_BLOCK_VALUES];
  CHECK_EQ(qn_pool_rent_batch(NULL, 100, 1, mine), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_return_batch(NULL, 1, mine), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_touch_batch(NULL, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_return_batch(NULL, 0, mine), QN_OK);
  CHECK_EQ(qn_pool_touch_batch(NULL, 0), QN_OK);
  CHECK_EQ(qn_pool_rent_batch(values, 100, 1, 0xfffffff0u), QN_UNKNOWN_ISOLATE);
}

/* ---- Addresses and generations ------------------------------------------- */

typedef enum function {
  RETURN,
  RETURN_BATCH,
  TOUCH_BATCH,
  SHARE,
  CLAIM,
  UNMAP,
  FUNCTIONS
} function;

static const char *const function_names[FUNCTIONS] = {"return",       "return_batch", "touch_batch",
                                                      "memory_share", "memory_claim", "file_unmap"};

static int32_t call(function called, void *address, uint32_t generation, uint32_t isolate) {
  uint64_t values[QN_POOL_BLOCK_VALUES] = {(uint64_t)(uintptr_t)address, 64, 0, 0, generation};
  switch (called) {
    case RETURN: return qn_pool_return(address, generation, isolate);
    case RETURN_BATCH: return qn_pool_return_batch(values, 1, isolate);
    case TOUCH_BATCH: return qn_pool_touch_batch(values, 1);
    case SHARE: return qn_memory_share(address, generation, isolate, 1);
    case CLAIM: return qn_memory_claim(values, address, generation, isolate);
    default: return qn_file_unmap(address, generation, isolate);
  }
}

static void check_address(const char *title, void *address, uint32_t generation,
                          const int32_t expected[FUNCTIONS]) {
  for (int i = 0; i < FUNCTIONS; i += 1) {
    check_row(call((function)i, address, generation, mine), expected[i], function_names[i], title);
  }
}

static const int32_t null_pointer[FUNCTIONS] = {QN_NULL_POINTER, QN_NULL_POINTER, QN_NULL_POINTER,
                                                QN_NULL_POINTER, QN_NULL_POINTER, QN_NULL_POINTER};
static const int32_t not_owned[FUNCTIONS] = {QN_NOT_OWNED, QN_NOT_OWNED, QN_NOT_OWNED,
                                             QN_NOT_OWNED, QN_NOT_OWNED, QN_NOT_OWNED};
/* A block that is there: its memory is no mapped file. */
static const int32_t stale[FUNCTIONS] = {QN_STALE, QN_STALE, QN_STALE,
                                         QN_STALE, QN_STALE, QN_NOT_OWNED};
static const int32_t returned[FUNCTIONS] = {QN_ALREADY_RETURNED, QN_ALREADY_RETURNED,
                                            QN_ALREADY_RETURNED, QN_ALREADY_RETURNED,
                                            QN_STALE,            QN_NOT_OWNED};

static void addresses_that_are_no_blocks_are_recognised(void) {
  char local[64];
  char *heap = malloc(100000);
  check_address("null", NULL, 1, null_pointer);
  check_address("a local variable", local, 1, not_owned);
  check_address("memory of malloc", heap, 1, not_owned);
  check_address("code", (void *)(uintptr_t)&qn_pool_return, 1, not_owned);
  for (int bit = 0; bit < 64; bit += 1) {
    check_address("a power of two", (void *)(uintptr_t)((uint64_t)1 << bit), 1, not_owned);
    check_address("a high address", (void *)(uintptr_t)(UINT64_MAX << bit), 1, not_owned);
  }
  free(heap);
}

static void check_block(size_t bytes) {
  const lease block = rented(bytes, mine);
  lease_fill(&block, bytes);
  /* None at a page of a large block: an earlier one may have begun there. */
  const size_t inside[] = {1, 8, 32, 63, 64, 128, 4032, block.bytes / 2 + 64, block.bytes - 64,
                           block.bytes - 1};
  for (size_t i = 0; i < ROWS(inside); i += 1) {
    if (inside[i] < block.bytes) {
      check_address("inside a block", block.address + inside[i], block.generation, not_owned);
    }
  }
  check_address("a later generation", block.address, block.generation + 1, stale);
  check_address("another generation", block.address, block.generation ^ 0x55555555u, stale);
  CHECK(lease_holds(&block, bytes));
  CHECK_EQ(call(CLAIM, block.address, block.generation, other), QN_NOT_SHARED);
  CHECK_EQ(lease_return(&block), QN_OK);
  check_address("a returned block", block.address, block.generation, returned);
  check_address("a returned block, of no generation", block.address, 0, returned);
  CHECK_EQ(qn_pool_trim((uint64_t[1]){0}), QN_OK);
  check_address("a returned block that was trimmed", block.address, block.generation, returned);
  const lease next = rented(bytes, mine);
  if (next.address == block.address) {
    check_address("a block that was rented again", block.address, block.generation, stale);
  }
  CHECK_EQ(lease_return(&next), QN_OK);
}

static void wrong_uses_of_blocks_are_recognised(void) {
  const size_t sizes[] = {1, 320, 448, 1000, 4096, 40000, 300000, MIB, MIB + 1, 5 * MIB, 50 * MIB};
  for (size_t i = 0; i < ROWS(sizes); i += 1) check_block(sizes[i]);
}

/* The others are taken back, and the first thing wrong is told. */
static void a_batch_goes_on_after_what_is_wrong(void) {
  uint64_t values[6 * QN_POOL_BLOCK_VALUES];
  CHECK_EQ(qn_pool_rent_batch(values, 3000, 6, mine), QN_OK);
  void *first = (void *)(uintptr_t)values[0];
  CHECK_EQ(qn_pool_return(first, 0, mine), QN_OK);
  values[3 * QN_POOL_BLOCK_VALUES] += 64;
  CHECK_EQ(qn_pool_return_batch(values, 6, mine), QN_ALREADY_RETURNED);
  values[3 * QN_POOL_BLOCK_VALUES] -= 64;
  CHECK_EQ(qn_pool_return_batch(values + 3 * QN_POOL_BLOCK_VALUES, 1, mine), QN_OK);
  CHECK_EQ(qn_pool_rent_batch(values, 3000, 6, mine), QN_OK);
  uint64_t *third = values + 2 * QN_POOL_BLOCK_VALUES;
  const uint64_t address = third[0];
  third[0] = 0;
  CHECK_EQ(qn_pool_touch_batch(values, 6), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_return_batch(values, 6, mine), QN_NULL_POINTER);
  third[0] = address;
  CHECK_EQ(qn_pool_return_batch(values, 6, mine), QN_ALREADY_RETURNED);
  CHECK_EQ(qn_pool_return_batch(third, 1, mine), QN_ALREADY_RETURNED);
}

/* ---- Isolates, shares ---------------------------------------------------- */

static const uint32_t unknown[] = {0xfffffff0u, UINT32_MAX, 0x80000000u, 1000000};

static void isolates_that_are_not_open_are_refused(void) {
  const lease block = rented(1000, mine);
  CHECK_EQ(qn_isolate_open(NULL), QN_NULL_POINTER);
  CHECK_EQ(qn_isolate_close(0), QN_UNKNOWN_ISOLATE);
  const uint32_t closed = open_isolate();
  CHECK_EQ(qn_isolate_close(closed), QN_OK);
  CHECK(open_isolate() != closed);
  for (size_t i = 0; i < ROWS(unknown) + 1; i += 1) {
    const uint32_t isolate = i < ROWS(unknown) ? unknown[i] : closed;
    CHECK_EQ(qn_isolate_close(isolate), QN_UNKNOWN_ISOLATE);
    for (int f = 0; f < FUNCTIONS; f += 1) {
      if (f != SHARE && f != CLAIM) continue;
      check_row(call((function)f, block.address, block.generation, isolate), QN_UNKNOWN_ISOLATE,
                function_names[f], "an isolate that is not open");
    }
    uint64_t mapping[3];
    CHECK_EQ(qn_file_map(mapping, "quern-test-missing", isolate), QN_UNKNOWN_ISOLATE);
  }
  CHECK_EQ(lease_return(&block), QN_OK);
}

static void memory_of_another_isolate_is_not_shared(void) {
  const lease block = rented(1000, mine);
  lease_fill(&block, 5);
  CHECK_EQ(qn_memory_share(block.address, block.generation, other, 1), QN_NOT_OWNED);
  CHECK(lease_holds(&block, 5));
  CHECK_EQ(lease_return(&block), QN_OK);
}

static void claims_beyond_what_is_expected_are_refused(void) {
  uint64_t values[QN_POOL_BLOCK_VALUES];
  const lease block = rented(1000, mine);
  CHECK_EQ(qn_memory_share(block.address, block.generation, mine, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_memory_claim(values, block.address, block.generation, other), QN_NOT_SHARED);
  CHECK_EQ(qn_memory_share(block.address, block.generation, mine, 1), QN_OK);
  CHECK_EQ(qn_memory_claim(NULL, block.address, block.generation, other), QN_NULL_POINTER);
  CHECK_EQ(qn_memory_claim(values, block.address, block.generation + 1, other), QN_STALE);
  CHECK_EQ(qn_memory_claim(values, block.address, block.generation, other), QN_OK);
  CHECK_EQ(qn_memory_claim(values, block.address, block.generation, other), QN_NOT_SHARED);
  CHECK_EQ(lease_return(&block), QN_OK);
  CHECK_EQ(lease_return(&block), QN_NOT_OWNED);
  CHECK_EQ(qn_pool_return(block.address, block.generation, other), QN_OK);
  CHECK_EQ(qn_pool_return(block.address, block.generation, other), QN_ALREADY_RETURNED);
  CHECK_EQ(qn_memory_claim(values, block.address, block.generation, other), QN_STALE);
}

/* ---- What only writes ---------------------------------------------------- */

static void nowhere_to_write_is_told(void) {
  uint64_t count[1];
  CHECK_EQ(qn_pool_stats(NULL), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_class_stats(NULL), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_trim(NULL), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_snapshot(NULL, NULL, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_snapshot(count, NULL, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_pool_snapshot(count, NULL, 0), QN_OK);
  CHECK_EQ(qn_file_map(NULL, "x", mine), QN_NULL_POINTER);
  CHECK_EQ(qn_file_map(count, NULL, mine), QN_NULL_POINTER);
}

int main(int count, char **arguments) {
  static void (*const tests[])(void) = {
      wrong_sizes_and_alignments_are_refused,      wrong_sizes_of_batches_are_refused,
      addresses_that_are_no_blocks_are_recognised, wrong_uses_of_blocks_are_recognised,
      a_batch_goes_on_after_what_is_wrong,         isolates_that_are_not_open_are_refused,
      memory_of_another_isolate_is_not_shared,     claims_beyond_what_is_expected_are_refused,
      nowhere_to_write_is_told,
  };
  test_begin(count, arguments);
  mine = open_isolate();
  other = open_isolate();
  for (size_t i = 0; i < ROWS(tests); i += 1) {
    const uint64_t outstanding = statistic(QN_STAT_OUTSTANDING);
    const uint64_t live = statistic(QN_STAT_LIVE_BYTES);
    tests[i]();
    CHECK_EQ(statistic(QN_STAT_OUTSTANDING), outstanding);
    CHECK_EQ(statistic(QN_STAT_LIVE_BYTES), live);
    check_pool();
  }
  CHECK_EQ(qn_isolate_close(other), QN_OK);
  CHECK_EQ(qn_isolate_close(mine), QN_OK);
  return test_finish();
}
