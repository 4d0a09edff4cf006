/*
 * test_elements.c: the elementwise functions against float64, at every length
 * around the number of lanes, in place, and for any number of threads.
 */
#include "base/half.h"
#include "dispatch/dispatch.h"
#include "kernel_test.h"

#define MANY 40001 /* more than a thread's share, and odd */

static double silu(double v) { return v / (1.0 + exp(-v)); }

static void test_fill_and_copy(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    float *y = guarded_floats(n);
    float *x = random_floats(n, -1, 1);
    for (uint32_t item = 1; item <= 8; item *= 2) {
      char *filled = guarded_bytes((size_t)n * item);
      const uint64_t value = 0x0123456789abcdef;
      CHECK_EQ(qn_fill(filled, &value, 1, n, item), QN_OK);
      bool same = true;
      for (uint32_t i = 0; i < n; i += 1) same = same && !memcmp(filled + i * item, &value, item);
      CHECK(same);
    }
    CHECK_EQ(qn_copy(y, x, 4, n), QN_OK);
    CHECK(same_bits(y, x, n));
    release_all();
  }
}

/* Both directions of overlap, and apart, give what memmove gives. */
static void test_copy_overlapping(void) {
  const size_t bytes = 600000;
  uint8_t *buffer = guarded_bytes(2 * bytes);
  uint8_t *expected = guarded_bytes(bytes);
  const size_t shifts[] = {0, 1, 64, 299999, bytes};
  for (size_t s = 0; s < 2 * COUNT_OF(shifts); s += 1) {
    const size_t shift = shifts[s / 2];
    uint8_t *from = s % 2 ? buffer + shift : buffer;
    uint8_t *to = s % 2 ? buffer : buffer + shift;
    for (size_t i = 0; i < bytes; i += 1) from[i] = (uint8_t)(i * 31 >> 3);
    memcpy(expected, from, bytes);
    CHECK_EQ(qn_copy(to, from, 600, 1000), QN_OK);
    CHECK(memcmp(to, expected, bytes) == 0);
  }
}

static void test_clamp(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    float *x = random_floats(n, -8, 8);
    float *y = guarded_floats(n);
    if (n > 3) x[n - 1] = NAN, x[1] = INFINITY, x[2] = -INFINITY, x[3] = -0.0f;
    CHECK_EQ(qn_clamp(y, x, 1, n, -2, 0, QN_F32), QN_OK);
    for (uint32_t i = 0; i < n; i += 1) {
      const float expected = x[i] < -2 ? -2 : x[i] > 0 ? 0 : x[i];
      CHECK(isnan(x[i]) ? isnan(y[i]) : same_bits(&y[i], &expected, 1));
    }
    CHECK_EQ(qn_clamp(x, x, n, 1, -2, 0, QN_F32), QN_OK);
    CHECK(same_bits(x, y, n));
    release_all();
  }
}

static void test_swiglu(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    float *gate = random_floats(n, -20, 20);
    float *up = random_floats(n, -8, 8);
    float *y = guarded_floats(n);
    CHECK_EQ(qn_swiglu(y, gate, up, 1, n, QN_F32), QN_OK);
    for (uint32_t i = 0; i < n; i += 1) {
      CHECK(is_close(y[i], silu((double)gate[i]) * (double)up[i], 4e-7));
    }
    float *in_place = copy_floats(up, n);
    CHECK_EQ(qn_swiglu(in_place, gate, in_place, 1, n, QN_F32), QN_OK);
    CHECK(same_bits(in_place, y, n));
    CHECK_EQ(qn_swiglu(gate, gate, up, 1, n, QN_F32), QN_OK);
    CHECK(same_bits(gate, y, n));
    release_all();
  }
}

/* Gates over all magnitudes, where the exponential over- and underflows too. */
static void test_silu_range(void) {
  const uint32_t step = test_is_slow() ? 1u << 17 : 1u << 13;
  const size_t count = (size_t)(0x100000000u / step);
  float *gate = guarded_floats(count);
  float *up = guarded_floats(count);
  for (size_t i = 0; i < count; i += 1) {
    gate[i] = qn_f32_from_bits((uint32_t)i * step + (uint32_t)(test_random(&test_seed) % step));
    up[i] = 1.0f;
  }
  float *y = guarded_floats(count);
  CHECK_EQ(qn_swiglu(y, gate, up, 1, (uint32_t)count, QN_F32), QN_OK);
  for (size_t i = 0; i < count; i += 1) {
    /* The formula itself loses exp(-v) above 1e308, long after it rounds to 0. */
    const double v = (double)gate[i];
    CHECK(is_close(y[i], v < -700.0 && isfinite(v) ? 0.0 : silu(v), 4e-7) ||
          fabs((double)y[i] - silu(v)) < 0x1p-142);
  }
}

