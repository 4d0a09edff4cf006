/*
 * base/thread_os.h: threads, locks and a clock, over POSIX and Windows.
 *
 * Only what the pool of threads and the pool of memory need. Locks and conditions need no set-up or
 * tear-down beyond their static initialisers, and a thread is detached.
 */
#ifndef QN_BASE_THREAD_OS_H
#define QN_BASE_THREAD_OS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

typedef SRWLOCK qn_lock;
typedef CONDITION_VARIABLE qn_condition;
#define QN_LOCK_INIT SRWLOCK_INIT
#define QN_CONDITION_INIT CONDITION_VARIABLE_INIT

static inline void qn_lock_take(qn_lock *lock) { AcquireSRWLockExclusive(lock); }
static inline bool qn_lock_try(qn_lock *lock) { return TryAcquireSRWLockExclusive(lock) != 0; }
static inline void qn_lock_give(qn_lock *lock) { ReleaseSRWLockExclusive(lock); }
static inline void qn_condition_wait(qn_condition *condition, qn_lock *lock) {
  SleepConditionVariableSRW(condition, lock, INFINITE, 0);
}
static inline void qn_condition_wait_for(qn_condition *condition, qn_lock *lock, uint32_t ms) {
  SleepConditionVariableSRW(condition, lock, ms, 0);
}
static inline void qn_condition_wake_one(qn_condition *condition) {
  WakeConditionVariable(condition);
}
static inline void qn_condition_wake_all(qn_condition *condition) {
  WakeAllConditionVariable(condition);
}
static inline void qn_thread_yield(void) { SwitchToThread(); }

#else
#include <pthread.h>
#include <sched.h>

typedef pthread_mutex_t qn_lock;
typedef pthread_cond_t qn_condition;
#define QN_LOCK_INIT PTHREAD_MUTEX_INITIALIZER
#define QN_CONDITION_INIT PTHREAD_COND_INITIALIZER

static inline void qn_lock_take(qn_lock *lock) { pthread_mutex_lock(lock); }
static inline bool qn_lock_try(qn_lock *lock) { return pthread_mutex_trylock(lock) == 0; }
static inline void qn_lock_give(qn_lock *lock) { pthread_mutex_unlock(lock); }
static inline void qn_condition_wait(qn_condition *condition, qn_lock *lock) {
  pthread_cond_wait(condition, lock);
}
void qn_condition_wait_for(qn_condition *condition, qn_lock *lock, uint32_t ms);
static inline void qn_condition_wake_one(qn_condition *condition) {
  pthread_cond_signal(condition);
}
static inline void qn_condition_wake_all(qn_condition *condition) {
  pthread_cond_broadcast(condition);
}
static inline void qn_thread_yield(void) { sched_yield(); }
#endif

/* Tells the processor that this is a loop which waits. */
static inline void qn_thread_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory"); /* about as long as x86's pause; yield is a no-op */
#endif
}

/* Starts a detached thread. False where the system refuses. */
bool qn_thread_start(void (*entry)(void *), void *argument);

/* Has `at_exit(argument)` called on this thread when it ends (not when the process
 * does). The function is the same in every call; a thread's latest argument counts.
 * False where the system refuses. */
bool qn_thread_on_exit(void (*at_exit)(void *), void *argument);

/* Processors that this process may run on, 1 or more. */
uint32_t qn_processor_count(void);

/* A monotonic clock. */
uint64_t qn_clock_ns(void);

/* Keeps the code of this library mapped until the process ends, so that its
 * threads never return into a library that was closed. */
void qn_library_pin(void);

/* Has `child` called in the child of every later fork, before fork returns there. */
void qn_on_fork(void (*child)(void));

#endif
