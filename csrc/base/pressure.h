/*
 * base/pressure.h: how short of memory this process, or its machine, is.
 *
 * The pool's keeper asks about once a second, and gives pages back that it would
 * otherwise keep. An answer is a hint: whatever cannot be read, or is not what it
 * should be, counts as no pressure. Nothing here fails or allocates.
 */
#ifndef QN_BASE_PRESSURE_H
#define QN_BASE_PRESSURE_H

typedef enum qn_pressure {
  QN_PRESSURE_NONE, /* keep what may be of use again */
  QN_PRESSURE_SOME, /* give back what was idle for a while */
  QN_PRESSURE_HIGH, /* give back everything: the next step is a killed process */
} qn_pressure;

/* The worst of all that the system tells. Takes some tens of microseconds. */
qn_pressure qn_os_memory_pressure(void);

/* For tests: where Linux's /proc and /sys are looked for, "" being the machine's
 * own. The text is not copied. */
void qn_os_pressure_test_root(const char *root);

#endif
