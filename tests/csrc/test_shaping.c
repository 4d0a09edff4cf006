/*
 * test_shaping.c: qn_concatenate, qn_pad, qn_triangle, qn_sequence and qn_one_hot against loops over
 * every index, on every instruction set.
 *
 * All arrays end at a page that faults. The places that padding shows are those of the
 * definition, one step at a time.
 */
#include "base/half.h"
#include "kernel_test.h"

/* ---- Padding --------------------------------------------------------------- */

/* Where place `i` of an axis of n lies in it: -1 for the value. Walks one step at a time
 * from the axis' start. */
static int64_t shown(int64_t i, int64_t n, int32_t mode) {
  if (i >= 0 && i < n) return i;
  if (mode == QN_PAD_CONSTANT) return -1;
  if (mode == QN_PAD_EDGE) return i < 0 ? 0 : n - 1;
  if (mode == QN_PAD_WRAP) {
    while (i < 0) i += n;
    while (i >= n) i -= n;
    return i;
  }
  if (n == 1) return 0;
  int64_t place = 0;
  int64_t direction = 1;
  for (int64_t step = 0; step < (i < 0 ? -i : i); step += 1) {
    if (place + direction < 0 || place + direction >= n) direction = -direction;
    place += direction;
  }
  return place;
}

static void check_pad(const uint64_t *layout, uint32_t rank, uint32_t item, int32_t mode) {
  size_t x_count = 1;
  size_t y_count = 1;
  for (uint32_t i = 0; i < rank; i += 1) {
    x_count *= layout[3 * i];
    y_count *= layout[3 * i] + layout[3 * i + 1] + layout[3 * i + 2];
  }
  char *x = guarded_bytes(x_count * item);
  char *y = guarded_bytes(y_count * item);
  for (size_t i = 0; i < x_count * item; i += 1) x[i] = (char)test_random(&test_seed);
  const uint64_t value = test_random(&test_seed);
  CHECK_EQ(qn_pad(y, x, layout, rank, &value, item, mode), QN_OK);
  bool same = true;
  for (size_t n = 0; n < y_count; n += 1) {
    size_t rest = n;
    size_t place = 0;
    size_t stride = 1;
    bool is_value = false;
    for (uint32_t i = rank; i > 0; i -= 1) {
      const uint64_t *axis = layout + 3 * (i - 1);
      const size_t total = axis[0] + axis[1] + axis[2];
      const int64_t at = shown((int64_t)(rest % total) - (int64_t)axis[1], (int64_t)axis[0], mode);
      rest /= total;
      is_value = is_value || at < 0;
      if (!is_value) place += (size_t)at * stride;
      stride *= axis[0];
    }
    const void *from = is_value ? (const void *)&value : x + place * item;
    same = same && memcmp(y + n * item, from, item) == 0;
  }
  CHECK(same);
  release_all();
}

static void test_pad(void) {
  static const uint64_t sizes[] = {1, 2, 3, 5, 16, 17, 70};
  const uint32_t rounds = test_is_slow() ? 100 : 1500;
  for (uint32_t round = 0; round < rounds; round += 1) {
    uint64_t layout[3 * 4];
    const uint32_t rank = (uint32_t)(test_random(&test_seed) % 5);
    uint64_t elements = 1;
    for (uint32_t i = 0; i < rank; i += 1) {
      uint64_t *axis = layout + 3 * i;
      axis[0] = sizes[test_random(&test_seed) % COUNT_OF(sizes)];
      axis[1] = test_random(&test_seed) % 2 ? test_random(&test_seed) % 9 : 0;
      axis[2] = axis[1] != 0 && test_random(&test_seed) % 2 ? test_random(&test_seed) % 40 : 0;
      if (elements * (axis[0] + axis[1] + axis[2]) > 20000) axis[0] = 1, axis[1] = axis[2] = 0;
      elements *= axis[0] + axis[1] + axis[2];
    }
    check_pad(layout, rank, 1u << round % 4, (int32_t)(round / 4 % 4));
  }
  /* Nothing to begin with, and nothing in the end. */
  const uint64_t from_nothing[] = {0, 2, 1, 3, 1, 0};
  check_pad(from_nothing, 2, 4, QN_PAD_CONSTANT);
  const uint64_t nothing[] = {3, 1, 1, 0, 0, 0};
  for (int32_t mode = QN_PAD_CONSTANT; mode <= QN_PAD_WRAP; mode += 1) {
    check_pad(nothing, 2, 4, mode);
  }
}

