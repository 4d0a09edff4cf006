/*
 * kernels/philox.h: random bits that depend on a key and a counter alone, so that any
 * range of them can be made on its own: Philox4x32-10 (Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", 2011).
 */
#ifndef QN_KERNELS_PHILOX_H
#define QN_KERNELS_PHILOX_H

#include <stddef.h>
#include <stdint.h>

#include <vec.h>

enum { QN_PHILOX_WORDS = 4, QN_PHILOX_ROUNDS = 10 };

/* words[k * count + i] = word k of the counter `first + i`, of `count` counters beside each
 * other, so that lanes of vectors can hold them. */
QN_INLINE void qn_philox(uint32_t *words, size_t count, uint64_t first, uint32_t key_0,
                         uint32_t key_1) {
  uint32_t *w_0 = words, *w_1 = words + count, *w_2 = words + 2 * count, *w_3 = words + 3 * count;
  for (size_t i = 0; i < count; i += 1) {
    w_0[i] = (uint32_t)(first + i);
    w_1[i] = (uint32_t)((first + i) >> 32);
    w_2[i] = w_3[i] = 0;
  }
  for (int round = 0; round < QN_PHILOX_ROUNDS; round += 1) {
    for (size_t i = 0; i < count; i += 1) {
      const uint64_t p_0 = (uint64_t)0xD2511F53u * w_0[i];
      const uint64_t p_1 = (uint64_t)0xCD9E8D57u * w_2[i];
      w_0[i] = (uint32_t)(p_1 >> 32) ^ w_1[i] ^ key_0;
      w_2[i] = (uint32_t)(p_0 >> 32) ^ w_3[i] ^ key_1;
      w_1[i] = (uint32_t)p_1;
      w_3[i] = (uint32_t)p_0;
    }
    key_0 += 0x9E3779B9u;
    key_1 += 0xBB67AE85u;
  }
}

#endif
