/*
 * quern.h: the whole interface between the native library and its callers. It is
 * long because an interface in one file has one hash and one reader.
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
 *   - A `dtype` of which a comment says no more is QN_F32 or QN_F64: what lies at the
 *     addresses of type void, and what is computed in. Scalars are rounded to it.
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
  QN_STALE = 17,           /* the memory was returned since, and may serve something else */
  QN_NOT_SHARED = 18,      /* nobody is expected to claim it (any more) */
  QN_UNKNOWN_ISOLATE = 19, /* the isolate was closed, or never opened */
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
  QN_F64 = 7,
  QN_I64 = 8,
  QN_U8 = 9,
  QN_BOOL = 10, /* one byte: 0 or 1 */
  QN_I8 = 11,   /* int8, of rows to search alone */
} qn_dtype;

/* Operations on two elements. Integers wrap around. */
typedef enum qn_binary_op {
  QN_ADD = 0,
  QN_SUBTRACT = 1,
  QN_MULTIPLY = 2,
  QN_DIVIDE = 3,     /* floating-point dtypes alone */
  QN_MAXIMUM = 4,    /* NaN where one of the two is */
  QN_MINIMUM = 5,
  QN_POWER = 6,      /* floating-point dtypes alone; the special cases of IEEE 754 */
  QN_ADD_SCALED = 7, /* a + scalar * b, floating-point dtypes alone */
  QN_EQUAL = 8,      /* from here on the result is bool */
  QN_NOT_EQUAL = 9,
  QN_LESS = 10,
  QN_LESS_EQUAL = 11,
  QN_GREATER = 12,
  QN_GREATER_EQUAL = 13,
  QN_AND = 14,       /* bool alone, as the next */
  QN_OR = 15,
} qn_binary_op;

/* Operations that make one element of many. In the comments: the dtype of the result,
 * where it is not that of the elements; "real" is that of floating-point elements, and
 * F64 for integers. */
typedef enum qn_reduce_op {
  QN_REDUCE_SUM = 0,            /* I64 for integers, which wrap around */
  QN_REDUCE_PRODUCT = 1,        /* the same */
  QN_REDUCE_MEAN = 2,           /* real; NaN of nothing */
  QN_REDUCE_VARIANCE = 3,       /* real; the parameter is taken off the number of elements */
  QN_REDUCE_DEVIATION = 4,      /* the square root of it */
  QN_REDUCE_LARGEST = 5,        /* NaN where there is one, as for all of these */
  QN_REDUCE_SMALLEST = 6,
  QN_REDUCE_ARG_LARGEST = 7,    /* I32: the index of the first; NaN counts as it */
  QN_REDUCE_ARG_SMALLEST = 8,
  QN_REDUCE_NORM_0 = 9,         /* real, as all norms: how many are not 0 */
  QN_REDUCE_NORM_1 = 10,        /* the sum of |x| */
  QN_REDUCE_NORM_2 = 11,        /* the square root of the sum of x^2 */
  QN_REDUCE_LARGEST_SIZE = 12,  /* real: the largest |x|, 0 of nothing */
  QN_REDUCE_SMALLEST_SIZE = 13, /* real: the smallest |x| */
  QN_REDUCE_NORM_P = 14,        /* (sum of |x|^p)^(1/p), p > 0 being the parameter */
  QN_REDUCE_LOG_SUM_EXP = 15,   /* real: log(sum of exp(x)) */
  QN_REDUCE_ANY = 16,           /* BOOL: whether one is not 0, as NaN is not */
  QN_REDUCE_ALL = 17,           /* BOOL: whether all are not 0 */
  QN_REDUCE_COUNT_NONZERO = 18, /* I64 */
} qn_reduce_op;

/* What a padded tensor has outside the one that it was made of: at place i of an axis
 * of n, outside of 0 .. n - 1, */
typedef enum qn_pad_mode {
  QN_PAD_CONSTANT = 0, /* a value */
  QN_PAD_EDGE = 1,     /* the element nearest to i */
  QN_PAD_REFLECT = 2,  /* the elements mirrored at 0 and at n - 1, which are not repeated */
  QN_PAD_WRAP = 3,     /* the element i modulo n */
} qn_pad_mode;

/* Positions in the layout of a table that is read or written by indices. An axis has its
 * size, and its strides in the dense side, in the table and in the indices; at the indexed
 * axis, an index is a step of the table's stride. */
typedef enum qn_table_field {
  QN_TABLE_EXTENT = 0,  /* the size of the table's indexed axis, which indices count along */
  QN_TABLE_INDICES = 1, /* indices there are, side by side */
  QN_TABLE_AXES = 2,    /* four values for each axis */
} qn_table_field;

/* How a product with quantised weights treats its activations. */
typedef enum qn_precision {
  QN_EXACT = 0, /* float32 activations, weights widened to float32 */
  QN_FAST = 1,  /* activations rounded to 8 bits, integer dot products */
} qn_precision;

/* What a linear layer applies to its result, v being an element. */
typedef enum qn_activation {
  QN_ACTIVATION_NONE = 0,
  QN_ACTIVATION_RELU = 1,      /* max(v, 0) */
  QN_ACTIVATION_GELU_TANH = 2, /* v / 2 * (1 + tanh(sqrt(2 / pi) * (v + 0.044715 v^3))) */
  QN_ACTIVATION_SILU = 3,      /* v / (1 + exp(-v)) */
  QN_ACTIVATION_GELU_ERF = 4,  /* v / 2 * (1 + erf(v / sqrt(2))) */
} qn_activation;

/* Positions of the sizes and strides that qn_matmul reads; strides in elements. */
typedef enum qn_gemm_field {
  QN_GEMM_ROWS = 0,  /* of A and C */
  QN_GEMM_COLS = 1,  /* of B and C */
  QN_GEMM_INNER = 2, /* columns of A, rows of B */
  QN_GEMM_A_ROW = 3, /* from a row of A to the next */
  QN_GEMM_A_COL = 4,
  QN_GEMM_B_ROW = 5,
  QN_GEMM_B_COL = 6,
  QN_GEMM_C_ROW = 7, /* at least the columns of C, which lie side by side */
  QN_GEMM_BATCH = 8, /* four values for each axis of the batch: its size, the strides of C, A, B */
} qn_gemm_field;

