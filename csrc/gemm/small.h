/*
 * gemm/small.h: products that are computed before a plan could be made.
 */
#ifndef QN_GEMM_SMALL_H
#define QN_GEMM_SMALL_H

#include <stdbool.h>

#include "gemm/gemm.h"

/* Computes a product of which one thread makes one task without scratch memory; false,
 * with nothing done, for any other. */
bool qn_gemm_small(const struct qn_gemm *p);

#endif
