/*
 * test_pool_threads.c: many threads in the pool at once. Blocks are handed from
 * thread to thread, isolates end while they hold some, claims race for what is
 * shared, and trims, budgets and statistics race with all of it.
 *
 * Contents are verified wherever a block changes hands: two blocks that overlap,
 * or one that is rented twice, show. Under the thread sanitizer there are fewer
 * threads with more rounds. Other threads than the first count what is wrong in
 * `faults`, by kind, and the first judges.
 */
#include "lease.h" /* before thread_os.h: see there */

#include <stdatomic.h>

#include "base/thread_os.h"

/* ---- Threads ------------------------------------------------------------- */

enum { FAULT_RENT, FAULT_RETURN, FAULT_CONTENT, FAULT_SHARE, FAULT_ISOLATE, FAULT_KINDS };

static const char *const fault_names[FAULT_KINDS] = {"rents", "returns", "contents", "shares",
                                                     "isolates"};
static _Atomic uint64_t faults[FAULT_KINDS];
static _Atomic int32_t threads_left;

static struct {
  int threads, rounds, blocks;
} scale;

static void set_scale(void) {
  scale.threads = TEST_UNDER_TSAN || test_state.emulated ? 8 : 32;
  scale.rounds = TEST_UNDER_TSAN ? 25 : test_state.emulated ? 10 : 50;
  scale.blocks = TEST_UNDER_TSAN ? 400 : 50;
}

static void count_fault(int kind, bool wrong) {
  if (wrong) atomic_fetch_add(&faults[kind], 1);
}

/* Runs a body on `count` threads, with the numbers 1 .. count, and waits for all.
 * The threads themselves may end a little later. */
static void run_threads(int count, void (*body)(void *number)) {
  atomic_store(&threads_left, count);
  for (int i = 0; i < count; i += 1) {
    if (!qn_thread_start(body, (void *)(uintptr_t)(i + 1))) abort();
  }
  while (atomic_load(&threads_left) > 0) qn_thread_yield();
}

static void end_thread(void) { atomic_fetch_sub(&threads_left, 1); }

static void check_faults(void) {
  for (int i = 0; i < FAULT_KINDS; i += 1) {
    const uint64_t count = atomic_exchange(&faults[i], 0);
    if (count != 0) printf("%" PRIu64 " faults of %s\n", count, fault_names[i]);
    CHECK_EQ(count, 0);
  }
}

static uint64_t seed_of(void *number) { return (uintptr_t)number * 0x9e3779b97f4a7c15u; }

/* Mostly small, of every class; now and then large. */
static size_t random_bytes(uint64_t *state) {
  const uint64_t r = test_random(state);
  if (r % 64 == 0) return MIB + (size_t)(r >> 8) % (3 * MIB);
  return ((size_t)(r >> 8) & (((size_t)2 << (r >> 58) % 20) - 1)) % MIB + 1;
}

/* What threads left behind may come back a little after they ended. */
static void check_balance(balance expected) {
  const uint64_t start = qn_clock_ns();
  while (!balance_is(balance_now(), expected) && qn_clock_ns() - start < 20000000000u) {
    qn_thread_yield();
  }
  const balance now = balance_now();
  for (size_t i = 0; i < LEASE_BALANCES; i += 1) CHECK_EQ(now.values[i], expected.values[i]);
  check_faults();
  check_pool();
}

/* ---- Blocks handed from thread to thread --------------------------------- */

typedef struct parcel {
  lease block;
  uint64_t seed;
} parcel;

enum { MAIL = 61 };
static _Atomic(parcel *) mail[MAIL];

static parcel *make_parcel(uint64_t *state) {
  parcel *made = malloc(sizeof *made);
  if (made == NULL) abort();
  const uint32_t alignment = (uint32_t)1 << test_random(state) % 13;
  const bool rented = lease_rent(&made->block, random_bytes(state), alignment, 0) == QN_OK;
  count_fault(FAULT_RENT, !rented || (uintptr_t)made->block.address % alignment != 0);
  if (!rented) {
    free(made);
    return NULL;
  }
  made->seed = test_random(state);
  lease_fill(&made->block, made->seed);
  return made;
}

static void open_parcel(parcel *received) {
  if (received == NULL) return;
  count_fault(FAULT_CONTENT, !lease_holds(&received->block, received->seed));
  count_fault(FAULT_RETURN, lease_return(&received->block) != QN_OK);
  free(received);
}

