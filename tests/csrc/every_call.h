/*
 * every_call.h: a small valid call for each function of quern.h, and what it
 * needs and leaves behind.
 *
 * `table` has one entry a function; a test of the tools compares its names with
 * the header's. A call may hold blocks, mapped files, isolates and a claim that is
 * due: all are noted in `now`, so that `clean_up` gives them back wherever the
 * call ended. To add a function: write `call_<name>`, or CALL where one expression
 * is enough, and an ENTRY.
 */
#ifndef QN_TESTS_EVERY_CALL_H
#define QN_TESTS_EVERY_CALL_H

#include "lease.h"

#define TRY(expression)                          \
  do {                                           \
    const int32_t status_ = (expression);        \
    if (status_ != QN_OK) return status_;        \
  } while (0)

/* ---- What a call holds --------------------------------------------------- */

enum { MAX_HELD = 64, BATCH = 40 };

static char file_name[64];

static struct {
  lease held[MAX_HELD]; /* a mapped file has segment null */
  uint32_t held_count;
  lease shared; /* waits to be claimed by isolates[1] */
  bool is_shared;
  uint32_t isolates[4];
  uint32_t isolate_count;
} now;

static void hold(const uint64_t *values, size_t requested, uint32_t isolate) {
  now.held[now.held_count++] = lease_of(values, requested, isolate);
}

static int32_t give_up(const lease *held) {
  if (held->segment != NULL) return lease_return(held);
  return qn_file_unmap(held->address, held->generation, held->isolate);
}

static int32_t claim(void) {
  uint64_t values[QN_POOL_BLOCK_VALUES];
  TRY(qn_memory_claim(values, now.shared.address, now.shared.generation, now.isolates[1]));
  now.is_shared = false;
  hold(values, now.shared.requested, now.isolates[1]);
  return QN_OK;
}

/* Gives back whatever a call says that it holds, which always works. */
static void give_back(void) {
  if (now.is_shared) CHECK_EQ(claim(), QN_OK);
  while (now.held_count > 0) CHECK_EQ(give_up(&now.held[--now.held_count]), QN_OK);
}

/* The end of an isolate takes back what was lost: look before. */
static void clean_up(void) {
  give_back();
  while (now.isolate_count > 0) {
    CHECK_EQ(qn_isolate_close(now.isolates[--now.isolate_count]), QN_OK);
  }
  CHECK_EQ(qn_pool_budget_set(0), QN_OK);
  CHECK_EQ(qn_pool_idle_set(10000), QN_OK);
}

/* ---- What a call needs --------------------------------------------------- */

static int32_t nothing(void) { return QN_OK; }

static int32_t open_isolate(void) {
  uint64_t values[2];
  TRY(qn_isolate_open(values));
  now.isolates[now.isolate_count++] = (uint32_t)values[0];
  return QN_OK;
}

static int32_t open_isolates(void) {
  TRY(open_isolate());
  return open_isolate();
}

static int32_t rent_of(size_t bytes, uint32_t alignment, uint32_t isolate) {
  uint64_t values[QN_POOL_BLOCK_VALUES];
  TRY(qn_pool_rent(values, bytes, alignment, isolate));
  hold(values, bytes, isolate);
  return QN_OK;
}

static int32_t hold_blocks(void) {
  TRY(open_isolates());
  TRY(rent_of(1000, 64, now.isolates[0]));
  return rent_of(2 * MIB, 64, now.isolates[0]);
}

static int32_t share_block(void) {
  TRY(hold_blocks());
  TRY(qn_memory_share(now.held[0].address, now.held[0].generation, now.isolates[0], 1));
  now.shared = now.held[0];
  now.is_shared = true;
  return QN_OK;
}

static int32_t map_file(void) {
  uint64_t values[QN_POOL_BLOCK_VALUES] = {0};
  uint64_t mapping[3];
  TRY(open_isolates());
  TRY(qn_file_map(mapping, file_name, now.isolates[0]));
  values[0] = mapping[0], values[1] = mapping[1], values[4] = mapping[2];
  hold(values, (size_t)mapping[1], now.isolates[0]);
  return QN_OK;
}

static int32_t rent_batch(void) {
  uint64_t values[BATCH * QN_POOL_BLOCK_VALUES];
  if (now.isolate_count == 0) TRY(open_isolates());
  TRY(qn_pool_rent_batch(values, 30000, BATCH, now.isolates[0]));
  for (int i = 0; i < BATCH; i += 1) {
    hold(values + i * QN_POOL_BLOCK_VALUES, 30000, now.isolates[0]);
  }
  return QN_OK;
}

