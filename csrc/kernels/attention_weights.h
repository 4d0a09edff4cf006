/*
 * kernels/attention_weights.h: from the scores of a row to its weights, with masks.
 * Include <vec.h> first.
 *
 * Scores are exponents of two. Those of a row lie side by side and are numbered from the
 * begin of their block; ranges begin .. end - 1 are of whole vectors, and begin where a
 * panel does. A score of -inf has the weight 0.
 */
#ifndef QN_KERNELS_ATTENTION_WEIGHTS_H
#define QN_KERNELS_ATTENTION_WEIGHTS_H

#include <math.h>

#include "kernels/attention.h"
#include "weight.h"

/* ---- Masks --------------------------------------------------------------------- */

/* Where the mask of a row begins. */
QN_INLINE const void *qn_mask_of(const struct qn_attention *task, size_t row) {
  const struct qn_attention_place place = qn_attention_place(task, row);
  const size_t at = place.token * task->mask_token + place.head * task->mask_head;
  return (const char *)task->mask + at * (task->mask_dtype == QN_BOOL ? 1 : 4);
}

/* Which of `n` keys from `key` on a row's mask leaves. */
QN_INLINE qn_vi qn_mask_leaves_n(const struct qn_attention *task, const void *mask, size_t key,
                                 size_t n) {
  if (task->mask_dtype == QN_BOOL) return qn_vload_u8_i32_n((const char *)mask + key, n) != 0;
  if (task->mask_dtype == QN_I32) return qn_vload_i32_n((const int32_t *)mask + key, n) != 0;
  return qn_vload_n((const float *)mask + key, n) != qn_vset1(-INFINITY);
}

/* Whether there is no mask, or it leaves a key. */
QN_INLINE int qn_mask_leaves(const struct qn_attention *task, size_t row, size_t key) {
  if (task->mask == NULL) return 1;
  return qn_mask_leaves_n(task, qn_mask_of(task, row), key, 1)[0] != 0;
}

/* Brings the mask into the scores of the block that begins at key `block`: floats are
 * added, and -inf stands for the keys that it leaves out. */
static void qn_mask_scores(const struct qn_attention *task, size_t row, size_t block,
                           float *scores, size_t begin, size_t end) {
  const void *mask = qn_mask_of(task, row);
  for (size_t j = begin; j < end; j += QN_LANES) {
    const size_t key = block + j;
    size_t n = task->keys > key ? task->keys - key : 0;
    if (n > QN_LANES) n = QN_LANES;
    qn_vf s = qn_vload(scores + j);
    if (task->mask_dtype == QN_F32) {
      s = qn_vfma(qn_vload_n((const float *)mask + key, n), qn_vset1(0x1.715476p0f), s);
    }
    s = qn_vselect(qn_mask_leaves_n(task, mask, key, n), s, qn_vset1(-INFINITY));
    qn_vstore(scores + j, s);
  }
}

/* Whether a row sees any key. */
static int qn_sees_a_key(const struct qn_attention *task, size_t row) {
  const struct qn_key_range seen = qn_attention_seen(task, qn_attention_place(task, row).token);
  size_t j = seen.begin;
  while (j < seen.end && !qn_mask_leaves(task, row, j)) j += 1;
  return j < seen.end;
}

/* ---- Ranges -------------------------------------------------------------------- */

/* -inf for the scores of the vector at j that are not in `seen`. */
QN_INLINE void qn_hide_vector(float *scores, struct qn_key_range seen, size_t j) {
  qn_vi key = qn_vlane_index() + (int32_t)j;
  qn_vi inside = (key >= (int32_t)seen.begin) & (key < (int32_t)seen.end);
  qn_vstore(scores + j, qn_vselect(inside, qn_vload(scores + j), qn_vset1(-INFINITY)));
}

/* The same for begin .. end - 1. */
static void qn_hide_scores(float *scores, struct qn_key_range seen, size_t begin, size_t end) {
  for (size_t j = begin; j < end && j < seen.begin; j += QN_LANES) qn_hide_vector(scores, seen, j);
  size_t j = seen.end / QN_LANES * QN_LANES;
  for (j = j > begin ? j : begin; j < end; j += QN_LANES) qn_hide_vector(scores, seen, j);
}

/* ---- Weights ------------------------------------------------------------------- */

/* The largest score, NaN left out. */
static float qn_largest_score(const float *scores, size_t begin, size_t end) {
  qn_vf tops[4];
  for (size_t c = 0; c < 4; c += 1) tops[c] = qn_vset1(-INFINITY);
  size_t j = begin;
  for (; j + 4 * QN_LANES <= end; j += 4 * QN_LANES) {
    for (size_t c = 0; c < 4; c += 1) tops[c] = qn_vmax(qn_vload(scores + j + c * QN_LANES), tops[c]);
  }
  for (; j < end; j += QN_LANES) tops[0] = qn_vmax(qn_vload(scores + j), tops[0]);
  return qn_vreduce_max(qn_vmax(qn_vmax(tops[0], tops[1]), qn_vmax(tops[2], tops[3])));
}

/* Turns scores into weights and gives their sum. A vector's place in its block says to
 * which of four sums it is added. */
static float qn_weigh(float *scores, size_t begin, size_t end, float largest) {
  /* While every score is -inf, any finite shift makes every weight 0. */
  const float shift = largest == -INFINITY ? 0.0f : largest;
  qn_vf sums[4];
  for (size_t c = 0; c < 4; c += 1) sums[c] = qn_vzero();
  size_t j = begin;
  for (; j + 4 * QN_LANES <= end; j += 4 * QN_LANES) {
    for (size_t c = 0; c < 4; c += 1) {
      qn_vf weight = qn_vweight(qn_vload(scores + j + c * QN_LANES) - shift);
      qn_vstore(scores + j + c * QN_LANES, weight);
      sums[c] += weight;
    }
  }
  for (size_t c = 0; c < 3; c += 1, j += QN_LANES) {
    if (j >= end) break;
    qn_vf weight = qn_vweight(qn_vload(scores + j) - shift);
    qn_vstore(scores + j, weight);
    sums[c] += weight;
  }
  return qn_vreduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

#endif
