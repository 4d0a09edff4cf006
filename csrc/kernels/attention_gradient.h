/*
 * kernels/attention_gradient.h: what the kernels of attention's gradient share with the
 * loops around them, gemm/attention_gradient.c.
 *
 * Probabilities and slopes of scores are kept turned: a row is a key, and queries lie side by
 * side, so that the products with g and q, which sum over queries, read rows.
 */
#ifndef QN_KERNELS_ATTENTION_GRADIENT_H
#define QN_KERNELS_ATTENTION_GRADIENT_H

#include <stdint.h>

enum { QN_QUERY_STRIP = 16 }; /* queries: whole vectors of any instruction set */

/* What is known of the queries of a head, each array filled up to whole strips. */
struct qn_attention_queries {
  float *largest; /* score, as an exponent of two */
  float *inverse; /* of the sum of the weights; 0 beyond the last query */
  float *means;   /* of a row of g v^T, weighted by the probabilities */
  int32_t *begins, *ends; /* the keys that a query sees */
};

#endif
