/*
 * test_half.c: scalar half floats against a reference in double arithmetic.
 *
 * The reference knows nothing of bit tricks: a half's value is built by ldexp,
 * and narrowing searches the two halves around a value for the nearer one.
 */
#include "base/half.h"
#include "test.h"

static bool is_nan16(uint16_t half) { return (half & 0x7fffu) > 0x7c00u; }

static double value_of_half(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  const double sign = half & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  return sign * (exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24));
}

static void widening_gives_the_exact_value(void) {
  for (uint32_t h = 0; h < 65536; h += 1) {
    const float wide = qn_f32_from_f16((uint16_t)h);
    const double expected = value_of_half((uint16_t)h);
    CHECK(isnan(expected) ? isnan(wide) != 0 : (double)wide == expected);
    CHECK_EQ(qn_bits_from_f32(wide) >> 31, h >> 15);
  }
}

static void every_half_survives_the_round_trip(void) {
  for (uint32_t h = 0; h < 65536; h += 1) {
    const uint16_t half = (uint16_t)h;
    const uint16_t back = qn_f16_from_f32(qn_f32_from_f16(half));
    CHECK_EQ(back, is_nan16(half) ? half | 0x200 : half); /* a NaN becomes quiet */
    const uint16_t bfloat = qn_bf16_from_f32(qn_f32_from_bf16(half));
    const bool nan = (half & 0x7fff) > 0x7f80;
    CHECK_EQ(bfloat, nan ? half | 0x40 : half);
  }
}

/* The middle between a half and the next goes to the even one; a float just
 * beside the middle goes to the nearer. Infinity acts as 65536. */
static void narrowing_to_half_rounds_to_nearest_even(void) {
  for (uint16_t h = 0; h < 0x7c00; h += 1) {
    const double low = value_of_half(h);
    const double high = h + 1 == 0x7c00 ? 65536.0 : value_of_half((uint16_t)(h + 1));
    const float middle = (float)((low + high) / 2);
    const uint16_t even = h & 1 ? (uint16_t)(h + 1) : h;
    CHECK_EQ(qn_f16_from_f32(middle), even);
    CHECK_EQ(qn_f16_from_f32(-middle), even | 0x8000);
    CHECK_EQ(qn_f16_from_f32(nextafterf(middle, 0)), h);
    CHECK_EQ(qn_f16_from_f32(nextafterf(middle, INFINITY)), h + 1);
  }
}

static void narrowing_to_bfloat_rounds_to_nearest_even(void) {
  for (uint32_t b = 0; b < 0x7f80; b += 1) {
    const uint32_t middle = b << 16 | 0x8000u;
    CHECK_EQ(qn_bf16_from_f32(qn_f32_from_bits(middle)), b & 1 ? b + 1 : b);
    CHECK_EQ(qn_bf16_from_f32(qn_f32_from_bits(middle - 1)), b);
    CHECK_EQ(qn_bf16_from_f32(qn_f32_from_bits(middle + 1)), b + 1);
    CHECK_EQ(qn_bf16_from_f32(qn_f32_from_bits(middle | 0x80000000u)), 0x8000 | (b & 1 ? b + 1 : b));
  }
}

static void extremes_are_kept(void) {
  CHECK_EQ(qn_f16_from_f32(INFINITY), 0x7c00);
  CHECK_EQ(qn_f16_from_f32(-INFINITY), 0xfc00);
  CHECK_EQ(qn_f16_from_f32(3e38f), 0x7c00);
  CHECK_EQ(qn_f16_from_f32(65519.996f), 0x7bff);
  CHECK_EQ(qn_f16_from_f32(65520.0f), 0x7c00);
  CHECK_EQ(qn_f16_from_f32(-0.0f), 0x8000);
  CHECK_EQ(qn_f16_from_f32(1e-45f), 0);
  CHECK_EQ(qn_bf16_from_f32(INFINITY), 0x7f80);
  CHECK_EQ(qn_bf16_from_f32(-INFINITY), 0xff80);
  CHECK_EQ(qn_bf16_from_f32(3.4028235e38f), 0x7f80);
  CHECK_EQ(qn_bf16_from_f32(-0.0f), 0x8000);
}

/* A payload only in the low bits must not vanish and leave an infinity. */
static void every_nan_stays_nan(void) {
  for (uint32_t payload = 1; payload < 0x800000u; payload += 997) {
    for (uint32_t sign = 0; sign < 2; sign += 1) {
      const float nan = qn_f32_from_bits(sign << 31 | 0x7f800000u | payload);
      CHECK(is_nan16(qn_f16_from_f32(nan)));
      CHECK((qn_bf16_from_f32(nan) & 0x7fff) > 0x7f80);
      CHECK_EQ(qn_f16_from_f32(nan) >> 15, sign);
      CHECK_EQ(qn_bf16_from_f32(nan) >> 15, sign);
    }
  }
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  widening_gives_the_exact_value();
  every_half_survives_the_round_trip();
  narrowing_to_half_rounds_to_nearest_even();
  narrowing_to_bfloat_rounds_to_nearest_even();
  extremes_are_kept();
  every_nan_stays_nan();
  return test_finish();
}
