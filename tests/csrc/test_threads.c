/*
 * test_threads.c: the pool of threads: every task once, whatever else goes on.
 */
#if defined(__linux__)
#define _GNU_SOURCE /* fork, setrlimit beside -std=c11 */
#endif

#include "base/threads.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MAX_TASKS 5000

static const uint32_t thread_counts[] = {1, 2, 3, 4, 7, 16, 256, 5, 2};
#define THREAD_COUNTS (sizeof(thread_counts) / sizeof(thread_counts[0]))

struct tally {
  _Atomic uint32_t runs[MAX_TASKS];
  _Atomic uint32_t busy[QN_MAX_THREADS]; /* tasks that a worker runs now: 0 or 1 */
  _Atomic uint32_t faults;
  uint32_t threads;
};

static void count_task(void *context, size_t task, uint32_t worker) {
  struct tally *tally = context;
  if (worker >= tally->threads) {
    atomic_fetch_add(&tally->faults, 1);
    return;
  }
  if (atomic_fetch_add(&tally->busy[worker], 1) != 0) atomic_fetch_add(&tally->faults, 1);
  atomic_fetch_add(&tally->runs[task], 1);
  atomic_fetch_sub(&tally->busy[worker], 1);
}

/* How many of `tasks` did not run exactly once. */
static uint32_t run_and_tally(struct tally *tally, size_t tasks, uint32_t threads) {
  memset(tally, 0, sizeof(*tally));
  tally->threads = threads;
  qn_parallel_for(tasks, count_task, tally);
  uint32_t wrong = atomic_load(&tally->faults);
  for (size_t i = 0; i < tasks; i += 1) wrong += atomic_load(&tally->runs[i]) != 1;
  return wrong;
}

static struct tally *new_tally(void) {
  struct tally *tally = calloc(1, sizeof(*tally));
  if (tally == NULL) abort();
  return tally;
}

static void every_task_runs_once(void) {
  const size_t sizes[] = {0, 1, 2, 3, 15, 16, 17, 100, 1000, MAX_TASKS};
  struct tally *tally = new_tally();
  for (size_t t = 0; t < THREAD_COUNTS; t += 1) {
    CHECK_EQ(qn_threads_set(thread_counts[t]), QN_OK);
    CHECK_EQ(qn_threads(), thread_counts[t]);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s += 1) {
      CHECK_EQ(run_and_tally(tally, sizes[s], thread_counts[t]), 0);
    }
  }
  free(tally);
}

static void bad_counts_are_refused(void) {
  CHECK_EQ(qn_threads_set(3), QN_OK);
  CHECK_EQ(qn_threads_set(0), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_threads_set(257), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_threads_set(UINT32_MAX), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_threads(), 3);
}

/* ---- Workers do take part --------------------------------------------------- */

struct meeting {
  _Atomic uint32_t present;
  _Atomic uint32_t gave_up;
};

/* Each task waits for the other, which comes only if two threads run them. */
static void meet(void *context, size_t task, uint32_t worker) {
  (void)task;
  (void)worker;
  struct meeting *meeting = context;
  atomic_fetch_add(&meeting->present, 1);
  for (int i = 0; atomic_load(&meeting->present) < 2; i += 1) {
    if (i == 10000) {
      atomic_fetch_add(&meeting->gave_up, 1);
      return;
    }
    if (i < 1000) sched_yield();
    else usleep(1000);
  }
}

static void two_tasks_run_at_the_same_time(void) {
  CHECK_EQ(qn_threads_set(2), QN_OK);
  for (int i = 0; i < 200; i += 1) {
    struct meeting meeting = {0};
    if (i % 50 == 0) usleep(2000); /* the worker sleeps by then, and must be woken */
    qn_parallel_for(2, meet, &meeting);
    CHECK_EQ(atomic_load(&meeting.gave_up), 0);
  }
}

