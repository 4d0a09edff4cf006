/*
 * kernels/attention.c: scaled dot-product attention with grouped queries, for
 * some of the rows that share one key-value head.
 *
 *   y, q: [q_tokens, heads, head_size]; k, v: [kv_tokens, kv_heads, head_size]
 *
 * y overlaps nothing. A row is one query of one head; the rows of key-value head
 * `kv_head` are numbered token * group + head in the group, group being
 * heads / kv_heads, and first_row .. last_row - 1 are computed. With `causal`, the
 * row of token t sees the keys 0 .. kv_tokens - q_tokens + t, else all of them;
 * each row sees at least one. 1 <= head_size <= 512.
 *
 * Keys are taken in blocks of KEYS from key 0, with a running maximum and sum
 * (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018), so
 * no more than a block of scores exists at a time. All sums are float32: a score
 * over lanes of the head and then a fixed tree, the output key after key. Neither
 * depends on which rows are computed together, so a row's bits depend on its own
 * query and keys alone. A row whose scores are all -inf is NaN.
 */
#include <math.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

#include "isa/vec_math.h"

enum {
  KEYS = 64,       /* keys in a block; a multiple of QN_LANES */
  ROWS = 16,       /* rows that go over the keys together */
  MAX_HEAD = 512,
  /* Rows whose sums are held in registers together: 4 keys each. */
#if defined(__AVX512F__) || defined(__aarch64__)
  TILE = 4,
#else
  TILE = 2,
#endif
};

/* Where everything is; strides in floats. */
struct task {
  const float *k;
  const float *v;
  size_t key_stride;
  size_t head_size;
  float scale;
};

/* The rows that go over the keys together. */
struct rows {
  size_t count;
  const float *q[ROWS];
  float *y[ROWS];
  size_t limit[ROWS]; /* keys that the row sees */
  float largest[ROWS];
  float sum[ROWS];
  float scores[ROWS][KEYS];
  float output[ROWS][MAX_HEAD];
};

/* scores[i][0 .. keys - 1] of rows first .. first + n - 1 with the keys at k; n is a
 * constant. */
QN_INLINE void score_tile(struct rows *rows, const struct task *task, size_t first, size_t n,
                          const float *k, size_t keys) {
  size_t stride = task->key_stride;
  size_t size = task->head_size;
  size_t j = 0;
  for (; j + 4 <= keys; j += 4) {
    const float *key = k + j * stride;
    qn_vf sums[TILE][4];
    for (size_t i = 0; i < n; i += 1) {
      for (size_t c = 0; c < 4; c += 1) sums[i][c] = qn_vzero();
    }
    size_t d = 0;
    for (; d + QN_LANES <= size; d += QN_LANES) {
      qn_vf keys_d[4];
      for (size_t c = 0; c < 4; c += 1) keys_d[c] = qn_vload(key + c * stride + d);
      for (size_t i = 0; i < n; i += 1) {
        qn_vf q = qn_vload(rows->q[first + i] + d);
        for (size_t c = 0; c < 4; c += 1) sums[i][c] = qn_vfma(q, keys_d[c], sums[i][c]);
      }
    }
    if (d < size) {
      for (size_t i = 0; i < n; i += 1) {
        qn_vf q = qn_vload_n(rows->q[first + i] + d, size - d);
        for (size_t c = 0; c < 4; c += 1) {
          sums[i][c] = qn_vfma(q, qn_vload_n(key + c * stride + d, size - d), sums[i][c]);
        }
      }
    }
    for (size_t i = 0; i < n; i += 1) {
      qn_vf4 s = qn_vreduce_add_4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
      __builtin_memcpy(&rows->scores[first + i][j], &s, sizeof s);
    }
  }
  for (; j < keys; j += 1) {
    const float *key = k + j * stride;
    for (size_t i = 0; i < n; i += 1) {
      const float *q = rows->q[first + i];
      qn_vf sum = qn_vzero();
      size_t d = 0;
      for (; d + QN_LANES <= size; d += QN_LANES) {
        sum = qn_vfma(qn_vload(q + d), qn_vload(key + d), sum);
      }
      if (d < size) sum = qn_vfma(qn_vload_n(q + d, size - d), qn_vload_n(key + d, size - d), sum);
      rows->scores[first + i][j] = qn_vreduce_add(sum);
    }
  }
}