/* ---- Calls that hold memory ---------------------------------------------- */

static int32_t call_qn_isolate_open(void) { return open_isolate(); }

/* The isolate's blocks go with it. */
static int32_t call_qn_isolate_close(void) {
  const uint32_t closed = now.isolates[0];
  now.held_count = 0;
  now.isolates[0] = now.isolates[1];
  now.isolate_count = 1;
  return qn_isolate_close(closed);
}

/* Of the kinds that are served differently: small, large, and aligned. */
static int32_t call_qn_pool_rent(void) {
  TRY(rent_of(300, 64, now.isolates[0]));
  TRY(rent_of(MIB, 64, now.isolates[0]));
  TRY(rent_of(3 * MIB, 64, now.isolates[0]));
  TRY(rent_of(5000, QN_POOL_LARGEST_ALIGNMENT, now.isolates[0]));
  return rent_of(70000, 64, 0);
}

static int32_t call_qn_pool_return(void) {
  TRY(lease_return(&now.held[1]));
  now.held_count = 1;
  TRY(lease_return(&now.held[0]));
  now.held_count = 0;
  return QN_OK;
}

static int32_t call_qn_pool_rent_batch(void) { return rent_batch(); }

static void fill_values(uint64_t *values) {
  for (uint32_t i = 0; i < now.held_count; i += 1) {
    uint64_t *block = values + i * QN_POOL_BLOCK_VALUES;
    const lease *held = &now.held[i];
    block[0] = (uint64_t)(uintptr_t)held->address, block[1] = held->bytes;
    block[2] = (uint64_t)(uintptr_t)held->segment, block[3] = held->segment_bytes;
    block[4] = held->generation;
  }
}

static int32_t call_qn_pool_return_batch(void) {
  uint64_t values[MAX_HELD * QN_POOL_BLOCK_VALUES];
  fill_values(values);
  TRY(qn_pool_return_batch(values, now.held_count, now.isolates[0]));
  now.held_count = 0;
  return QN_OK;
}

static int32_t call_qn_pool_touch_batch(void) {
  uint64_t values[MAX_HELD * QN_POOL_BLOCK_VALUES];
  fill_values(values);
  return qn_pool_touch_batch(values, now.held_count);
}

static int32_t call_qn_pool_prewarm(void) {
  TRY(qn_pool_prewarm(20000, 8));
  return qn_pool_prewarm(2 * MIB, 2);
}

static int32_t call_qn_memory_share(void) {
  TRY(qn_memory_share(now.held[0].address, now.held[0].generation, now.isolates[0], 1));
  now.shared = now.held[0];
  now.is_shared = true;
  return QN_OK;
}

static int32_t call_qn_memory_claim(void) { return claim(); }

static int32_t call_qn_file_map(void) { return map_file(); }

static int32_t call_qn_file_unmap(void) {
  TRY(give_up(&now.held[0]));
  now.held_count = 0;
  return QN_OK;
}

/* ---- Calls that hold none ------------------------------------------------ */

static uint64_t numbers[4096];
static _Alignas(64) float y[4096], x[4096], z[4096], w[4096];
static _Alignas(64) char stored[65536]; /* weights of any dtype: all zero */
static int32_t ids[16]; /* the first half is written, the second read, all zero */
static int32_t order[32];
static const uint64_t spread[] = {4, 8, 8, 8, 8, 1, 1, 1}; /* size, strides of three */
static const uint64_t turned[] = {8, 1, 4, 4, 8, 1}; /* size, stride of y, stride of x */

static const uint64_t beside[] = {4, 1, 1, 8, 2, 0}; /* size, before and behind */
static const uint64_t looked_up[] = {4, 3, 3, 8, 8, 1, 8, 1, 1, 0}; /* qn_table_field */

/* A function that returns a status, and one that returns a value. */
#define CALL(name, ...) \
  static int32_t call_##name(void) { return name(__VA_ARGS__); }
#define CALL_VALUE(name, ...) \
  static int32_t call_##name(void) { return (void)name(__VA_ARGS__), QN_OK; }