/* What a step of qn_row_chain_f32 makes of slot `from`. */
typedef enum qn_chain_kind {
  QN_CHAIN_LINEAR = 0,      /* to = what qn_linear_packed_f32 makes of it */
  QN_CHAIN_LINEAR_BF16 = 1, /* to = what qn_linear_bf16_f32 makes of it */
  QN_CHAIN_LAYER_NORM = 2,  /* to = what qn_layer_norm makes of it; in place */
  QN_CHAIN_SWIGLU = 3,      /* to = silu(from) * to */
} qn_chain_kind;

/* Positions of what a step of qn_row_chain_f32 says. */
typedef enum qn_chain_field {
  QN_CHAIN_KIND = 0,
  QN_CHAIN_FROM = 1,     /* numbers of slots */
  QN_CHAIN_TO = 2,
  QN_CHAIN_RESIDUAL = 3, /* of a product: 0 for none, else 1 + the number of a slot */
  QN_CHAIN_WEIGHT = 4,   /* addresses; that of a bias, or of a norm's weight, may be 0 */
  QN_CHAIN_BIAS = 5,
  QN_CHAIN_SCALAR = 6,   /* a product's activation; the bits of a norm's epsilon, a double */
  QN_CHAIN_FIELDS = 7,
} qn_chain_field;

/* Positions of what qn_attention reads; strides in elements. */
typedef enum qn_attention_field {
  QN_ATTENTION_TOKENS = 0,    /* queries */
  QN_ATTENTION_KEYS = 1,      /* those in use */
  QN_ATTENTION_HEADS = 2,
  QN_ATTENTION_KV_HEADS = 3,
  QN_ATTENTION_HEAD_SIZE = 4,
  QN_ATTENTION_CAUSAL = 5,    /* 0 or 1 */
  QN_ATTENTION_WINDOW = 6,    /* 0: none */
  QN_ATTENTION_SEGMENTS = 7,  /* 0: none */
  QN_ATTENTION_MASK_DTYPE = 8,
  QN_ATTENTION_Q_TOKEN = 9,   /* from a token to the next */
  QN_ATTENTION_Q_HEAD = 10,
  QN_ATTENTION_K_TOKEN = 11,
  QN_ATTENTION_K_HEAD = 12,
  QN_ATTENTION_V_TOKEN = 13,
  QN_ATTENTION_V_HEAD = 14,
  QN_ATTENTION_MASK_TOKEN = 15,
  QN_ATTENTION_MASK_HEAD = 16,
  QN_ATTENTION_BATCH = 17, /* five values for each axis: its size, the strides of q, k, v, the mask */
} qn_attention_field;

/* Which pairs of a head's elements a rotary embedding turns together. */
typedef enum qn_rope_layout {
  QN_ROPE_INTERLEAVED = 0, /* (0,1), (2,3), ... */
  QN_ROPE_HALVES = 1,      /* (0,h), (1,h+1), ... with h half of the rotary size */
} qn_rope_layout;

/* Functions of one element. */
typedef enum qn_unary_op {
  QN_EXP = 0,
  QN_LOG = 1,        /* -infinity at 0, NaN below */
  QN_EXPM1 = 2,      /* exp(x) - 1 */
  QN_LOG1P = 3,      /* log(1 + x) */
  QN_SIN = 4,
  QN_COS = 5,
  QN_TANH = 6,
  QN_ERF = 7,        /* the error function */
  QN_SQRT = 8,
  QN_RSQRT = 9,      /* 1 / sqrt(x) */
  QN_ABS = 10,
  QN_NEGATIVE = 11,  /* -x */
  QN_SQUARE = 12,
  QN_RECIPROCAL = 13, /* 1 / x */
  QN_SIGN = 14,      /* -1, 0 or 1 */
  QN_FLOOR = 15,
  QN_CEIL = 16,
  QN_ROUND = 17,     /* to the nearest integer, ties to even */
  QN_RELU = 18,      /* max(x, 0), NaN kept */
  QN_SIGMOID = 19,   /* 1 / (1 + exp(-x)) */
  QN_SILU = 20,      /* x * sigmoid(x) */
  QN_GELU_ERF = 21,  /* x * (1 + erf(x / sqrt(2))) / 2 */
  QN_GELU_TANH = 22, /* x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2 */
  QN_EXP2 = 23,      /* 2^x */
  QN_LOG2 = 24,      /* of these two, too: -infinity at 0, NaN below */
  QN_LOG10 = 25,
  QN_TAN = 26,
  QN_ATAN = 27,      /* the angle whose tangent is x, between -pi / 2 and pi / 2 */
  QN_UNARY_COUNT = 28,
} qn_unary_op;

/* Positions of the fields that qn_pool_stats writes. Counters run since the last
 * reset, over the whole process. */