/* Turns a row's scores of one block into weights exp(score - largest), 0 from
 * `keys` on, and rescales what was summed before when the largest grew. */
static void weigh_row(struct rows *rows, const struct task *task, size_t i, size_t keys) {
  float *scores = rows->scores[i];
  qn_vf block_largest = qn_vset1(-INFINITY);
  for (size_t j = 0; j < KEYS; j += QN_LANES) {
    qn_vi seen = qn_vlane_index() + (int32_t)j < (int32_t)keys;
    qn_vf s = qn_vselect(seen, qn_vload(scores + j) * task->scale, qn_vset1(-INFINITY));
    qn_vstore(scores + j, s);
    block_largest = qn_vmax(s, block_largest);
  }
  float largest = qn_vreduce_max(block_largest);
  if (largest > rows->largest[i]) {
    float shrink = qn_vexp(qn_vset1(rows->largest[i] - largest))[0];
    rows->largest[i] = largest;
    rows->sum[i] *= shrink;
    for (size_t d = 0; d < task->head_size; d += 1) rows->output[i][d] *= shrink;
  }
  /* While every score is -inf, any finite shift makes every weight 0. */
  float shift = rows->largest[i] == -INFINITY ? 0.0f : rows->largest[i];
  qn_vf sum = qn_vzero();
  for (size_t j = 0; j < KEYS; j += QN_LANES) {
    qn_vf weight = qn_vexp(qn_vload(scores + j) - shift);
    qn_vstore(scores + j, weight);
    sum += weight;
  }
  rows->sum[i] += qn_vreduce_add(sum);
}

/* output[i][d ..] += sum over keys of weight * value, for `width` vectors at d of
 * rows first .. first + n - 1; n and width are constants. */
QN_INLINE void gather_columns(struct rows *rows, size_t stride, size_t first, size_t n, size_t width,
                              const float *v, size_t begin, size_t end, size_t d) {
  qn_vf sums[TILE][4];
  for (size_t i = 0; i < n; i += 1) {
    for (size_t c = 0; c < width; c += 1) {
      sums[i][c] = qn_vload(rows->output[first + i] + d + c * QN_LANES);
    }
  }
  for (size_t j = begin; j < end; j += 1) {
    const float *value = v + j * stride + d;
    qn_vf values[4];
    for (size_t c = 0; c < width; c += 1) values[c] = qn_vload(value + c * QN_LANES);
    for (size_t i = 0; i < n; i += 1) {
      qn_vf weight = qn_vset1(rows->scores[first + i][j]);
      for (size_t c = 0; c < width; c += 1) sums[i][c] = qn_vfma(weight, values[c], sums[i][c]);
    }
  }
  for (size_t i = 0; i < n; i += 1) {
    for (size_t c = 0; c < width; c += 1) {
      qn_vstore(rows->output[first + i] + d + c * QN_LANES, sums[i][c]);
    }
  }
}

/* The same for all columns of the head, with the keys begin .. end - 1 at v. */
QN_INLINE void gather_tile(struct rows *rows, const struct task *task, size_t first, size_t n,
                           const float *v, size_t begin, size_t end) {
  size_t stride = task->key_stride;
  size_t size = task->head_size;
  size_t d = 0;
  for (; d + 4 * QN_LANES <= size; d += 4 * QN_LANES) {
    gather_columns(rows, stride, first, n, 4, v, begin, end, d);
  }
  for (; d + QN_LANES <= size; d += QN_LANES) {
    gather_columns(rows, stride, first, n, 1, v, begin, end, d);
  }
  if (d == size) return;
  for (size_t i = first; i < first + n; i += 1) {
    qn_vf sum = qn_vload(rows->output[i] + d);
    for (size_t j = begin; j < end; j += 1) {
      qn_vf value = qn_vload_n(v + j * stride + d, size - d);
      sum = qn_vfma(qn_vset1(rows->scores[i][j]), value, sum);
    }
    qn_vstore(rows->output[i] + d, sum);
  }
}

/* The two above for 1 .. TILE rows. */
static void score_rows(struct rows *rows, const struct task *task, size_t first, size_t n,
                       const float *k, size_t keys) {
  switch (n) {
    case 1: score_tile(rows, task, first, 1, k, keys); break;
    case 2: score_tile(rows, task, first, 2, k, keys); break;
#if defined(__AVX512F__) || defined(__aarch64__)
    case 3: score_tile(rows, task, first, 3, k, keys); break;
    default: score_tile(rows, task, first, 4, k, keys); break;
#endif
  }
}