CALL_VALUE(qn_header_hash)
CALL(qn_isa_select, NULL)
CALL_VALUE(qn_isa_count)
CALL_VALUE(qn_isa_name, 0)
CALL_VALUE(qn_isa_supported, 0)
CALL_VALUE(qn_isa_selected)
CALL_VALUE(qn_cache_bytes, 2)
CALL_VALUE(qn_status_text, QN_STALE)
CALL(qn_threads_set, 2)
CALL_VALUE(qn_threads)
CALL(qn_pool_stats, numbers)
CALL(qn_pool_class_stats, numbers)
CALL(qn_pool_stats_reset)
CALL(qn_pool_snapshot, numbers, numbers + 8, 100)
CALL(qn_pool_budget_set, (size_t)1 << 40)
CALL(qn_pool_trim, numbers)
CALL(qn_pool_idle_set, 5000)
CALL(qn_fill, y, numbers, 4, 8, 4)
CALL(qn_random_normal, y, 4, 8, 1, 2, 0.0f, 1.0f, QN_F32)
CALL(qn_random_choices, y, 4, 8, 1, 2, 0.5)
CALL(qn_copy, y, x, 4, 32)
CALL(qn_copy_strided, y, x, turned, 2, 4)
/* Addresses are no constants: the parts are written here. */
static int32_t call_qn_concatenate(void) {
  const uint64_t parts[] = {(uintptr_t)x, 32, (uintptr_t)z, 64};
  return qn_concatenate(y, parts, 2, 4);
}

CALL(qn_pad, y, x, beside, 2, numbers, 4, QN_PAD_REFLECT)
CALL(qn_triangle, y, x, 2, 4, 8, -1, 1, 4)
CALL(qn_sequence, y, 100, 0.0, 0.5, 49.5, QN_F32)
CALL(qn_one_hot, y, ids + 8, 4, 8, QN_F32, QN_I32)
CALL(qn_gather, y, x, ids + 8, looked_up, 2, 0, 4, QN_I32)
CALL(qn_scatter_add, y, x, ids + 8, looked_up, 2, 0, QN_F32, QN_I32)
CALL(qn_dequantize_f32, y, stored, 2, 64, QN_Q8_0)
CALL(qn_quantize, y, x, 1, 32, QN_Q4_1)
CALL(qn_cast, y, x, 4, 8, QN_F16, QN_F32)
CALL(qn_binary, y, x, z, turned, 2, 0, QN_ADD, QN_F32)
CALL(qn_where, y, x, w, z, spread, 2, 4)
CALL(qn_clamp, y, x, 4, 8, -1, 1, QN_F32)
CALL(qn_swiglu, y, x, z, 4, 8, QN_F32)
CALL(qn_geglu, y, x, z, 4, 8, QN_GELU_ERF, QN_F32)
CALL(qn_unary, y, x, 4, 8, QN_EXP, QN_F32)
CALL(qn_rms_norm, y, x, w, 4, 8, 1e-5f, QN_F32)
CALL(qn_rms_norm_residual, y, NULL, x, z, w, 4, 8, 1e-5f, QN_F32)
CALL(qn_layer_norm, y, x, w, z, 4, 8, 1e-5f, QN_F32)
CALL(qn_layer_norm_residual, y, NULL, x, z, w, NULL, 4, 8, 1e-5f, QN_F32)
CALL(qn_group_norm, y, x, w, z, 2, 4, 8, 2, 1e-5f, QN_F32)
CALL(qn_softmax, y, x, 4, 8, QN_F32)
CALL(qn_softmax_masked, y, x, z, 4, 8, 0.5f, QN_F32, 4, 2, 4, QN_F32)
CALL(qn_log_softmax, y, x, 4, 8, QN_F32)
CALL(qn_reduce, y, x, turned, 1, 1, 0.0, QN_REDUCE_SUM, QN_F32)
CALL(qn_scan, y, x, 2, 4, 4, 0, QN_F32)
CALL(qn_top_k_f32, y, ids, x, 2, 16, 3, 1)
CALL(qn_sort, y, order, x, 2, 16, 0, QN_F32)
CALL(qn_search, y, ids, x, z, NULL, 1, 4, 8, 3, 0, 0, QN_F32)
CALL(qn_quantize_rows, y, w, x, 4, 8)
CALL(qn_cross_entropy, y, x, ids + 8, 4, 8, 0, -100, QN_F32)
CALL(qn_unary_gradient, y, x, z, 4, 8, QN_SILU, QN_F32)
CALL(qn_softmax_gradient, y, x, z, 4, 8, 0.5, QN_F32)
CALL(qn_cross_entropy_gradient, y, w, x, ids + 8, 4, 8, 0, -100, QN_F32)
CALL(qn_norm_gradient, y, NULL, x, z, w, 4, 8, 1e-5, 1, QN_F32)
CALL(qn_norm_columns, NULL, y, x, NULL, NULL, 4, 8, QN_F32)
CALL(qn_embedding, y, stored, ids + 8, 2, 4, 64, QN_Q8_0)
CALL(qn_rope_table, y, z, NULL, 4, 4, 0, 10000.0, 1.0, QN_F32)
CALL(qn_rope, y, x, z, w, 4, 2, 8, 4, QN_ROPE_HALVES, QN_F32)