/* Rows that several threads share, and a single long one. */
static void test_pad_threads(void) {
  const uint64_t n = test_is_slow() ? 3000 : 300000;
  const uint64_t layouts[][6] = {{1, 0, 0, n, 70000, 5}, {n / 3, 2, 1, 3, 1, 0}, {n, 3, 9, 2, 0, 0}};
  for (uint32_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
    for (size_t i = 0; i < COUNT_OF(layouts); i += 1) {
      check_pad(layouts[i], 2, 4, QN_PAD_CONSTANT);
      check_pad(layouts[i], 2, 2, QN_PAD_WRAP);
    }
  }
}

static void test_bad_padding(void) {
  char x[64] = {0};
  char y[512];
  const uint64_t value = 0;
  const uint64_t one[] = {4, 1, 1};
  CHECK_EQ(qn_pad(y, x, one, 1, &value, 4, QN_PAD_WRAP + 1), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_pad(y, x, one, 1, &value, 4, -1), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_pad(y, x, one, 1, &value, 3, QN_PAD_EDGE), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_pad(y, x, one, 1, NULL, 4, QN_PAD_EDGE), QN_NULL_POINTER);
  CHECK_EQ(qn_pad(y, x, NULL, 1, &value, 4, QN_PAD_EDGE), QN_NULL_POINTER);
  CHECK_EQ(qn_pad(NULL, x, one, 1, &value, 4, QN_PAD_EDGE), QN_NULL_POINTER);
  CHECK_EQ(qn_pad(y, NULL, one, 1, &value, 4, QN_PAD_EDGE), QN_NULL_POINTER);
  CHECK_EQ(qn_pad(y, x + 1, one, 1, &value, 4, QN_PAD_EDGE), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_pad(y, x, one, 17, &value, 4, QN_PAD_EDGE), QN_BAD_SIZE);
  const uint64_t empty[] = {0, 1, 0};
  CHECK_EQ(qn_pad(y, x, empty, 1, &value, 4, QN_PAD_EDGE), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_pad(y, NULL, empty, 1, &value, 4, QN_PAD_CONSTANT), QN_OK);
  const uint64_t large[][6] = {{4, UINT64_MAX, 1, 1, 0, 0},
                               {1, 0, 1ull << 62, 1, 0, 0},
                               {1, 1ull << 40, 0, 1, 1ull << 40, 0}};
  for (size_t i = 0; i < COUNT_OF(large); i += 1) {
    CHECK_EQ(qn_pad(y, x, large[i], 2, &value, 4, QN_PAD_EDGE), QN_BAD_SIZE);
  }
}

/* ---- Triangles ------------------------------------------------------------- */

