/*
 * kernels/attention.h: what the attention kernels are told, and their scratch.
 *
 * Rows. The rows of a key-value head are the queries of the heads that share it,
 * numbered token * group + head in the group.
 *
 * Blocks. Keys are taken in blocks of QN_ATTENTION_BLOCK from key 0. In each, a row has
 * its own largest score, sum of weights and weighted sum of values; blocks are then
 * joined in natural order. So a row's bits depend on its query and on the keys that it
 * sees alone, and blocks may be computed apart.
 *
 * States. What a row has gathered is a state: the weighted sum, filled up to whole
 * vectors, then the largest score, the sum of the weights, and padding. The sum is below
 * 0 while the row has gathered nothing.
 */
#ifndef QN_KERNELS_ATTENTION_H
#define QN_KERNELS_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

enum {
  QN_ATTENTION_BLOCK = 512, /* keys: whole panels of kernels/panel.h */
  QN_ATTENTION_ROWS = 6,    /* whose scores exist at one time: the highest tile */
  QN_ATTENTION_MOST_HEAD = 512,
  QN_ROW_STATISTICS = 2, /* the largest score, as an exponent of two, and the sum of weights */
};

/* One key-value head of one sequence, in float32 or float64. Strides are in elements; the
 * elements of a head, and the keys of a row of the mask, lie side by side. */
struct qn_attention {
  void *y;
  float *statistics; /* null, or where those of the first row stand: QN_ROW_STATISTICS a row */
  const void *q, *k, *v;
  const void *mask; /* null, or of mask_dtype: that of q is added; of BOOL or I32, 0 leaves out */
  size_t y_token, y_head, q_token, q_head, k_token, v_token, mask_token, mask_head;
  size_t tokens, keys; /* of keys, those in use */
  size_t heads;        /* of a token */
  size_t group;        /* of these, those that share the keys */
  size_t head_size;    /* 1 .. QN_ATTENTION_MOST_HEAD */
  size_t window;       /* 0, or the most keys that a row sees */
  int32_t causal;
  int32_t mask_dtype;
  double scale;
};

/* Whose query a row is. */
struct qn_attention_place {
  size_t token, head; /* the head in the group */
};

/* Groups of one are the rule, and a division there costs as much as a vector of weights. */
static inline struct qn_attention_place qn_attention_place(const struct qn_attention *task,
                                                           size_t row) {
  if (task->group == 1) return (struct qn_attention_place){row, 0};
  return (struct qn_attention_place){row / task->group, row % task->group};
}

/* Where its statistics stand; there are some. */
static inline float *qn_attention_statistics(const struct qn_attention *task,
                                             struct qn_attention_place place) {
  return task->statistics + (place.token * task->heads + place.head) * QN_ROW_STATISTICS;
}

/* The keys begin .. end - 1. */
struct qn_key_range {
  size_t begin, end;
};

/* The keys that the queries of a token see, but for the mask. The last query is at the
 * last key; where there are more queries than keys, the first at the first. A window
 * ends at the query's own key with `causal`, else it has that key in its middle. */
static inline struct qn_key_range qn_attention_seen(const struct qn_attention *task, size_t token) {
  const size_t own = token + (task->keys > task->tokens ? task->keys - task->tokens : 0);
  struct qn_key_range seen = {0, task->keys};
  if (task->window != 0) {
    const size_t before = task->causal ? task->window - 1 : task->window / 2;
    if (own > before) seen.begin = own - before;
    if (own - before + task->window < task->keys) seen.end = own - before + task->window;
  }
  if (task->causal && own < task->keys) seen.end = own + 1;
  if (seen.begin > seen.end) seen.begin = seen.end;
  return seen;
}

/* Floats of a head once it is filled up to whole vectors of any instruction set. */
static inline size_t qn_attention_head_floats(size_t head_size) {
  return (head_size + 15) / 16 * 16;
}

static inline size_t qn_attention_state_floats(size_t head_size) {
  return qn_attention_head_floats(head_size) + 16;
}

/* Scratch of attention_f32, in floats. */
static inline size_t qn_attention_scratch_floats(size_t head_size) {
  const size_t width = qn_attention_head_floats(head_size);
  return QN_ATTENTION_BLOCK * 2 * width + QN_ATTENTION_ROWS * (QN_ATTENTION_BLOCK + 2 * width);
}

#endif
