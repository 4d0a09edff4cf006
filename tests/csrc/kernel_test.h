/*
 * kernel_test.h: what the tests of kernels share, on top of test.h.
 *
 * A test is a function without arguments that runs once for each instruction set
 * of this machine. Arrays that it takes from `guarded_floats` and its kin end at
 * a page that faults, and are freed when it ends.
 */
#ifndef QN_TESTS_KERNEL_TEST_H
#define QN_TESTS_KERNEL_TEST_H

#include "test.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Nothing, one, and both sides of every number of lanes and small tile. */
static const uint32_t test_lengths[] = {0,  1,  2,  3,  4,  5,  7,  8,  9,   15,  16,
                                        17, 31, 32, 33, 47, 63, 64, 65, 127, 129, 1000};

static const uint32_t test_thread_counts[] = {1, 2, 4, 7, 8};

static uint64_t test_seed = 1;

/* Emulators and sanitizers are slow: tests then take fewer cases. */
static inline bool test_is_slow(void) {
  return test_state.emulated || TEST_UNDER_TSAN || TEST_UNDER_ASAN;
}

static struct {
  struct guarded buffers[64];
  size_t count;
} test_arena;

static inline void *guarded_bytes(size_t bytes) {
  if (test_arena.count == COUNT_OF(test_arena.buffers)) abort();
  struct guarded buffer = guarded_alloc(bytes);
  test_arena.buffers[test_arena.count++] = buffer;
  return buffer.data;
}

static inline float *guarded_floats(size_t count) { return guarded_bytes(count * sizeof(float)); }

/* Numbers between low and high. */
static inline float *random_floats(size_t count, float low, float high) {
  float *values = guarded_floats(count);
  for (size_t i = 0; i < count; i += 1) values[i] = test_random_float(&test_seed, low, high);
  return values;
}

static inline float *copy_floats(const float *values, size_t count) {
  float *copy = guarded_floats(count);
  if (count != 0) memcpy(copy, values, count * sizeof(float));
  return copy;
}

static inline void release_all(void) {
  while (test_arena.count > 0) guarded_free(test_arena.buffers[--test_arena.count]);
}

static inline bool same_bits(const float *a, const float *b, size_t count) {
  return count == 0 || memcmp(a, b, count * sizeof(float)) == 0;
}

/* |value - reference| <= relative * |reference|, or both rounded into the
 * subnormals, or both NaN, or the same infinity. */
static inline bool is_close(float value, double reference, double relative) {
  if (isnan(reference)) return isnan(value);
  if ((float)reference == value) return true;
  return fabs((double)value - reference) <= relative * fabs(reference) + 0x1p-149;
}

/* Every element of `values` is close to `reference(index)`, of float64. */
static inline bool all_close(const float *values, const double *reference, size_t count,
                             double relative, double absolute) {
  for (size_t i = 0; i < count; i += 1) {
    const bool near = fabs((double)values[i] - reference[i]) <= absolute;
    if (near || is_close(values[i], reference[i], relative)) continue;
    printf("element %zu: %.9g is not %.9g (%s)\n", i, (double)values[i], reference[i],
           qn_isa_name(qn_isa_selected()));
    return false;
  }
  return true;
}

static inline void run_on_each_isa(void (*const *tests)(void), size_t count) {
  for (uint32_t isa = 0; isa < qn_isa_count(); isa += 1) {
    if (!test_select_isa(isa)) continue;
    for (size_t i = 0; i < count; i += 1) {
      tests[i]();
      release_all();
    }
  }
  qn_isa_select(NULL);
}

#endif
