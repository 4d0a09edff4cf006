/*
 * kernels/shared/sort.c: rows in order, stable, and where their elements were.
 *
 * Contract: dispatch/shared_kernels.inc. Each element becomes a record: a key, an unsigned integer
 * that is smaller the sooner the element comes, and its index where that is asked for.
 *
 *   key of 4 bytes           items of 1, 2 and 4 bytes
 *   index, key of 4 bytes    as one number of 8 bytes, the key in its upper half
 *   key of 8 bytes           items of 8 bytes
 *   key of 8 bytes, index of 8 bytes
 *
 * -0 has the key of 0 and all NaN have the last one, so that they keep their order. Short
 * rows are sorted by insertion in runs of 16, which are merged; long rows by their digits, a
 * byte at a time from the lowest, which takes as many passes as an item has bytes, less those
 * in which all digits are the same. Keys become elements again, but for 0 and NaN, which are
 * copied in the order that they came in: so every element keeps its bits.
 */
#include <stdbool.h>
#include <string.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/shared/sort.h"
#include "quern.h"

enum { RUN = 16, DIGITS = 256, SHORT_PER_DIGIT = 16 };

/* How the elements of a dtype are ordered, as numbers of `bytes` bytes. */
struct order {
  size_t bytes;
  uint64_t sign; /* its highest bit where there are numbers below 0, else 0 */
  uint64_t inf;  /* for floating-point numbers: what is above, without the sign, is NaN */
  bool is_float;
};

static const struct order order_f32 = {4, 0x80000000u, 0x7f800000u, true};
static const struct order order_f64 = {8, 1ull << 63, 0x7ffull << 52, true};
static const struct order order_f16 = {2, 0x8000u, 0x7c00u, true};
static const struct order order_bf16 = {2, 0x8000u, 0x7f80u, true};
static const struct order order_i32 = {4, 0x80000000u, 0, false};
static const struct order order_i64 = {8, 1ull << 63, 0, false};
static const struct order order_u8 = {1, 0, 0, false};

QN_INLINE uint64_t mask_of(struct order order) { return ~0ull >> (64 - 8 * order.bytes); }

QN_INLINE uint64_t bits_at(const char *x, size_t i, struct order order) {
  uint64_t bits = 0;
  memcpy(&bits, x + i * order.bytes, order.bytes);
  return bits;
}

QN_INLINE bool is_nan(uint64_t bits, struct order order) {
  return order.is_float && (bits & ~order.sign) > order.inf;
}

QN_INLINE bool is_zero(uint64_t bits, struct order order) { return (bits & ~order.sign) == 0; }

/* The key of an element that is no NaN. */
QN_INLINE uint64_t key_of_number(uint64_t bits, struct order order, bool descending) {
  const uint64_t mask = mask_of(order);
  uint64_t key = bits ^ order.sign;
  if (order.is_float) {
    if (is_zero(bits, order)) bits = 0;
    key = (bits & order.sign) != 0 ? ~bits & mask : bits | order.sign;
  }
  return descending ? ~key & mask : key;
}

QN_INLINE uint64_t key_of(uint64_t bits, struct order order, bool descending) {
  const uint64_t key = key_of_number(bits, order, descending);
  return is_nan(bits, order) ? mask_of(order) : key;
}

/* The element of a key; that of 0 has no sign. */
QN_INLINE uint64_t bits_of(uint64_t key, struct order order, bool descending) {
  const uint64_t mask = mask_of(order);
  if (descending) key = ~key & mask;
  if (!order.is_float) return key ^ order.sign;
  return (key & order.sign) != 0 ? key ^ order.sign : ~key & mask;
}

/* ---- Records ------------------------------------------------------------------ */

/* A record of `bytes` bytes, whose key begins at the byte `key_at`. */
struct record {
  size_t bytes;
  size_t key_at;
  size_t key_bytes;
  bool has_index;
};

static const struct record narrow_keys = {4, 0, 4, false};
static const struct record narrow_indexed = {8, 4, 4, true};
static const struct record wide_keys = {8, 0, 8, false};
static const struct record wide_indexed = {16, 0, 8, true};

QN_INLINE void put_record(char *records, size_t i, uint64_t key, struct record record) {
  char *at = records + i * record.bytes;
  if (record.bytes == 4) {
    const uint32_t narrow = (uint32_t)key;
    memcpy(at, &narrow, 4);
  } else if (record.key_at == 4) {
    const uint64_t both = key << 32 | (uint32_t)i;
    memcpy(at, &both, 8);
  } else {
    const uint64_t index = i;
    memcpy(at, &key, 8);
    if (record.has_index) memcpy(at + 8, &index, 8);
  }
}

QN_INLINE uint64_t key_at(const char *records, size_t i, struct record record) {
  const char *at = records + i * record.bytes + record.key_at;
  if (record.key_bytes == 8) {
    uint64_t key;
    memcpy(&key, at, 8);
    return key;
  }
  uint32_t key;
  memcpy(&key, at, 4);
  return key;
}

