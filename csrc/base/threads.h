/*
 * base/threads.h: one persistent pool of threads for the whole process.
 *
 * A parallel region is a body and a number of tasks. The caller takes part; the
 * workers take tasks one by one until none is left. Which worker runs a task,
 * and in which order, is not defined: split work over outputs, never over a sum,
 * and the result has the same bits for any number of threads.
 *
 * Any thread may open a region. While one is open, another (opened by a task of
 * it, or by another thread) runs entirely on the thread that opened it.
 */
#ifndef QN_BASE_THREADS_H
#define QN_BASE_THREADS_H

#include <stddef.h>
#include <stdint.h>

#define QN_MAX_THREADS 256

/* Threads that a region uses, the caller included. */
uint32_t qn_thread_count(void);

/* 1 to QN_MAX_THREADS. Waits for the open region, if any, to end; must not be
 * called from a task. */
void qn_thread_count_set(uint32_t count);

/* Calls body(context, task, worker) once for each task in 0 .. tasks - 1 and
 * returns when all have returned. `worker` is below qn_thread_count() and no two
 * tasks that run at one time have the same within a region: it may index scratch
 * that belongs to the context. */
void qn_parallel_for(size_t tasks, void (*body)(void *context, size_t task, uint32_t worker),
                     void *context);

/* Calls body(context, begin, end, worker) for ranges that cover 0 .. rows - 1.
 * Every range begins at a multiple of `grain` (1 or more) and, but for the last,
 * ends at one, whatever the number of threads. Work of at most one grain stays on
 * the caller: choose a grain of several microseconds, since waking costs. */
void qn_parallel_rows(size_t rows, size_t grain,
                      void (*body)(void *context, size_t begin, size_t end, uint32_t worker),
                      void *context);

#endif
