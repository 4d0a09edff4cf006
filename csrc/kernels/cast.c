/*
 * kernels/cast.c: elements in another dtype.
 *
 * Contract: quern.h, of qn_cast. y, x: [count], apart. Every source is first widened,
 * exactly, to the dtype that holds all of its values; from there it is rounded
 * once:
 *
 *   float16, bfloat16, uint8, bool, float32   as float32
 *   int32, float64                            as float64, int32 to float32 and int64 at once
 *   int64                                     as int64
 *
 * Blocks of BLOCK elements stay in cache between the two. Where a float64 is to
 * become a half, a float32 lies between: it is rounded to odd, which keeps on which
 * side of every half the value was (Boldo and Melquiond, 2008).
 */
#include <string.h>

#include "base/dtype.h"
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "isa/vec_double.h"
#include "kernels/stream.h"

enum { BLOCK = 1024, STREAM_BLOCK = 256, LARGEST_ITEM = 8 };

typedef uint8_t vec_u8 __attribute__((ext_vector_type(QN_LANES)));

typedef void step_function(char *y, const char *x);

/* Calls step for every QN_LANES elements, of which count is a multiple. */
QN_INLINE void each_vector(char *y, size_t y_item, const char *x, size_t x_item, size_t count,
                           step_function *step) {
  for (size_t i = 0; i < count; i += QN_LANES) step(y + i * y_item, x + i * x_item);
}

QN_INLINE void put(char *y, const void *vector, size_t bytes) { memcpy(y, vector, bytes); }

QN_INLINE qn_vf float_at(const char *x) { return qn_vload((const float *)(const void *)x); }

QN_INLINE qn_vd double_at(const char *x) {
  qn_vd v;
  memcpy(&v, x, sizeof v);
  return v;
}

QN_INLINE qn_vl long_at(const char *x) {
  qn_vl v;
  memcpy(&v, x, sizeof v);
  return v;
}

QN_INLINE void put_float(char *y, qn_vf v) { put(y, &v, sizeof v); }

/* ---- Widening --------------------------------------------------------------- */

QN_INLINE void widen_f16(char *y, const char *x) { put_float(y, qn_vload_f16(x)); }
QN_INLINE void widen_bf16(char *y, const char *x) { put_float(y, qn_vload_bf16(x)); }
QN_INLINE void widen_u8(char *y, const char *x) {
  put_float(y, qn_vto_float(qn_vload_u8_i32(x)));
}

QN_INLINE void widen_i32(char *y, const char *x) {
  qn_vi v;
  memcpy(&v, x, sizeof v);
  const qn_vd wide = __builtin_convertvector(v, qn_vd);
  put(y, &wide, sizeof wide);
}

/* ---- From float64, which the others go through too ------------------------- */

QN_INLINE qn_vf round_to_odd(qn_vd v) {
  const qn_vf nearest = __builtin_convertvector(v, qn_vf);
  const qn_vd back = qn_vto_double(nearest);
  const qn_vi inexact = __builtin_convertvector((back != v) & (v == v), qn_vi);
  const qn_vi too_large = __builtin_convertvector(
      __builtin_elementwise_abs(back) > __builtin_elementwise_abs(v), qn_vi);
  const qn_vi odd = (qn_vbits(nearest) + too_large) | 1; /* a mask is -1: one step down */
  return qn_vfrom_bits(qn_vselect_i32(inexact, odd, qn_vbits(nearest)));
}

QN_INLINE qn_vd between(qn_vd v, double low, double high) {
  v = v == v ? v : (qn_vd)0.0;
  v = v < low ? (qn_vd)low : v;
  return v > high ? (qn_vd)high : v;
}

QN_INLINE void put_f32(char *y, qn_vd v) { put_float(y, __builtin_convertvector(v, qn_vf)); }
QN_INLINE void put_f64(char *y, qn_vd v) { put(y, &v, sizeof v); }
QN_INLINE void put_f16(char *y, qn_vd v) { qn_vstore_f16(y, round_to_odd(v)); }
QN_INLINE void put_bf16(char *y, qn_vd v) { qn_vstore_bf16(y, round_to_odd(v)); }