static void test_special_values(void) {
  const float gate[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 3e38f, -3e38f, 1e-45f};
  const float up[] = {1, 1, 1, 1, 1, 1, 1, 1};
  float y[COUNT_OF(gate)];
  CHECK_EQ(qn_swiglu(y, gate, up, 1, COUNT_OF(gate), QN_F32), QN_OK);
  CHECK(y[0] == INFINITY && isnan(y[1]) && isnan(y[2]));
  CHECK(y[3] == 0.0f && y[4] == 0.0f && signbit(y[4]));
  CHECK(y[5] == 3e38f && y[6] == 0.0f && y[7] >= 0.0f && y[7] <= 1e-45f);
}

/* Every half and every bfloat16. NaN is compared as such. */
static void test_dequantize_halves(void) {
  uint16_t *words = guarded_bytes(65536 * sizeof(uint16_t));
  for (uint32_t i = 0; i < 65536; i += 1) words[i] = (uint16_t)i;
  float *y = guarded_floats(65536);
  for (int32_t dtype = QN_F16; dtype <= QN_BF16; dtype += 1) {
    CHECK_EQ(qn_dequantize_f32(y, words, 256, 256, dtype), QN_OK);
    for (uint32_t i = 0; i < 65536; i += 1) {
      const uint16_t word = (uint16_t)i;
      const float expected = dtype == QN_F16 ? qn_f32_from_f16(word) : qn_f32_from_bf16(word);
      CHECK(isnan(expected) ? isnan(y[i]) : same_bits(&y[i], &expected, 1));
    }
    for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
      const uint32_t n = test_lengths[c];
      float *part = guarded_floats(n);
      const uint16_t *tail = words + 0x4000 - n; /* numbers below 2 */
      uint16_t *source = guarded_bytes(n * sizeof(uint16_t));
      memcpy(source, tail, n * sizeof(uint16_t));
      CHECK_EQ(qn_dequantize_f32(part, source, 1, n, dtype), QN_OK);
      CHECK(same_bits(part, y + 0x4000 - n, n));
      guarded_free(test_arena.buffers[--test_arena.count]);
      guarded_free(test_arena.buffers[--test_arena.count]);
    }
  }
}

/* Element `index` of an array of blocks, as the header describes the dtypes. */
static double block_element(const uint8_t *bytes, size_t index, int32_t dtype) {
  const size_t size = dtype == QN_Q8_0 ? 34 : dtype == QN_Q4_0 ? 18 : 20;
  const uint8_t *block = bytes + index / 32 * size;
  const size_t j = index % 32;
  uint16_t halves[2];
  memcpy(halves, block, sizeof(halves));
  const double d = (double)qn_f32_from_f16(halves[0]);
  if (dtype == QN_Q8_0) return d * (double)(int8_t)block[2 + j];
  const uint8_t *quants = block + (dtype == QN_Q4_0 ? 2 : 4);
  const int q = j < 16 ? quants[j] & 15 : quants[j - 16] >> 4;
  if (dtype == QN_Q4_0) return d * (double)(q - 8);
  return d * (double)q + (double)qn_f32_from_f16(halves[1]);
}

static void test_dequantize_blocks(void) {
  for (int32_t dtype = QN_Q8_0; dtype <= QN_Q4_1; dtype += 1) {
    const size_t size = dtype == QN_Q8_0 ? 34 : dtype == QN_Q4_0 ? 18 : 20;
    for (uint32_t blocks = 0; blocks < 1200; blocks = blocks * 3 + 1) {
      uint8_t *bytes = guarded_bytes(blocks * size);
      for (size_t i = 0; i < blocks * size; i += 1) bytes[i] = (uint8_t)test_random(&test_seed);
      /* Scales stay finite. */
      for (uint32_t b = 0; b < blocks; b += 1) {
        bytes[b * size + 1] &= 0xbf;
        bytes[b * size + 3] &= 0xbf;
      }
      float *y = guarded_floats((size_t)blocks * 32);
      CHECK_EQ(qn_dequantize_f32(y, bytes, blocks, 32, dtype), QN_OK);
      for (size_t i = 0; i < (size_t)blocks * 32; i += 1) {
        CHECK(y[i] == (float)block_element(bytes, i, dtype));
      }
      release_all();
    }
  }
}