static void gather_rows(struct rows *rows, const struct task *task, size_t first, size_t n,
                        const float *v, size_t begin, size_t end) {
  switch (n) {
    case 1: gather_tile(rows, task, first, 1, v, begin, end); break;
    case 2: gather_tile(rows, task, first, 2, v, begin, end); break;
#if defined(__AVX512F__) || defined(__aarch64__)
    case 3: gather_tile(rows, task, first, 3, v, begin, end); break;
    default: gather_tile(rows, task, first, 4, v, begin, end); break;
#endif
  }
}

/* Keys of the block at `begin` that row i sees. */
static size_t keys_seen(const struct rows *rows, size_t i, size_t begin) {
  if (rows->limit[i] <= begin) return 0;
  size_t keys = rows->limit[i] - begin;
  return keys < KEYS ? keys : KEYS;
}

/* Rows first .. first + n - 1, whose limits grow, and the block of keys at `begin`. */
static void attend_tile(struct rows *rows, const struct task *task, size_t first, size_t n,
                        size_t begin) {
  while (n > 0 && keys_seen(rows, first, begin) == 0) {
    first += 1;
    n -= 1;
  }
  if (n == 0) return;
  size_t offset = begin * task->key_stride;
  size_t most = keys_seen(rows, first + n - 1, begin);
  size_t common = keys_seen(rows, first, begin);
  score_rows(rows, task, first, n, task->k + offset, most);
  for (size_t i = first; i < first + n; i += 1) {
    weigh_row(rows, task, i, keys_seen(rows, i, begin));
  }
  gather_rows(rows, task, first, n, task->v + offset, 0, common);
  /* A key that a row does not see must not touch it, not even as 0 times NaN. */
  for (size_t i = first; i < first + n; i += 1) {
    size_t own = keys_seen(rows, i, begin);
    if (own > common) gather_rows(rows, task, i, 1, task->v + offset, common, own);
  }
}

static void attend_rows(struct rows *rows, const struct task *task) {
  for (size_t i = 0; i < rows->count; i += 1) {
    rows->largest[i] = -INFINITY;
    rows->sum[i] = 0.0f;
    for (size_t j = 0; j < KEYS; j += 1) rows->scores[i][j] = 0.0f;
    for (size_t d = 0; d < task->head_size + QN_LANES && d < MAX_HEAD; d += 1) {
      rows->output[i][d] = 0.0f;
    }
  }
  size_t last_limit = rows->limit[rows->count - 1];
  for (size_t begin = 0; begin < last_limit; begin += KEYS) {
    for (size_t i = 0; i < rows->count; i += TILE) {
      size_t n = rows->count - i < TILE ? rows->count - i : TILE;
      attend_tile(rows, task, i, n, begin);
    }
  }
  for (size_t i = 0; i < rows->count; i += 1) {
    for (size_t d = 0; d < task->head_size; d += 1) {
      rows->y[i][d] = rows->output[i][d] / rows->sum[i];
    }
  }
}

void QN_VARIANT(attention_f32)(float *y, const float *q, const float *k, const float *v,
                               size_t q_tokens, size_t kv_tokens, size_t heads, size_t kv_heads,
                               size_t head_size, float scale, int32_t causal, size_t kv_head,
                               size_t first_row, size_t last_row) {
  size_t group = heads / kv_heads;
  struct task task = {
      .k = k + kv_head * head_size,
      .v = v + kv_head * head_size,
      .key_stride = kv_heads * head_size,
      .head_size = head_size,
      .scale = scale,
  };
  for (size_t row = first_row; row < last_row; row += ROWS) {
    struct rows rows;
    rows.count = last_row - row < ROWS ? last_row - row : ROWS;
    for (size_t i = 0; i < rows.count; i += 1) {
      size_t token = (row + i) / group;
      size_t head = kv_head * group + (row + i) % group;
      rows.q[i] = q + (token * heads + head) * head_size;
      rows.y[i] = y + (token * heads + head) * head_size;
      rows.limit[i] = causal ? kv_tokens - q_tokens + token + 1 : kv_tokens;
    }
    attend_rows(&rows, &task);
  }
}