QN_INLINE void put_i32(char *y, qn_vd v) {
  const qn_vi words = __builtin_convertvector(between(v, -0x1p31, 0x1p31 - 1), qn_vi);
  put(y, &words, sizeof words);
}

QN_INLINE void put_u8(char *y, qn_vd v) {
  const qn_vi words = __builtin_convertvector(between(v, 0, 255), qn_vi);
  const vec_u8 bytes = __builtin_convertvector(words, vec_u8);
  put(y, &bytes, sizeof bytes);
}

/* 2^63 is the smallest that is too large; the largest that is not is 1024 below it. */
QN_INLINE void put_i64(char *y, qn_vd v) {
  qn_vl longs = __builtin_convertvector(between(v, -0x1p63, 0x1p63 - 1024), qn_vl);
  longs = v >= 0x1p63 ? (qn_vl)INT64_MAX : longs;
  put(y, &longs, sizeof longs);
}

QN_INLINE void put_bool(char *y, qn_vd v) {
  const vec_u8 bytes = __builtin_convertvector(v != 0.0, vec_u8) & 1;
  put(y, &bytes, sizeof bytes);
}

QN_INLINE void f64_to_f32(char *y, const char *x) { put_f32(y, double_at(x)); }
QN_INLINE void f64_to_f16(char *y, const char *x) { put_f16(y, double_at(x)); }
QN_INLINE void f64_to_bf16(char *y, const char *x) { put_bf16(y, double_at(x)); }
QN_INLINE void f64_to_i32(char *y, const char *x) { put_i32(y, double_at(x)); }
QN_INLINE void f64_to_i64(char *y, const char *x) { put_i64(y, double_at(x)); }
QN_INLINE void f64_to_u8(char *y, const char *x) { put_u8(y, double_at(x)); }
QN_INLINE void f64_to_bool(char *y, const char *x) { put_bool(y, double_at(x)); }

static void from_f64(char *y, const char *x, size_t count, int32_t dtype) {
  switch (dtype) {
    case QN_F32: each_vector(y, 4, x, 8, count, f64_to_f32); return;
    case QN_F16: each_vector(y, 2, x, 8, count, f64_to_f16); return;
    case QN_BF16: each_vector(y, 2, x, 8, count, f64_to_bf16); return;
    case QN_I32: each_vector(y, 4, x, 8, count, f64_to_i32); return;
    case QN_I64: each_vector(y, 8, x, 8, count, f64_to_i64); return;
    case QN_U8: each_vector(y, 1, x, 8, count, f64_to_u8); return;
    default: each_vector(y, 1, x, 8, count, f64_to_bool); return;
  }
}

/* ---- From float32 ----------------------------------------------------------- */

QN_INLINE void f32_to_f16(char *y, const char *x) { qn_vstore_f16(y, float_at(x)); }
QN_INLINE void f32_to_bf16(char *y, const char *x) { qn_vstore_bf16(y, float_at(x)); }
QN_INLINE void f32_to_f64(char *y, const char *x) { put_f64(y, qn_vto_double(float_at(x))); }
QN_INLINE void f32_to_i64(char *y, const char *x) { put_i64(y, qn_vto_double(float_at(x))); }

/* 2^31 is the smallest that is too large; the largest that is not is 128 below it. */
QN_INLINE void f32_to_i32(char *y, const char *x) {
  const qn_vf v = float_at(x);
  const qn_vf number = qn_vselect(v == v, v, qn_vzero());
  const qn_vf held = qn_vmin(qn_vset1(0x1p31f - 128), qn_vmax(qn_vset1(-0x1p31f), number));
  const qn_vi words = qn_vselect_i32(v >= 0x1p31f, qn_vset1_i32(INT32_MAX), qn_vto_i32(held));
  put(y, &words, sizeof words);
}

QN_INLINE void f32_to_u8(char *y, const char *x) {
  const qn_vf v = float_at(x);
  const qn_vf held = qn_vselect(v > 0.0f, qn_vselect(v < 255.0f, v, qn_vset1(255.0f)), qn_vzero());
  const vec_u8 bytes = __builtin_convertvector(qn_vto_i32(held), vec_u8);
  put(y, &bytes, sizeof bytes);
}

