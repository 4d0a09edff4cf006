/*
 * test_cast.c: qn_cast between all dtypes, against the definition: of the values that
 * the target has, the nearest one, ties to even, or the truncated and bounded one.
 *
 * Values are compared as long double, which holds every int64 and every double, on
 * every instruction set, at every length around the lanes, next to pages that fault.
 */
#include "base/half.h"
#include "kernel_test.h"

static const int32_t dtypes[] = {QN_F32, QN_F16, QN_BF16, QN_F64, QN_I32, QN_I64, QN_U8, QN_BOOL};

static size_t item_of(int32_t dtype) {
  if (dtype == QN_F64 || dtype == QN_I64) return 8;
  if (dtype == QN_F32 || dtype == QN_I32) return 4;
  return dtype == QN_F16 || dtype == QN_BF16 ? 2 : 1;
}

static long double value_at(const char *at, int32_t dtype) {
  float f;
  double d;
  int32_t i;
  int64_t l;
  uint16_t h;
  uint8_t u;
  switch (dtype) {
    case QN_F32: memcpy(&f, at, 4); return (long double)f;
    case QN_F64: memcpy(&d, at, 8); return (long double)d;
    case QN_I32: memcpy(&i, at, 4); return i;
    case QN_I64: memcpy(&l, at, 8); return l;
    case QN_F16: memcpy(&h, at, 2); return (long double)qn_f32_from_f16(h);
    case QN_BF16: memcpy(&h, at, 2); return (long double)qn_f32_from_bf16(h);
    default: memcpy(&u, at, 1); return u;
  }
}

/* The magnitude of a half's bits, as if its exponent had no end. */
static long double half_size(uint16_t bits, int32_t dtype) {
  if (dtype == QN_F16) return bits >= 0x7c00 ? 65536 : (long double)qn_f32_from_f16(bits);
  return bits >= 0x7f80 ? ldexpl(1, 128) : (long double)qn_f32_from_bf16(bits);
}

/* Whether no other half is nearer to x, or as near and even. */
static bool is_nearest_half(uint16_t bits, long double x, int32_t dtype) {
  const uint16_t infinity = dtype == QN_F16 ? 0x7c00 : 0x7f80;
  const uint16_t size = bits & 0x7fff;
  if (isnan(x)) return size > infinity;
  if (size > infinity || (bits >> 15 != 0) != (signbit(x) != 0)) return false;
  if (isinf(x)) return size == infinity;
  const long double error = fabsl(half_size(size, dtype) - fabsl(x));
  if (size == infinity) return fabsl(x) - half_size(size - 1, dtype) >= error || error == 0 ||
                               fabsl(x) > half_size(size, dtype);
  const long double above = fabsl(half_size(size + 1, dtype) - fabsl(x));
  const long double below = size == 0 ? INFINITY : fabsl(half_size(size - 1, dtype) - fabsl(x));
  const bool even = size % 2 == 0;
  return even ? error <= above && error <= below : error < above && error < below;
}

static long double bounded(long double x, int32_t dtype) {
  if (isnan(x)) return 0;
  const long double low = dtype == QN_I64 ? -0x1p63L : dtype == QN_I32 ? -0x1p31L : 0;
  const long double high = dtype == QN_I64 ? (long double)INT64_MAX
                           : dtype == QN_I32 ? 0x1p31L - 1 : 255;
  const long double whole = truncl(x);
  return whole < low ? low : whole > high ? high : whole;
}

static bool is_cast(const char *y, int32_t to, const char *at, int32_t from) {
  const long double x = value_at(at, from);
  const long double got = value_at(y, to);
  uint16_t half;
  switch (to) {
    case QN_F16:
    case QN_BF16: memcpy(&half, y, 2); return is_nearest_half(half, x, to);
    case QN_F32: return isnan(x) ? isnan(got) : got == (long double)(float)x;
    case QN_F64: return isnan(x) ? isnan(got) : got == (long double)(double)x;
    case QN_BOOL: return got == (x != 0);
    default: return got == bounded(x, to);
  }
}

/* Doubles that are hard to round: near the middle between two halves or floats, and
 * around the ends of the integers. */
static double hard_double(void) {
  static const double ends[] = {0x1p31, 0x1p32, 0x1p63, 0x1p64, 255, 256, 65504, 65520, 65536,
                                0x1p128, 0, 0x1p-24, 0x1p-25, 0x1p-133, 0x1p-149, 3.5, 1e300};
  static const double specials[] = {INFINITY, NAN, 0.0};
  const uint64_t draw = test_random(&test_seed);
  const double sign = draw % 2 == 0 ? 1 : -1;
  double value;
  if (draw / 2 % 16 == 0) return sign * specials[draw / 32 % 3];
  if (draw / 2 % 4 == 0) {
    value = ends[draw / 32 % COUNT_OF(ends)];
  } else {
    /* A half or bfloat16, and half a step of it. */
    const int places = draw / 2 % 4 == 1 ? 11 : draw / 2 % 4 == 2 ? 8 : 24;
    const double mantissa = (double)(draw >> 40) * 0x1p-24 + 1;
    value = floor(mantissa * ldexp(1, places)) * ldexp(1, (int)(draw / 64 % 60) - 30 - places);
  }
  switch (draw / 4096 % 4) {
    case 0: value = nextafter(value, 0); break;
    case 1: value = nextafter(value, INFINITY); break;
    case 2: value = (double)nextafterf((float)value, 0); break;
    default: break;
  }
  return sign * value;
}

