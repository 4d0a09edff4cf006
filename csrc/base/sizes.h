/*
 * base/sizes.h: arithmetic of sizes that many loops need.
 */
#ifndef QN_BASE_SIZES_H
#define QN_BASE_SIZES_H

#include <stddef.h>

static inline size_t qn_min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t qn_max_size(size_t a, size_t b) { return a > b ? a : b; }

/* How many parts of `b` hold `a`, also where the sum of both overflows. */
static inline size_t qn_divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

#endif