QN_INLINE size_t index_at(const char *records, size_t i, struct record record) {
  uint32_t index;
  memcpy(&index, records + i * record.bytes + (record.key_at == 4 ? 0 : 8), 4);
  return index;
}

QN_INLINE void copy_record(char *to, size_t i, const char *from, size_t j, struct record record) {
  memcpy(to + i * record.bytes, from + j * record.bytes, record.bytes);
}

/* ---- Short rows --------------------------------------------------------------- */

QN_INLINE void sort_runs(char *records, size_t count, struct record record) {
  for (size_t begin = 0; begin < count; begin += RUN) {
    const size_t end = count - begin < RUN ? count : begin + RUN;
    for (size_t i = begin + 1; i < end; i += 1) {
      char held[16];
      memcpy(held, records + i * record.bytes, record.bytes);
      const uint64_t key = key_at(held, 0, record);
      size_t at = i;
      for (; at > begin && key_at(records, at - 1, record) > key; at -= 1) {
        copy_record(records, at, records, at - 1, record);
      }
      copy_record(records, at, held, 0, record);
    }
  }
}

QN_INLINE void merge_runs(char *to, const char *from, size_t count, size_t run,
                          struct record record) {
  for (size_t begin = 0; begin < count; begin += 2 * run) {
    const size_t middle = count - begin < run ? count : begin + run;
    const size_t end = count - begin < 2 * run ? count : begin + 2 * run;
    size_t a = begin;
    size_t b = middle;
    size_t i = begin;
    while (a < middle && b < end) {
      /* Of equals the left one comes first. */
      const bool right = key_at(from, b, record) < key_at(from, a, record);
      copy_record(to, i, from, right ? b : a, record);
      b += right;
      a += !right;
      i += 1;
    }
    memcpy(to + i * record.bytes, from + a * record.bytes, (middle - a) * record.bytes);
    i += middle - a;
    memcpy(to + i * record.bytes, from + b * record.bytes, (end - b) * record.bytes);
  }
}

/* Returns where the sorted records are: `records` or `room`. */
QN_INLINE char *sort_short(char *records, char *room, size_t count, struct record record) {
  sort_runs(records, count, record);
  for (size_t run = RUN; run < count; run *= 2) {
    merge_runs(room, records, count, run, record);
    char *held = records;
    records = room;
    room = held;
  }
  return records;
}

/* ---- Long rows ---------------------------------------------------------------- */

QN_INLINE size_t digit_of(uint64_t key, size_t digit) { return (uint8_t)(key >> 8 * digit); }

QN_INLINE void count_digits(uint32_t counts[][DIGITS], const char *records, size_t count,
                            struct record record) {
  memset(counts, 0, record.key_bytes * sizeof counts[0]);
  for (size_t i = 0; i < count; i += 1) {
    const uint64_t key = key_at(records, i, record);
    for (size_t d = 0; d < record.key_bytes; d += 1) counts[d][digit_of(key, d)] += 1;
  }
}

QN_INLINE void sort_digit(char *to, const char *from, size_t count, size_t digit, uint32_t *counts,
                          struct record record) {
  uint32_t place = 0;
  for (size_t d = 0; d < DIGITS; d += 1) {
    const uint32_t own = counts[d];
    counts[d] = place;
    place += own;
  }
  for (size_t i = 0; i < count; i += 1) {
    const size_t own = digit_of(key_at(from, i, record), digit);
    copy_record(to, counts[own], from, i, record);
    counts[own] += 1;
  }
}

QN_INLINE char *sort_long(char *records, char *room, size_t count, struct record record) {
  uint32_t counts[sizeof(uint64_t)][DIGITS];
  count_digits(counts, records, count, record);
  for (size_t d = 0; d < record.key_bytes; d += 1) {
    if (counts[d][digit_of(key_at(records, 0, record), d)] == count) continue;
    sort_digit(room, records, count, d, counts[d], record);
    char *held = records;
    records = room;
    room = held;
  }
  return records;
}

QN_INLINE char *sort_records(char *records, char *room, size_t count, struct record record) {
  if (count <= SHORT_PER_DIGIT * record.key_bytes) return sort_short(records, room, count, record);
  return sort_long(records, room, count, record);
}

typedef char *(*sort_function)(char *records, char *room, size_t count);

/* One of each kind of record, for all dtypes that have it: they are long. */
static __attribute__((noinline)) char *sort_narrow_keys(char *records, char *room, size_t count) {
  return sort_records(records, room, count, narrow_keys);
}

static __attribute__((noinline)) char *sort_narrow_indexed(char *records, char *room, size_t count) {
  return sort_records(records, room, count, narrow_indexed);
}

static __attribute__((noinline)) char *sort_wide_keys(char *records, char *room, size_t count) {
  return sort_records(records, room, count, wide_keys);
}

