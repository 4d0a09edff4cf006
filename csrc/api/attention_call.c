/*
 * api/attention_call.c: reads and checks the arguments of attention and of its gradient.
 */
#include "api/attention_call.h"

#include <math.h>

#include "api/check.h"
#include "base/sizes.h"

static const void *ahead(const void *address, size_t elements, size_t bytes) {
  return (const char *)address + elements * bytes;
}

struct qn_attention_start qn_attention_start(const struct qn_attention_call *call,
                                             size_t sequence, size_t key_rows) {
  if (call->segments != 0) {
    const size_t begin = (size_t)call->lengths[sequence];
    return (struct qn_attention_start){begin, begin};
  }
  return (struct qn_attention_start){sequence * call->first.tokens, sequence * key_rows};
}

/* A key-value head of a sequence. */
struct qn_attention qn_attention_find(const struct qn_attention_call *call, size_t sequence,
                                      size_t head) {
  struct qn_attention one = call->first;
  size_t y = head * one.group * one.y_head;
  size_t q = head * one.group * one.q_head;
  size_t k = head * call->k_head;
  size_t v = head * call->v_head;
  size_t mask = head * one.group * one.mask_head;
  if (call->segments != 0) {
    const size_t begin = (size_t)call->lengths[sequence];
    one.tokens = one.keys = (size_t)call->lengths[sequence + 1] - begin;
    y += begin * one.y_token;
    q += begin * one.q_token;
    k += begin * one.k_token;
    v += begin * one.v_token;
    mask += begin * one.mask_token + begin;
  } else {
    if (call->lengths != NULL) one.keys = (size_t)call->lengths[sequence];
    y += sequence * one.tokens * one.y_token;
    size_t rest = sequence;
    for (uint32_t i = call->axes; i > 0; i -= 1) {
      const struct qn_attention_axis *axis = &call->batch[i - 1];
      const size_t step = rest % axis->size;
      rest /= axis->size;
      q += step * axis->q;
      k += step * axis->k;
      v += step * axis->v;
      mask += step * axis->mask;
    }
  }
  one.y = (char *)one.y + y * call->bytes;
  if (one.statistics != NULL) one.statistics += y / one.head_size * QN_ROW_STATISTICS;
  one.q = ahead(one.q, q, call->bytes);
  one.k = ahead(one.k, k, call->bytes);
  one.v = ahead(one.v, v, call->bytes);
  if (one.mask != NULL) one.mask = ahead(one.mask, mask, qn_item_bytes(one.mask_dtype));
  return one;
}

/* ---- Arguments ----------------------------------------------------------------- */

/* What an operand spans, in elements: the distance from its first to its last one. */
struct span {
  uint64_t elements;
  qn_status status;
};

static void add_axis(struct span *span, uint64_t size, uint64_t stride) {
  uint64_t more;
  if (__builtin_mul_overflow(size - 1, stride, &more) ||
      __builtin_add_overflow(span->elements, more, &span->elements) ||
      span->elements > PTRDIFF_MAX / sizeof(double)) {
    span->status = QN_BAD_SIZE;
  }
}

/* Sizes fit 32 bits, so that no product of two of them overflows. */
static qn_status check_sizes(bool *empty, const uint64_t *layout, uint32_t axes) {
  const uint64_t tokens = layout[QN_ATTENTION_TOKENS];
  const uint64_t heads = layout[QN_ATTENTION_HEADS];
  const uint64_t kv_heads = layout[QN_ATTENTION_KV_HEADS];
  const uint64_t head_size = layout[QN_ATTENTION_HEAD_SIZE];
  const uint64_t keys = layout[QN_ATTENTION_KEYS];
  const uint64_t segments = layout[QN_ATTENTION_SEGMENTS];
  if ((tokens | heads | keys | segments) > INT32_MAX) return QN_BAD_SIZE;
  *empty = tokens == 0 || heads == 0 || head_size == 0;
  for (uint32_t i = 0; i < axes; i += 1) {
    const uint64_t size = layout[QN_ATTENTION_BATCH + 5 * i];
    if (size > INT32_MAX) return QN_BAD_SIZE;
    if (size == 0) *empty = true;
  }
  if (*empty) return QN_OK;
  if (kv_heads == 0 || kv_heads > heads || heads % kv_heads != 0) return QN_BAD_SIZE;
  if (head_size > QN_ATTENTION_MOST_HEAD) return QN_BAD_SIZE;
  if (segments != 0 && (tokens != keys || axes != 0)) return QN_BAD_SIZE;
  return QN_OK;
}

