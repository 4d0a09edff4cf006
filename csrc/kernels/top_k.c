/*
 * kernels/top_k.c: the first elements of a row in the order of their values, and where
 * they are.
 *
 * Contract: dispatch/kernels.inc. Each element is given a number that is larger the sooner
 * it comes: the upper half is its value, as an unsigned integer in the order of floats,
 * inverted where the smallest come first; the lower half its index, inverted, so that of
 * equals the first comes first and no two numbers are the same. -0 is 0, and NaN larger
 * than all else.
 *
 * Numbers are gathered until there is no room, then all but the k largest are dropped, by
 * partitioning around one of them again and again; from then on only an element that comes
 * before the last of the k is gathered, which a comparison of vectors tells. In a row of
 * random elements that are few: the row is read once, at the speed of memory.
 */
#include <string.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/top_k.h"

enum { RUN = 16 }; /* numbers that are sorted by insertion */

static uint64_t number_of(float x, size_t index, int largest) {
  const float value = x + 0.0f; /* -0 becomes 0 */
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t key = bits >> 31 ? ~bits : bits | 0x80000000u;
  if (x != x) key = UINT32_MAX;
  if (!largest) key = ~key;
  return (uint64_t)key << 32 | (uint32_t)~(uint32_t)index;
}

static size_t index_of(uint64_t number) { return (uint32_t)~(uint32_t)number; }

static void swap(uint64_t *a, uint64_t *b) {
  const uint64_t held = *a;
  *a = *b;
  *b = held;
}

/* Brings the k largest of the numbers to the front, 1 <= k <= count. The one that the others
 * are compared with is chosen by a fixed sequence that no row was made against. */
static void select_largest(uint64_t *numbers, size_t count, size_t k) {
  ptrdiff_t low = 0;
  ptrdiff_t high = (ptrdiff_t)count - 1;
  uint64_t random = 0x9e3779b97f4a7c15u;
  while (low < high) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const uint64_t pivot = numbers[low + (ptrdiff_t)((random >> 33) % (uint64_t)(high - low + 1))];
    ptrdiff_t i = low;
    ptrdiff_t j = high;
    while (i <= j) {
      while (numbers[i] > pivot) i += 1;
      while (numbers[j] < pivot) j -= 1;
      if (i > j) break;
      swap(&numbers[i], &numbers[j]);
      i += 1;
      j -= 1;
    }
    if ((ptrdiff_t)k <= j) high = j;
    else if ((ptrdiff_t)k > i) low = i;
    else return;
  }
}

/* Sorts numbers, the largest first: runs by insertion, then runs are merged to and fro
 * between `numbers` and `room`. */
static void sort_numbers(uint64_t *numbers, uint64_t *room, size_t count) {
  for (size_t begin = 0; begin < count; begin += RUN) {
    const size_t end = count - begin < RUN ? count : begin + RUN;
    for (size_t i = begin + 1; i < end; i += 1) {
      const uint64_t held = numbers[i];
      size_t at = i;
      for (; at > begin && numbers[at - 1] < held; at -= 1) numbers[at] = numbers[at - 1];
      numbers[at] = held;
    }
  }
  uint64_t *from = numbers;
  uint64_t *to = room;
  for (size_t run = RUN; run < count; run *= 2) {
    for (size_t begin = 0; begin < count; begin += 2 * run) {
      const size_t middle = count - begin < run ? count : begin + run;
      const size_t end = count - begin < 2 * run ? count : begin + 2 * run;
      size_t a = begin;
      size_t b = middle;
      for (size_t i = begin; i < end; i += 1) {
        const int left = b == end || (a < middle && from[a] > from[b]);
        to[i] = left ? from[a] : from[b];
        a += (size_t)left;
        b += (size_t)!left;
      }
    }
    uint64_t *held = from;
    from = to;
    to = held;
  }
  if (from != numbers) memcpy(numbers, from, count * sizeof *numbers);
}

/* Lanes that may come before an element of the value `last`; NaN may. */
QN_INLINE qn_vi may_come(qn_vf v, float last, int largest) {
  return largest ? ~(v <= last) : ~(v >= last);
}

/* The first index from `i` on where a vector may hold an element that comes before. */
QN_INLINE size_t skip(const float *x, size_t i, size_t cols, float last, int largest) {
  for (; i + 4 * QN_LANES <= cols; i += 4 * QN_LANES) {
    qn_vi found = qn_vset1_i32(0);
    for (size_t c = 0; c < 4; c += 1) {
      found |= may_come(qn_vload(x + i + c * QN_LANES), last, largest);
    }
    if (qn_vany(found)) break;
  }
  for (; i + QN_LANES <= cols; i += QN_LANES) {
    if (qn_vany(may_come(qn_vload(x + i), last, largest))) break;
  }
  return i;
}

/* The numbers of the k first elements, in any order, at the front of `numbers`. */
QN_INLINE void gather_first(uint64_t *numbers, const float *x, size_t cols, size_t k,
                            int largest) {
  const size_t room = qn_top_k_room(k);
  size_t count = 0;
  size_t i = 0;
  for (; i < cols && count < room; i += 1) numbers[count++] = number_of(x[i], i, largest);
  select_largest(numbers, count, k);
  while (i < cols) {
    uint64_t least = numbers[0];
    for (size_t n = 1; n < k; n += 1) least = numbers[n] < least ? numbers[n] : least;
    const float last = x[index_of(least)];
    count = k;
    while (count < room) {
      i = skip(x, i, cols, last, largest);
      const size_t end = cols - i < QN_LANES ? cols : i + QN_LANES;
      if (i == end) break;
      for (; i < end && count < room; i += 1) {
        const uint64_t number = number_of(x[i], i, largest);
        numbers[count] = number;
        count += number > least;
      }
    }
    select_largest(numbers, count, k);
  }
}

void QN_VARIANT(top_k_f32)(float *values, int32_t *indices, uint64_t *scratch, const float *x,
                           size_t rows, size_t cols, size_t k, int32_t largest) {
  uint64_t *room = scratch + qn_top_k_room(k);
  for (size_t row = 0; row < rows; row += 1, x += cols, values += k, indices += k) {
    if (largest) gather_first(scratch, x, cols, k, 1);
    else gather_first(scratch, x, cols, k, 0);
    sort_numbers(scratch, room, k);
    for (size_t i = 0; i < k; i += 1) {
      const size_t index = index_of(scratch[i]);
      values[i] = x[index];
      indices[i] = (int32_t)index;
    }
  }
}
