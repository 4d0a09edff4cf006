/*
 * kernels/attention.c: scaled dot-product attention for some rows of one key-value
 * head and some blocks of its keys; kernels/attention.h says what those are.
 *
 *   scores = q k^T     tiles of the matrix product, K turned into panels first
 *   weights            2^(score - the row's largest of the block), in place
 *   output = weights v tiles of the matrix product, V read where it is
 *
 * One row of tiles goes through all three while its scores are in the first cache;
 * the block of K and V stays in the second for all rows (Dao et al., "FlashAttention",
 * 2022; Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).
 * The scale and log2 e are multiplied into the queries. Few rows are not worth writing
 * K down turned: it is turned in registers then.
 *
 * A score is summed over the head, and an output over the keys of a block, in natural
 * order, so both ways have the same bits. The weight of a key that a row does not see
 * is 0, which touches nothing unless the value is infinite or NaN: blocks that hold
 * such a value and are not seen by all rows go row by row and key by key.
 */
#include "kernels/attention.h"

#include <math.h>
#include <string.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

#include "attention_weights.h"
#include "isa/turn.h"
#include "row_tiles.h"

enum {
  KEYS = QN_ATTENTION_BLOCK,
  ROWS = QN_TILE_ROWS,
  FEW_ROWS = 4, /* of a call: they turn K in registers */
};

/* A block of keys, and scratch. */
struct block {
  const struct qn_attention *task;
  size_t begin;             /* its first key */
  struct qn_key_range used; /* keys that some row of the call sees, from `begin` on */
  const float *values;      /* of key `begin` */
  size_t value_row;
  int finite;       /* whether V holds no infinity and no NaN there; -1: not known */
  int turned;       /* whether the panels are made */
  int is_last;      /* whether results are written after it */
  float *panels;    /* [KEYS / QN_PANEL][head_size][QN_PANEL] */
  float *copied;    /* [KEYS][head_floats] of V */
  float *queries;   /* [ROWS][head_floats] */
  float *scores;    /* [ROWS][KEYS] */
  float *outputs;   /* [ROWS][head_floats] */
};