static void test_triangle(void) {
  static const uint32_t shapes[][3] = {{1, 1, 1}, {2, 3, 5}, {3, 17, 4}, {1, 300, 200}, {0, 2, 2}};
  static const int32_t diagonals[] = {0, 1, -1, 3, -4, INT32_MAX, INT32_MIN};
  for (size_t s = 0; s < COUNT_OF(shapes); s += 1) {
    const uint32_t *shape = shapes[s];
    const size_t count = (size_t)shape[0] * shape[1] * shape[2];
    for (size_t d = 0; d < 2 * COUNT_OF(diagonals); d += 1) {
      const int64_t diagonal = diagonals[d / 2];
      const bool upper = d % 2 == 1;
      float *x = random_floats(count, 1, 2);
      float *y = guarded_floats(count);
      const uint32_t rows = shape[1];
      const uint32_t cols = shape[2];
      CHECK_EQ(qn_triangle(y, x, shape[0], rows, cols, (int32_t)diagonal, upper, 4), QN_OK);
      bool same = true;
      for (size_t i = 0; i < count; i += 1) {
        const int64_t across = (int64_t)(i % cols) - (int64_t)(i / cols % rows);
        const bool kept = upper ? across >= diagonal : across <= diagonal;
        same = same && y[i] == (kept ? x[i] : 0);
      }
      CHECK(same);
      CHECK_EQ(qn_triangle(x, x, shape[0], rows, cols, (int32_t)diagonal, upper, 4), QN_OK);
      CHECK(same_bits(x, y, count));
      release_all();
    }
  }
  char bytes[8];
  CHECK_EQ(qn_triangle(bytes, bytes, 1, 1, 1, 0, 0, 5), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_triangle(NULL, bytes, 1, 1, 1, 0, 0, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_triangle(bytes, NULL, 1, 1, 1, 0, 0, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_triangle(NULL, NULL, 1, 1, 0, 0, 0, 1), QN_OK);
}

/* ---- Sequences and one-hot rows -------------------------------------------- */

static double number_at(const char *y, size_t i, int32_t dtype) {
  float f;
  double d;
  int32_t w;
  int64_t l;
  uint16_t h;
  switch (dtype) {
    case QN_F32: memcpy(&f, y + 4 * i, 4); return (double)f;
    case QN_F64: memcpy(&d, y + 8 * i, 8); return d;
    case QN_I32: memcpy(&w, y + 4 * i, 4); return w;
    case QN_I64: memcpy(&l, y + 8 * i, 8); return (double)l;
    case QN_F16: memcpy(&h, y + 2 * i, 2); return (double)qn_f32_from_f16(h);
    case QN_BF16: memcpy(&h, y + 2 * i, 2); return (double)qn_f32_from_bf16(h);
    default: return *(const uint8_t *)(y + i);
  }
}

static const int32_t number_dtypes[] = {QN_F32, QN_F16, QN_BF16, QN_I32, QN_F64, QN_I64, QN_U8};
static const size_t number_bytes[] = {4, 2, 2, 4, 8, 8, 1};

static void test_sequence(void) {
  for (size_t d = 0; d < COUNT_OF(number_dtypes); d += 1) {
    for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
      const size_t n = test_lengths[c] < 100 ? test_lengths[c] : 100;
      char *y = guarded_bytes(n * number_bytes[d]);
      CHECK_EQ(qn_sequence(y, n, 3, 2, 77, number_dtypes[d]), QN_OK);
      bool same = true;
      for (size_t i = 0; i < n; i += 1) {
        same = same && number_at(y, i, number_dtypes[d]) == (i + 1 == n ? 77 : 3.0 + 2.0 * (double)i);
      }
      CHECK(same);
      release_all();
    }
  }
  double y[3];
  CHECK_EQ(qn_sequence(y, 3, 0.1, 0.1, 1e300, QN_F64), QN_OK);
  CHECK(y[1] == 0.1 + 0.1 && y[2] == 1e300);
  CHECK_EQ(qn_sequence(y, 3, -0x1p53, 1, -0x1p53, QN_I64), QN_OK);
  CHECK(((int64_t *)(void *)y)[1] == -(1ll << 53) + 1);
  CHECK_EQ(qn_sequence(y, 3, 0, 1, 2, QN_BOOL), QN_BAD_DTYPE);
  CHECK_EQ(qn_sequence(y, 3, 0, 1, 2, QN_Q8_0), QN_BAD_DTYPE);
  CHECK_EQ(qn_sequence(y, 3, NAN, 1, 2, QN_F64), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_sequence(y, 3, 0, NAN, 2, QN_F64), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_sequence(y, 3, 0, 1e300, 2, QN_I64), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_sequence(y, 3, 0, 1, 1e300, QN_I32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_sequence(NULL, 3, 0, 1, 2, QN_F64), QN_NULL_POINTER);
  CHECK_EQ(qn_sequence(NULL, 0, 0, 1, 2, QN_F64), QN_OK);
  CHECK_EQ(qn_sequence(y, SIZE_MAX, 0, 1, 2, QN_F64), QN_BAD_SIZE);
}

static void test_one_hot(void) {
  const int32_t narrow[] = {4, 0, 2, 2};
  const int64_t wide[] = {4, 0, 2, 2};
  for (size_t d = 0; d < COUNT_OF(number_dtypes); d += 1) {
    for (uint32_t kind = 0; kind < 2; kind += 1) {
      char *y = guarded_bytes(20 * number_bytes[d]);
      const void *indices = kind ? (const void *)wide : (const void *)narrow;
      const int32_t index_dtype = kind ? QN_I64 : QN_I32;
      CHECK_EQ(qn_one_hot(y, indices, 4, 5, number_dtypes[d], index_dtype), QN_OK);
      for (size_t i = 0; i < 20; i += 1) {
        CHECK(number_at(y, i, number_dtypes[d]) == (narrow[i / 5] == (int32_t)(i % 5)));
      }
      release_all();
    }
  }
  uint8_t y[20];
  CHECK_EQ(qn_one_hot(y, narrow, 4, 5, QN_BOOL, QN_I32), QN_OK);
  CHECK_EQ(y[4], 1);
  CHECK_EQ(qn_one_hot(y, narrow, 4, 4, QN_U8, QN_I32), QN_BAD_INDEX);
  const int32_t negative[] = {-1};
  CHECK_EQ(qn_one_hot(y, negative, 1, 5, QN_U8, QN_I32), QN_BAD_INDEX);
  CHECK_EQ(qn_one_hot(y, narrow, 4, 5, QN_Q4_0, QN_I32), QN_BAD_DTYPE);
  CHECK_EQ(qn_one_hot(y, narrow, 4, 5, QN_U8, QN_F32), QN_BAD_DTYPE);
  CHECK_EQ(qn_one_hot(NULL, narrow, 4, 5, QN_U8, QN_I32), QN_NULL_POINTER);
  CHECK_EQ(qn_one_hot(y, NULL, 4, 5, QN_U8, QN_I32), QN_NULL_POINTER);
  CHECK_EQ(qn_one_hot(NULL, NULL, 0, 5, QN_U8, QN_I32), QN_OK);
  /* Several threads' shares. */
  int32_t *many = guarded_bytes(3000 * sizeof(int32_t));
  for (int32_t i = 0; i < 3000; i += 1) many[i] = i * 7 % 50;
  float *rows = guarded_floats(150000);
  for (uint32_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
    memset(rows, 1, 150000 * sizeof(float));
    CHECK_EQ(qn_one_hot(rows, many, 3000, 50, QN_F32, QN_I32), QN_OK);
    bool same = true;
    for (int32_t i = 0; i < 150000; i += 1) same = same && rows[i] == (i % 50 == many[i / 50]);
    CHECK(same);
  }
}

/* Parts of some bytes a row, none among them, next to pages that fault. */
static void check_concatenated(const uint64_t *sizes, uint32_t count, uint32_t rows) {
  uint64_t parts[2 * 8];
  size_t row_bytes = 0;
  for (uint32_t i = 0; i < count; i += 1) {
    char *x = guarded_bytes(sizes[i] * rows);
    for (size_t at = 0; at < sizes[i] * rows; at += 1) x[at] = (char)test_random(&test_seed);
    parts[2 * i] = (uintptr_t)x;
    parts[2 * i + 1] = sizes[i];
    row_bytes += sizes[i];
  }
  char *y = guarded_bytes(row_bytes * rows);
  CHECK_EQ(qn_concatenate(y, parts, count, rows), QN_OK);
  bool same = true;
  for (uint32_t r = 0; r < rows; r += 1) {
    const char *at = y + r * row_bytes;
    for (uint32_t i = 0; i < count; at += sizes[i], i += 1) {
      same = same && memcmp(at, (char *)(uintptr_t)parts[2 * i] + r * sizes[i], sizes[i]) == 0;
    }
  }
  CHECK(same);
  release_all();
}

static void test_concatenate(void) {
  static const uint64_t sizes[][4] = {{1, 2, 3, 4}, {64, 0, 1, 200}, {0, 0, 8, 0}, {0, 0, 0, 0},
                                      {4000, 4, 12, 100}, {65536, 1, 65535, 3}};
  for (size_t c = 0; c < COUNT_OF(sizes); c += 1) {
    for (uint32_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
      for (uint32_t count = 0; count <= 4; count += 1) {
        check_concatenated(sizes[c], count, 1);
        check_concatenated(sizes[c], count, c == 4 ? 90 : 5);
      }
    }
  }
}

static void test_bad_concatenations(void) {
  char x[64] = {0};
  char y[64];
  const uint64_t fits[] = {(uintptr_t)x, 16, (uintptr_t)x, 8};
  CHECK_EQ(qn_concatenate(NULL, NULL, 0, 3), QN_OK);
  CHECK_EQ(qn_concatenate(NULL, fits, 2, 0), QN_OK);
  CHECK_EQ(qn_concatenate(NULL, fits, 2, 2), QN_NULL_POINTER);
  CHECK_EQ(qn_concatenate(y, NULL, 2, 2), QN_NULL_POINTER);
  const uint64_t missing[] = {(uintptr_t)x, 16, 0, 8};
  CHECK_EQ(qn_concatenate(y, missing, 2, 2), QN_NULL_POINTER);
  const uint64_t large[] = {(uintptr_t)x, UINT64_MAX, (uintptr_t)x, 8};
  CHECK_EQ(qn_concatenate(y, large, 2, 2), QN_BAD_SIZE);
  const uint64_t halves[] = {(uintptr_t)x, (uint64_t)1 << 62, (uintptr_t)x, (uint64_t)1 << 62};
  CHECK_EQ(qn_concatenate(y, halves, 2, 1), QN_BAD_SIZE);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_pad,      test_bad_padding, test_triangle,
      test_sequence, test_one_hot,     test_pad_threads,
      test_concatenate, test_bad_concatenations,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