/* The published generator, for the values that its authors give. */
static void philox(uint32_t words[4], const uint32_t counter[4], const uint32_t key[2]) {
  uint32_t c[4], k[2] = {key[0], key[1]};
  memcpy(c, counter, sizeof(c));
  for (int round = 0; round < 10; round += 1, k[0] += 0x9E3779B9u, k[1] += 0xBB67AE85u) {
    const uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
    const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b,
                              (uint32_t)(a >> 32) ^ c[3] ^ k[1], (uint32_t)a};
    memcpy(c, next, sizeof(c));
  }
  memcpy(words, c, sizeof(c));
}

/* From kat_vectors of Random123, the generator's first publication. */
static void test_philox_known_answers(void) {
  static const uint32_t cases[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
       0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
       0x94fdcceb, 0x5001e420, 0x24126ea1},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i += 1) {
    uint32_t words[4];
    philox(words, cases[i], cases[i] + 4);
    CHECK(memcmp(words, cases[i] + 6, sizeof(words)) == 0);
  }
}

static double normal_at(uint64_t index, uint32_t seed_low, uint32_t seed_high) {
  const uint32_t counter[4] = {(uint32_t)(index / 4), (uint32_t)(index / 4 >> 32), 0, 0};
  const uint32_t key[2] = {seed_low, seed_high};
  uint32_t words[4];
  philox(words, counter, key);
  const uint32_t *pair = words + index % 4 / 2 * 2;
  const double radius = sqrt(-2.0 * log(((double)pair[0] + 0.5) / 4294967296.0));
  const double angle = 2.0 * 3.14159265358979323846 * ((double)pair[1] / 4294967296.0);
  return radius * (index % 2 ? sin(angle) : cos(angle));
}

static void test_random_normal(void) {
  const uint32_t n = test_is_slow() ? 5001 : MANY;
  float *y = guarded_floats(n);
  CHECK_EQ(qn_random_normal(y, n, 1, 7, 9, 1.5f, 0.25f, QN_F32), QN_OK);
  double sum = 0, squares = 0;
  for (uint32_t i = 0; i < n; i += 1) {
    CHECK_NEAR((double)y[i], 1.5 + 0.25 * normal_at(i, 7, 9), 2e-7);
    sum += ((double)y[i] - 1.5) / 0.25;
    squares += pow(((double)y[i] - 1.5) / 0.25, 2);
  }
  CHECK_NEAR(sum / n, 0.0, 5.0 / sqrt(n));
  CHECK_NEAR(squares / n, 1.0, 8.0 / sqrt(n));
  /* Any range, however it begins, is the same sequence; far ones too. */
  float part[11];
  for (uint64_t first = 0; first < 9; first += 1) {
    qn_real_kernels(QN_F32)->random_normal(part, first, 11, 7, 9, 1.5f, 0.25f);
    CHECK(same_bits(part, y + first, 11));
  }
  qn_real_kernels(QN_F32)->random_normal(part, 0x123456789abcull, 11, 7, 9, 0.0f, 1.0f);
  for (uint32_t i = 0; i < 11; i += 1) {
    CHECK_NEAR((double)part[i], normal_at(0x123456789abcull + i, 7, 9), 1e-6);
  }
}

static void test_random_choices(void) {
  static const double shares[] = {0.0, 1e-9, 0.25, 0.9, 1.0};
  static const uint32_t sizes[] = {0, 1, 3, 63, 64, 65, 200, MANY};
  for (size_t s = 0; s < COUNT_OF(sizes); s += 1) {
    const uint32_t n = sizes[s];
    uint8_t *y = (uint8_t *)guarded_floats(n / 4 + 1);
    for (size_t p = 0; p < COUNT_OF(shares); p += 1) {
      CHECK_EQ(qn_random_choices(y, 1, n, 7, 9, shares[p]), QN_OK);
      for (uint32_t i = 0; i < n; i += 1) {
        const uint32_t counter[4] = {i / 4, 0, 0, 0};
        const uint32_t key[2] = {7, 9};
        uint32_t words[4];
        philox(words, counter, key);
        CHECK_EQ(y[i], (double)words[i % 4] < floor(shares[p] * 4294967296.0));
      }
    }
  }
  /* Any range is the same sequence. */
  uint8_t whole[40], part[20];
  qn_shared_kernels->random_choices(whole, 0x100000000ull * 4 - 20, 40, 1, 2, 0x7fffffff);
  qn_shared_kernels->random_choices(part, 0x100000000ull * 4, 20, 1, 2, 0x7fffffff);
  CHECK(memcmp(whole + 20, part, sizeof part) == 0);
}