static qn_status check_lengths(const struct qn_attention_call *call) {
  if (call->lengths == NULL) return call->segments == 0 ? QN_OK : QN_NULL_POINTER;
  const size_t count = call->segments == 0 ? call->sequences : call->segments + 1;
  QN_TRY(qn_check_words(call->lengths, count, 1, 1));
  if (call->segments == 0) {
    const uint32_t limit = (uint32_t)call->first.keys + 1;
    return qn_check_indices(call->lengths, count, limit);
  }
  bool ascending = call->lengths[0] == 0 && (size_t)call->lengths[count - 1] == call->first.tokens;
  for (size_t i = 1; i < count; i += 1) ascending &= call->lengths[i - 1] <= call->lengths[i];
  return ascending ? QN_OK : QN_BAD_INDEX;
}

/* The sizes, which are not 0, and the strides of a sequence and of the batch. */
static qn_status read_layout(struct qn_attention_call *call, const uint64_t *layout, uint32_t axes) {
  struct qn_attention *one = &call->first;
  const size_t heads = (size_t)layout[QN_ATTENTION_HEADS];
  one->tokens = (size_t)layout[QN_ATTENTION_TOKENS];
  one->keys = (size_t)layout[QN_ATTENTION_KEYS];
  one->head_size = (size_t)layout[QN_ATTENTION_HEAD_SIZE];
  one->causal = layout[QN_ATTENTION_CAUSAL] != 0;
  one->window = (size_t)(layout[QN_ATTENTION_WINDOW] < UINT32_MAX ? layout[QN_ATTENTION_WINDOW] : UINT32_MAX);
  one->mask_dtype = (int32_t)layout[QN_ATTENTION_MASK_DTYPE];
  call->kv_heads = (size_t)layout[QN_ATTENTION_KV_HEADS];
  call->segments = (size_t)layout[QN_ATTENTION_SEGMENTS];
  one->heads = heads;
  one->group = heads / call->kv_heads;
  one->y_head = one->head_size;
  one->y_token = heads * one->head_size;
  one->q_token = (size_t)layout[QN_ATTENTION_Q_TOKEN];
  one->q_head = (size_t)layout[QN_ATTENTION_Q_HEAD];
  one->k_token = (size_t)layout[QN_ATTENTION_K_TOKEN];
  call->k_head = (size_t)layout[QN_ATTENTION_K_HEAD];
  one->v_token = (size_t)layout[QN_ATTENTION_V_TOKEN];
  call->v_head = (size_t)layout[QN_ATTENTION_V_HEAD];
  one->mask_token = (size_t)layout[QN_ATTENTION_MASK_TOKEN];
  one->mask_head = (size_t)layout[QN_ATTENTION_MASK_HEAD];
  uint64_t sequences = 1;
  struct span y = {1, QN_OK};
  add_axis(&y, one->tokens, one->y_token);
  add_axis(&y, one->y_token, 1);
  for (uint32_t i = 0; i < axes; i += 1) {
    const uint64_t *at = layout + QN_ATTENTION_BATCH + 5 * i;
    call->batch[i] = (struct qn_attention_axis){(size_t)at[0], (size_t)at[1], (size_t)at[2], (size_t)at[3],
                                  (size_t)at[4]};
    if (__builtin_mul_overflow(sequences, at[0], &sequences) ||
        __builtin_mul_overflow(y.elements, at[0], &y.elements) ||
        y.elements > PTRDIFF_MAX / sizeof(double)) {
      return QN_BAD_SIZE;
    }
  }
  call->axes = axes;
  call->sequences = call->segments != 0 ? call->segments : (size_t)sequences;
  return y.status;
}