static void threads_that_were_dismissed_come_back(void) {
  for (uint32_t fewer = 1; fewer <= 2; fewer += 1) {
    struct meeting meeting = {0};
    CHECK_EQ(qn_threads_set(3), QN_OK);
    qn_parallel_for(2, meet, &meeting);
    CHECK_EQ(qn_threads_set(fewer), QN_OK);
    usleep(3000); /* those that are too many have left by then */
    CHECK_EQ(qn_threads_set(3), QN_OK);
    struct meeting again = {0};
    qn_parallel_for(2, meet, &again);
    CHECK_EQ(atomic_load(&meeting.gave_up) + atomic_load(&again.gave_up), 0);
  }
}

/* An opener that waits long for the last task sleeps, and is woken. */
static void nap(void *context, size_t task, uint32_t worker) {
  (void)task;
  if (worker != 0) usleep(3000);
  atomic_fetch_add((_Atomic uint32_t *)context, 1);
}

static void a_slow_worker_is_waited_for(void) {
  CHECK_EQ(qn_threads_set(4), QN_OK);
  for (int i = 0; i < 20; i += 1) {
    _Atomic uint32_t runs = 0;
    qn_parallel_for(4, nap, &runs);
    CHECK_EQ(atomic_load(&runs), 4);
  }
}

/* ---- Rows --------------------------------------------------------------------- */

struct rows_tally {
  _Atomic uint32_t seen[MAX_TASKS];
  size_t rows;
  size_t grain;
  _Atomic uint32_t faults;
};

static void count_rows(void *context, size_t begin, size_t end, uint32_t worker) {
  struct rows_tally *tally = context;
  const bool aligned = begin % tally->grain == 0 && (end == tally->rows || end % tally->grain == 0);
  if (!aligned || begin >= end || worker >= QN_MAX_THREADS) atomic_fetch_add(&tally->faults, 1);
  for (size_t i = begin; i < end; i += 1) atomic_fetch_add(&tally->seen[i], 1);
}

static void rows_are_covered_once_in_whole_grains(void) {
  const size_t sizes[] = {0, 1, 2, 7, 64, 65, 1000, 4999};
  const size_t grains[] = {1, 2, 16, 64, 5000};
  struct rows_tally *tally = malloc(sizeof(*tally));
  if (tally == NULL) abort();
  for (size_t t = 0; t < THREAD_COUNTS; t += 1) {
    CHECK_EQ(qn_threads_set(thread_counts[t]), QN_OK);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s += 1) {
      for (size_t g = 0; g < sizeof(grains) / sizeof(grains[0]); g += 1) {
        memset(tally, 0, sizeof(*tally));
        tally->rows = sizes[s];
        tally->grain = grains[g];
        qn_parallel_rows(sizes[s], grains[g], count_rows, tally);
        uint32_t wrong = atomic_load(&tally->faults);
        for (size_t i = 0; i < MAX_TASKS; i += 1) wrong += tally->seen[i] != (i < sizes[s]);
        CHECK_EQ(wrong, 0);
      }
    }
  }
  free(tally);
}

/* ---- Nested and concurrent regions ---------------------------------------------- */

static void count_inner(void *context, size_t task, uint32_t worker) {
  (void)worker;
  atomic_fetch_add((_Atomic uint64_t *)context, task + 1);
}

static void open_inner(void *context, size_t task, uint32_t worker) {
  (void)task;
  (void)worker;
  qn_parallel_for(10, count_inner, context);
}

static void nested_regions_run_inline(void) {
  for (uint32_t threads = 1; threads <= 4; threads += 1) {
    CHECK_EQ(qn_threads_set(threads), QN_OK);
    _Atomic uint64_t sum = 0;
    qn_parallel_for(100, open_inner, &sum);
    CHECK_EQ(atomic_load(&sum), 100 * 55);
  }
}

#define CALLERS 5
#define REGIONS (TEST_UNDER_TSAN ? 300 : 3000)

struct caller {
  pthread_t thread;
  uint32_t wrong;
};

