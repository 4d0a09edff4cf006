/*
 * base/threads.c: the pool of threads.
 *
 * One word, `state`, says all that threads must agree on:
 *
 *      63 ............ 18   17     16     15 ..... 0
 *      region number        sleep  open   threads inside
 *
 * The thread that opens a region holds `region_lock`, writes `job`, then stores
 * the word with the next number and the open bit. A worker enters by adding one
 * to the word it saw with that bit set, so it can never enter a region that
 * ended: the addition fails if anything changed. The opener takes tasks as the
 * workers do, clears the open bit when there are none left, and waits until the
 * threads inside are gone. So a worker that sleeps too long costs nothing: it
 * finds the region closed. Only then may `job` be written again.
 *
 * Between regions a worker watches the word for a short while, then sleeps on
 * `work`. Before it sleeps it counts itself in `sleepers` and looks at the word
 * once more, while an opener stores the word and then looks at `sleepers`; both
 * in sequentially consistent order, so one of them sees the other.
 *
 * The number of threads (`target`) only changes under `region_lock`, with no
 * region open. Worker i lives while i < target; `alive[i]`, under `sleep_lock`,
 * keeps a second worker i from being started while the first has not gone yet.
 */
#include "base/threads.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/thread_os.h"

#define ENTERED_MASK 0xffffull
#define OPEN_BIT (1ull << 16)
#define SLEEP_BIT (1ull << 17)
#define NUMBER_SHIFT 18

/* How long a thread that waits looks before it sleeps: longer than the gap
 * between two operations of a model, shorter than anybody's idea of idle. */
#define SPIN_NS 50000u
#define PAUSES_PER_LOOK 16

struct job {
  void (*body)(void *context, size_t task, uint32_t worker);
  void *context;
  size_t tasks;
};

static struct {
  _Alignas(64) _Atomic uint64_t state;
  _Alignas(64) _Atomic size_t next_task;
  _Alignas(64) struct job job;
  _Atomic uint32_t target;   /* threads of a region, the opener included; 0: not chosen yet */
  _Atomic uint32_t sleepers; /* workers that sleep or are about to */
  _Atomic bool spin;         /* whether waiting threads look before they sleep */
  uint32_t started_for;      /* the target that workers were started for */
  qn_lock region_lock;       /* held while a region is open */
  qn_lock sleep_lock;
  qn_condition work; /* a region was opened, or the target changed */
  qn_condition done; /* the last thread left a region whose opener sleeps */
  bool alive[QN_MAX_THREADS];
} pool = {
    .region_lock = QN_LOCK_INIT,
    .sleep_lock = QN_LOCK_INIT,
    .work = QN_CONDITION_INIT,
    .done = QN_CONDITION_INIT,
};

/* Whether this thread has a region open: a lock that is not recursive must not
 * even be tried by the thread that holds it. */
static _Thread_local bool inside_region;

/* ---- Waiting --------------------------------------------------------------- */

/* Looks at the word until `mask` of it differs from `seen`, for a short while. */
static uint64_t look(uint64_t seen, uint64_t mask) {
  const uint64_t start = qn_clock_ns();
  for (;;) {
    for (int i = 0; i < PAUSES_PER_LOOK; i += 1) {
      const uint64_t state = atomic_load_explicit(&pool.state, memory_order_acquire);
      if ((state & mask) != (seen & mask)) return state;
      qn_thread_pause();
    }
    if (qn_clock_ns() - start > SPIN_NS) return seen;
  }
}

/* Waits until the region's number is no longer that of `seen`. */
static uint64_t wait_for_region(uint64_t seen) {
  const uint64_t number = ~(ENTERED_MASK | OPEN_BIT | SLEEP_BIT);
  uint64_t state = atomic_load_explicit(&pool.state, memory_order_acquire);
  if ((state & number) == (seen & number) &&
      atomic_load_explicit(&pool.spin, memory_order_relaxed)) {
    state = look(seen, number);
  }
  if ((state & number) != (seen & number)) return state;

  qn_lock_take(&pool.sleep_lock);
  atomic_fetch_add(&pool.sleepers, 1);
  state = atomic_load(&pool.state);
  while ((state & number) == (seen & number)) {
    qn_condition_wait(&pool.work, &pool.sleep_lock);
    state = atomic_load(&pool.state);
  }
  atomic_fetch_sub(&pool.sleepers, 1);
  qn_lock_give(&pool.sleep_lock);
  return state;
}

