/*
 * api/attention_call.h: what a call of attention, or of its gradient, is told, checked, and
 * where the heads of its sequences lie. A sequence is an entry of the batch or a segment.
 */
#ifndef QN_API_ATTENTION_CALL_H
#define QN_API_ATTENTION_CALL_H

#include <stdbool.h>

#include "kernels/attention.h"
#include "quern.h"

enum { QN_ATTENTION_MOST_AXES = 13 };

struct qn_attention_axis {
  size_t size, q, k, v, mask;
};

struct qn_attention_call {
  struct qn_attention first; /* the first key-value head of the first sequence */
  int32_t dtype;             /* QN_F32 or QN_F64 */
  size_t bytes;              /* of an element */
  size_t k_head, v_head, kv_heads;
  struct qn_attention_axis batch[QN_ATTENTION_MOST_AXES];
  uint32_t axes;
  const int32_t *lengths;
  size_t segments;
  size_t sequences;
};

/* Completes a call whose addresses, dtype and scale are set, from its layout. Sets `empty`
 * where there is nothing to compute: then the sizes alone are complete. The result's address
 * is left to the caller. */
qn_status qn_attention_read(struct qn_attention_call *call, bool *empty, const uint64_t *layout,
                            uint32_t axes);

/* Where a sequence begins in arrays that are dense: queries from the first, and keys, each
 * sequence having `key_rows` of them. */
struct qn_attention_start {
  size_t query, key;
};

struct qn_attention_start qn_attention_start(const struct qn_attention_call *call,
                                             size_t sequence, size_t key_rows);

/* A key-value head of a sequence. */
struct qn_attention qn_attention_find(const struct qn_attention_call *call, size_t sequence,
                                      size_t head);

#endif
