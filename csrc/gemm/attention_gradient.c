/*
 * gemm/attention_gradient.c: the gradient of attention, block by block (Dao,
 * "FlashAttention-2", 2023). With p the probabilities, which are computed again from the
 * scores and from each row's largest score and sum of weights,
 *
 *     dv = p^T g     ds = p (g v^T - sum(g y))     dq = scale ds k     dk = scale ds^T q
 *
 * A pair is a block of queries and one of keys. Its scores are computed turned, k q^T, as is
 * v g^T, since dv and dk then read their rows; ds is turned once more for dq. All products
 * run in the tiles of the matrix product: q and g are turned into its stripes when their head
 * begins, and copied side by side as what dk and dv multiply by, as are k and v of a block.
 * The scale and log2 e are multiplied into the copy of q, as in the forward pass, so that
 * scores have the same bits as there; dk is divided by log2 e in the end.
 *
 * A pair whose queries do not all see all its keys is cut into strips, and strips that see
 * nothing of each other are left out. What is hidden in the others has probability and slope
 * 0. Sums over keys and over queries take pairs in ascending order.
 */
#include "gemm/attention_gradient.h"

#include <stdbool.h>
#include <string.h>

#include "base/sizes.h"
#include "dispatch/dispatch.h"
#include "kernels/attention_gradient.h"
#include "kernels/panel.h"

enum { BLOCK = QN_GRADIENT_BLOCK, STRIP = QN_QUERY_STRIP, STRIPS = BLOCK / STRIP };

static const float LOG2_E = 0x1.715476p0f;
static const float LN_2 = 0x1.62e430p-1f;

/* What a task has at hand. Queries are numbered from the first of the range, keys of a block
 * from the block's first. */
struct work {
  const struct qn_attention_gradient *task;
  struct qn_key_range queries;
  size_t size, width; /* of a head, and filled up */
  size_t head;        /* in the group */
  float *rows, *slopes;               /* [queries, width]: q, multiplied, and g */
  float *turned_rows, *turned_slopes; /* [queries / STRIP][size][STRIP] */
  struct qn_attention_queries known;
  float *k, *v;     /* [BLOCK, width] */
  float *p, *ds;    /* [BLOCK keys, BLOCK queries] */
  float *turned_ds; /* [BLOCK queries, BLOCK keys] */
  bool *has_dq;     /* for each strip of queries, whether this head began its sums */
  bool *has_dk;     /* for each strip of keys of the block */
};

/* A part of a pair: queries and keys, from the first of their blocks on. */
struct part {
  size_t query, queries, key, keys;
};

/* ---- Products -------------------------------------------------------------------- */

/* [keys, queries] = x[keys] of the block times the turned queries. */
static void multiply_turned(const struct work *work, float *y, const float *x, const float *turned,
                            size_t first_query, const struct part *part) {
  const size_t query = first_query + part->query;
  qn_kernels->gemm_panel_f32(y + part->key * BLOCK + part->query, x + part->key * work->width,
                             turned + query * work->size, part->keys,
                             qn_divide_up(part->queries, STRIP) * STRIP, work->size, BLOCK,
                             work->width, STRIP, STRIP * work->size, 1.0f, 0.0f, NULL);
}

/* dx[keys], of the part's first key, += factor x[keys, queries] y[queries]. */
static void add_to_keys(const struct work *work, float *dx, const float *x, const float *y,
                        size_t first_query, const struct part *part, float factor, bool adds) {
  const size_t query = first_query + part->query;
  qn_kernels->gemm_panel_f32(dx, x + part->key * BLOCK + part->query, y + query * work->width,
                             part->keys, work->size, part->queries, work->task->kv_token, BLOCK,
                             work->width, STRIP, factor, adds ? 1.0f : 0.0f, NULL);
}