/* Wakes as many sleeping workers as there is work for. */
static void wake(size_t wanted) {
  if (atomic_load(&pool.sleepers) == 0) return;
  qn_lock_take(&pool.sleep_lock);
  const uint32_t sleepers = atomic_load_explicit(&pool.sleepers, memory_order_relaxed);
  if (wanted >= sleepers) {
    qn_condition_wake_all(&pool.work);
  } else {
    for (size_t i = 0; i < wanted; i += 1) qn_condition_wake_one(&pool.work);
  }
  qn_lock_give(&pool.sleep_lock);
}

/* Closes the region and waits until nobody is inside. */
static void close_region(void) {
  uint64_t state = atomic_fetch_and(&pool.state, ~OPEN_BIT) & ~OPEN_BIT;
  while ((state & ENTERED_MASK) != 0 && atomic_load_explicit(&pool.spin, memory_order_relaxed)) {
    const uint64_t before = state;
    state = look(before, ENTERED_MASK);
    if (state == before) break; /* looked long enough */
  }
  if ((state & ENTERED_MASK) == 0) return;

  qn_lock_take(&pool.sleep_lock);
  state = atomic_fetch_or(&pool.state, SLEEP_BIT);
  while ((state & ENTERED_MASK) != 0) {
    qn_condition_wait(&pool.done, &pool.sleep_lock);
    state = atomic_load(&pool.state);
  }
  qn_lock_give(&pool.sleep_lock);
}

/* ---- Workers --------------------------------------------------------------- */

static void run_tasks(uint32_t worker) {
  const struct job job = pool.job;
  for (;;) {
    const size_t task = atomic_fetch_add_explicit(&pool.next_task, 1, memory_order_relaxed);
    if (task >= job.tasks) return;
    job.body(job.context, task, worker);
  }
}

/* Enters the open region that `state` shows; false if it is over. */
static bool enter(uint64_t *state) {
  while ((*state & OPEN_BIT) != 0) {
    if (atomic_compare_exchange_weak_explicit(&pool.state, state, *state + 1, memory_order_acquire,
                                              memory_order_acquire)) {
      return true;
    }
  }
  return false;
}

static void leave(void) {
  const uint64_t before = atomic_fetch_sub(&pool.state, 1);
  if ((before & ENTERED_MASK) != 1 || (before & SLEEP_BIT) == 0) return;
  qn_lock_take(&pool.sleep_lock);
  qn_condition_wake_one(&pool.done);
  qn_lock_give(&pool.sleep_lock);
}

/* Whether worker `index` is no longer wanted; if so it is struck off. */
static bool retire(uint32_t index) {
  if (index < atomic_load_explicit(&pool.target, memory_order_relaxed)) return false;
  qn_lock_take(&pool.sleep_lock);
  const bool unwanted = index >= atomic_load_explicit(&pool.target, memory_order_relaxed);
  if (unwanted) pool.alive[index] = false;
  qn_lock_give(&pool.sleep_lock);
  return unwanted;
}

static void worker_main(void *argument) {
  const uint32_t index = (uint32_t)(uintptr_t)argument;
  uint64_t seen = 0; /* never a region's number, so a region open already is joined */
  while (!retire(index)) {
    seen = wait_for_region(seen);
    if (!enter(&seen)) continue;
    /* The target cannot change while a region is open: this look is final. */
    if (index < atomic_load_explicit(&pool.target, memory_order_relaxed)) run_tasks(index);
    leave();
  }
}

/* ---- The number of threads ---------------------------------------------------- */

static uint32_t default_threads(void) {
  const uint32_t processors = qn_processor_count();
  return processors < QN_MAX_THREADS ? processors : QN_MAX_THREADS;
}

uint32_t qn_thread_count(void) {
  uint32_t target = atomic_load_explicit(&pool.target, memory_order_acquire);
  if (target != 0) return target;
  uint32_t none = 0;
  target = default_threads();
  if (atomic_compare_exchange_strong(&pool.target, &none, target)) return target;
  return none; /* another thread chose meanwhile */
}

/* A forked child has the pool's memory, but none of its threads, and perhaps
 * locks that one of them held. The chosen number of threads stays. */
