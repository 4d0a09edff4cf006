/*
 * gemm/attention_gradient.h: the gradient of attention, for one key-value head of one
 * sequence, in float32 and without a mask.
 */
#ifndef QN_GEMM_ATTENTION_GRADIENT_H
#define QN_GEMM_ATTENTION_GRADIENT_H

#include "kernels/attention.h"

enum { QN_GRADIENT_BLOCK = 64 }; /* queries and keys */

struct qn_attention_gradient {
  struct qn_attention forward; /* whose y and statistics are read */
  const float *g;              /* laid out as y */
  float *dq;                   /* the same; this and the next two may be null */
  float *dk, *dv;              /* of the first key; keys are kv_token apart */
  size_t kv_token;
};

/* Scratch for so many queries and for keys up to `keys`, in floats. */
size_t qn_attention_gradient_floats(size_t queries, size_t keys, size_t head_size);

/* Computes dq of some queries from all pairs of these and of some keys, and dk and dv of
 * these keys. Ranges that do not end with the last query or key end with a block; all of the
 * other ones must be there for what is not null. Bits do not depend on how both are cut. */
void qn_attention_gradient_of(const struct qn_attention_gradient *task, struct qn_key_range queries,
                              struct qn_key_range keys, float *scratch);

#endif
