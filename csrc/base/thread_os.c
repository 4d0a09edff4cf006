/*
 * base/thread_os.c: what base/thread_os.h declares, for POSIX and Windows.
 */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity, dladdr */
#endif

#include "base/thread_os.h"

#include <stddef.h>
#include <stdlib.h>

/* What a new thread is to run; it frees this first. */
struct start {
  void (*entry)(void *);
  void *argument;
};

static void run_and_free(struct start *heap_start) {
  const struct start start = *heap_start;
  free(heap_start);
  start.entry(start.argument);
}

static struct start *make_start(void (*entry)(void *), void *argument) {
  struct start *start = malloc(sizeof(*start));
  if (start != NULL) *start = (struct start){entry, argument};
  return start;
}

#if defined(_WIN32)

static DWORD WINAPI thread_main(void *start) {
  run_and_free(start);
  return 0;
}

bool qn_thread_start(void (*entry)(void *), void *argument) {
  struct start *start = make_start(entry, argument);
  if (start == NULL) return false;
  HANDLE thread = CreateThread(NULL, 0, thread_main, start, 0, NULL);
  if (thread == NULL) {
    free(start);
    return false;
  }
  CloseHandle(thread);
  return true;
}

static qn_lock exit_lock = QN_LOCK_INIT;
static DWORD exit_slot = FLS_OUT_OF_INDEXES;
static void (*exit_function)(void *); /* set before the slot is made, and never again */

static void NTAPI exit_slot_ended(void *argument) {
  if (argument != NULL) exit_function(argument);
}

bool qn_thread_on_exit(void (*at_exit)(void *), void *argument) {
  qn_lock_take(&exit_lock);
  if (exit_slot == FLS_OUT_OF_INDEXES) {
    exit_function = at_exit;
    exit_slot = FlsAlloc(exit_slot_ended);
  }
  const DWORD slot = exit_slot;
  qn_lock_give(&exit_lock);
  return slot != FLS_OUT_OF_INDEXES && FlsSetValue(slot, argument) != 0;
}

uint32_t qn_processor_count(void) {
  const DWORD count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
  return count == 0 ? 1 : (uint32_t)count;
}

uint64_t qn_clock_ns(void) {
  static LARGE_INTEGER frequency; /* every thread writes the same value */
  LARGE_INTEGER ticks;
  if (frequency.QuadPart == 0) QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&ticks);
  return (uint64_t)((double)ticks.QuadPart * (1e9 / (double)frequency.QuadPart));
}

void qn_library_pin(void) {
  HMODULE module;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     (LPCWSTR)(void *)&qn_library_pin, &module);
}

void qn_on_fork(void (*child)(void)) { (void)child; /* Windows has no fork */ }

#else

#include <dlfcn.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void *thread_main(void *start) {
  run_and_free(start);
  return NULL;
}

bool qn_thread_start(void (*entry)(void *), void *argument) {
  struct start *start = make_start(entry, argument);
  if (start == NULL) return false;
  /* Signals are the host's business: its own threads take them. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, NULL, thread_main, start);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error != 0) {
    free(start);
    return false;
  }
  pthread_detach(thread);
  return true;
}

static qn_lock exit_lock = QN_LOCK_INIT;
static pthread_key_t exit_key;
static bool exit_key_made;

bool qn_thread_on_exit(void (*at_exit)(void *), void *argument) {
  qn_lock_take(&exit_lock);
  if (!exit_key_made) exit_key_made = pthread_key_create(&exit_key, at_exit) == 0;
  const bool made = exit_key_made;
  qn_lock_give(&exit_lock);
  return made && pthread_setspecific(exit_key, argument) == 0;
}

void qn_condition_wait_for(qn_condition *condition, qn_lock *lock, uint32_t ms) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += ms / 1000;
  until.tv_nsec += (long)(ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    until.tv_sec += 1;
  }
  pthread_cond_timedwait(condition, lock, &until);
}

uint32_t qn_processor_count(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    const int allowed = CPU_COUNT(&set);
    if (allowed > 0) return (uint32_t)allowed;
  }
#endif
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (uint32_t)online : 1;
}

uint64_t qn_clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void qn_library_pin(void) {
#if defined(RTLD_NODELETE) && defined(RTLD_NOLOAD)
  Dl_info info;
  if (dladdr((void *)(uintptr_t)&qn_library_pin, &info) == 0 || info.dli_fname == NULL) return;
  /* The handle is kept on purpose: closing it would undo the pin on some systems. */
  (void)dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
#endif
}

void qn_on_fork(void (*child)(void)) { pthread_atfork(NULL, NULL, child); }

#endif