typedef enum qn_pool_stat {
  QN_STAT_RENTS = 0,            /* blocks handed out */
  QN_STAT_RETURNS = 1,          /* blocks taken back */
  QN_STAT_HITS = 2,             /* rents served from memory that held its pages */
  QN_STAT_MISSES = 3,           /* rents that needed pages from the operating system */
  QN_STAT_OUTSTANDING = 4,      /* blocks handed out now */
  QN_STAT_LIVE_BYTES = 5,       /* granted bytes of the blocks handed out now */
  QN_STAT_CACHED_BYTES = 6,     /* bytes of returned blocks that hold pages, caches included */
  QN_STAT_RESERVED_BYTES = 7,   /* address space obtained from the operating system */
  QN_STAT_PEAK_BYTES = 8,       /* largest live bytes; what is in caches counts as live */
  QN_STAT_REQUESTED_BYTES = 9,  /* bytes asked for by the blocks handed out now */
  QN_STAT_SEGMENTS = 10,        /* segments obtained from the operating system, ever */
  QN_STAT_BUDGET_BYTES = 11,    /* 0 when unlimited */
  QN_STAT_HELD_BYTES = 12,      /* live and cached together: what the budget limits */
  QN_STAT_PEAK_HELD_BYTES = 13, /* its largest value */
  QN_STAT_SHELVED_BYTES = 14,   /* of the cached bytes, those in isolates' own caches */
  QN_STAT_SHARED = 15,          /* pieces of memory that were shared between isolates and are held */
  QN_STAT_ISOLATES = 16,        /* isolates that are open */
  QN_STAT_TRIMMED_BYTES = 17,   /* given back to the operating system */
  QN_STAT_MAPPED_BYTES = 18,    /* of mapped files */
  QN_STAT_COUNT = 19,
} qn_pool_stat;

/* Positions of the fields that qn_pool_class_stats writes for each class; the
 * class after the last is that of all large blocks together. */
typedef enum qn_class_stat {
  QN_CLASS_BYTES = 0,       /* granted for a block; 0 for large blocks */
  QN_CLASS_RENTS = 1,       /* since the last reset */
  QN_CLASS_RETURNS = 2,     /* since the last reset */
  QN_CLASS_MISSES = 3,      /* since the last reset */
  QN_CLASS_OUTSTANDING = 4, /* blocks handed out now */
  QN_CLASS_LIVE_BYTES = 5,
  QN_CLASS_CACHED_BYTES = 6,
  QN_CLASS_STAT_COUNT = 7,
} qn_class_stat;

/* Sizes of the pool that its callers repeat. */
typedef enum qn_pool_size {
  QN_POOL_CLASSES = 49,               /* of small blocks, up to 1 MiB */
  QN_POOL_BLOCK_VALUES = 5,           /* values that describe a rented block */
  QN_POOL_LARGEST_SMALL = 1048576,    /* bytes of the largest small block */
  QN_POOL_ALIGNMENT = 64,             /* of every block */
  QN_POOL_LARGEST_ALIGNMENT = 4096,   /* that may be asked for */
} qn_pool_size;

/* Positions in the memory that an isolate shares with the pool, an array of
 * doubles. An isolate may keep returned blocks on shelves of its own, so that
 * renting makes no native call; the counts of what it did are here, where the
 * pool's statistics find them. Class 49 is that of large blocks. */
typedef enum qn_isolate_field {
  QN_ISOLATE_NOW = 0,           /* written by the pool: its clock, in ticks of 10 ms */
  QN_ISOLATE_FLUSHES = 1,       /* written by the pool: how often shelves were to be emptied */
  QN_ISOLATE_REQUESTED = 2,     /* bytes asked for, less what the pool was told of those blocks */
  QN_ISOLATE_LARGE_SHELVED = 3, /* bytes of large blocks on the shelf */
  QN_ISOLATE_RENTS = 16,        /* + class: rents served from the shelf */
  QN_ISOLATE_RETURNS = 72,      /* + class: returns to the shelf, less those passed on later */
  QN_ISOLATE_FIELDS = 128,
} qn_isolate_field;

/* Positions of the fields that qn_pool_snapshot writes for each block. */
typedef enum qn_block_field {
  QN_BLOCK_ADDRESS = 0,
  QN_BLOCK_BYTES = 1,     /* granted */
  QN_BLOCK_REQUESTED = 2, /* 0 unless handed out */
  QN_BLOCK_STATE = 3,     /* qn_block_state */
  QN_BLOCK_AGE_MS = 4,    /* since it came into that state */
  QN_BLOCK_ISOLATE = 5,   /* that holds it; 0: the library itself, or several */
  QN_BLOCK_SEGMENT = 6,   /* address of its segment */
  QN_BLOCK_SEGMENT_BYTES = 7,
  QN_BLOCK_FIELDS = 8,
} qn_block_field;

typedef enum qn_block_state {
  QN_BLOCK_LIVE = 1,      /* handed out (to an isolate: in use, or on its shelf) */
  QN_BLOCK_SHARED = 2,    /* handed out to several isolates, or on the way to one */
  QN_BLOCK_THREAD = 3,    /* in the cache of a thread of the library */
  QN_BLOCK_CACHED = 4,    /* returned, pages kept */
  QN_BLOCK_DISCARDED = 5, /* returned, pages given back to the operating system */
} qn_block_state;

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

/* Bytes of a data cache, from which the sizes of pieces of work follow: level 1 and 2
 * of a core, 3 the last one; 0 for any other level. What the processor does not say is
 * what most have. */
QN_API size_t qn_cache_bytes(uint32_t level);

/* A short name for a status, or null for a code that does not exist. */
QN_API const char *qn_status_text(int32_t status);

/* Threads that kernels use, the caller included: 1 to 256. The default is the
 * number of processors that this process may run on. */
QN_API int32_t qn_threads_set(uint32_t count);
QN_API uint32_t qn_threads(void);

/* ---- Memory ----------------------------------------------------------- */

/* Opens an account for an isolate (a thread of JavaScript with a heap of its own)
 * on the thread that calls. What it holds goes back to the pool when it is closed,
 * or when that thread ends. isolate_out[0..1]: its number, never 0 and never used
 * again; the address of QN_ISOLATE_FIELDS doubles, valid until then. */
QN_API int32_t qn_isolate_open(QN_BUFFER uint64_t *isolate_out);
QN_API int32_t qn_isolate_close(uint32_t isolate);

/* Rents a block of at least `bytes` (1 or more), contents unspecified, for an
 * isolate, or, with 0, for the process. `alignment` is a power of two from 1 to
 * QN_POOL_LARGEST_ALIGNMENT; every block is aligned to 64 at least, a large one
 * to a page. block_out[0..4]: address, granted bytes, address of the segment
 * that holds it, bytes of that segment, generation. Segments stay mapped for the
 * life of the process, so a view of one never faults. */