/* Two segments, whose list of tasks is scratch. */
static const uint64_t attended[] = {4, 4, 2, 1, 8, 1, 0, 2, 0, 16, 8, 8, 0, 8, 0, 0, 0};
static const int32_t segments[] = {0, 1, 4};

CALL(qn_attention, y, NULL, x, z, w, NULL, segments, attended, 0, 1.0, QN_F32)
CALL(qn_attention_gradient_f32, y, y + 512, y + 1024, x, x, x, x, z, w, segments, attended, 0, 4, 1.0)
CALL(qn_sample_f32, ids, x, ids + 8, 100, 1, 1.0f, 5, 0.9f, 0.05f, 1.1f, 0.5)

/* Both ways of treating quantised weights, whose scratch differs. */
static int32_t call_qn_linear_f32(void) {
  TRY(qn_linear_f32(y, x, stored, 20, 32, 64, QN_Q4_1, QN_FAST));
  return qn_linear_f32(y, x, stored, 20, 32, 64, QN_Q8_0, QN_EXACT);
}

/* A product that packs both matrices. */
static const uint64_t product[] = {32, 32, 32, 1, 32, 1, 32, 32};

CALL(qn_matmul, y, x, z, product, 0, 1.0, 0.0, QN_F32)
CALL_VALUE(qn_gemm_pack_bytes, 32, 32)
CALL(qn_gemm_pack_f32, y, x, 32, 32, 32, 1)
CALL(qn_linear_packed_f32, y, x, z, NULL, NULL, 4, 64, 8, QN_ACTIVATION_SILU)

/* Rows through a product into memory of the call, and a norm of that. */
static int32_t call_qn_row_chain_f32(void) {
  const uint64_t slots[] = {(uintptr_t)x, 8, 0, 64, (uintptr_t)y, 64};
  const uint64_t steps[2 * QN_CHAIN_FIELDS] = {
      QN_CHAIN_LINEAR, 0, 1, 0, (uintptr_t)z, 0, QN_ACTIVATION_RELU,
      QN_CHAIN_LAYER_NORM, 1, 2, 0, 0, 0, 0};
  return qn_row_chain_f32(slots, steps, 3, 2, 4);
}

CALL_VALUE(qn_isa_has_bf16)
CALL_VALUE(qn_pack_bf16_bytes, 32, 32)
CALL(qn_pack_bf16_f32, y, x, 32, 32, 32, 1)
CALL(qn_linear_bf16_f32, y, x, z, NULL, NULL, 4, 64, 8, QN_ACTIVATION_SILU)

CALL(qn_adamw, y, x, z, w, 4, 8, 0.99, 0.9, 0.999, 0.001, 1.0, 1e-8, QN_F32)
CALL(qn_sgd, y, x, w, 4, 8, 0.0, 0.9, 0.1, 0, QN_F32)
CALL(qn_lion, y, x, w, 4, 8, 0.99, 0.9, 0.99, 0.001, QN_F32)

/* ---- The table ----------------------------------------------------------- */

typedef struct entry {
  const char *name;
  int32_t (*call)(void);
  int32_t (*set_up)(void);
  bool never_fails; /* gives memory back, or has no use for any */
} entry;

#define ENTRY(name) {#name, call_##name, nothing, false}
#define ENTRY_AFTER(name, set_up) {#name, call_##name, set_up, false}
#define ENTRY_SURE(name, set_up) {#name, call_##name, set_up, true}

