/*
 * base/cpu.h: what the processor and the operating system offer together.
 *
 * A feature counts only if the operating system also saves the registers it
 * uses, so that a true answer means the instructions may be executed.
 */
#ifndef QN_BASE_CPU_H
#define QN_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

struct qn_cpu {
  bool avx2;       /* all of x86-64-v3: AVX2, FMA, F16C, BMI1, BMI2, LZCNT, MOVBE */
  bool avx512;     /* all of x86-64-v4: v3 and AVX-512 F, BW, CD, DQ, VL */
  bool avx512vnni; /* v4 and AVX-512 VNNI */
  bool avx512bf16; /* these and AVX-512 BF16 */
  bool neon_dot;   /* Armv8.2 dot products and half-precision arithmetic */
};

/* Asks the processor. Cheap enough to be called when needed, not in a loop. */
struct qn_cpu qn_cpu_detect(void);

/* Data caches, in bytes. What the processor does not say is what most have. */
struct qn_caches {
  size_t first, second; /* of a core */
  size_t last;          /* the third; where there is none, eight times the second */
};

/* Found once, when the library is loaded. */
const struct qn_caches *qn_cpu_caches(void);

/* Whether an array of so many bytes, written once from end to end, is better written past
 * the caches: little of it would be left in them. */
bool qn_is_streamed(size_t bytes);

#endif