QN_API int32_t qn_pool_rent(QN_BUFFER uint64_t *block_out, size_t bytes, uint32_t alignment,
                            uint32_t isolate);

/* Gives a block back: the isolate's hold of it, where it is shared. A `generation`
 * other than 0 must be that of the rent, else QN_STALE. */
QN_API int32_t qn_pool_return(void *block, uint32_t generation, uint32_t isolate);

/* The same for `count` blocks of one size, QN_POOL_BLOCK_VALUES values each. Renting
 * is all or nothing; returning goes on after a failure and reports the first. */
QN_API int32_t qn_pool_rent_batch(QN_BUFFER uint64_t *blocks_out, size_t bytes, uint32_t count,
                                  uint32_t isolate);
QN_API int32_t qn_pool_return_batch(QN_BUFFER const uint64_t *blocks, uint32_t count,
                                    uint32_t isolate);

/* Writes to every page of rented blocks, so that their first use meets no page
 * fault. Their contents are lost. */
QN_API int32_t qn_pool_touch_batch(QN_BUFFER const uint64_t *blocks, uint32_t count);

/* Makes sure that `count` blocks for requests of `bytes` are ready, pages touched. */
QN_API int32_t qn_pool_prewarm(size_t bytes, uint32_t count);

/* Lets `receivers` isolates claim memory that `isolate` holds, a block or a mapped
 * file; until they did, it stays. The claim names it by address and generation.
 * claimed_out[0..4]: as for a block; a mapped file has segment 0. */
QN_API int32_t qn_memory_share(void *address, uint32_t generation, uint32_t isolate,
                               uint32_t receivers);
QN_API int32_t qn_memory_claim(QN_BUFFER uint64_t *claimed_out, void *address,
                               uint32_t generation, uint32_t isolate);

/* Writes QN_STAT_COUNT values. */
QN_API int32_t qn_pool_stats(QN_BUFFER uint64_t *stats_out);

/* Writes QN_CLASS_STAT_COUNT values for each of QN_POOL_CLASSES + 1 classes. */
QN_API int32_t qn_pool_class_stats(QN_BUFFER uint64_t *classes_out);

/* Sets the counters to 0 and the peaks to what is now. */
QN_API int32_t qn_pool_stats_reset(void);

/* Writes QN_BLOCK_FIELDS values for each of the first `capacity` blocks, in the
 * order of their addresses within a segment; `records_out` may be null with a
 * capacity of 0. count_out[0]: blocks there are. */
QN_API int32_t qn_pool_snapshot(QN_BUFFER uint64_t *count_out, QN_BUFFER uint64_t *records_out,
                                uint32_t capacity);

/* Limits the bytes of blocks that hold pages, live and cached; 0 means no limit. A
 * budget below what is held now is allowed: what is cached is trimmed, and rents
 * that need new pages fail. */
QN_API int32_t qn_pool_budget_set(size_t bytes);

/* Gives the pages of returned blocks back to the operating system, and asks every
 * isolate to empty its shelves. released_out[0]: bytes released. */
QN_API int32_t qn_pool_trim(QN_BUFFER uint64_t *released_out);

/* How long a returned block keeps its pages, at least; 0: until it is trimmed. The
 * default is 10 seconds. */
QN_API int32_t qn_pool_idle_set(uint32_t milliseconds);

/* Maps a whole file, private and copy-on-write: reading is shared with the page
 * cache, writing never reaches the file. mapping_out[0..2]: address, bytes,
 * generation. Unmapping gives up the isolate's hold of it. */
QN_API int32_t qn_file_map(QN_BUFFER uint64_t *mapping_out, QN_BUFFER const char *path,
                           uint32_t isolate);
QN_API int32_t qn_file_unmap(void *address, uint32_t generation, uint32_t isolate);

/* ---- Elements --------------------------------------------------------- */

/* y[rows,cols] = the item whose bytes `item` begins with, of 1, 2, 4 or 8 bytes */
QN_API int32_t qn_fill(void *y, QN_BUFFER const uint64_t *item, uint32_t rows, uint32_t cols,
                       uint32_t item_bytes);

/* y[rows,cols] ~ Normal(mean, deviation), from Philox4x32-10 keyed by the seed
 * and counted by the element's index; the same numbers in both dtypes. */
QN_API int32_t qn_random_normal(void *y, uint32_t rows, uint32_t cols, uint32_t seed_low,
                                uint32_t seed_high, double mean, double deviation, int32_t dtype);

/* y[rows,cols], bool: true with `probability`, 0 to 1, from the bits of the same generator */
QN_API int32_t qn_random_choices(void *y, uint32_t rows, uint32_t cols, uint32_t seed_low,
                                 uint32_t seed_high, double probability);

/* Copies rows x row_bytes bytes; the ranges may overlap. */
QN_API int32_t qn_copy(void *y, const void *x, uint32_t rows, uint32_t row_bytes);

/* Copies elements of `item_bytes` (1, 2, 4 or 8) between two layouts of the same
 * shape: `layout` holds, for each of the `rank` axes (0 to 16), its size, the stride
 * of y and the stride of x, both in elements. Strides of x may be 0 or, as 64 bits with
 * a sign, negative, those of y neither; the ranges do not overlap. */
QN_API int32_t qn_copy_strided(void *y, const void *x, QN_BUFFER const uint64_t *layout,
                               uint32_t rank, uint32_t item_bytes);

/* y[rows, all bytes] = the parts beside each other: `parts` holds, for each of `count`, its
 * address and the bytes of one of its rows, which lie one behind the other. No part overlaps
 * y. */
QN_API int32_t qn_concatenate(void *y, QN_BUFFER const uint64_t *parts, uint32_t count,
                              uint32_t rows);