/* dq[queries] += scale ds[queries, keys] k[keys]. */
static void add_to_queries(const struct work *work, size_t first_query, const struct part *part) {
  const struct qn_attention *forward = &work->task->forward;
  const size_t query = first_query + part->query;
  const size_t token = work->queries.begin + query;
  float *turned = work->turned_ds + part->query * BLOCK + part->key;
  qn_kernels->transpose((char *)turned, (const char *)(work->ds + part->key * BLOCK + part->query),
                        part->queries, part->keys, BLOCK * sizeof(float), BLOCK * sizeof(float),
                        sizeof(float));
  float *dq = work->task->dq + token * forward->y_token + work->head * forward->y_head;
  bool *has = work->has_dq + query / STRIP;
  qn_kernels->gemm_panel_f32(dq, turned, work->k + part->key * work->width, part->queries,
                             work->size, part->keys, forward->y_token, BLOCK, work->width, STRIP,
                             (float)forward->scale, *has ? 1.0f : 0.0f, NULL);
  memset(has, true, qn_divide_up(part->queries, STRIP));
}

/* ---- Pairs ----------------------------------------------------------------------- */

/* The probabilities and slopes of a part, and what they add to its keys, the first of which
 * is number `key` of all. */
static void add_part(const struct work *work, size_t first_query, size_t key,
                     const struct part *part, bool partial) {
  const struct qn_attention_gradient *task = work->task;
  const size_t query = first_query + part->query;
  const size_t at = part->key * BLOCK + part->query;
  multiply_turned(work, work->p, work->k, work->turned_rows, first_query, part);
  multiply_turned(work, work->ds, work->v, work->turned_slopes, first_query, part);
  qn_kernels->attention_slopes_f32(work->p + at, work->ds + at, &work->known, query,
                                   qn_divide_up(part->queries, STRIP) * STRIP, key, part->keys,
                                   BLOCK, partial);
  bool *has = work->has_dk + key / STRIP;
  const size_t to = key * task->kv_token;
  if (task->dv != NULL) {
    add_to_keys(work, task->dv + to, work->p, work->slopes, first_query, part, 1.0f, *has);
  }
  if (task->dk != NULL) {
    add_to_keys(work, task->dk + to, work->ds, work->rows, first_query, part, LN_2, *has);
  }
  memset(has, true, qn_divide_up(part->keys, STRIP));
}

/* Whether all strips began their sums, or none did. */
static bool are_alike(const bool *has, size_t count) {
  for (size_t i = 1; i < qn_divide_up(count, STRIP); i += 1) {
    if (has[i] != has[0]) return false;
  }
  return true;
}

/* The queries of a block that see one of so many keys from `key` on, or whose neighbour in a
 * strip does. */
static struct part queries_of(const struct work *work, size_t first_query, size_t queries,
                              size_t key, size_t keys) {
  const int32_t *begins = work->known.begins + first_query;
  const int32_t *ends = work->known.ends + first_query;
  size_t begin = 0, end = queries;
  while (begin < end && (size_t)ends[begin] <= key) begin += 1;
  while (begin < end && (size_t)begins[end - 1] >= key + keys) end -= 1;
  if (begin < end) begin = begin / STRIP * STRIP;
  return (struct part){.query = begin, .queries = end - begin, .keys = keys};
}

/* What some queries of a pair see of its keys, filled up to whole strips at its begin. */
static struct part keys_of(const struct work *work, size_t first_query, size_t query,
                           size_t queries, size_t first_key, size_t keys) {
  const size_t first = first_query + query;
  const size_t begin = (size_t)work->known.begins[first];
  const size_t end = (size_t)work->known.ends[first + queries - 1];
  const size_t from = begin > first_key ? qn_min_size(begin - first_key, keys) / STRIP * STRIP : 0;
  const size_t to = end > first_key ? qn_min_size(end - first_key, keys) : 0;
  return (struct part){query, queries, from, to > from && end > begin ? to - from : 0};
}