QN_INLINE void f32_to_bool(char *y, const char *x) {
  const vec_u8 bytes = __builtin_convertvector(float_at(x) != 0.0f, vec_u8) & 1;
  put(y, &bytes, sizeof bytes);
}

static void from_f32(char *y, const char *x, size_t count, int32_t dtype) {
  switch (dtype) {
    case QN_F16: each_vector(y, 2, x, 4, count, f32_to_f16); return;
    case QN_BF16: each_vector(y, 2, x, 4, count, f32_to_bf16); return;
    case QN_F64: each_vector(y, 8, x, 4, count, f32_to_f64); return;
    case QN_I32: each_vector(y, 4, x, 4, count, f32_to_i32); return;
    case QN_I64: each_vector(y, 8, x, 4, count, f32_to_i64); return;
    case QN_U8: each_vector(y, 1, x, 4, count, f32_to_u8); return;
    default: each_vector(y, 1, x, 4, count, f32_to_bool); return;
  }
}

/* ---- From int32, to what holds it without a float64 between -------------------- */

QN_INLINE void i32_to_f32(char *y, const char *x) {
  qn_vi v;
  memcpy(&v, x, sizeof v);
  put_float(y, qn_vto_float(v));
}

QN_INLINE void i32_to_i64(char *y, const char *x) {
  qn_vi v;
  memcpy(&v, x, sizeof v);
  const qn_vl longs = __builtin_convertvector(v, qn_vl);
  put(y, &longs, sizeof longs);
}

/* ---- From int64 -------------------------------------------------------------- */

/* As a float64 that is rounded to odd: the last 11 bits are told by the one above. So
 * rounding it again, to fewer places, rounds the integer once. */
QN_INLINE qn_vd long_to_odd(qn_vl v) {
  const qn_vl lost = v & 2047;
  const qn_vl kept = (v & ~(qn_vl)2047) | (lost != 0 ? (qn_vl)2048 : (qn_vl)0);
  const qn_vl large = (v < -(INT64_C(1) << 53)) | (v > INT64_C(1) << 53);
  return __builtin_convertvector(large ? kept : v, qn_vd);
}

QN_INLINE qn_vl long_between(qn_vl v, int64_t low, int64_t high) {
  v = v < low ? (qn_vl)low : v;
  return v > high ? (qn_vl)high : v;
}

QN_INLINE void i64_to_f32(char *y, const char *x) { put_f32(y, long_to_odd(long_at(x))); }
QN_INLINE void i64_to_f16(char *y, const char *x) { put_f16(y, long_to_odd(long_at(x))); }
QN_INLINE void i64_to_bf16(char *y, const char *x) { put_bf16(y, long_to_odd(long_at(x))); }
QN_INLINE void i64_to_f64(char *y, const char *x) {
  put_f64(y, __builtin_convertvector(long_at(x), qn_vd));
}

QN_INLINE void i64_to_i32(char *y, const char *x) {
  const qn_vl held = long_between(long_at(x), INT32_MIN, INT32_MAX);
  const qn_vi words = __builtin_convertvector(held, qn_vi);
  put(y, &words, sizeof words);
}

QN_INLINE void i64_to_u8(char *y, const char *x) {
  const vec_u8 bytes = __builtin_convertvector(long_between(long_at(x), 0, 255), vec_u8);
  put(y, &bytes, sizeof bytes);
}

QN_INLINE void i64_to_bool(char *y, const char *x) {
  const vec_u8 bytes = __builtin_convertvector(long_at(x) != 0, vec_u8) & 1;
  put(y, &bytes, sizeof bytes);
}

static void from_i64(char *y, const char *x, size_t count, int32_t dtype) {
  switch (dtype) {
    case QN_F32: each_vector(y, 4, x, 8, count, i64_to_f32); return;
    case QN_F16: each_vector(y, 2, x, 8, count, i64_to_f16); return;
    case QN_BF16: each_vector(y, 2, x, 8, count, i64_to_bf16); return;
    case QN_F64: each_vector(y, 8, x, 8, count, i64_to_f64); return;
    case QN_I32: each_vector(y, 4, x, 8, count, i64_to_i32); return;
    case QN_U8: each_vector(y, 1, x, 8, count, i64_to_u8); return;
    default: each_vector(y, 1, x, 8, count, i64_to_bool); return;
  }
}