/* y, a row-major tensor, = x, another, with items around it: `layout` holds, for each of
 * the `rank` axes (0 to 16), the size of x, and the items added before and behind it. The mode
 * is a qn_pad_mode; the value is the item whose bytes `item` begins with, of 1, 2, 4 or 8
 * bytes. But for a constant, an axis that grows is not empty. They do not overlap. */
QN_API int32_t qn_pad(void *y, const void *x, QN_BUFFER const uint64_t *layout, uint32_t rank,
                      QN_BUFFER const uint64_t *item, uint32_t item_bytes, int32_t mode);

/* y = x[matrices,rows,cols], with 0 in row r where a column is right of r + diagonal or,
 * with upper != 0, left of it. In place. Items of 1, 2, 4 or 8 bytes. */
QN_API int32_t qn_triangle(void *y, const void *x, uint32_t matrices, uint32_t rows,
                           uint32_t cols, int32_t diagonal, int32_t upper, uint32_t item_bytes);

/* y[i] = start + i * step in double precision, but y[count - 1] = last; any dtype but BOOL
 * and the block dtypes, I64 up to 2^53. An integer that the dtype cannot hold wraps around. */
QN_API int32_t qn_sequence(void *y, size_t count, double start, double step, double last,
                           int32_t dtype);

/* y[count,classes] = 1 at indices[count], 0 elsewhere, of any dtype but the block dtypes.
 * Indices, I32 or I64, are 0 .. classes - 1: else QN_BAD_INDEX, and nothing is written. */
QN_API int32_t qn_one_hot(void *y, const void *indices, uint32_t count, uint32_t classes,
                          int32_t dtype, int32_t index_dtype);

/* y = x with an index in place of the position along `axis`, items of 1, 2, 4 or 8 bytes;
 * the dense side of `layout` (qn_table_field, `rank` 1 to 16 axes) is y, the table x. An
 * index, I32 or I64, is from -extent to extent - 1, a negative one counted from the end:
 * else QN_BAD_INDEX, and nothing is written. They do not overlap. */
QN_API int32_t qn_gather(void *y, const void *x, const void *indices,
                         QN_BUFFER const uint64_t *layout, uint32_t rank, uint32_t axis,
                         uint32_t item_bytes, int32_t index_dtype);

/* y += x at indices, the other way round: the dense side of the layout is x, the table y, no
 * two elements of which share a place. What goes to one element is added in the order of the
 * indices. The dtype is F32, F64, F16, BF16, I32 or I64; a half is rounded after each
 * addition, integers wrap around. */
QN_API int32_t qn_scatter_add(void *y, const void *x, const void *indices,
                              QN_BUFFER const uint64_t *layout, uint32_t rank, uint32_t axis,
                              int32_t dtype, int32_t index_dtype);

/* y[rows,cols] = x[rows,cols] widened to float32; cols is a multiple of the block. */
QN_API int32_t qn_dequantize_f32(float *y, const void *x, uint32_t rows, uint32_t cols,
                                 int32_t dtype);

/* y[rows,cols], of a block dtype, = x[rows,cols], with the bits of ggml's reference; cols is a
 * multiple of the block. A block that holds NaN or an infinity becomes NaN as a whole. They do
 * not overlap. */
QN_API int32_t qn_quantize(void *y, const float *x, uint32_t rows, uint32_t cols, int32_t dtype);

/* y[rows,cols] = x[rows,cols] in another dtype, for all but the block dtypes; they share
 * no memory. To a floating-point dtype: rounded to nearest, ties to even, once. To an integer:
 * towards zero; what is out of range becomes the nearest there is, NaN 0. To bool: 0 for
 * 0, else 1, for NaN too. */
QN_API int32_t qn_cast(void *y, const void *x, uint32_t rows, uint32_t cols, int32_t y_dtype,
                       int32_t x_dtype);

/* y = a op b, element by element, y being dense: `layout` holds, for each of the
 * `rank` axes (0 to 16), its size, the stride of a and the stride of b, both in
 * elements; a stride of 0 repeats an element. b may be null: then `scalar`, which
 * the dtype must hold, stands for each of its elements. The dtype is that of a and
 * b, F32, F64, I32, I64, U8 or BOOL; comparisons alone take U8, and comparisons, AND
 * and OR take BOOL. In place, where the input is laid out as y is. */
QN_API int32_t qn_binary(void *y, const void *a, const void *b, QN_BUFFER const uint64_t *layout,
                         uint32_t rank, double scalar, int32_t op, int32_t dtype);

/* y = condition ? a : b, element by element, for items of 1, 2, 4 or 8 bytes; the
 * condition is of bytes. `layout` is as for qn_binary, with the strides of the condition, a
 * and b. In place, where the input is laid out as y is. */
QN_API int32_t qn_where(void *y, const void *condition, const void *a, const void *b,
                        QN_BUFFER const uint64_t *layout, uint32_t rank, uint32_t item_bytes);

/* y = x, but low where x < low, and high where x > high; low <= high. NaN stays. In
 * place. */
QN_API int32_t qn_clamp(void *y, const void *x, uint32_t rows, uint32_t cols, double low,
                        double high, int32_t dtype);

/* y = silu(gate) * up, all [rows,cols], silu(v) = v / (1 + exp(-v)). In place. */
QN_API int32_t qn_swiglu(void *y, const void *gate, const void *up, uint32_t rows, uint32_t cols,
                         int32_t dtype);

/* y = gelu(gate) * up, all [rows,cols]; `gelu` is QN_GELU_ERF or QN_GELU_TANH. In
 * place. */
QN_API int32_t qn_geglu(void *y, const void *gate, const void *up, uint32_t rows, uint32_t cols,
                        int32_t gelu, int32_t dtype);

/* y = f(x), both [rows,cols], f being a qn_unary_op. In place. */
QN_API int32_t qn_unary(void *y, const void *x, uint32_t rows, uint32_t cols, int32_t op,
                        int32_t dtype);

/* ---- Reductions ---------------------------------------------------------- */