/* Adds what a block of queries and one of keys make. */
static void add_pair(const struct work *work, size_t query, size_t queries, size_t key,
                     size_t keys) {
  const int32_t *begins = work->known.begins + query;
  const int32_t *ends = work->known.ends + query;
  const size_t last = queries - 1;
  if ((size_t)ends[last] <= key || (size_t)begins[0] >= key + keys) return;
  const bool whole = (size_t)begins[last] <= key && (size_t)ends[0] >= key + keys;
  if (whole && are_alike(work->has_dk + key / STRIP, keys) &&
      are_alike(work->has_dq + query / STRIP, queries)) {
    const struct part all = {0, queries, 0, keys};
    add_part(work, query, key, &all, false);
    if (work->task->dq != NULL) add_to_queries(work, query, &all);
    return;
  }
  for (size_t j = 0; j < keys; j += STRIP) {
    struct part part = queries_of(work, query, queries, key + j, qn_min_size(keys - j, STRIP));
    part.key = j;
    if (part.queries != 0) add_part(work, query, key + j, &part, !whole);
  }
  for (size_t i = 0; i < queries && work->task->dq != NULL; i += STRIP) {
    const size_t some = qn_min_size(queries - i, STRIP);
    const struct part part = keys_of(work, query, i, some, key, keys);
    if (part.keys != 0) add_to_queries(work, query, &part);
  }
}

/* ---- A head ---------------------------------------------------------------------- */

/* turned[queries / STRIP][size][STRIP]. */
static void turn(const struct work *work, float *turned, const float *rows, size_t padded) {
  for (size_t i = 0; i < padded; i += STRIP) {
    qn_kernels->transpose((char *)(turned + i * work->size), (const char *)(rows + i * work->width),
                          work->size, STRIP, STRIP * sizeof(float), work->width * sizeof(float),
                          sizeof(float));
  }
}

/* What the forward pass noted of the queries; those beyond the last have no weight. */
static void read_statistics(const struct work *work, size_t count, size_t padded) {
  const struct qn_attention_queries *known = &work->known;
  for (size_t i = 0; i < padded; i += 1) {
    known->largest[i] = known->inverse[i] = 0.0f;
    if (i >= count) continue;
    const struct qn_attention_place at = {work->queries.begin + i, work->head};
    const float *statistics = qn_attention_statistics(&work->task->forward, at);
    /* While every score is -inf, the forward pass took another shift: NaN either way. */
    known->largest[i] = statistics[0];
    known->inverse[i] = 1.0f / statistics[1];
  }
}

static void begin_head(const struct work *work) {
  const struct qn_attention *forward = &work->task->forward;
  const size_t count = work->queries.end - work->queries.begin;
  const size_t padded = qn_divide_up(count, STRIP) * STRIP;
  const size_t beyond = (padded - count) * work->width * sizeof(float);
  const size_t from = work->queries.begin * forward->y_token + work->head * forward->y_head;
  const float *q = (const float *)forward->q + work->queries.begin * forward->q_token +
                   work->head * forward->q_head;
  qn_kernels->attention_copy_f32(work->rows, q, count, work->size, forward->q_token,
                                 (float)forward->scale * LOG2_E);
  qn_kernels->attention_copy_f32(work->slopes, work->task->g + from, count, work->size,
                                 forward->y_token, 1.0f);
  memset(work->rows + count * work->width, 0, beyond);
  memset(work->slopes + count * work->width, 0, beyond);
  turn(work, work->turned_rows, work->rows, padded);
  turn(work, work->turned_slopes, work->slopes, padded);
  read_statistics(work, count, padded);
  memset(work->known.means + count, 0, (padded - count) * sizeof(float));
  qn_kernels->attention_dots_f32(work->known.means, work->slopes, (const float *)forward->y + from,
                                 count, work->size, forward->y_token);
  memset(work->has_dq, false, padded / STRIP);
}

/* Zeros for rows whose sums nothing was added to. */
static void finish_rows(float *rows, size_t stride, size_t size, size_t count, const bool *has) {
  for (size_t i = 0; i < count && rows != NULL; i += 1) {
    if (!has[i / STRIP]) memset(rows + i * stride, 0, size * sizeof(float));
  }
}