static void forget_workers(void) {
  pool.region_lock = (qn_lock)QN_LOCK_INIT;
  pool.sleep_lock = (qn_lock)QN_LOCK_INIT;
  pool.work = (qn_condition)QN_CONDITION_INIT;
  pool.done = (qn_condition)QN_CONDITION_INIT;
  atomic_store(&pool.state, 0);
  atomic_store(&pool.sleepers, 0);
  for (uint32_t i = 0; i < QN_MAX_THREADS; i += 1) pool.alive[i] = false;
  pool.started_for = 0;
  inside_region = false;
}

/* Starts the workers that are missing. Called with region_lock held; what the
 * system refuses to start is done without. */
static void start_workers(uint32_t target) {
  static bool prepared = false;
  if (pool.started_for == target) return;
  pool.started_for = target;
  if (target == 1) return;
  atomic_store_explicit(&pool.spin, target <= qn_processor_count(), memory_order_relaxed);
  if (!prepared) {
    qn_library_pin();
    qn_on_fork(forget_workers);
    prepared = true;
  }
  qn_lock_take(&pool.sleep_lock);
  for (uint32_t i = 1; i < target; i += 1) {
    if (pool.alive[i]) continue;
    pool.alive[i] = qn_thread_start(worker_main, (void *)(uintptr_t)i);
    if (!pool.alive[i]) break;
  }
  qn_lock_give(&pool.sleep_lock);
}

static uint64_t next_number(void) {
  const uint64_t state = atomic_load_explicit(&pool.state, memory_order_relaxed);
  return ((state >> NUMBER_SHIFT) + 1) << NUMBER_SHIFT;
}

void qn_thread_count_set(uint32_t count) {
  qn_lock_take(&pool.region_lock);
  atomic_store(&pool.target, count);
  pool.started_for = 0; /* dismissed workers are started again */
  /* A region that is closed from the start makes every worker look at the target. */
  atomic_store(&pool.state, next_number());
  wake(QN_MAX_THREADS);
  qn_lock_give(&pool.region_lock);
}

/* ---- Regions --------------------------------------------------------------- */

static void run_here(size_t tasks, void (*body)(void *, size_t, uint32_t), void *context) {
  for (size_t task = 0; task < tasks; task += 1) body(context, task, 0);
}

void qn_parallel_for(size_t tasks, void (*body)(void *context, size_t task, uint32_t worker),
                     void *context) {
  const uint32_t target = qn_thread_count();
  if (tasks < 2 || target == 1 || inside_region || !qn_lock_try(&pool.region_lock)) {
    run_here(tasks, body, context);
    return;
  }
  inside_region = true;
  start_workers(qn_thread_count());
  pool.job = (struct job){body, context, tasks};
  atomic_store_explicit(&pool.next_task, 0, memory_order_relaxed);
  atomic_store(&pool.state, next_number() | OPEN_BIT);
  wake(tasks - 1);
  run_tasks(0);
  close_region();
  inside_region = false;
  qn_lock_give(&pool.region_lock);
}

struct rows_job {
  void (*body)(void *context, size_t begin, size_t end, uint32_t worker);
  void *context;
  size_t rows;
  size_t rows_per_task;
};

static void run_rows(void *context, size_t task, uint32_t worker) {
  const struct rows_job *job = context;
  const size_t begin = task * job->rows_per_task;
  const size_t rest = job->rows - begin;
  const size_t count = rest < job->rows_per_task ? rest : job->rows_per_task;
  job->body(job->context, begin, begin + count, worker);
}

/* More tasks than threads, so that a thread which was held up costs less. */
#define TASKS_PER_THREAD 4

void qn_parallel_rows(size_t rows, size_t grain,
                      void (*body)(void *context, size_t begin, size_t end, uint32_t worker),
                      void *context) {
  if (rows == 0) return;
  const size_t grains = (rows - 1) / grain + 1;
  const size_t threads = qn_thread_count();
  if (grains == 1 || threads == 1) {
    body(context, 0, rows, 0);
    return;
  }
  const size_t grains_per_task = (grains - 1) / (threads * TASKS_PER_THREAD) + 1;
  const size_t rows_per_task = grains_per_task * grain;
  struct rows_job job = {body, context, rows, rows_per_task};
  qn_parallel_for((rows - 1) / rows_per_task + 1, run_rows, &job);
}