/* y = the elements of x along some axes made one by `op`, a qn_reduce_op. `layout`
 * holds for each axis of y, `kept` of them, and then for each of the `reduced` axes, 16
 * together at most, its size and the stride of x in elements; y is dense. Any dtype but
 * the block dtypes. Sums of float16, bfloat16 and float32 are rounded to it once, at
 * the end. Of nothing, LARGEST and the like but LARGEST_SIZE are QN_BAD_SIZE; indices
 * are along one reduced axis, of 2^31 elements at most. */
QN_API int32_t qn_reduce(void *y, const void *x, QN_BUFFER const uint64_t *layout, uint32_t kept,
                         uint32_t reduced, double parameter, int32_t op, int32_t dtype);

/* y = the sum of the elements of x[outer,count,inner] so far along the middle axis, or
 * their product if `multiplies` != 0; F32 and F64 in float64, rounded to an element; I64
 * wraps around. In place. */
QN_API int32_t qn_scan(void *y, const void *x, uint32_t outer, uint32_t count, uint32_t inner,
                       int32_t multiplies, int32_t dtype);

/* values[rows,k] and indices[rows,k] of the k largest (or smallest, if `largest` is 0)
 * elements of each row of x[rows,cols], in that order, k <= cols <= 2^31; of equals the
 * first comes first; NaN counts as largest. */
QN_API int32_t qn_top_k_f32(float *values, int32_t *indices, const float *x, uint32_t rows,
                            uint32_t cols, uint32_t k, int32_t largest);

/* values[rows,cols] = the elements of each row of x[rows,cols] in order, the largest first if
 * `descending` != 0, and indices[rows,cols] where they were; one of the two may be null. Of
 * equals the first comes first; NaN comes last. Any dtype but the block dtypes; cols <=
 * 2^31. The values may be x. */
QN_API int32_t qn_sort(void *values, int32_t *indices, const void *x, uint32_t rows, uint32_t cols,
                       int32_t descending, int32_t dtype);

/* ---- Search ------------------------------------------------------------ */

/* values[queries,k] and indices[queries,k] of the rows of x[rows,dim] whose products with
 * each of queries[queries,dim] are the largest, in that order; of equals the first comes
 * first; NaN counts as largest. x is QN_F32, QN_F16, or QN_I8 with a factor for each row,
 * scales[rows], which is not read otherwise. Rows count from `first` on, first + rows <=
 * 2^31. The first `held` of each query's results, held <= k and held <= first, are what was
 * found in rows before and are in order; then held + rows are chosen from, and where those
 * are fewer than k the rest of values and indices is left as it was. */
QN_API int32_t qn_search(float *values, int32_t *indices, const float *queries, const void *x,
                         const float *scales, uint32_t query_count, uint32_t rows, uint32_t dim,
                         uint32_t k, uint32_t held, uint32_t first, int32_t dtype);

/* y[rows,cols] in QN_I8 = x / scales, rounded to nearest, ties to even, where scales[rows] is
 * max |x| / 127 of each row; a row without a scale is 0. x is finite. */
QN_API int32_t qn_quantize_rows(void *y, float *scales, const float *x, uint32_t rows,
                                uint32_t cols);

/* ---- Rows ------------------------------------------------------------- */

/* y = x / sqrt(mean(x^2) + epsilon) * weight, row by row; weight[cols] may be
 * null (ones). In place. */
QN_API int32_t qn_rms_norm(void *y, const void *x, const void *weight, uint32_t rows, uint32_t cols,
                           double epsilon, int32_t dtype);

/* The same for t = x + residual, which is also written to `total`, unless that is
 * null. In place: y and total may each be x or residual, and are not the same. */
QN_API int32_t qn_rms_norm_residual(void *y, void *total, const void *x, const void *residual,
                                    const void *weight, uint32_t rows, uint32_t cols,
                                    double epsilon, int32_t dtype);

/* y = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias, row by row;
 * weight[cols] and bias[cols] may be null (ones, zeros). In place. */
QN_API int32_t qn_layer_norm(void *y, const void *x, const void *weight, const void *bias,
                             uint32_t rows, uint32_t cols, double epsilon, int32_t dtype);

/* The same for t = x + residual, with total and in place as for qn_rms_norm_residual. */
QN_API int32_t qn_layer_norm_residual(void *y, void *total, const void *x, const void *residual,
                                      const void *weight, const void *bias, uint32_t rows,
                                      uint32_t cols, double epsilon, int32_t dtype);

/* x[images,channels,spatial] normalised as above over each of `groups` equal groups of
 * the channels of an image; weight[channels] and bias[channels] may be null. In place. */
QN_API int32_t qn_group_norm(void *y, const void *x, const void *weight, const void *bias,
                             uint32_t images, uint32_t channels, uint32_t spatial, uint32_t groups,
                             double epsilon, int32_t dtype);

/* y = softmax(x) over each row. In place. A row of all -inf gives NaN. */
QN_API int32_t qn_softmax(void *y, const void *x, uint32_t rows, uint32_t cols, int32_t dtype);

/* y = softmax(x * scale) over the columns that the mask leaves of each row, 0 in the
 * others. In place. Row r has row r / mask_outer * mask_inner + r % mask_inner of the
 * mask, 1 <= mask_inner <= mask_outer: one of the dtype of x is added; of QN_BOOL or QN_I32,
 * columns where it is 0 are left out. The mask may be null. With causal_rows != 0, which is at most
 * cols, row r sees columns 0 .. cols - causal_rows + r % causal_rows. */
QN_API int32_t qn_softmax_masked(void *y, const void *x, const void *mask, uint32_t rows,
                                 uint32_t cols, double scale, int32_t mask_dtype,
                                 uint32_t mask_outer, uint32_t mask_inner, uint32_t causal_rows,
                                 int32_t dtype);

/* y = log(softmax(x)) over each row. In place. */
QN_API int32_t qn_log_softmax(void *y, const void *x, uint32_t rows, uint32_t cols, int32_t dtype);

