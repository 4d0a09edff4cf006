/*
 * test_failing_memory.c: every request for memory failing in turn, once and for
 * ever, through every function of quern.h.
 *
 * For each call of every_call.h, and for k = 0, 1, 2, ..., the k-th request of the
 * call is refused, by the operating system or by the pool, until the call no longer
 * meets the refusal. Then
 *
 *   - the call succeeded, or said that there is no memory, and what gives memory
 *     back always succeeded;
 *   - what is held is what was held before, and the pool's invariants hold;
 *   - nothing that was obtained from the operating system was lost.
 *
 * Each call is tried in a pool that was never used (a child process: its first
 * request makes segments, registry and caches), and in one whose segments are all
 * rented to the last block, so that the call needs another.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* fork and MAP_ANON with glibc and -std=c11 */
#endif
#include "every_call.h"

#include "base/os.h"

#if defined(_WIN32)
#define PROCESS_ID 0u
#else
#include <sys/wait.h>
#define PROCESS_ID ((unsigned)getpid())
#endif

/* Windows has no fork, and the thread sanitizer's children start no threads. */
#if defined(_WIN32) || TEST_UNDER_TSAN
#define NEW_POOLS 0
#else
#define NEW_POOLS 1
#endif

/* ---- Refusing ------------------------------------------------------------ */

/* Calls that met a refusal: that there are some shows that the test tests. */
static uint64_t met_count;

/* Who refuses, which requests, and whether what the call needs is refused too. */
typedef struct refusal {
  void (*refuse)(uint64_t after, uint64_t count);
  uint64_t after;
  bool for_ever;
  bool from_set_up;
} refusal;

static bool is_granted(const refusal *how) {
  if (how->refuse == qn_os_test_refuse) {
    const size_t page = qn_os_page_size();
    void *memory = qn_os_reserve(page, page);
    if (memory != NULL) qn_os_release(memory, page);
    return memory != NULL;
  }
  return qn_pool_prewarm(64, 0) == QN_OK; /* which, unlike a rent, is not tried twice */
}

/* Whether the one refusal is over: then the call met it. Ends the refusing. */
static bool was_met(const refusal *how) {
  bool met = true;
  for (uint64_t i = 0; met && i <= how->after; i += 1) met = is_granted(how);
  how->refuse(0, 0);
  return met;
}

static int32_t run(const entry *tried, const refusal *how, bool *met_out) {
  int32_t status = how->from_set_up ? QN_OK : tried->set_up();
  if (status != QN_OK) return status;
  how->refuse(how->after, how->for_ever ? UINT64_MAX - how->after : 1);
  if (how->from_set_up) status = tried->set_up();
  if (status == QN_OK) status = tried->call();
  if (how->for_ever) how->refuse(0, 0);
  *met_out = !how->for_ever && was_met(how);
  return status;
}

/* One call with one refusal. Returns whether the call met it. */
static bool attempt(const entry *tried, const refusal *how) {
  const uint64_t failed_before = test_state.failed;
  const balance before = balance_now();
  bool met = false;
  const int32_t status = run(tried, how, &met);
  const bool short_of_memory = status == QN_OUT_OF_MEMORY || status == QN_OVER_BUDGET;
  CHECK(status == QN_OK || short_of_memory);
  if (tried->never_fails && !how->from_set_up) CHECK_EQ(status, QN_OK);
  give_back();
  balance open = balance_now();
  open.values[BALANCE_ISOLATES] = before.values[BALANCE_ISOLATES];
  CHECK(balance_is(open, before));
  clean_up();
  CHECK(balance_is(balance_now(), before));
  check_pool();
  if (test_state.failed != failed_before && test_state.failed < TEST_MAX_MESSAGES) {
    printf("  in %s, %s, %s request %" PRIu64 " refused %s, status %d\n", tried->name,
           how->from_set_up ? "from its preparation on" : "after its preparation",
           how->refuse == qn_os_test_refuse ? "system" : "pool", how->after,
           how->for_ever ? "for ever" : "once", (int)status);
  }
  return met;
}