/* All pairs of one query head. */
static void add_head(const struct work *work, struct qn_key_range keys) {
  const struct qn_attention_gradient *task = work->task;
  const struct qn_attention *forward = &task->forward;
  const size_t count = work->queries.end - work->queries.begin;
  begin_head(work);
  for (size_t key = keys.begin; key < keys.end; key += BLOCK) {
    const size_t here = qn_min_size(keys.end - key, BLOCK);
    const float *k = (const float *)forward->k + key * forward->k_token;
    const float *v = (const float *)forward->v + key * forward->v_token;
    qn_kernels->attention_copy_f32(work->k, k, here, work->size, forward->k_token, 1.0f);
    qn_kernels->attention_copy_f32(work->v, v, here, work->size, forward->v_token, 1.0f);
    for (size_t query = 0; query < count; query += BLOCK) {
      add_pair(work, query, qn_min_size(count - query, BLOCK), key, here);
    }
  }
  if (task->dq == NULL) return;
  float *dq = task->dq + work->queries.begin * forward->y_token + work->head * forward->y_head;
  finish_rows(dq, forward->y_token, work->size, count, work->has_dq);
}

/* ---- A task ---------------------------------------------------------------------- */

/* Floats that hold so many marks, aligned as all scratch. */
static size_t mark_floats(size_t rows) {
  return qn_divide_up(qn_divide_up(rows, STRIP), 16 * sizeof(float)) * 16;
}

size_t qn_attention_gradient_floats(size_t queries, size_t keys, size_t head_size) {
  const size_t width = qn_attention_head_floats(head_size);
  const size_t padded = qn_divide_up(queries, STRIP) * STRIP;
  return padded * (4 * width + 5) + BLOCK * (2 * width + 3 * BLOCK) + mark_floats(queries) +
         mark_floats(keys);
}

/* Takes room from the scratch. */
static float *take(float **scratch, size_t floats) {
  float *room = *scratch;
  *scratch += floats;
  return room;
}

static struct work lay_out(const struct qn_attention_gradient *task, struct qn_key_range queries,
                           size_t keys, float *scratch) {
  const size_t size = task->forward.head_size;
  const size_t width = qn_attention_head_floats(size);
  const size_t padded = qn_divide_up(queries.end - queries.begin, STRIP) * STRIP;
  struct work work = {.task = task, .queries = queries, .size = size, .width = width};
  work.rows = take(&scratch, padded * width);
  work.slopes = take(&scratch, padded * width);
  work.turned_rows = take(&scratch, padded * width);
  work.turned_slopes = take(&scratch, padded * width);
  work.k = take(&scratch, BLOCK * width);
  work.v = take(&scratch, BLOCK * width);
  work.p = take(&scratch, BLOCK * BLOCK);
  work.ds = take(&scratch, BLOCK * BLOCK);
  work.turned_ds = take(&scratch, BLOCK * BLOCK);
  work.known.largest = take(&scratch, padded);
  work.known.inverse = take(&scratch, padded);
  work.known.means = take(&scratch, padded);
  work.known.begins = (int32_t *)take(&scratch, padded);
  work.known.ends = (int32_t *)take(&scratch, padded);
  work.has_dq = (bool *)take(&scratch, mark_floats(padded));
  work.has_dk = (bool *)take(&scratch, mark_floats(keys));
  return work;
}

void qn_attention_gradient_of(const struct qn_attention_gradient *task, struct qn_key_range queries,
                              struct qn_key_range keys, float *scratch) {
  const size_t count = queries.end - queries.begin;
  struct work work = lay_out(task, queries, keys.end, scratch);
  for (size_t i = 0; i < qn_divide_up(count, STRIP) * STRIP; i += 1) {
    struct qn_key_range seen = {0, 0};
    if (i < count) seen = qn_attention_seen(&task->forward, queries.begin + i);
    work.known.begins[i] = (int32_t)seen.begin;
    work.known.ends[i] = (int32_t)seen.end;
  }
  memset(work.has_dk, false, qn_divide_up(keys.end, STRIP));
  for (work.head = 0; work.head < task->forward.group; work.head += 1) add_head(&work, keys);
  for (int values = 0; values < 2; values += 1) {
    float *rows = values ? task->dv : task->dk;
    if (rows == NULL) continue;
    finish_rows(rows + keys.begin * task->kv_token, task->kv_token, work.size,
                keys.end - keys.begin, work.has_dk + keys.begin / STRIP);
  }
}
