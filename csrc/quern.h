/*
 * quern.h: the whole interface between the native library and its callers.
 *
 * This file is the single source of the FFI table: `tools/gen_symbols.ts`
 * reads it and writes `lib/ffi/symbols.ts`. It therefore keeps to a closed
 * grammar:
 *
 *   - one enumerator a line in an enum, each with an explicit value;
 *   - one `QN_API` declaration for each function, ended by a semicolon;
 *   - types from this list only: void, int32_t, uint32_t, uint64_t, size_t,
 *     float, double, `const char *`, and pointers to void, float, int32_t,
 *     uint64_t and char, with or without const;
 *   - a pointer is an address (a bigint in TypeScript) unless it is marked
 *     QN_BUFFER: then the caller passes a typed array. `const char *` marked
 *     QN_BUFFER is UTF-8 ended by a zero byte.
 *
 * Conventions:
 *   - A function either returns a `qn_status` as int32_t, or a value that
 *     cannot fail. Nothing aborts, prints or exits.
 *   - Parameters are ordered outputs, inputs, sizes, scalars.
 *   - Tensors are dense and row-major. An elementwise shape is given as
 *     rows x cols, the last axis being cols; sizes are in elements.
 *   - A size of zero is allowed wherever it is meaningful, and does nothing.
 *   - An output may be the same address as an input where a comment says
 *     "in place"; any other overlap is undefined.
 *   - Results have the same bits for any number of threads, and a row's result
 *     does not depend on how many rows it is computed with.
 */
#ifndef QUERN_H
#define QUERN_H

#include <stddef.h>
#include <stdint.h>

#define QN_BUFFER

#if defined(_WIN32)
#define QN_API __declspec(dllexport)
#else
#define QN_API __attribute__((visibility("default")))
#endif

/* What went wrong. The text of each is in base/status.c. */
typedef enum qn_status {
  QN_OK = 0,
  QN_NULL_POINTER = 1,     /* a required address was 0 */
  QN_BAD_SIZE = 2,         /* a size is out of range, or a product of sizes overflows */
  QN_BAD_DTYPE = 3,        /* a dtype code is unknown, or not supported here */
  QN_BAD_ARGUMENT = 4,     /* a scalar is out of range */
  QN_BAD_INDEX = 5,        /* an element of an index array is out of range */
  QN_BAD_ALIGNMENT = 6,    /* an address is not aligned for its dtype */
  QN_OUT_OF_MEMORY = 7,    /* the operating system gave no memory */
  QN_OVER_BUDGET = 8,      /* the pool's budget does not allow the request */
  QN_NOT_OWNED = 9,        /* the address is not the start of a block of the pool */
  QN_ALREADY_RETURNED = 10, /* the block was returned before */
  QN_FILE_NOT_FOUND = 11,
  QN_FILE_DENIED = 12,
  QN_FILE_EMPTY = 13,
  QN_FILE_ERROR = 14,      /* any other failure of the file system */
  QN_UNKNOWN_ISA = 15,     /* no instruction set has that name */
  QN_UNSUPPORTED_ISA = 16, /* this processor lacks that instruction set */
} qn_status;

/* Element types. The block types store 32 elements a block, as GGUF does. */
typedef enum qn_dtype {
  QN_F32 = 0,
  QN_F16 = 1,
  QN_BF16 = 2,
  QN_I32 = 3,
  QN_Q8_0 = 4, /* half scale, 32 x int8: w = d * q                   34 bytes */
  QN_Q4_0 = 5, /* half scale, 32 x 4 bit: w = d * (q - 8)            18 bytes */
  QN_Q4_1 = 6, /* half scale and minimum, 32 x 4 bit: w = d * q + m  20 bytes */
} qn_dtype;

/* How a product with quantised weights treats its activations. */
typedef enum qn_precision {
  QN_EXACT = 0, /* float32 activations, weights widened to float32 */
  QN_FAST = 1,  /* activations rounded to 8 bits, integer dot products */
} qn_precision;

/* Which pairs of a head's elements a rotary embedding turns together. */
typedef enum qn_rope_layout {
  QN_ROPE_INTERLEAVED = 0, /* (0,1), (2,3), ... */
  QN_ROPE_HALVES = 1,      /* (0,h), (1,h+1), ... with h half of the rotary size */
} qn_rope_layout;

