/*
 * attention_problem.h: sizes, arrays and masks that the tests of attention and of its gradient
 * share, with the definition of what a query sees.
 */
#ifndef QN_TESTS_ATTENTION_PROBLEM_H
#define QN_TESTS_ATTENTION_PROBLEM_H

#include "kernel_test.h"

enum { NO_MASK = -1, MOST_HEAD = 512 };

struct problem {
  uint32_t tokens, keys, heads, kv_heads, head_size;
  int32_t causal;
  uint32_t window, batch;
  int32_t mask;    /* NO_MASK, or its dtype */
  int32_t lengths; /* whether sequences use fewer keys than there are */
  int32_t heads_first;
};

/* The arrays of a problem. The batch lies before the tokens, or the heads. */
struct arrays {
  float *y, *q, *k, *v;
  void *mask; /* [heads or 1, tokens, keys], the same for each sequence */
  int32_t *lengths;
  size_t query_floats, key_floats;
  uint64_t layout[QN_ATTENTION_BATCH + 5];
};

static inline void write_layout(struct arrays *a, const struct problem *p) {
  const uint64_t q_token = p->heads_first ? p->head_size : (uint64_t)p->heads * p->head_size;
  const uint64_t k_token = p->heads_first ? p->head_size : (uint64_t)p->kv_heads * p->head_size;
  const uint64_t q_head = p->heads_first ? (uint64_t)p->tokens * p->head_size : p->head_size;
  const uint64_t k_head = p->heads_first ? (uint64_t)p->keys * p->head_size : p->head_size;
  const uint64_t values[] = {
      p->tokens, p->keys, p->heads, p->kv_heads, p->head_size, (uint64_t)p->causal, p->window, 0,
      p->mask == NO_MASK ? QN_F32 : (uint64_t)p->mask,
      q_token, q_head, k_token, k_head, k_token, k_head, p->keys, (uint64_t)p->tokens * p->keys,
      p->batch, a->query_floats, a->key_floats, a->key_floats, 0};
  memcpy(a->layout, values, sizeof values);
}

static inline void fill_mask(struct arrays *a, const struct problem *p) {
  const size_t count = (size_t)p->heads * p->tokens * p->keys;
  if (p->mask == NO_MASK) return;
  a->mask = guarded_bytes(count * (p->mask == QN_BOOL ? 1 : 4));
  for (size_t i = 0; i < count; i += 1) {
    const bool kept = test_random(&test_seed) % 3 != 0;
    if (p->mask == QN_BOOL) ((uint8_t *)a->mask)[i] = kept;
    if (p->mask == QN_I32) ((int32_t *)a->mask)[i] = kept ? -5 : 0;
    if (p->mask == QN_F32) {
      ((float *)a->mask)[i] = kept ? test_random_float(&test_seed, -2, 2) : -INFINITY;
    }
  }
}

static inline struct arrays make_arrays(const struct problem *p, float width) {
  struct arrays a = {0};
  a.query_floats = (size_t)p->tokens * p->heads * p->head_size;
  a.key_floats = (size_t)p->keys * p->kv_heads * p->head_size;
  a.q = random_floats(p->batch * a.query_floats, -width, width);
  a.k = random_floats(p->batch * a.key_floats, -1, 1);
  a.v = random_floats(p->batch * a.key_floats, -2, 2);
  a.y = guarded_floats(p->batch * a.query_floats);
  fill_mask(&a, p);
  if (p->lengths) {
    a.lengths = guarded_bytes(p->batch * sizeof(int32_t));
    for (uint32_t b = 0; b < p->batch; b += 1) {
      a.lengths[b] = (int32_t)(test_random(&test_seed) % (p->keys + 1));
    }
  }
  write_layout(&a, p);
  return a;
}

/* Whether the query of a token sees a key, by the definition. */
static inline bool sees(const struct arrays *a, const struct problem *p, size_t b, size_t head,
                 size_t token, size_t key) {
  const int64_t used = a->lengths != NULL ? a->lengths[b] : (int64_t)p->keys;
  const int64_t own = (int64_t)token + (used > p->tokens ? used - p->tokens : 0);
  const int64_t j = (int64_t)key;
  const int64_t window = p->window;
  if (j >= used || (p->causal && j > own)) return false;
  if (window != 0) {
    const int64_t first = p->causal ? own - window + 1 : own - window / 2;
    if (j < first || j >= first + window) return false;
  }
  const size_t at = (head * p->tokens + token) * p->keys + key;
  if (p->mask == QN_BOOL) return ((const uint8_t *)a->mask)[at] != 0;
  if (p->mask == QN_I32) return ((const int32_t *)a->mask)[at] != 0;
  if (p->mask == QN_F32) return ((const float *)a->mask)[at] != -INFINITY;
  return true;
}

#endif
