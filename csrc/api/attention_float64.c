/*
 * api/attention_float64.c: attention in float64, for reference.
 *
 * The definition, row by row: all scores of a row, its largest, the weights, and the sum of
 * the values that they weigh. A key that a row does not see is not read.
 */
#include "api/attention_float64.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "quern.h"

/* What of the mask is added to the score of a key; -inf leaves it out. */
static double mask_at(const struct qn_attention *task, const void *mask, size_t key) {
  if (mask == NULL) return 0.0;
  if (task->mask_dtype == QN_F64) return ((const double *)mask)[key];
  const bool kept = task->mask_dtype == QN_BOOL ? ((const uint8_t *)mask)[key] != 0
                                                : ((const int32_t *)mask)[key] != 0;
  return kept ? 0.0 : -INFINITY;
}

static const void *mask_of(const struct qn_attention *task, struct qn_attention_place place) {
  if (task->mask == NULL) return NULL;
  const size_t at = place.token * task->mask_token + place.head * task->mask_head;
  const size_t bytes = task->mask_dtype == QN_BOOL ? 1 : task->mask_dtype == QN_F64 ? 8 : 4;
  return (const char *)task->mask + at * bytes;
}

static double dot(const double *a, const double *b, size_t n) {
  double sum = 0.0;
  for (size_t i = 0; i < n; i += 1) sum += a[i] * b[i];
  return sum;
}

/* The scores of the keys that a row sees, -inf for others of the range; returns the largest. */
static double score(double *scores, const struct qn_attention *task, const double *q,
                    const void *mask, struct qn_key_range seen) {
  double largest = -INFINITY;
  for (size_t j = seen.begin; j < seen.end; j += 1) {
    scores[j] = mask_at(task, mask, j);
    if (scores[j] == -INFINITY) continue;
    const double *k = (const double *)task->k + j * task->k_token;
    scores[j] += dot(q, k, task->head_size) * task->scale;
    if (scores[j] > largest) largest = scores[j];
  }
  return largest;
}

static void attend(double *y, double *scores, const struct qn_attention *task, const void *mask,
                   struct qn_key_range seen, double largest) {
  /* While every score is -inf, any finite shift makes every weight 0. */
  const double shift = largest == -INFINITY ? 0.0 : largest;
  double sum = 0.0;
  bool any = false;
  for (size_t j = seen.begin; j < seen.end; j += 1) {
    if (mask_at(task, mask, j) == -INFINITY) continue;
    any = true;
    const double weight = exp(scores[j] - shift);
    const double *v = (const double *)task->v + j * task->v_token;
    for (size_t d = 0; d < task->head_size; d += 1) y[d] += weight * v[d];
    sum += weight;
  }
  for (size_t d = 0; d < task->head_size && any; d += 1) y[d] /= sum;
}

void qn_attention_rows_f64(double *weights, const struct qn_attention *task, size_t first,
                           size_t last) {
  for (size_t row = first; row < last; row += 1) {
    const struct qn_attention_place place = qn_attention_place(task, row);
    const double *q = (const double *)task->q + place.token * task->q_token + place.head * task->q_head;
    double *y = (double *)task->y + place.token * task->y_token + place.head * task->y_head;
    const void *mask = mask_of(task, place);
    const struct qn_key_range seen = qn_attention_seen(task, place.token);
    memset(y, 0, task->head_size * sizeof *y);
    attend(y, weights, task, mask, seen, score(weights, task, q, mask, seen));
  }
}