/* loss[rows] = log(sum(exp(logits))) - (1 - smoothing) * logits[target] - smoothing *
 * mean(logits), row by row; 0 where the target is `ignored`. 0 <= smoothing <= 1. */
QN_API int32_t qn_cross_entropy(void *loss, const void *logits, const int32_t *targets,
                                uint32_t rows, uint32_t cols, double smoothing, int32_t ignored,
                                int32_t dtype);

/* ---- Gradients -------------------------------------------------------- */

/* dx = g * f'(x), all [rows,cols]; op is QN_SILU, QN_GELU_ERF or QN_GELU_TANH. dx may be g
 * or x. */
QN_API int32_t qn_unary_gradient(void *dx, const void *g, const void *x, uint32_t rows,
                                 uint32_t cols, int32_t op, int32_t dtype);

/* dx = y * (g - sum(g * y)) * scale over each row: the gradient of x where g is that of
 * y = softmax(x * scale). dx may be g or y. */
QN_API int32_t qn_softmax_gradient(void *dx, const void *g, const void *y, uint32_t rows,
                                   uint32_t cols, double scale, int32_t dtype);

/* dx[rows,cols] = the gradient of the logits where g[rows] is that of the losses of
 * qn_cross_entropy; 0 where the target is `ignored`. dx may be logits. */
QN_API int32_t qn_cross_entropy_gradient(void *dx, const void *g, const void *logits,
                                         const int32_t *targets, uint32_t rows, uint32_t cols,
                                         double smoothing, int32_t ignored, int32_t dtype);

/* dx[rows,cols] = the gradient of x where g is that of qn_layer_norm, or of qn_rms_norm if
 * `centred` is 0; weight[cols] may be null. moments[rows,3] receives what qn_norm_columns
 * needs. dx and moments may be null; dx may be g or x. */
QN_API int32_t qn_norm_gradient(void *dx, void *moments, const void *g, const void *x,
                                const void *weight, uint32_t rows, uint32_t cols, double epsilon,
                                int32_t centred, int32_t dtype);

/* dweight[cols] and dbias[cols], the gradients of weight and bias: sums over the rows. Both
 * may be null; x and moments go with dweight. */
QN_API int32_t qn_norm_columns(void *dweight, void *dbias, const void *g, const void *x,
                               const void *moments, uint32_t rows, uint32_t cols, int32_t dtype);

/* ---- Transformers ----------------------------------------------------- */

/* y[tokens,cols] = rows `ids` of table[vocabulary,cols], widened to float32, or, of a
 * table of QN_F64, as they are. */
QN_API int32_t qn_embedding(void *y, const void *table, const int32_t *ids, uint32_t tokens,
                            uint32_t vocabulary, uint32_t cols, int32_t dtype);

/* cosines and sines [tokens,pairs] of the angles
 * (start + t) * scale * base^(-p / pairs) / factors[p]; factors may be null (ones). */
QN_API int32_t qn_rope_table(void *cosines, void *sines, const void *factors, uint32_t tokens,
                             uint32_t pairs, uint32_t start, double base, double scale,
                             int32_t dtype);

/* Turns the first 2*pairs elements of each head of x[tokens,heads,head_size];
 * the rest is copied. In place. */
QN_API int32_t qn_rope(void *y, const void *x, const void *cosines, const void *sines,
                       uint32_t tokens, uint32_t heads, uint32_t head_size, uint32_t pairs,
                       int32_t layout, int32_t dtype);

/* y[rows,outputs] = x[rows,inputs] * weight[outputs,inputs]^T. The weight has
 * any dtype but I32; with a block dtype, inputs is a multiple of 32. Precision
 * matters for block dtypes only. */
QN_API int32_t qn_linear_f32(float *y, const float *x, const void *weight, uint32_t rows,
                             uint32_t outputs, uint32_t inputs, int32_t dtype, int32_t precision);

/* y = softmax(scale * q k^T + mask) v, head by head, of QN_F32 or QN_F64; each key-value
 * head serves heads / kv_heads query heads:
 * y, q: [..., tokens, heads, head_size]; k, v: [..., keys, kv_heads, head_size], where ...
 * are `axes` axes of a batch, 0 to 13; y is dense. `layout` holds QN_ATTENTION_BATCH +
 * 5 * axes values. The elements of a head lie side by side; head_size is at most 512.
 *
 * The mask, which may be null, is [..., heads, tokens, keys] with the keys side by side:
 * of `dtype`, it is added, and -inf leaves a key out; of QN_BOOL or QN_I32, 0 leaves out.
 *
 * `lengths` is null or, for each sequence of the batch, how many keys are in use, from
 * the first. The last query is at the position of the last key in use; where there are
 * more queries than that, the first is at the first. With causal, a query sees no key
 * behind its own position; with window, at most that many keys: with its own the last if
 * causal, in the middle if not.
 *
 * With segments, `lengths` holds that number + 1 of ascending offsets, from 0 to tokens:
 * sequences lie end to end, and each sees itself alone. Then tokens and keys are equal, and
 * there is no batch.
 *
 * A key that a row does not see does not touch it, not even as 0 * NaN. A row that sees no
 * key is 0. QN_BAD_INDEX when lengths are out of range.
 *
 * `statistics` is null or, for QN_F32, [..., tokens, heads, 2]: what the gradient needs. */
QN_API int32_t qn_attention(void *y, float *statistics, const void *q, const void *k,
                            const void *v, const void *mask, const int32_t *lengths,
                            QN_BUFFER const uint64_t *layout, uint32_t axes, double scale,
                            int32_t dtype);

/* The gradients of q, k and v where g is that of y = qn_attention, of QN_F32 and without a
 * mask. y, g and dq are dense in the shape of y; dk and dv in that of k, with the whole batch
 * and key_rows keys a sequence, of which those in use are the first; the others become 0.
 * Where dq, dk or dv is null, it is not computed. `statistics` are those of the forward call,
 * and everything else is what that was told. Nothing overlaps. Where there are no queries,
 * nothing is written. */
