/*
 * base/half.h: one half float at a time, in integers.
 *
 * For the few values that are not worth a vector (a block's scale, the end of a
 * row) and as the reference of the vector conversions: the results have the bits
 * that F16C and NEON give, including NaN, which is made quiet and keeps its
 * payload. Narrowing rounds to nearest, ties to even.
 */
#ifndef QN_BASE_HALF_H
#define QN_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t qn_bits_from_f32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static inline float qn_f32_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

static inline float qn_f32_from_f16(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
  const uint32_t rest = half & 0x7fffu;
  if (rest > 0x7c00u) return qn_f32_from_bits(sign | 0x7fc00000u | (rest & 0x3ffu) << 13);
  if (rest == 0x7c00u) return qn_f32_from_bits(sign | 0x7f800000u);
  /* Exponents are biased by 15 in a half and by 127 in a float. */
  if (rest >= 0x0400u) return qn_f32_from_bits(sign | ((rest << 13) + (112u << 23)));
  return qn_f32_from_bits(sign | qn_bits_from_f32((float)rest * 0x1p-24f));
}

static inline uint16_t qn_f16_from_f32(float value) {
  const uint32_t bits = qn_bits_from_f32(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (rest >> 13 & 0x3ffu));
  if (rest >= 0x47800000u) return (uint16_t)(sign | 0x7c00u); /* 65536 and more */
  if (rest >= 0x38800000u) { /* 2^-14: normal halves; 65520 and more carries into infinity */
    const uint32_t rebiased = rest - (112u << 23);
    return (uint16_t)(sign | (rebiased + 0xfffu + (rebiased >> 13 & 1u)) >> 13);
  }
  /* The last place of 0.5 is 2^-24, as that of a subnormal half: adding rounds. */
  const uint32_t half = qn_bits_from_f32(0.5f);
  return (uint16_t)(sign | (qn_bits_from_f32(qn_f32_from_bits(rest) + 0.5f) - half));
}

static inline float qn_f32_from_bf16(uint16_t bfloat) {
  return qn_f32_from_bits((uint32_t)bfloat << 16);
}

static inline uint16_t qn_bf16_from_f32(float value) {
  const uint32_t bits = qn_bits_from_f32(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
  return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#endif