/* Positions of the fields that qn_pool_stats writes. */
typedef enum qn_pool_stat {
  QN_STAT_RENTS = 0,           /* blocks handed out since the last reset */
  QN_STAT_RETURNS = 1,         /* blocks taken back since the last reset */
  QN_STAT_HITS = 2,            /* rents served from returned memory */
  QN_STAT_MISSES = 3,          /* rents that carved memory never used before */
  QN_STAT_OUTSTANDING = 4,     /* blocks handed out now */
  QN_STAT_LIVE_BYTES = 5,      /* granted bytes of the blocks handed out now */
  QN_STAT_CACHED_BYTES = 6,    /* bytes of returned blocks, kept for reuse */
  QN_STAT_RESERVED_BYTES = 7,  /* bytes obtained from the operating system */
  QN_STAT_PEAK_BYTES = 8,      /* largest LIVE_BYTES since the last reset */
  QN_STAT_REQUESTED_BYTES = 9, /* bytes asked for by the blocks handed out now */
  QN_STAT_SEGMENTS = 10,       /* segments obtained from the operating system, ever */
  QN_STAT_BUDGET_BYTES = 11,   /* 0 when unlimited */
  QN_STAT_COUNT = 12,
} qn_pool_stat;

/* ---- Library ---------------------------------------------------------- */

/* FNV-1a (64 bit) of this file's bytes, as it was when the library was compiled. */
QN_API uint64_t qn_header_hash(void);

/* Chooses the instruction set. `name` may be null: the best that this processor
 * has. Kernels are usable before this is called (as if with null); calling it
 * while another thread runs a kernel is not allowed. */
QN_API int32_t qn_isa_select(QN_BUFFER const char *name);

/* The instruction sets that this library was built with, worst first. */
QN_API uint32_t qn_isa_count(void);
QN_API const char *qn_isa_name(uint32_t index);
QN_API int32_t qn_isa_supported(uint32_t index);
QN_API uint32_t qn_isa_selected(void);

/* A short name for a status, or null for a code that does not exist. */
QN_API const char *qn_status_text(int32_t status);

/* Threads that kernels use, the caller included: 1 to 256. The default is the
 * number of processors that this process may run on. */
QN_API int32_t qn_threads_set(uint32_t count);
QN_API uint32_t qn_threads(void);

/* ---- Memory ----------------------------------------------------------- */

/* Rents a block of at least `bytes` (1 or more), aligned to 64 bytes, contents
 * unspecified. block_out[0..3]: address, granted bytes, address of the segment
 * that holds it, bytes of that segment. Segments stay mapped for the life of
 * the process, so a view of one never faults. */
QN_API int32_t qn_pool_rent(QN_BUFFER uint64_t *block_out, size_t bytes);

/* Gives a block back. */
QN_API int32_t qn_pool_return(void *block);

/* Writes QN_STAT_COUNT values. */
QN_API int32_t qn_pool_stats(QN_BUFFER uint64_t *stats_out);

/* Sets the counters RENTS, RETURNS, HITS and MISSES to 0 and PEAK to LIVE. */
QN_API int32_t qn_pool_stats_reset(void);

/* Limits the bytes that rented blocks may hold together; 0 means no limit. A
 * budget below what is rented now is allowed: further rents fail. */
QN_API int32_t qn_pool_budget_set(size_t bytes);

/* Gives the pages of returned blocks back to the operating system.
 * released_out[0]: bytes released. */
QN_API int32_t qn_pool_trim(QN_BUFFER uint64_t *released_out);

/* Maps a whole file, private and copy-on-write: reading is shared with the page
 * cache, writing never reaches the file. mapping_out[0..1]: address, bytes. */
QN_API int32_t qn_file_map(QN_BUFFER uint64_t *mapping_out, QN_BUFFER const char *path);
QN_API int32_t qn_file_unmap(void *address, size_t bytes);

/* ---- Elements --------------------------------------------------------- */

/* y[rows,cols] = value */
QN_API int32_t qn_fill_f32(float *y, uint32_t rows, uint32_t cols, float value);

/* y[rows,cols] ~ Normal(mean, deviation), from Philox4x32-10 keyed by the seed
 * and counted by the element's index. */
QN_API int32_t qn_random_normal_f32(float *y, uint32_t rows, uint32_t cols, uint32_t seed_low,
                                    uint32_t seed_high, float mean, float deviation);

/* Copies rows x row_bytes bytes; the ranges may overlap. */
QN_API int32_t qn_copy(void *y, const void *x, uint32_t rows, uint32_t row_bytes);