static __attribute__((noinline)) char *sort_wide_indexed(char *records, char *room, size_t count) {
  return sort_records(records, room, count, wide_indexed);
}

/* ---- Rows --------------------------------------------------------------------- */

/* The arguments of the kernel. */
struct sorting {
  char *values;
  int32_t *indices;
  char *scratch;
  const char *x;
  size_t rows;
  size_t cols;
  bool descending;
};

QN_INLINE void put_bits(char *y, size_t i, uint64_t bits, struct order order) {
  memcpy(y + i * order.bytes, &bits, order.bytes);
}

/* The first place whose key is `key` or more. */
QN_INLINE size_t find_key(const char *records, size_t count, uint64_t key, struct record record) {
  size_t low = 0;
  for (size_t high = count; low < high;) {
    const size_t middle = low + (high - low) / 2;
    if (key_at(records, middle, record) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Elements of the row that have no key of their own, in their order: 0, then NaN. They go to
 * `kept`, which has room for the row; returns how many there are of the first. */
QN_INLINE size_t keep_odd(char *kept, const char *x, size_t cols, struct order order) {
  size_t zeros = 0;
  for (size_t i = 0; i < cols; i += 1) {
    const uint64_t bits = bits_at(x, i, order);
    put_bits(kept, zeros, bits, order);
    zeros += is_zero(bits, order);
    if (zeros == cols) return zeros;
  }
  size_t at = zeros;
  for (size_t i = 0; i < cols && at < cols; i += 1) {
    const uint64_t bits = bits_at(x, i, order);
    put_bits(kept, at, bits, order);
    at += is_nan(bits, order);
  }
  return zeros;
}

/* The elements of sorted records; `room` is scratch, and x may be y. */
QN_INLINE void write_values(char *y, const char *x, const char *records, char *room,
                            const struct sorting *task, struct order order,
                            struct record record) {
  const size_t cols = task->cols;
  const bool descending = task->descending;
  size_t zeros = 0, nans = 0, zero_at = 0, nan_at = cols;
  if (order.is_float) {
    const uint64_t zero = key_of_number(0, order, descending);
    zero_at = find_key(records, cols, zero, record);
    nan_at = find_key(records, cols, mask_of(order), record);
    nans = cols - nan_at;
    const bool has_zero = zero_at < cols && key_at(records, zero_at, record) == zero;
    if (has_zero || nans > 0) zeros = keep_odd(room, x, cols, order);
  }
  for (size_t i = 0; i < cols; i += 1) {
    put_bits(y, i, bits_of(key_at(records, i, record), order, descending), order);
  }
  memcpy(y + zero_at * order.bytes, room, zeros * order.bytes);
  memcpy(y + nan_at * order.bytes, room + zeros * order.bytes, nans * order.bytes);
}

QN_INLINE void sort_row(char *values, int32_t *indices, const char *x, const struct sorting *task,
                        struct order order, struct record record, sort_function sort) {
  const size_t cols = task->cols;
  char *records = task->scratch;
  char *room = records + cols * record.bytes;
  for (size_t i = 0; i < cols; i += 1) {
    put_record(records, i, key_of(bits_at(x, i, order), order, task->descending), record);
  }
  char *sorted = sort(records, room, cols);
  char *rest = sorted == records ? room : records;
  if (record.has_index) {
    for (size_t i = 0; i < cols; i += 1) indices[i] = (int32_t)index_at(sorted, i, record);
  }
  if (values != NULL) write_values(values, x, sorted, rest, task, order, record);
}

QN_INLINE void sort_rows(const struct sorting *task, struct order order) {
  const bool wide = order.bytes == 8;
  for (size_t row = 0; row < task->rows; row += 1) {
    const size_t at = row * task->cols;
    const char *x = task->x + at * order.bytes;
    char *values = task->values == NULL ? NULL : task->values + at * order.bytes;
    if (task->indices != NULL) {
      sort_row(values, task->indices + at, x, task, order, wide ? wide_indexed : narrow_indexed,
               wide ? sort_wide_indexed : sort_narrow_indexed);
    } else {
      sort_row(values, NULL, x, task, order, wide ? wide_keys : narrow_keys,
               wide ? sort_wide_keys : sort_narrow_keys);
    }
  }
}

void QN_VARIANT(sort)(char *values, int32_t *indices, char *scratch, const char *x, size_t rows,
                      size_t cols, int32_t descending, int32_t dtype) {
  const struct sorting task = {values, indices, scratch, x, rows, cols, descending != 0};
  switch (dtype) {
    case QN_F32: sort_rows(&task, order_f32); break;
    case QN_F64: sort_rows(&task, order_f64); break;
    case QN_F16: sort_rows(&task, order_f16); break;
    case QN_BF16: sort_rows(&task, order_bf16); break;
    case QN_I32: sort_rows(&task, order_i32); break;
    case QN_I64: sort_rows(&task, order_i64); break;
    default: sort_rows(&task, order_u8); break;
  }
}