static int64_t hard_long(void) {
  const uint64_t draw = test_random(&test_seed);
  const int64_t base = (int64_t)1 << draw % 63;
  const int64_t half_step = base >> (draw / 64 % 3 == 0 ? 9 : draw / 64 % 3 == 1 ? 12 : 25);
  const int64_t value = base + (int64_t)(draw / 4096 % 7) * half_step + (int64_t)(draw / 512 % 3) - 1;
  if (draw / 256 % 32 == 0) return draw / 8192 % 2 ? INT64_MAX : INT64_MIN;
  return draw / 128 % 2 ? -value : value;
}

static void store_random(char *at, int32_t dtype) {
  const double d = hard_double();
  const float f = (float)d;
  const int64_t l = hard_long();
  const int32_t i = (int32_t)(uint32_t)(uint64_t)l;
  const uint16_t h = (uint16_t)test_random(&test_seed);
  const uint8_t u = (uint8_t)(dtype == QN_BOOL ? h % 2 : h >> 3);
  switch (dtype) {
    case QN_F32: memcpy(at, &f, 4); return;
    case QN_F64: memcpy(at, &d, 8); return;
    case QN_I32: memcpy(at, &i, 4); return;
    case QN_I64: memcpy(at, &l, 8); return;
    case QN_F16:
    case QN_BF16: memcpy(at, &h, 2); return;
    default: memcpy(at, &u, 1); return;
  }
}

static void check_cast(int32_t to, int32_t from, uint32_t n) {
  char *x = guarded_bytes(n * item_of(from));
  char *y = guarded_bytes(n * item_of(to));
  for (uint32_t i = 0; i < n; i += 1) store_random(x + i * item_of(from), from);
  CHECK_EQ(qn_cast(y, x, 1, n, to, from), QN_OK);
  bool same = true;
  for (uint32_t i = 0; i < n && same; i += 1) {
    const char *at = x + i * item_of(from);
    same = is_cast(y + i * item_of(to), to, at, from);
    if (!same) {
      printf("dtype %d to %d: %.21Lg gives %.21Lg (%s)\n", from, to, value_at(at, from),
             value_at(y + i * item_of(to), to), qn_isa_name(qn_isa_selected()));
    }
  }
  CHECK(same);
  release_all();
}

static void test_all_pairs(void) {
  for (size_t a = 0; a < COUNT_OF(dtypes); a += 1) {
    for (size_t b = 0; b < COUNT_OF(dtypes); b += 1) {
      for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
        check_cast(dtypes[a], dtypes[b], test_lengths[c]);
      }
      check_cast(dtypes[a], dtypes[b], test_is_slow() ? 3000 : 60000);
    }
  }
}

/* Every half becomes a float and the same half again, NaN as NaN. */
static void test_halves_and_back(void) {
  uint16_t *halves = guarded_bytes(65536 * 2);
  uint16_t *back = guarded_bytes(65536 * 2);
  float *floats = guarded_floats(65536);
  for (uint32_t i = 0; i < 65536; i += 1) halves[i] = (uint16_t)i;
  for (int32_t dtype = QN_F16; dtype <= QN_BF16; dtype += 1) {
    CHECK_EQ(qn_cast(floats, halves, 256, 256, QN_F32, dtype), QN_OK);
    CHECK_EQ(qn_cast(back, floats, 256, 256, dtype, QN_F32), QN_OK);
    bool same = true;
    for (uint32_t i = 0; i < 65536; i += 1) {
      same = same && (isnan(floats[i]) ? (back[i] & 0x8000) == (i & 0x8000) : back[i] == i);
    }
    CHECK(same);
  }
}

static void test_threads(void) {
  const uint32_t n = 50001;
  float *x = random_floats(n, -300, 300);
  uint8_t *first = guarded_bytes(n);
  uint8_t *y = guarded_bytes(n);
  for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
    CHECK_EQ(qn_cast(c == 0 ? first : y, x, n, 1, QN_U8, QN_F32), QN_OK);
    CHECK(c == 0 || memcmp(first, y, n) == 0);
  }
}

static void test_bad_arguments(void) {
  _Alignas(8) char y[64] = {0}, x[64] = {0};
  CHECK_EQ(qn_cast(NULL, NULL, 0, 5, QN_F16, QN_F32), QN_OK);
  CHECK_EQ(qn_cast(NULL, x, 1, 5, QN_F16, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_cast(y, NULL, 1, 5, QN_F16, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_cast(y + 1, x, 1, 5, QN_F16, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_cast(y, x + 2, 1, 5, QN_F16, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_cast(y + 1, x, 1, 5, QN_U8, QN_F32), QN_OK);
  CHECK_EQ(qn_cast(y, x, 1, 32, QN_Q8_0, QN_F32), QN_BAD_DTYPE);
  CHECK_EQ(qn_cast(y, x, 1, 32, QN_F32, QN_Q4_0), QN_BAD_DTYPE);
  CHECK_EQ(qn_cast(y, x, 1, 5, 11, QN_F32), QN_BAD_DTYPE);
  CHECK_EQ(qn_cast(y, x, 1, 5, QN_F32, -1), QN_BAD_DTYPE);
  CHECK_EQ(qn_cast(y, x, UINT32_MAX, UINT32_MAX, QN_F32, QN_F16), QN_BAD_SIZE);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_all_pairs,
      test_halves_and_back,
      test_threads,
      test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