QN_API int32_t qn_attention_gradient_f32(float *dq, float *dk, float *dv, const float *g,
                                         const float *y, const float *statistics, const float *q,
                                         const float *k, const float *v, const int32_t *lengths,
                                         QN_BUFFER const uint64_t *layout, uint32_t axes,
                                         uint32_t key_rows, double scale);

/* Draws one index from logits[cols]. In this order: tokens in history[count]
 * are made less likely (a positive logit is divided by repeat_penalty, a negative one
 * multiplied); temperature 0 takes the largest; else the logits are divided by
 * the temperature, the top_k largest kept (0: all), the smallest set whose
 * probability reaches top_p kept, those below min_p times the largest dropped,
 * and `uniform` in [0,1) picks one. The logits are not changed. */
QN_API int32_t qn_sample_f32(int32_t *y, const float *logits, const int32_t *history,
                             uint32_t cols, uint32_t count, float temperature, uint32_t top_k,
                             float top_p, float min_p, float repeat_penalty, double uniform);

/* ---- Matrix products --------------------------------------------------- */

/* C = alpha * A B + beta * C for each matrix of a batch of `axes` axes, 0 to 16.
 * `layout` holds QN_GEMM_BATCH + 4 * axes values. Strides of A and B may be 0, and
 * an axis of the batch may have stride 0 in both; each stride of C steps over all
 * that lies inside it. C shares no memory with A and B. With beta 0, C is not
 * read; products with alpha 0 are computed all the same. An element is summed in
 * an order that depends on the inner size alone. */
QN_API int32_t qn_matmul(void *c, const void *a, const void *b, QN_BUFFER const uint64_t *layout,
                         uint32_t axes, double alpha, double beta, int32_t dtype);

/* Bytes that a weight takes once it is packed; 0 when no memory could hold it. */
QN_API size_t qn_gemm_pack_bytes(uint32_t outputs, uint32_t inputs);

/* Packs weight[outputs,inputs] for qn_linear_packed_f32; strides in elements, so
 * that it may also be stored as [inputs,outputs]. `packed` is aligned to 64. */
QN_API int32_t qn_gemm_pack_f32(float *packed, const float *weight, uint32_t outputs,
                                uint32_t inputs, size_t output_stride, size_t input_stride);

/* y[rows,outputs] = activation(residual + x[rows,inputs] * weight^T + bias), added
 * in this order; residual[rows,outputs] and bias[outputs] may be null, and y may be
 * residual. The products are those of qn_matmul with beta 1, or 0 without residual. */
QN_API int32_t qn_linear_packed_f32(float *y, const float *x, const float *packed,
                                    const float *bias, const float *residual, uint32_t rows,
                                    uint32_t outputs, uint32_t inputs, int32_t activation);

/* 1 where the selected instruction set has dot products of bfloat16, so that the
 * products below are faster than in float32; else 0. */
QN_API int32_t qn_isa_has_bf16(void);

/* Bytes that a weight takes once it is packed in bfloat16; 0 when no memory could hold it. */
QN_API size_t qn_pack_bf16_bytes(uint32_t outputs, uint32_t inputs);

/* Rounds weight[outputs,inputs] to bfloat16 and packs it for qn_linear_bf16_f32; strides
 * in elements. `packed` is aligned to 64. */
QN_API int32_t qn_pack_bf16_f32(void *packed, const float *weight, uint32_t outputs,
                                uint32_t inputs, size_t output_stride, size_t input_stride);

/* As qn_linear_packed_f32, with x and the weight rounded to bfloat16, to nearest, ties to
 * even, and the products added in float32 to the residual, or 0, in natural order by
 * pairs. Where the instruction set has dot products of bfloat16, those that are subnormal
 * count as 0. A row has the same bits however many rows it is computed with. */
QN_API int32_t qn_linear_bf16_f32(float *y, const float *x, const void *packed,
                                  const float *bias, const float *residual, uint32_t rows,
                                  uint32_t outputs, uint32_t inputs, int32_t activation);

/* Takes rows through a chain of steps, each QN_CHAIN_FIELDS values; up to 16. A slot, one of
 * up to 16, is two values: the address of [rows, columns], and the columns. Where the address
 * is 0, it has memory of its own while the call lasts, and holds nothing before a step writes
 * to it. Slots share no memory. Each row is what the functions that the steps name would make
 * of it. */
QN_API int32_t qn_row_chain_f32(QN_BUFFER const uint64_t *slots, QN_BUFFER const uint64_t *steps,
                                uint32_t slot_count, uint32_t step_count, uint32_t rows);

/* ---- Optimisers ----------------------------------------------------------- */

/* A step of AdamW (Loshchilov and Hutter, 2019) for a parameter p with gradient g, all
 * [rows,cols] and apart: m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, then
 * p = keep p - rate m / (root sqrt(v) + epsilon). The caller has corrected the bias: rate is
 * the learning rate / (1 - beta1^t), root is 1 / sqrt(1 - beta2^t), keep is 1 - the learning
 * rate times the decay. */
QN_API int32_t qn_adamw(void *p, void *m, void *v, const void *g, uint32_t rows, uint32_t cols,
                        double keep, double beta1, double beta2, double rate, double root,
                        double epsilon, int32_t dtype);

/* A step down the gradient h = g + decay p: p -= rate h; where m is not null, m =
 * momentum m + h and p -= rate m, or rate (h + momentum m) if nesterov. */
QN_API int32_t qn_sgd(void *p, void *m, const void *g, uint32_t rows, uint32_t cols, double decay,
                      double momentum, double rate, int32_t nesterov, int32_t dtype);

/* A step of Lion (Chen et al., 2023): p = keep p - rate sign(beta1 m + (1 - beta1) g), then
 * m = beta2 m + (1 - beta2) g. */
QN_API int32_t qn_lion(void *p, void *m, const void *g, uint32_t rows, uint32_t cols, double keep,
                       double beta1, double beta2, double rate, int32_t dtype);

#endif
