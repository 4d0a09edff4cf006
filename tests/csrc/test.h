/*
 * test.h: the harness of the C tests.
 *
 * A test program is one file `test_<what>.c`: it calls CHECK and its kin, and
 * ends `main` with `return test_finish();`. The build passes the program's name
 * as the first argument, and "emulated" as the second where an emulator of
 * another processor runs it. The last lines on stdout are, for people and scripts,
 *
 *     <name>: N checks passed
 *     c-test <name> passed=N failed=N
 *
 * A failed check prints where and why and lets the program go on. Checks are
 * for the main thread; other threads count what they see and let it judge.
 */
#ifndef QN_TESTS_TEST_H
#define QN_TESTS_TEST_H

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quern.h"

#if !defined(_WIN32)
#include <sys/mman.h>
#include <unistd.h>
#endif

/* Sanitizers take much time and address space: tests ask, and do less. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_UNDER_TSAN 1
#endif
#endif
#if !defined(TEST_UNDER_TSAN)
#define TEST_UNDER_TSAN 0
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_UNDER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define TEST_UNDER_ASAN 1
#endif
#if !defined(TEST_UNDER_ASAN)
#define TEST_UNDER_ASAN 0
#endif

#define TEST_MAX_MESSAGES 20

static struct {
  const char *name;
  bool emulated;
  uint64_t passed;
  uint64_t failed;
} test_state;

static inline void test_begin(int count, char **arguments) {
  test_state.name = count > 1 ? arguments[1] : arguments[0];
  test_state.emulated = count > 2 && strcmp(arguments[2], "emulated") == 0;
}

/* Counts a check. True if the caller should print why it failed. */
static inline bool test_count(bool passed) {
  if (passed) {
    test_state.passed += 1;
    return false;
  }
  test_state.failed += 1;
  return test_state.failed <= TEST_MAX_MESSAGES;
}

static inline int test_finish(void) {
  if (test_state.failed == 0) {
    printf("%s: %" PRIu64 " checks passed\n", test_state.name, test_state.passed);
  } else {
    printf("%s: %" PRIu64 " checks FAILED, %" PRIu64 " passed\n", test_state.name,
           test_state.failed, test_state.passed);
  }
  printf("c-test %s passed=%" PRIu64 " failed=%" PRIu64 "\n", test_state.name, test_state.passed,
         test_state.failed);
  fflush(stdout);
  return test_state.failed == 0 ? 0 : 1;
}

static inline void test_check(bool passed, const char *text, const char *file, int line) {
  if (test_count(passed)) printf("%s:%d: not so: %s\n", file, line, text);
}

static inline void test_check_eq(int64_t a, int64_t b, const char *text, const char *file,
                                 int line) {
  if (test_count(a == b)) {
    printf("%s:%d: %s: %" PRId64 " is not %" PRId64 "\n", file, line, text, a, b);
  }
}

/* |a - b| <= tolerance; two NaN, or two equal infinities, are near. */
static inline void test_check_near(double a, double b, double tolerance, const char *text,
                                   const char *file, int line) {
  const bool near = a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance;
  if (test_count(near)) {
    printf("%s:%d: %s: %.9g is not %.9g, tolerance %g\n", file, line, text, a, b, tolerance);
  }
}

#define CHECK(condition) test_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(a, b) \
  test_check_eq((int64_t)(a), (int64_t)(b), #a " == " #b, __FILE__, __LINE__)
#define CHECK_NEAR(a, b, tolerance) \
  test_check_near((a), (b), (tolerance), #a " ~ " #b, __FILE__, __LINE__)

/* Selects instruction set `index`; false, with nothing changed, if this machine
 * lacks it. Tests of kernels run once for each:
 *
 *     for (uint32_t isa = 0; isa < qn_isa_count(); isa += 1) {
 *       if (test_select_isa(isa)) test_everything();
 *     }
 */
static inline bool test_select_isa(uint32_t index) {
  return qn_isa_supported(index) && qn_isa_select(qn_isa_name(index)) == QN_OK;
}

/* ---- Random numbers: SplitMix64, the same on every machine --------------- */

static inline uint64_t test_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* Uniform in [low, high). */
static inline float test_random_float(uint64_t *state, float low, float high) {
  const float unit = (float)(test_random(state) >> 40) * 0x1p-24f;
  return low + (high - low) * unit;
}

/* ---- Guarded memory ------------------------------------------------------- */

/* A buffer that ends (or begins) exactly at a page which faults when touched,
 * so that one element read too far ends the program. Where there is no mmap the
 * memory is plain. `data` is aligned only as far as `bytes` allows. */
struct guarded {
  void *data;
  void *base;
  size_t mapped;
};

static inline struct guarded guarded_place(size_t bytes, bool at_end) {
  struct guarded buffer = {NULL, NULL, 0};
#if defined(_WIN32)
  (void)at_end;
  buffer.base = buffer.data = malloc(bytes == 0 ? 1 : bytes);
#else
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t inner = (bytes + page - 1) / page * page;
  buffer.mapped = inner + 2 * page;
  buffer.base = mmap(NULL, buffer.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (buffer.base == MAP_FAILED) abort();
  char *start = (char *)buffer.base + page;
  if (inner > 0 && mprotect(start, inner, PROT_READ | PROT_WRITE) != 0) abort();
  buffer.data = at_end ? start + inner - bytes : start;
#endif
  if (buffer.data == NULL) abort();
  memset(buffer.data, 0xa5, bytes);
  return buffer;
}

/* Ends at an inaccessible page. */
static inline struct guarded guarded_alloc(size_t bytes) { return guarded_place(bytes, true); }

/* Begins after an inaccessible page. */
static inline struct guarded guarded_alloc_start(size_t bytes) {
  return guarded_place(bytes, false);
}

static inline void guarded_free(struct guarded buffer) {
#if defined(_WIN32)
  free(buffer.base);
#else
  munmap(buffer.base, buffer.mapped);
#endif
}

#endif
