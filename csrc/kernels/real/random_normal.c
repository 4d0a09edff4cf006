/*
 * kernels/real/random_normal.c: normally distributed numbers that depend on the seed
 * and the element's index alone, so any range can be made on its own.
 *
 * Bits come from Philox (kernels/philox.h): the key is the seed, the counter the
 * number of a group of four elements. Its four words make two Box-Muller pairs in float64: elements
 * 0 and 1 of the group are the cosine and sine of words 0 and 1, elements 2 and
 * 3 those of words 2 and 3. Each element is rounded to float32 once, at the end.
 */
#include <math.h>

#include "dispatch/kernel_table.h"
#include "kernels/philox.h"
#include <vec.h>

/* Half is added to the first word so that its logarithm is finite. */
static void box_muller(double normals[2], uint32_t word_0, uint32_t word_1) {
  double radius = sqrt(-2.0 * log(((double)word_0 + 0.5) * 0x1p-32));
  double angle = 6.283185307179586 * ((double)word_1 * 0x1p-32);
  normals[0] = radius * cos(angle);
  normals[1] = radius * sin(angle);
}

static void normal_range(qn_real *y, uint64_t first, size_t count, uint32_t seed_low,
                         uint32_t seed_high, qn_real mean, qn_real deviation) {
  for (size_t i = 0; i < count;) {
    uint32_t words[QN_PHILOX_WORDS];
    double normals[QN_PHILOX_WORDS];
    qn_philox(words, 1, (first + i) / QN_PHILOX_WORDS, seed_low, seed_high);
    box_muller(normals, words[0], words[1]);
    box_muller(normals + 2, words[2], words[3]);
    for (size_t j = (first + i) % QN_PHILOX_WORDS; j < QN_PHILOX_WORDS && i < count; j += 1, i += 1) {
      y[i] = (qn_real)((double)mean + (double)deviation * normals[j]);
    }
  }
}

void QN_VARIANT(random_normal)(void *y, uint64_t first, size_t count, uint32_t seed_low,
                               uint32_t seed_high, double mean, double deviation) {
  normal_range(y, first, count, seed_low, seed_high, (qn_real)mean, (qn_real)deviation);
}
