/*
 * kernels/dot/round_bf16.c: floats rounded to bfloat16, in the order in which dot products
 * read them: a word holds two that are multiplied one after the other.
 *
 * Rounded to nearest, ties to even; a magnitude beyond the largest becomes infinity, and
 * NaN stays NaN. The bits are the same on every instruction set, but for what is subnormal:
 * the instruction for it (VCVTNE2PS2BF16) makes that 0, as dot products would.
 */
#include <dot.h>

#include "dispatch/kernel_table.h"
#include "kernels/panel.h"

/* The upper halves of the words are the rounded values; below them is what is left. */
QN_INLINE qn_vwords rounded(qn_vf v) {
  typedef uint32_t words __attribute__((ext_vector_type(QN_LANES)));
  words bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  const words nearest = bits + 0x7fff + (bits >> 16 & 1);
  return (qn_vwords)(v != v ? bits | 0x400000 : nearest);
}

/* One word for each lane. */
QN_INLINE qn_vwords pair(qn_vf first, qn_vf second) {
  const qn_vwords high = (qn_vwords)(int32_t)0xffff0000;
  return (rounded(first) >> 16 & 0xffff) | (rounded(second) & high);
}

/* QN_LANES words from twice as many floats. */
QN_INLINE qn_vwords pair_neighbours(qn_vf a, qn_vf b) {
#ifdef QN_BF16_IS_NATIVE
  return qn_round_bf16(a, b);
#elif QN_LANES == 16
  return pair(
      __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
      __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31));
#elif QN_LANES == 8
  return pair(__builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14),
              __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15));
#else
  return pair(__builtin_shufflevector(a, b, 0, 2, 4, 6),
              __builtin_shufflevector(a, b, 1, 3, 5, 7));
#endif
}

void QN_VARIANT(round_bf16)(uint32_t *words, const float *x, size_t count) {
  size_t i = 0;
  for (; i + 2 * QN_LANES <= count; i += 2 * QN_LANES) {
    const qn_vwords v = pair_neighbours(qn_vload(x + i), qn_vload(x + i + QN_LANES));
    __builtin_memcpy(words + i / 2, &v, sizeof v);
  }
  if (i == count) return;
  float rest[2 * QN_LANES] = {0};
  __builtin_memcpy(rest, x + i, (count - i) * sizeof *x);
  const qn_vwords v = pair_neighbours(qn_vload(rest), qn_vload(rest + QN_LANES));
  __builtin_memcpy(words + i / 2, &v, (count - i + 1) / 2 * sizeof *words);
}

void QN_VARIANT(pair_rows_bf16)(uint32_t *words, const float *x, size_t count) {
  for (size_t i = 0; i < count; i += 2, words += QN_STRIPE) {
    const float *first = x + i * QN_STRIPE;
    for (size_t col = 0; col < QN_STRIPE; col += QN_LANES) {
      const qn_vf second = i + 1 < count ? qn_vload(first + QN_STRIPE + col) : qn_vzero();
      const qn_vwords v = pair(qn_vload(first + col), second);
      __builtin_memcpy(words + col, &v, sizeof v);
    }
  }
}