/* ---- A pool without a free block ----------------------------------------- */

static struct {
  void **blocks;
  size_t count, capacity;
} hoard;

static bool hoard_one(size_t bytes) {
  if (hoard.count == hoard.capacity) {
    hoard.capacity = hoard.capacity * 2 + 1024;
    hoard.blocks = realloc(hoard.blocks, hoard.capacity * sizeof *hoard.blocks);
    if (hoard.blocks == NULL) abort();
  }
  if (qn_pool_alloc(bytes, &hoard.blocks[hoard.count]) != QN_OK) return false;
  hoard.count += 1;
  return true;
}

/* Rents whatever the pool has without asking the system, the largest first. */
static void exhaust(void) {
  uint64_t classes[(QN_POOL_CLASSES + 1) * QN_CLASS_STAT_COUNT];
  CHECK_EQ(qn_pool_class_stats(classes), QN_OK);
  qn_os_test_refuse(0, UINT64_MAX);
  for (size_t bytes = 64 * MIB; bytes > MIB; bytes = bytes * 3 / 4) {
    while (hoard_one(bytes)) continue;
  }
  while (hoard_one(MIB + 1)) continue;
  for (size_t i = QN_POOL_CLASSES; i > 0; i -= 1) {
    const size_t bytes = (size_t)classes[(i - 1) * QN_CLASS_STAT_COUNT + QN_CLASS_BYTES];
    while (hoard_one(bytes)) continue;
  }
  qn_os_test_refuse(0, 0);
}

static void free_hoard(void) {
  while (hoard.count > 0) qn_pool_free(hoard.blocks[--hoard.count]);
  free(hoard.blocks);
  hoard.blocks = NULL;
  hoard.capacity = 0;
}

/* Address space of this process, in pages; 0 where /proc does not tell. */
static uint64_t address_space(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL) return 0;
  const int fields = fscanf(file, "%lu", &pages);
  fclose(file);
  return fields == 1 ? pages : 0;
}

/* The same failure again and again takes no address space. */
static void check_nothing_is_lost(const entry *tried, const refusal *how) {
  attempt(tried, how);
  const uint64_t reserved = statistic(QN_STAT_RESERVED_BYTES);
  const uint64_t before = address_space();
  for (int i = 0; i < 3; i += 1) attempt(tried, how);
  if (statistic(QN_STAT_RESERVED_BYTES) == reserved) CHECK_EQ(address_space(), before);
}

enum { MOST_REQUESTS = 200 };

static void each_request_fails_in_a_full_pool(const entry *tried, refusal how) {
  const bool slow = TEST_UNDER_TSAN || TEST_UNDER_ASAN || test_state.emulated;
  const bool measurable = how.from_set_up && !slow; /* others take space of their own */
  bool met = true;
  for (how.after = 0; met && how.after < MOST_REQUESTS; how.after += 1) {
    exhaust();
    how.for_ever = false;
    met = attempt(tried, &how);
    met_count += met;
    exhaust();
    how.for_ever = true;
    attempt(tried, &how);
    if (met && measurable) check_nothing_is_lost(tried, &how);
  }
  CHECK(!met);
}

/* ---- A pool that was never used ------------------------------------------ */

#if !NEW_POOLS
static void each_request_fails_in_a_new_pool(const entry *tried, refusal how) {
  (void)tried, (void)how;
}
#else
/* One attempt in a child: 0 when it did not meet the refusal, 1 when it did. */
static int attempt_in_child(const entry *tried, const refusal *how) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    test_state.failed = 0;
    const bool met = attempt(tried, how);
    fflush(stdout);
    _exit(test_state.failed != 0 ? 2 : met);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 3;
  return WEXITSTATUS(status);
}

static void each_request_fails_in_a_new_pool(const entry *tried, refusal how) {
  int met = 1;
  how.from_set_up = true;
  for (how.after = 0; met == 1 && how.after < MOST_REQUESTS; how.after += 1) {
    how.for_ever = false;
    met = attempt_in_child(tried, &how);
    met_count += met == 1;
    how.for_ever = true;
    CHECK_EQ(attempt_in_child(tried, &how), 0);
  }
  if (met != 0) printf("%s: %s\n", tried->name, met == 3 ? "the child died" : "see above");
  CHECK_EQ(met, 0);
}
#endif