/* y[rows,cols] = x[rows,cols] widened to float32; cols is a multiple of the block. */
QN_API int32_t qn_dequantize_f32(float *y, const void *x, uint32_t rows, uint32_t cols,
                                 int32_t dtype);

/* y = a + b, all [rows,cols]. In place. */
QN_API int32_t qn_add_f32(float *y, const float *a, const float *b, uint32_t rows, uint32_t cols);

/* y = silu(gate) * up, all [rows,cols], silu(v) = v / (1 + exp(-v)). In place. */
QN_API int32_t qn_swiglu_f32(float *y, const float *gate, const float *up, uint32_t rows,
                             uint32_t cols);

/* ---- Rows ------------------------------------------------------------- */

/* y = x / sqrt(mean(x^2) + epsilon) * weight, row by row; weight[cols] may be
 * null (ones). In place. */
QN_API int32_t qn_rms_norm_f32(float *y, const float *x, const float *weight, uint32_t rows,
                               uint32_t cols, float epsilon);

/* y = softmax(x) over each row. In place. A row of all -inf gives NaN. */
QN_API int32_t qn_softmax_f32(float *y, const float *x, uint32_t rows, uint32_t cols);

/* y[rows] = index of the first largest element of each row; NaN counts as largest. */
QN_API int32_t qn_argmax_f32(int32_t *y, const float *x, uint32_t rows, uint32_t cols);

/* loss[rows] = log(sum(exp(logits))) - logits[target], row by row. */
QN_API int32_t qn_cross_entropy_f32(float *loss, const float *logits, const int32_t *targets,
                                    uint32_t rows, uint32_t cols);

/* ---- Transformers ----------------------------------------------------- */

/* y[tokens,cols] = rows `ids` of table[vocabulary,cols], widened to float32. */
QN_API int32_t qn_embedding_f32(float *y, const void *table, const int32_t *ids, uint32_t tokens,
                                uint32_t vocabulary, uint32_t cols, int32_t dtype);

/* cosines and sines [tokens,pairs] of the angles
 * (start + t) * scale * base^(-p / pairs) / factors[p]; factors may be null (ones). */
QN_API int32_t qn_rope_table_f32(float *cosines, float *sines, const float *factors,
                                 uint32_t tokens, uint32_t pairs, uint32_t start, double base,
                                 double scale);

/* Turns the first 2*pairs elements of each head of x[tokens,heads,head_size];
 * the rest is copied. In place. */
QN_API int32_t qn_rope_f32(float *y, const float *x, const float *cosines, const float *sines,
                           uint32_t tokens, uint32_t heads, uint32_t head_size, uint32_t pairs,
                           int32_t layout);

/* y[rows,outputs] = x[rows,inputs] * weight[outputs,inputs]^T. The weight has
 * any dtype but I32; with a block dtype, inputs is a multiple of 32. Precision
 * matters for block dtypes only. */
QN_API int32_t qn_linear_f32(float *y, const float *x, const void *weight, uint32_t rows,
                             uint32_t outputs, uint32_t inputs, int32_t dtype, int32_t precision);

/* Scaled dot-product attention with grouped queries:
 * y, q: [q_tokens, heads, head_size]; k, v: [kv_tokens, kv_heads, head_size];
 * heads is a multiple of kv_heads; head_size is at most 512. With causal != 0, query i
 * sees keys 0 .. kv_tokens - q_tokens + i, and kv_tokens >= q_tokens. */
QN_API int32_t qn_attention_f32(float *y, const float *q, const float *k, const float *v,
                                uint32_t q_tokens, uint32_t kv_tokens, uint32_t heads,
                                uint32_t kv_heads, uint32_t head_size, float scale,
                                int32_t causal);

/* Draws one index from logits[cols]. In this order: tokens in history[count]
 * are made less likely (a positive logit is divided by repeat_penalty, a negative one
 * multiplied); temperature 0 takes the largest; else the logits are divided by
 * the temperature, the top_k largest kept (0: all), the smallest set whose
 * probability reaches top_p kept, those below min_p times the largest dropped,
 * and `uniform` in [0,1) picks one. The logits are not changed. */
QN_API int32_t qn_sample_f32(int32_t *y, const float *logits, const int32_t *history,
                             uint32_t cols, uint32_t count, float temperature, uint32_t top_k,
                             float top_p, float min_p, float repeat_penalty, double uniform);

#endif