static void *call_many(void *argument) {
  struct caller *caller = argument;
  struct tally *tally = new_tally();
  for (int i = 0; i < REGIONS; i += 1) {
    caller->wrong += run_and_tally(tally, (size_t)(i % 40), QN_MAX_THREADS);
  }
  free(tally);
  return NULL;
}

static void start_callers(struct caller *callers) {
  for (int i = 0; i < CALLERS; i += 1) {
    callers[i].wrong = 0;
    if (pthread_create(&callers[i].thread, NULL, call_many, &callers[i]) != 0) abort();
  }
}

static void join_callers(struct caller *callers) {
  for (int i = 0; i < CALLERS; i += 1) {
    pthread_join(callers[i].thread, NULL);
    CHECK_EQ(callers[i].wrong, 0);
  }
}

static void several_threads_open_regions(void) {
  struct caller callers[CALLERS];
  CHECK_EQ(qn_threads_set(4), QN_OK);
  start_callers(callers);
  join_callers(callers);
}

static void the_count_changes_under_load(void) {
  struct caller callers[CALLERS];
  start_callers(callers);
  for (int i = 0; i < 100; i += 1) {
    const uint32_t threads = thread_counts[(size_t)i % THREAD_COUNTS] % 17 + 1;
    CHECK_EQ(qn_threads_set(threads), QN_OK);
    CHECK_EQ(qn_threads(), threads);
    if (i % 10 == 0) usleep(300);
  }
  join_callers(callers);
}

/* ---- Endurance and refusal ------------------------------------------------------- */

static void many_tiny_regions_lose_nothing(void) {
  const int regions = TEST_UNDER_TSAN ? 10000 : 100000;
  CHECK_EQ(qn_threads_set(2), QN_OK);
  _Atomic uint64_t sum = 0;
  for (int i = 0; i < regions; i += 1) qn_parallel_for(3, count_inner, &sum);
  CHECK_EQ(atomic_load(&sum), (uint64_t)regions * 6);
}

/* With no address space for another stack the system refuses threads; the pool
 * goes on with those it has. */
static void refused_threads_are_done_without(void) {
  if (TEST_UNDER_TSAN || TEST_UNDER_ASAN) return;
  struct tally *tally = new_tally();
  struct rlimit before, tight;
  CHECK_EQ(qn_threads_set(1), QN_OK);
  CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
  tight = before;
  tight.rlim_cur = 1 << 20;
  CHECK_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  CHECK_EQ(qn_threads_set(200), QN_OK);
  const uint32_t wrong = run_and_tally(tally, 1000, 200);
  CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
  CHECK_EQ(wrong, 0);
  CHECK_EQ(qn_threads_set(4), QN_OK);
  CHECK_EQ(run_and_tally(tally, 1000, 4), 0);
  free(tally);
}

/* The threads of the parent do not exist in the child, which starts its own.
 * The emulator itself cannot start threads in a child, hence not there. */
static void a_forked_child_has_a_pool_of_its_own(void) {
  if (TEST_UNDER_TSAN || test_state.emulated) return;
  CHECK_EQ(qn_threads_set(2), QN_OK);
  struct meeting warm = {0};
  qn_parallel_for(2, meet, &warm);
  const pid_t child = fork();
  if (child == 0) {
    struct meeting meeting = {0};
    alarm(20);
    qn_parallel_for(2, meet, &meeting);
    _exit(atomic_load(&meeting.present) == 2 ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK_EQ(status, 0);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  CHECK(qn_threads() >= 1 && qn_threads() <= QN_MAX_THREADS);
  bad_counts_are_refused();
  every_task_runs_once();
  two_tasks_run_at_the_same_time();
  threads_that_were_dismissed_come_back();
  a_slow_worker_is_waited_for();
  rows_are_covered_once_in_whole_grains();
  nested_regions_run_inline();
  several_threads_open_regions();
  the_count_changes_under_load();
  many_tiny_regions_lose_nothing();
  refused_threads_are_done_without();
  a_forked_child_has_a_pool_of_its_own();
  return test_finish();
}