/* ---- Half of a share ----------------------------------------------------- */

/* A share lists two holds. The list is filled until there is no room for the first
 * of them, or for the second: nothing of such a share may be left, or the end of the
 * isolate would give up a block that is another's by then. */
static void a_share_that_fails_leaves_nothing(bool odd) {
  enum { MANY = 2000 };
  static lease blocks[MANY];
  const balance before = balance_now();
  uint64_t values[QN_POOL_BLOCK_VALUES];
  CHECK_EQ(open_isolates(), QN_OK);
  const uint32_t sender = now.isolates[0];
  for (int i = 0; i < MANY; i += 1) {
    CHECK_EQ(lease_rent(&blocks[i], 300, 64, sender), QN_OK);
  }
  int shared = 0;
  int32_t status = QN_OK;
  qn_os_test_refuse(0, UINT64_MAX);
  for (; status == QN_OK && shared < MANY; shared += status == QN_OK) {
    const lease *sent = &blocks[shared];
    status = qn_memory_share(sent->address, sent->generation, sender, 1);
    if (status != QN_OK || !odd || shared != 0) continue;
    CHECK_EQ(qn_memory_claim(values, sent->address, sent->generation, now.isolates[1]), QN_OK);
    CHECK_EQ(qn_memory_share(sent->address, sent->generation, sender, 1), QN_OK);
  }
  qn_os_test_refuse(0, 0);
  CHECK_EQ(status, QN_OUT_OF_MEMORY);
  CHECK_EQ(statistic(QN_STAT_SHARED), shared);
  CHECK_EQ(lease_return(&blocks[shared]), QN_OK);
  lease next;
  CHECK_EQ(lease_rent(&next, 300, 64, 0), QN_OK);
  CHECK(next.address == blocks[shared].address);
  CHECK_EQ(qn_isolate_close(sender), QN_OK);
  CHECK_EQ(lease_return(&next), QN_OK);
  for (int i = 0; i < shared; i += 1) { /* what was on its way arrives */
    const lease *sent = &blocks[i];
    CHECK_EQ(qn_memory_claim(values, sent->address, sent->generation, now.isolates[1]), QN_OK);
  }
  now.isolates[0] = now.isolates[1];
  now.isolate_count = 1;
  clean_up();
  CHECK(balance_is(balance_now(), before));
  check_pool();
}

int main(int count, char **arguments) {
  static void (*const refusers[])(uint64_t, uint64_t) = {qn_os_test_refuse, qn_pool_test_refuse};
  const size_t entries = sizeof table / sizeof *table;
  test_begin(count, arguments);
  snprintf(file_name, sizeof file_name, "quern-test-%u-mapped", PROCESS_ID);
  FILE *file = fopen(file_name, "wb");
  CHECK(file != NULL && fputs("contents", file) >= 0 && fclose(file) == 0);
  for (int r = 0; r < 2; r += 1) {
    met_count = 0;
    for (size_t i = 0; i < entries; i += 1) {
      each_request_fails_in_a_new_pool(&table[i], (refusal){.refuse = refusers[r]});
    }
    if (NEW_POOLS) CHECK(met_count > 10);
  }
  for (int r = 0; r < 4; r += 1) {
    met_count = 0;
    for (size_t i = 0; i < entries; i += 1) {
      const refusal how = {.refuse = refusers[r % 2], .from_set_up = r >= 2};
      each_request_fails_in_a_full_pool(&table[i], how);
    }
    CHECK(met_count > 10);
  }
  free_hoard();
  a_share_that_fails_leaves_nothing(false);
  a_share_that_fails_leaves_nothing(true);
  CHECK_EQ(statistic(QN_STAT_OUTSTANDING), 0);
  check_pool();
  remove(file_name);
  return test_finish();
}