static void exchange_parcels(void *number) {
  uint64_t state = seed_of(number);
  parcel **mine = calloc((size_t)scale.blocks, sizeof *mine);
  if (mine == NULL) abort();
  for (int round = 0; round < scale.rounds; round += 1) {
    for (int i = 0; i < scale.blocks; i += 1) mine[i] = make_parcel(&state);
    for (int i = 0; i < scale.blocks; i += 1) {
      parcel *sent = mine[i];
      if (sent != NULL) count_fault(FAULT_CONTENT, !lease_holds(&sent->block, sent->seed));
      open_parcel(atomic_exchange(&mail[test_random(&state) % MAIL], sent));
    }
  }
  free(mine);
  end_thread();
}

static void blocks_are_returned_by_other_threads(void) {
  const balance before = balance_now();
  run_threads(scale.threads, exchange_parcels);
  for (int i = 0; i < MAIL; i += 1) open_parcel(atomic_exchange(&mail[i], NULL));
  check_balance(before);
}

/* ---- Isolates that end --------------------------------------------------- */

typedef struct account {
  uint32_t isolate;
  double *fields;
} account;

static account open_account(void) {
  uint64_t values[2] = {0, 0};
  count_fault(FAULT_ISOLATE, qn_isolate_open(values) != QN_OK || values[0] == 0);
  return (account){(uint32_t)values[0], (double *)(uintptr_t)values[1]};
}

/* Leaves everything to the end of the thread, or of the isolate: blocks in use,
 * blocks on a shelf, and a hold of something shared. */
static void leave_blocks(void *number) {
  uint64_t state = seed_of(number);
  account mine = open_account();
  account other = open_account();
  lease left;
  for (int i = 0; i < scale.blocks; i += 1) {
    const bool rented = lease_rent(&left, random_bytes(&state), 64, mine.isolate) == QN_OK;
    count_fault(FAULT_RENT, !rented);
    if (rented) lease_fill(&left, test_random(&state));
  }
  uint64_t claimed[QN_POOL_BLOCK_VALUES];
  bool shared = qn_memory_share(left.address, left.generation, mine.isolate, 1) == QN_OK;
  shared = shared &&
           qn_memory_claim(claimed, left.address, left.generation, other.isolate) == QN_OK;
  count_fault(FAULT_SHARE, !shared);
  if ((uintptr_t)number % 3 == 0) {
    count_fault(FAULT_ISOLATE, qn_isolate_close(mine.isolate) != QN_OK);
    count_fault(FAULT_ISOLATE, qn_isolate_close(mine.isolate) != QN_UNKNOWN_ISOLATE);
  }
  end_thread();
}

static void threads_that_end_leave_nothing_behind(void) {
  const balance before = balance_now();
  lease kept;
  CHECK_EQ(lease_rent(&kept, 5000, 64, 0), QN_OK);
  lease_fill(&kept, 99);
  for (int round = 0; round < scale.rounds; round += 1) run_threads(scale.threads, leave_blocks);
  CHECK(lease_holds(&kept, 99));
  CHECK_EQ(lease_return(&kept), QN_OK);
  check_balance(before);
}

/* ---- Claims that race ---------------------------------------------------- */

enum { RECEIVERS = 3, CLAIMERS = 5 };

static lease ticket;
static _Atomic uint64_t tickets; /* how often `ticket` was written */
static _Atomic int32_t claims, claimers_done;

/* Claims each ticket once; of those who try, as many as were expected succeed. */
static void claim_tickets(void *number) {
  (void)number;
  const account mine = open_account();
  for (uint64_t seen = 1; seen <= (uint64_t)scale.blocks; seen += 1) {
    while (atomic_load(&tickets) < seen) qn_thread_yield();
    const lease wanted = ticket;
    uint64_t values[QN_POOL_BLOCK_VALUES];
    const int32_t status =
        qn_memory_claim(values, wanted.address, wanted.generation, mine.isolate);
    if (status == QN_OK) {
      const lease got = lease_of(values, wanted.requested, mine.isolate);
      count_fault(FAULT_CONTENT, !lease_holds(&got, seen));
      count_fault(FAULT_SHARE, got.address != wanted.address || got.bytes != wanted.bytes);
      count_fault(FAULT_RETURN, lease_return(&got) != QN_OK);
      atomic_fetch_add(&claims, 1);
    } else {
      count_fault(FAULT_SHARE, status != QN_NOT_SHARED && status != QN_STALE);
    }
    atomic_fetch_add(&claimers_done, 1);
  }
  count_fault(FAULT_ISOLATE, qn_isolate_close(mine.isolate) != QN_OK);
  end_thread();
}