/* That q, k, v and the mask can be addressed, wherever their strides lead. */
static qn_status check_spans(const struct qn_attention_call *call, const uint64_t *layout) {
  const struct qn_attention *one = &call->first;
  struct span q = {1, QN_OK}, k = q, v = q, mask = q;
  const uint64_t heads = layout[QN_ATTENTION_HEADS];
  add_axis(&q, one->tokens, layout[QN_ATTENTION_Q_TOKEN]);
  add_axis(&q, heads, layout[QN_ATTENTION_Q_HEAD]);
  add_axis(&q, one->head_size, 1);
  const uint64_t keys = qn_max_size(one->keys, 1);
  add_axis(&k, keys, layout[QN_ATTENTION_K_TOKEN]);
  add_axis(&k, call->kv_heads, layout[QN_ATTENTION_K_HEAD]);
  add_axis(&k, one->head_size, 1);
  add_axis(&v, keys, layout[QN_ATTENTION_V_TOKEN]);
  add_axis(&v, call->kv_heads, layout[QN_ATTENTION_V_HEAD]);
  add_axis(&v, one->head_size, 1);
  add_axis(&mask, one->tokens, layout[QN_ATTENTION_MASK_TOKEN]);
  add_axis(&mask, heads, layout[QN_ATTENTION_MASK_HEAD]);
  add_axis(&mask, keys, 1);
  for (uint32_t i = 0; i < call->axes; i += 1) {
    const uint64_t *at = layout + QN_ATTENTION_BATCH + 5 * i;
    add_axis(&q, at[0], at[1]);
    add_axis(&k, at[0], at[2]);
    add_axis(&v, at[0], at[3]);
    add_axis(&mask, at[0], at[4]);
  }
  QN_TRY(q.status);
  QN_TRY(k.status);
  QN_TRY(v.status);
  QN_TRY(qn_check_array(one->q, 1, 1, 1, call->bytes, call->bytes));
  QN_TRY(qn_check_array(one->k, one->keys != 0, 1, 1, call->bytes, call->bytes));
  QN_TRY(qn_check_array(one->v, one->keys != 0, 1, 1, call->bytes, call->bytes));
  if (one->mask == NULL) return QN_OK;
  if (one->mask_dtype != call->dtype && one->mask_dtype != QN_I32 && one->mask_dtype != QN_BOOL) {
    return QN_BAD_DTYPE;
  }
  QN_TRY(mask.status);
  const size_t bytes = qn_item_bytes(one->mask_dtype);
  return qn_check_array(one->mask, one->keys != 0, 1, 1, bytes, bytes);
}

qn_status qn_attention_read(struct qn_attention_call *call, bool *empty, const uint64_t *layout,
                            uint32_t axes) {
  if (call->dtype != QN_F32 && call->dtype != QN_F64) return QN_BAD_DTYPE;
  if (layout == NULL) return QN_NULL_POINTER;
  if (axes > QN_ATTENTION_MOST_AXES) return QN_BAD_SIZE;
  const double scale = call->first.scale;
  if (!isfinite(scale) || (call->dtype == QN_F32 && !isfinite((float)scale))) return QN_BAD_ARGUMENT;
  QN_TRY(check_sizes(empty, layout, axes));
  if (*empty) return QN_OK;
  call->bytes = qn_item_bytes(call->dtype);
  QN_TRY(read_layout(call, layout, axes));
  QN_TRY(check_spans(call, layout));
  return check_lengths(call);
}