/* ---- All together ------------------------------------------------------------ */

/* The dtype that holds all values of another. */
static int32_t wide_dtype(int32_t dtype) {
  switch (dtype) {
    case QN_I64: return QN_I64;
    case QN_I32:
    case QN_F64: return QN_F64;
    default: return QN_F32;
  }
}

static void widen(char *y, const char *x, size_t count, int32_t dtype) {
  switch (dtype) {
    case QN_F16: each_vector(y, 4, x, 2, count, widen_f16); return;
    case QN_BF16: each_vector(y, 4, x, 2, count, widen_bf16); return;
    case QN_I32: each_vector(y, 8, x, 4, count, widen_i32); return;
    default: each_vector(y, 4, x, 1, count, widen_u8); return;
  }
}

/* At most BLOCK elements, a multiple of the lanes, of two different dtypes. */
static void cast_block(char *y, const char *x, size_t count, int32_t y_dtype, int32_t x_dtype) {
  const int32_t wide = wide_dtype(x_dtype);
  if (x_dtype == QN_I32 && y_dtype == QN_F32) {
    each_vector(y, 4, x, 4, count, i32_to_f32);
    return;
  }
  if (x_dtype == QN_I32 && y_dtype == QN_I64) {
    each_vector(y, 8, x, 4, count, i32_to_i64);
    return;
  }
  if (y_dtype == wide) {
    widen(y, x, count, x_dtype);
    return;
  }
  char widened[BLOCK * LARGEST_ITEM];
  if (x_dtype != wide) {
    widen(widened, x, count, x_dtype);
    x = widened;
  }
  switch (wide) {
    case QN_F32: from_f32(y, x, count, y_dtype); return;
    case QN_F64: from_f64(y, x, count, y_dtype); return;
    default: from_i64(y, x, count, y_dtype); return;
  }
}

typedef void block_function(char *y, const char *x, size_t count, int32_t y_dtype,
                            int32_t x_dtype);

/* At most STREAM_BLOCK elements past the caches, by way of the first of them. */
static void stream_block(char *y, const char *x, size_t count, int32_t y_dtype, int32_t x_dtype) {
  char made[STREAM_BLOCK * LARGEST_ITEM];
  cast_block(made, x, count, y_dtype, x_dtype);
  qn_stream_bytes(y, made, count * qn_item_bytes(y_dtype), x + QN_STREAM_AHEAD);
}

QN_INLINE void cast_blocks(char *y, const char *x, size_t count, int32_t y_dtype, int32_t x_dtype,
                           size_t at_once, block_function *block) {
  const size_t y_item = qn_item_bytes(y_dtype);
  const size_t x_item = qn_item_bytes(x_dtype);
  const size_t rest = count % QN_LANES;
  const size_t whole = count - rest;
  for (size_t i = 0; i < whole; i += at_once) {
    const size_t size = whole - i < at_once ? whole - i : at_once;
    block(y + i * y_item, x + i * x_item, size, y_dtype, x_dtype);
  }
  if (rest == 0) return;
  char from[QN_LANES * LARGEST_ITEM] = {0};
  char to[QN_LANES * LARGEST_ITEM];
  memcpy(from, x + whole * x_item, rest * x_item);
  cast_block(to, from, QN_LANES, y_dtype, x_dtype);
  memcpy(y + whole * y_item, to, rest * y_item);
}

void QN_VARIANT(cast)(char *y, const char *x, size_t count, int32_t y_dtype, int32_t x_dtype) {
  if (y_dtype == x_dtype) memcpy(y, x, count * qn_item_bytes(x_dtype));
  else cast_blocks(y, x, count, y_dtype, x_dtype, BLOCK, cast_block);
}

void QN_VARIANT(stream_cast)(char *y, const char *x, size_t count, int32_t y_dtype,
                             int32_t x_dtype) {
  const size_t bytes = count * qn_item_bytes(x_dtype);
  if (y_dtype == x_dtype) qn_stream_bytes(y, x, bytes, x + bytes);
  else cast_blocks(y, x, count, y_dtype, x_dtype, STREAM_BLOCK, stream_block);
}