/* The sender gives its own hold up while the others claim. */
static void send_tickets(void) {
  uint64_t state = 7;
  const account mine = open_account();
  for (uint64_t i = 1; i <= (uint64_t)scale.blocks; i += 1) {
    lease sent;
    count_fault(FAULT_RENT, lease_rent(&sent, random_bytes(&state), 64, mine.isolate) != QN_OK);
    lease_fill(&sent, i);
    const int32_t status =
        qn_memory_share(sent.address, sent.generation, mine.isolate, RECEIVERS);
    count_fault(FAULT_SHARE, status != QN_OK);
    ticket = sent;
    atomic_store(&tickets, i);
    count_fault(FAULT_RETURN, lease_return(&sent) != QN_OK);
    while (atomic_load(&claimers_done) < CLAIMERS) qn_thread_yield();
    count_fault(FAULT_SHARE, atomic_exchange(&claims, 0) != RECEIVERS);
    atomic_store(&claimers_done, 0);
  }
  count_fault(FAULT_ISOLATE, qn_isolate_close(mine.isolate) != QN_OK);
}

static void send_or_claim(void *number) {
  if ((uintptr_t)number <= CLAIMERS) {
    claim_tickets(number);
    return;
  }
  send_tickets();
  end_thread();
}

static void exactly_the_expected_claims_succeed(void) {
  const balance before = balance_now();
  atomic_store(&tickets, 0);
  run_threads(CLAIMERS + 1, send_or_claim);
  check_balance(before);
}

/* ---- Everything at once -------------------------------------------------- */

static _Atomic bool churning;

static void return_parcels(parcel *held, int count) {
  for (int i = 0; i < count; i += 1) {
    if (held[i].block.address == NULL) continue;
    count_fault(FAULT_CONTENT, !lease_holds(&held[i].block, held[i].seed));
    count_fault(FAULT_RETURN, lease_return(&held[i].block) != QN_OK);
  }
}

/* Rents and returns at random while the budget comes and goes. */
static void churn(void *number) {
  enum { HELD = 24 };
  parcel held[HELD];
  memset(held, 0, sizeof held);
  uint64_t state = seed_of(number);
  const account mine = open_account();
  for (int round = 0; round < scale.rounds * scale.blocks; round += 1) {
    parcel *item = &held[test_random(&state) % HELD];
    if (item->block.address != NULL) {
      return_parcels(item, 1);
      item->block.address = NULL;
      continue;
    }
    const uint32_t isolate = round % 2 == 0 ? mine.isolate : 0;
    const int32_t status = lease_rent(&item->block, random_bytes(&state), 64, isolate);
    count_fault(FAULT_RENT, status != QN_OK && status != QN_OVER_BUDGET);
    item->seed = test_random(&state);
    if (status == QN_OK) lease_fill(&item->block, item->seed);
  }
  return_parcels(held, HELD);
  count_fault(FAULT_ISOLATE, qn_isolate_close(mine.isolate) != QN_OK);
  end_thread();
}

/* Batches, all or nothing, touched and returned as one. */
static void churn_batches(void *number) {
  enum { BATCH = 32 };
  uint64_t values[BATCH * QN_POOL_BLOCK_VALUES];
  uint64_t state = seed_of(number);
  for (int round = 0; round < scale.rounds * 4; round += 1) {
    const size_t bytes = random_bytes(&state) % 40000 + 1;
    const int32_t status = qn_pool_rent_batch(values, bytes, BATCH, 0);
    count_fault(FAULT_RENT, status != QN_OK && status != QN_OVER_BUDGET);
    if (status != QN_OK) continue;
    count_fault(FAULT_RETURN, qn_pool_touch_batch(values, BATCH) != QN_OK);
    for (int i = 0; i < BATCH; i += 1) {
      const lease made = lease_of(values + i * QN_POOL_BLOCK_VALUES, bytes, 0);
      lease_fill(&made, (uint64_t)i + state);
    }
    for (int i = 0; i < BATCH; i += 1) {
      const lease made = lease_of(values + i * QN_POOL_BLOCK_VALUES, bytes, 0);
      count_fault(FAULT_CONTENT, !lease_holds(&made, (uint64_t)i + state));
    }
    count_fault(FAULT_RETURN, qn_pool_return_batch(values, BATCH, 0) != QN_OK);
  }
  end_thread();
}