/* Some rows and what they have in the block. */
struct rows {
  size_t first, count;
  struct qn_key_range seen[ROWS]; /* from the block's begin on */
  struct qn_key_range all;        /* of any row */
  int partial;                    /* whether a row does not see all of that */
  float largest[ROWS], sum[ROWS];
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static const float *query_of(const struct qn_attention *task, size_t row) {
  const struct qn_attention_place at = qn_attention_place(task, row);
  return (const float *)task->q + at.token * task->q_token + at.head * task->q_head;
}

static float *result_of(const struct qn_attention *task, size_t row) {
  const struct qn_attention_place at = qn_attention_place(task, row);
  return (float *)task->y + at.token * task->y_token + at.head * task->y_head;
}

static const float *key_of(const struct qn_attention *task, size_t key) {
  return (const float *)task->k + key * task->k_token;
}

static const float *value_of(const struct qn_attention *task, size_t key) {
  return (const float *)task->v + key * task->v_token;
}

/* ---- Keys and values ----------------------------------------------------------- */

/* A panel: `keys` keys turned, zeros beyond them. */
static void turn_panel(float *panel, const float *k, size_t stride, size_t keys, size_t size) {
  for (size_t j = 0; j < QN_PANEL; j += QN_LANES) {
    const size_t here = j < keys ? smaller(keys - j, QN_LANES) : 0;
    for (size_t d = 0; d < size; d += QN_LANES) {
      const size_t deep = smaller(size - d, QN_LANES);
      qn_vf columns[QN_LANES];
      qn_vload_turned(columns, k + j * stride + d, stride, here, deep);
      float *to = panel + d * QN_PANEL + j;
      for (size_t i = 0; i < deep; i += 1) qn_vstore(to + i * QN_PANEL, columns[i]);
    }
  }
}

static void turn_panels(struct block *block) {
  const struct qn_attention *task = block->task;
  const size_t size = task->head_size;
  for (size_t j = block->used.begin / QN_PANEL * QN_PANEL; j < block->used.end; j += QN_PANEL) {
    const size_t keys = smaller(QN_PANEL, task->keys - block->begin - j);
    turn_panel(block->panels + j * size, key_of(task, block->begin + j), task->k_token, keys, size);
  }
  block->turned = 1;
}

/* Where heads are no whole vectors: so that whole ones may be read. */
static void copy_values(struct block *block) {
  const struct qn_attention *task = block->task;
  const size_t width = qn_attention_head_floats(task->head_size);
  for (size_t j = block->used.begin; j < block->used.end; j += 1) {
    float *to = block->copied + j * width;
    memcpy(to, value_of(task, block->begin + j), task->head_size * sizeof *to);
    memset(to + task->head_size, 0, (width - task->head_size) * sizeof *to);
  }
  block->values = block->copied;
  block->value_row = width;
}

/* Whether V holds neither an infinity nor a NaN: x - x is 0 then. */
static int values_are_finite(const struct block *block) {
  const size_t size = block->task->head_size;
  qn_vf sum = qn_vzero();
  for (size_t j = block->used.begin; j < block->used.end; j += 1) {
    const float *v = block->values + j * block->value_row;
    for (size_t d = 0; d < size; d += QN_LANES) {
      qn_vf x = qn_vload_n(v + d, smaller(size - d, QN_LANES));
      sum += x - x;
    }
  }
  return !qn_vany(sum != sum);
}

/* ---- Scores -------------------------------------------------------------------- */

/* sums[n] += the products of columns d .. d + deep - 1 of the queries and QN_LANES keys. */
QN_INLINE void add_products(qn_vf *sums, const struct block *block, size_t n, size_t key, size_t d,
                            size_t deep) {
  const struct qn_attention *task = block->task;
  const size_t width = qn_attention_head_floats(task->head_size);
  const float *k = key_of(task, block->begin + key) + d;
  const float *q = block->queries + d;
  qn_vf columns[QN_LANES];
  qn_vload_turned(columns, k, task->k_token,
                  smaller(task->keys - block->begin - key, QN_LANES), deep);
  /* A constant number of steps, where it is one, keeps the columns in registers. */
  for (size_t e = 0; e < (deep == QN_LANES ? QN_LANES : deep); e += 1) {
    for (size_t i = 0; i < n; i += 1) {
      sums[i] = qn_vfma(qn_vset1(q[i * width + e]), columns[e], sums[i]);
    }
  }
}

/* scores[n] of the keys begin .. end - 1, turned in registers; n is a constant. Two
 * vectors of keys take turns, so that none waits for the sum before it. */
QN_INLINE void score_directly(const struct block *block, size_t n, size_t begin, size_t end) {
  const size_t size = block->task->head_size;
  for (size_t j = begin; j < end; j += 2 * QN_LANES) {
    const size_t next = smaller(j + QN_LANES, end - QN_LANES);
    qn_vf first[FEW_ROWS], second[FEW_ROWS];
    for (size_t i = 0; i < n; i += 1) first[i] = second[i] = qn_vzero();
    size_t d = 0;
    for (; d + QN_LANES <= size; d += QN_LANES) {
      add_products(first, block, n, j, d, QN_LANES);
      add_products(second, block, n, next, d, QN_LANES);
    }
    if (d < size) {
      add_products(first, block, n, j, d, size - d);
      add_products(second, block, n, next, d, size - d);
    }
    for (size_t i = 0; i < n; i += 1) {
      qn_vstore(block->scores + i * KEYS + j, first[i]);
      qn_vstore(block->scores + i * KEYS + next, second[i]);
    }
  }
}

/* Scores of the keys begin .. end - 1, both of whole vectors. */
static void score_rows(const struct block *block, size_t count, size_t begin, size_t end) {
  if (!block->turned) {
    switch (count) {
      case 1: score_directly(block, 1, begin, end); return;
      case 2: score_directly(block, 2, begin, end); return;
      case 3: score_directly(block, 3, begin, end); return;
      default: score_directly(block, 4, begin, end); return;
    }
  }
  const size_t size = block->task->head_size;
  const struct qn_row_tiles tiles = {
      .c = block->scores + begin, .c_row = KEYS,
      .a = block->queries, .a_row = qn_attention_head_floats(size),
      .b = block->panels + begin * size, .b_row = QN_PANEL, .b_panel = QN_PANEL * size,
      .cols = end - begin, .depth = size,
  };
  qn_multiply_rows(&tiles, count);
}

/* ---- Outputs ------------------------------------------------------------------- */

/* The weighted sum of one row over the keys that it sees, key by key. */
static void gather_exactly(const struct block *block, const struct rows *rows, size_t i,
                           float *output) {
  const struct qn_attention *task = block->task;
  const size_t size = task->head_size;
  const float *weights = block->scores + i * KEYS;
  for (size_t d = 0; d < size; d += QN_LANES) {
    const size_t n = smaller(size - d, QN_LANES);
    qn_vf sum = qn_vzero();
    for (size_t j = rows->seen[i].begin; j < rows->seen[i].end; j += 1) {
      if (!qn_mask_leaves(task, rows->first + i, block->begin + j)) continue;
      const float *v = block->values + j * block->value_row + d;
      sum = qn_vfma(qn_vset1(weights[j]), qn_vload_n(v, n), sum);
    }
    qn_vstore(output + d, sum);
  }
}

/* outputs[count], `stride` apart, of what the rows see of the block. */
static void gather(struct block *block, const struct rows *rows, float *outputs, size_t stride) {
  if (rows->partial) {
    if (block->finite < 0) block->finite = values_are_finite(block);
    if (!block->finite) {
      for (size_t i = 0; i < rows->count; i += 1) {
        gather_exactly(block, rows, i, outputs + i * stride);
      }
      return;
    }
  }
  const size_t begin = rows->all.begin;
  const struct qn_row_tiles tiles = {
      .c = outputs, .c_row = stride,
      .a = block->scores + begin, .a_row = KEYS,
      .b = block->values + begin * block->value_row, .b_row = block->value_row,
      .b_panel = QN_PANEL,
      .cols = (block->task->head_size + QN_LANES - 1) / QN_LANES * QN_LANES,
      .depth = rows->all.end - begin,
  };
  qn_multiply_rows(&tiles, rows->count);
}

/* ---- States -------------------------------------------------------------------- */

/* Joins what a row has of a block, or a later state, to its state. */
static void join_state(float *state, const float *output, float largest, float sum, size_t width) {
  float *own_largest = state + width;
  float *own_sum = own_largest + 1;
  if (*own_sum < 0.0f) {
    memcpy(state, output, width * sizeof *state);
    *own_largest = largest;
    *own_sum = sum;
    return;
  }
  const float top = largest > *own_largest ? largest : *own_largest;
  const float shift = top == -INFINITY ? 0.0f : top;
  const qn_vf own = qn_vweight(qn_vset1(*own_largest - shift));
  const qn_vf other = qn_vweight(qn_vset1(largest - shift));
  for (size_t d = 0; d < width; d += QN_LANES) {
    qn_vstore(state + d, qn_vfma(qn_vload(output + d), other, qn_vload(state + d) * own));
  }
  *own_sum = qn_vfma(qn_vset1(sum), other, qn_vset1(*own_sum) * own)[0];
  *own_largest = top;
}

/* What gradients need: so that no weight is left of a row that sees no key, its sum is
 * infinite. */
static void write_statistics(const struct qn_attention *task, size_t row, float largest,
                             float sum) {
  if (task->statistics == NULL) return;
  float *to = qn_attention_statistics(task, qn_attention_place(task, row));
  to[0] = largest;
  to[1] = sum;
}

/* Writes a row of y from its state: zeros where it sees no key. */
static void finish_row(const struct qn_attention *task, size_t row, const float *state) {
  const size_t size = task->head_size;
  float *y = result_of(task, row);
  const float largest = state[qn_attention_head_floats(size)];
  const float sum = state[qn_attention_head_floats(size) + 1];
  if (sum < 0.0f || (sum == 0.0f && !qn_sees_a_key(task, row))) {
    memset(y, 0, size * sizeof *y);
    write_statistics(task, row, 0.0f, INFINITY);
    return;
  }
  write_statistics(task, row, largest, sum);
  const qn_vf inverse = qn_vset1(1.0f / sum);
  for (size_t d = 0; d < size; d += QN_LANES) {
    /* The sum with 0 leaves no negative zero, whose sign could tell of others' keys. */
    qn_vstore_n(y + d, qn_vload(state + d) * inverse + 0.0f, smaller(size - d, QN_LANES));
  }
}

void QN_VARIANT(attention_join_f32)(float *states, const struct qn_attention *task, size_t parts,
                                    size_t first_row, size_t last_row) {
  const size_t width = qn_attention_head_floats(task->head_size);
  const size_t stride = qn_attention_state_floats(task->head_size);
  const size_t rows = last_row - first_row;
  for (size_t i = 0; i < rows; i += 1) {
    float *state = states + i * stride;
    for (size_t part = 1; part < parts; part += 1) {
      const float *other = state + part * rows * stride;
      if (other[width + 1] < 0.0f) continue;
      join_state(state, other, other[width], other[width + 1], width);
    }
    finish_row(task, first_row + i, state);
  }
}

/* ---- Rows and blocks ------------------------------------------------------------- */

/* What of a range lies in a block, counted from the block's begin. */
static struct qn_key_range within_block(struct qn_key_range keys, size_t begin) {
  keys.begin = keys.begin > begin ? smaller(keys.begin - begin, KEYS) : 0;
  keys.end = keys.end > begin ? smaller(keys.end - begin, KEYS) : 0;
  if (keys.begin >= keys.end) keys.begin = keys.end = 0;
  return keys;
}

static struct qn_key_range join_ranges(struct qn_key_range a, struct qn_key_range b) {
  if (a.begin == a.end) return b;
  if (b.begin == b.end) return a;
  return (struct qn_key_range){smaller(a.begin, b.begin), larger(a.end, b.end)};
}

/* Finds what some rows see of the block. */
static void begin_rows(struct rows *rows, const struct block *block) {
  rows->all = (struct qn_key_range){0, 0};
  for (size_t i = 0; i < rows->count; i += 1) {
    const size_t token = qn_attention_place(block->task, rows->first + i).token;
    rows->seen[i] = within_block(qn_attention_seen(block->task, token), block->begin);
    rows->all = join_ranges(rows->all, rows->seen[i]);
  }
  rows->partial = block->task->mask != NULL;
  for (size_t i = 0; i < rows->count; i += 1) {
    const struct qn_key_range *seen = &rows->seen[i];
    if (seen->begin != rows->all.begin || seen->end != rows->all.end) rows->partial = 1;
  }
}

/* The queries, multiplied, side by side. */
static void copy_queries(const struct block *block, const struct rows *rows) {
  const struct qn_attention *task = block->task;
  const size_t size = task->head_size;
  const qn_vf factor = qn_vset1((float)task->scale * 0x1.715476p0f);
  for (size_t i = 0; i < rows->count; i += 1) {
    const size_t row = rows->first + i;
    const float *q = query_of(task, row);
    float *to = block->queries + i * qn_attention_head_floats(size);
    for (size_t d = 0; d < size; d += QN_LANES) {
      qn_vstore(to + d, qn_vload_n(q + d, smaller(size - d, QN_LANES)) * factor);
    }
  }
}

/* Asks for the query that takes row i's place in the next tile, and for row i's result
 * if this is the last block. Rows are far apart, so that nothing else does; a few lines at
 * a time, since more would wait for each other. */
static void ask_for_row(const struct block *block, const struct rows *rows, size_t i,
                        size_t last_row) {
  const struct qn_attention *task = block->task;
  const float *q = query_of(task, smaller(rows->first + rows->count + i, last_row - 1));
  for (size_t d = 0; d < task->head_size; d += 16) __builtin_prefetch(q + d, 0);
  if (!block->is_last) return;
  const float *y = result_of(task, rows->first + i);
  for (size_t d = 0; d < task->head_size; d += 16) __builtin_prefetch(y + d, 1);
}

/* Some rows and one block of keys. */
static void attend(struct block *block, struct rows *rows, float *states, size_t last_row) {
  const struct qn_attention *task = block->task;
  begin_rows(rows, block);
  if (rows->all.begin == rows->all.end) return;
  const size_t begin = rows->all.begin / QN_PANEL * QN_PANEL;
  const size_t end = (rows->all.end + QN_LANES - 1) / QN_LANES * QN_LANES;
  copy_queries(block, rows);
  score_rows(block, rows->count, begin, end);
  for (size_t i = 0; i < rows->count; i += 1) {
    float *scores = block->scores + i * KEYS;
    if (task->mask != NULL) {
      qn_mask_scores(task, rows->first + i, block->begin, scores, begin, end);
    }
    qn_hide_scores(scores, rows->seen[i], begin, end);
    rows->largest[i] = qn_largest_score(scores, begin, end);
  }
  for (size_t i = 0; i < rows->count; i += 1) {
    ask_for_row(block, rows, i, last_row);
    rows->sum[i] = qn_weigh(block->scores + i * KEYS, begin, end, rows->largest[i]);
  }
  const size_t width = qn_attention_head_floats(task->head_size);
  const size_t stride = qn_attention_state_floats(task->head_size);
  int fresh = 1;
  for (size_t i = 0; i < rows->count; i += 1) fresh &= states[i * stride + width + 1] < 0.0f;
  if (fresh) {
    gather(block, rows, states, stride);
  } else {
    gather(block, rows, block->outputs, width);
  }
  for (size_t i = 0; i < rows->count; i += 1) {
    float *state = states + i * stride;
    if (fresh) {
      state[width] = rows->largest[i];
      state[width + 1] = rows->sum[i];
    } else {
      join_state(state, block->outputs + i * width, rows->largest[i], rows->sum[i], width);
    }
  }
}

/* What the rows of the call share of a block. */
static void begin_block(struct block *block, size_t begin, size_t first_row, size_t last_row) {
  const struct qn_attention *task = block->task;
  block->begin = begin;
  /* What rows see moves on from row to row, without a gap. */
  const size_t first = qn_attention_place(task, first_row).token;
  const size_t last = qn_attention_place(task, last_row - 1).token;
  const struct qn_key_range used = {qn_attention_seen(task, first).begin,
                                    qn_attention_seen(task, last).end};
  block->used = within_block(used, begin);
  if (block->used.begin == block->used.end) return;
  block->finite = -1;
  block->values = value_of(task, begin);
  block->value_row = task->v_token;
  if (task->head_size % QN_LANES != 0) copy_values(block);
  if (last_row - first_row > FEW_ROWS) turn_panels(block);
}

void QN_VARIANT(attention_f32)(float *states, float *scratch, const struct qn_attention *task,
                               size_t first_row, size_t last_row, size_t first_block,
                               size_t last_block, int32_t finishes) {
  const size_t width = qn_attention_head_floats(task->head_size);
  const size_t stride = qn_attention_state_floats(task->head_size);
  struct block block = {.task = task, .panels = scratch};
  block.copied = block.panels + KEYS * width;
  block.queries = block.copied + KEYS * width;
  block.outputs = block.queries + ROWS * width;
  block.scores = block.outputs + ROWS * width;
  for (size_t i = 0; i < last_row - first_row; i += 1) states[i * stride + width + 1] = -1.0f;
  for (size_t b = first_block; b < last_block; b += 1) {
    begin_block(&block, b * KEYS, first_row, last_row);
    block.is_last = finishes && b + 1 == last_block;
    if (block.used.begin == block.used.end && !block.is_last) continue;
    for (size_t row = first_row; row < last_row;) {
      const size_t rest = last_row - row;
      struct rows rows = {.first = row, .count = smaller(rest, ROWS)};
      if (rest > ROWS && rest < 2 * ROWS) rows.count = (rest + 1) / 2;
      float *here = states + (row - first_row) * stride;
      attend(&block, &rows, here, last_row);
      row += rows.count;
      for (size_t i = 0; block.is_last && i < rows.count; i += 1) {
        finish_row(task, rows.first + i, here + i * stride);
      }
    }
  }
}