static const entry table[] = {
    ENTRY_SURE(qn_header_hash, nothing),
    ENTRY_SURE(qn_isa_select, nothing),
    ENTRY_SURE(qn_isa_count, nothing),
    ENTRY_SURE(qn_isa_name, nothing),
    ENTRY_SURE(qn_isa_supported, nothing),
    ENTRY_SURE(qn_isa_selected, nothing),
    ENTRY_SURE(qn_cache_bytes, nothing),
    ENTRY_SURE(qn_status_text, nothing),
    ENTRY_SURE(qn_threads_set, nothing),
    ENTRY_SURE(qn_threads, nothing),
    ENTRY(qn_isolate_open),
    ENTRY_SURE(qn_isolate_close, hold_blocks),
    ENTRY_AFTER(qn_pool_rent, open_isolates),
    ENTRY_SURE(qn_pool_return, hold_blocks),
    ENTRY_AFTER(qn_pool_rent_batch, open_isolates),
    ENTRY_SURE(qn_pool_return_batch, rent_batch),
    ENTRY_SURE(qn_pool_touch_batch, hold_blocks),
    ENTRY(qn_pool_prewarm),
    ENTRY_AFTER(qn_memory_share, hold_blocks),
    ENTRY_AFTER(qn_memory_claim, share_block),
    ENTRY_SURE(qn_pool_stats, hold_blocks),
    ENTRY_SURE(qn_pool_class_stats, hold_blocks),
    ENTRY_SURE(qn_pool_stats_reset, nothing),
    ENTRY_SURE(qn_pool_snapshot, hold_blocks),
    ENTRY_SURE(qn_pool_budget_set, hold_blocks),
    ENTRY_SURE(qn_pool_trim, hold_blocks),
    ENTRY_SURE(qn_pool_idle_set, nothing),
    ENTRY(qn_file_map),
    ENTRY_SURE(qn_file_unmap, map_file),
    ENTRY_SURE(qn_fill, nothing),
    ENTRY_SURE(qn_random_normal, nothing),
    ENTRY_SURE(qn_random_choices, nothing),
    ENTRY_SURE(qn_copy, nothing),
    ENTRY_SURE(qn_copy_strided, nothing),
    ENTRY_SURE(qn_concatenate, nothing),
    ENTRY_SURE(qn_pad, nothing),
    ENTRY_SURE(qn_triangle, nothing),
    ENTRY_SURE(qn_sequence, nothing),
    ENTRY_SURE(qn_one_hot, nothing),
    ENTRY_SURE(qn_gather, nothing),
    ENTRY_SURE(qn_scatter_add, nothing),
    ENTRY_SURE(qn_dequantize_f32, nothing),
    ENTRY_SURE(qn_quantize, nothing),
    ENTRY_SURE(qn_cast, nothing),
    ENTRY_SURE(qn_binary, nothing),
    ENTRY_SURE(qn_where, nothing),
    ENTRY_SURE(qn_clamp, nothing),
    ENTRY_SURE(qn_swiglu, nothing),
    ENTRY_SURE(qn_adamw, nothing),
    ENTRY_SURE(qn_sgd, nothing),
    ENTRY_SURE(qn_lion, nothing),
    ENTRY_SURE(qn_geglu, nothing),
    ENTRY_SURE(qn_unary, nothing),
    ENTRY_SURE(qn_rms_norm, nothing),
    ENTRY_SURE(qn_rms_norm_residual, nothing),
    ENTRY_SURE(qn_layer_norm, nothing),
    ENTRY_SURE(qn_layer_norm_residual, nothing),
    ENTRY_SURE(qn_group_norm, nothing),
    ENTRY_SURE(qn_softmax, nothing),
    ENTRY_SURE(qn_softmax_masked, nothing),
    ENTRY_SURE(qn_log_softmax, nothing),
    ENTRY_SURE(qn_reduce, nothing),
    ENTRY_SURE(qn_scan, nothing),
    ENTRY(qn_top_k_f32),
    ENTRY(qn_sort),
    ENTRY(qn_search),
    ENTRY_SURE(qn_quantize_rows, nothing),
    ENTRY_SURE(qn_cross_entropy, nothing),
    ENTRY_SURE(qn_unary_gradient, nothing),
    ENTRY_SURE(qn_softmax_gradient, nothing),
    ENTRY_SURE(qn_cross_entropy_gradient, nothing),
    ENTRY_SURE(qn_norm_gradient, nothing),
    ENTRY_SURE(qn_norm_columns, nothing),
    ENTRY_SURE(qn_embedding, nothing),
    ENTRY_SURE(qn_rope_table, nothing),
    ENTRY_SURE(qn_rope, nothing),
    ENTRY(qn_linear_f32),
    ENTRY(qn_attention),
    ENTRY(qn_attention_gradient_f32),
    ENTRY(qn_sample_f32),
    ENTRY(qn_matmul),
    ENTRY_SURE(qn_gemm_pack_bytes, nothing),
    ENTRY_SURE(qn_gemm_pack_f32, nothing),
    ENTRY_SURE(qn_linear_packed_f32, nothing),
    ENTRY_SURE(qn_isa_has_bf16, nothing),
    ENTRY_SURE(qn_pack_bf16_bytes, nothing),
    ENTRY(qn_pack_bf16_f32),
    ENTRY(qn_linear_bf16_f32),
    ENTRY(qn_row_chain_f32),
};

#endif