/* Trims, budgets, statistics, snapshots, until the others are done. */
static void disturb(uint64_t *state) {
  static uint64_t classes[(QN_POOL_CLASSES + 1) * QN_CLASS_STAT_COUNT];
  static uint64_t records[64 * QN_BLOCK_FIELDS];
  uint64_t values[QN_STAT_COUNT];
  switch (test_random(state) % 8) {
    case 0: CHECK_EQ(qn_pool_trim(values), QN_OK); break;
    case 1: CHECK_EQ(qn_pool_budget_set(test_random(state) % (64 * MIB)), QN_OK); break;
    case 2: CHECK_EQ(qn_pool_budget_set(0), QN_OK); break;
    case 3: CHECK_EQ(qn_pool_stats(values), QN_OK); break;
    case 4: CHECK_EQ(qn_pool_class_stats(classes), QN_OK); break;
    case 5: CHECK_EQ(qn_pool_snapshot(values, records, 64), QN_OK); break;
    case 6: CHECK_EQ(qn_pool_idle_set((uint32_t)test_random(state) % 50), QN_OK); break;
    default: {
      const int32_t status = qn_pool_prewarm(test_random(state) % 100000 + 1, 8);
      CHECK(status == QN_OK || status == QN_OVER_BUDGET);
    }
  }
}

static void churn_somehow(void *number) {
  if ((uintptr_t)number % 4 == 0) {
    churn_batches(number);
  } else {
    churn(number);
  }
}

static void run_churners(void *argument) {
  (void)argument;
  run_threads(scale.threads, churn_somehow);
  atomic_store(&churning, false);
}

static void trims_and_budgets_race_with_everything(void) {
  uint64_t state = 3;
  const balance before = balance_now();
  atomic_store(&churning, true);
  CHECK(qn_thread_start(run_churners, NULL));
  while (atomic_load(&churning)) disturb(&state);
  CHECK_EQ(qn_pool_budget_set(0), QN_OK);
  CHECK_EQ(qn_pool_idle_set(10000), QN_OK);
  check_balance(before);
}

/* ---- The budget ---------------------------------------------------------- */

static void squeeze(void *number) {
  (void)number;
  for (int i = 0; i < scale.rounds * scale.blocks; i += 1) {
    lease held;
    const int32_t status = lease_rent(&held, 4096, 64, 0);
    count_fault(FAULT_RENT, status != QN_OK && status != QN_OVER_BUDGET);
    if (status == QN_OK) count_fault(FAULT_RETURN, lease_return(&held) != QN_OK);
  }
  end_thread();
}

static void threads_together_stay_within_the_budget(void) {
  const balance before = balance_now();
  uint64_t released;
  CHECK_EQ(qn_pool_trim(&released), QN_OK);
  const uint64_t budget = statistic(QN_STAT_HELD_BYTES) + 3 * 4096;
  CHECK_EQ(qn_pool_budget_set((size_t)budget), QN_OK);
  CHECK_EQ(qn_pool_stats_reset(), QN_OK);
  run_threads(6, squeeze);
  CHECK(statistic(QN_STAT_PEAK_HELD_BYTES) <= budget);
  CHECK_EQ(qn_pool_budget_set(0), QN_OK);
  check_balance(before);
}

/* The caches of threads that ended were emptied; this one's is by the trim. */
static void no_block_is_lost_on_its_way_back(void) {
  const uint64_t start = qn_clock_ns();
  do {
    CHECK_EQ(qn_pool_trim((uint64_t[1]){0}), QN_OK);
  } while (statistic(QN_STAT_HELD_BYTES) != 0 && qn_clock_ns() - start < 20000000000u);
  CHECK_EQ(statistic(QN_STAT_HELD_BYTES), 0);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  set_scale();
  blocks_are_returned_by_other_threads();
  threads_that_end_leave_nothing_behind();
  exactly_the_expected_claims_succeed();
  trims_and_budgets_race_with_everything();
  threads_together_stay_within_the_budget();
  no_block_is_lost_on_its_way_back();
  return test_finish();
}