/* Results have the same bits for any number of threads. */
static void test_threads(void) {
  float *a = random_floats(MANY, -20, 20);
  float *b = random_floats(MANY, -20, 20);
  float *first[4], *y = guarded_floats(MANY);
  for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
    for (int operation = 0; operation < 4; operation += 1) {
      switch (operation) {
        case 0: CHECK_EQ(qn_clamp(y, a, 1, MANY, -9, 9, QN_F32), QN_OK); break;
        case 1: CHECK_EQ(qn_swiglu(y, a, b, MANY, 1, QN_F32), QN_OK); break;
        case 2: CHECK_EQ(qn_random_normal(y, 1, MANY, 3, 4, 0, 1, QN_F32), QN_OK); break;
        default: CHECK_EQ(qn_dequantize_f32(y, a, 1, MANY, QN_F32), QN_OK); break;
      }
      if (c == 0) first[operation] = copy_floats(y, MANY);
      CHECK(same_bits(y, first[operation], MANY));
    }
  }
}

static void test_bad_arguments(void) {
  _Alignas(8) float words[64] = {0};
  float *null = NULL;
  float *odd = (float *)(void *)((char *)words + 1);
  const uint64_t value = 1;
  CHECK_EQ(qn_fill(null, &value, 0, 5, 4), QN_OK);
  CHECK_EQ(qn_fill(null, &value, 1, 5, 4), QN_NULL_POINTER);
  CHECK_EQ(qn_fill(words, NULL, 1, 5, 4), QN_NULL_POINTER);
  CHECK_EQ(qn_fill(odd, &value, 1, 5, 4), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_fill(odd, &value, 1, 5, 1), QN_OK);
  CHECK_EQ(qn_fill(words, &value, 1, 5, 3), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_fill(words, &value, UINT32_MAX, UINT32_MAX, 4), QN_BAD_SIZE);
  CHECK_EQ(qn_clamp(words, null, 1, 5, 0, 1, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_clamp(odd, words, 1, 5, 0, 1, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_clamp(words, words, 1, 5, 1, 0, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_clamp(words, words, 1, 5, NAN, 0, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_swiglu(null, words, words, 1, 5, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_copy(null, words, 1, 5), QN_NULL_POINTER);
  CHECK_EQ(qn_copy(odd, words, 1, 5), QN_OK);
  CHECK_EQ(qn_dequantize_f32(words, words + 1, 1, 5, QN_I32), QN_BAD_DTYPE);
  CHECK_EQ(qn_dequantize_f32(words, words + 1, 1, 5, 7), QN_BAD_DTYPE);
  CHECK_EQ(qn_dequantize_f32(words, words + 1, 1, 5, -1), QN_BAD_DTYPE);
  CHECK_EQ(qn_dequantize_f32(words, words + 1, 2, 16, QN_Q8_0), QN_BAD_SIZE);
  CHECK_EQ(qn_dequantize_f32(words, odd, 1, 32, QN_Q8_0), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_random_normal(words, 1, 4, 0, 0, NAN, 1, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_random_normal(words, 1, 4, 0, 0, 0, -1, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_random_normal(words, 1, 4, 0, 0, 0, INFINITY, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_random_choices(words, 1, 4, 0, 0, -0.1), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_random_choices(words, 1, 4, 0, 0, 1.1), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_random_choices(words, 1, 4, 0, 0, NAN), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_random_choices(null, 1, 4, 0, 0, 0.5), QN_NULL_POINTER);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_fill_and_copy,     test_copy_overlapping,  test_clamp,
      test_swiglu,            test_silu_range,        test_special_values,
      test_dequantize_halves, test_dequantize_blocks, test_philox_known_answers,
      test_random_normal,     test_random_choices,    test_threads,
      test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
