/*
 * kernels/real/random_normal.c: normally distributed numbers that depend on the seed
 * and the element's index alone, so any range can be made on its own.
 *
 * Bits come from Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", 2011): the key is the seed, the counter the number of a group of
 * four elements. Its four words make two Box-Muller pairs in float64: elements
 * 0 and 1 of the group are the cosine and sine of words 0 and 1, elements 2 and
 * 3 those of words 2 and 3. Each element is rounded to float32 once, at the end.
 */
#include <math.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

enum { GROUP = 4, ROUNDS = 10 };

static void philox(uint32_t words[GROUP], uint64_t counter, uint32_t key_0, uint32_t key_1) {
  uint32_t c[GROUP] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
  for (int round = 0; round < ROUNDS; round += 1) {
    uint64_t p_0 = (uint64_t)0xD2511F53u * c[0];
    uint64_t p_1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next_0 = (uint32_t)(p_1 >> 32) ^ c[1] ^ key_0;
    uint32_t next_2 = (uint32_t)(p_0 >> 32) ^ c[3] ^ key_1;
    c[0] = next_0;
    c[1] = (uint32_t)p_1;
    c[2] = next_2;
    c[3] = (uint32_t)p_0;
    key_0 += 0x9E3779B9u;
    key_1 += 0xBB67AE85u;
  }
  for (int i = 0; i < GROUP; i += 1) words[i] = c[i];
}

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
    uint32_t words[GROUP];
    double normals[GROUP];
    philox(words, (first + i) / GROUP, seed_low, seed_high);
    box_muller(normals, words[0], words[1]);
    box_muller(normals + 2, words[2], words[3]);
    for (size_t j = (first + i) % GROUP; j < GROUP && i < count; j += 1, i += 1) {
      y[i] = (qn_real)((double)mean + (double)deviation * normals[j]);
    }
  }
}

void QN_VARIANT(random_normal)(void *y, uint64_t first, size_t count, uint32_t seed_low,
                               uint32_t seed_high, double mean, double deviation) {
  normal_range(y, first, count, seed_low, seed_high, (qn_real)mean, (qn_real)deviation);
}
