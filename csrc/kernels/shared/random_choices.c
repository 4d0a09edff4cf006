/*
 * kernels/shared/random_choices.c: choices with a probability, which depend on the seed
 * and the element's index alone: element i is word i % 4 of Philox's counter i / 4.
 */
#include <string.h>

#include "dispatch/kernel_table.h"
#include "kernels/philox.h"

enum { COUNTERS = 16, ELEMENTS = COUNTERS * QN_PHILOX_WORDS };

static void choose(uint8_t y[ELEMENTS], uint64_t counter, uint32_t seed_low, uint32_t seed_high,
                   uint32_t last) {
  uint32_t words[ELEMENTS];
  qn_philox(words, COUNTERS, counter, seed_low, seed_high);
  for (size_t i = 0; i < ELEMENTS; i += 1) {
    y[i] = words[i % QN_PHILOX_WORDS * COUNTERS + i / QN_PHILOX_WORDS] <= last;
  }
}

void QN_VARIANT(random_choices)(uint8_t *y, uint64_t first, size_t count, uint32_t seed_low,
                                uint32_t seed_high, uint32_t last) {
  uint64_t counter = first / QN_PHILOX_WORDS;
  for (; count >= ELEMENTS; count -= ELEMENTS) {
    choose(y, counter, seed_low, seed_high, last);
    y += ELEMENTS;
    counter += COUNTERS;
  }
  if (count == 0) return;
  uint8_t rest[ELEMENTS];
  choose(rest, counter, seed_low, seed_high, last);
  memcpy(y, rest, count);
}
