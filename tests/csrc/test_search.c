/*
 * test_search.c: search through rows against a plain reference that computes every score
 * in float64 and sorts them. Elements are small integers there, whose products are exact in
 * any order, so that results must be equal and many scores are; with other elements the
 * scores are compared with float64's, and results with each other.
 */
#include "kernel_test.h"

enum { MOST_ROWS = 20000 };

static double score[MOST_ROWS];

static int by_score(const void *a, const void *b) {
  const int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
  if (score[i] != score[j]) return score[i] > score[j] ? -1 : 1;
  return i < j ? -1 : 1;
}

/* Rows in one dtype, and what they stand for. */
struct rows {
  uint32_t count, dim;
  int32_t dtype;
  const void *x;
  const float *scales;
  const float *wide; /* the same in float32 */
};

/* Integers of -9 .. 9, or others; those of int8 times a power of two a row, or others. */
static struct rows make_rows(uint32_t count, uint32_t dim, int32_t dtype, bool exact) {
  const size_t size = (size_t)count * dim;
  float *wide = random_floats(size, -9, 9);
  float *scales = random_floats(count, 0.01f, 2);
  if (exact) {
    for (size_t i = 0; i < size; i += 1) wide[i] = floorf(wide[i]);
    for (uint32_t r = 0; r < count; r += 1) scales[r] = r % 3 == 0 ? 0.5f : 1;
  }
  if (dtype == QN_F32) return (struct rows){count, dim, dtype, wide, NULL, wide};
  if (dtype == QN_F16) {
    void *halves = guarded_bytes(size * 2);
    CHECK_EQ(qn_cast(halves, wide, count, dim, QN_F16, QN_F32), QN_OK);
    CHECK_EQ(qn_cast(wide, halves, count, dim, QN_F32, QN_F16), QN_OK);
    return (struct rows){count, dim, dtype, halves, NULL, wide};
  }
  int8_t *bytes = guarded_bytes(size);
  for (size_t i = 0; i < size; i += 1) {
    bytes[i] = (int8_t)(exact ? wide[i] : wide[i] * 14.1f);
    wide[i] = (float)bytes[i] * scales[i / dim];
  }
  return (struct rows){count, dim, dtype, bytes, scales, wide};
}

static int32_t search(float *values, int32_t *indices, const float *queries, uint32_t count,
                      const struct rows *rows, uint32_t k) {
  return qn_search(values, indices, queries, rows->x, rows->scales, count, rows->count, rows->dim,
                   k, 0, 0, rows->dtype);
}

static void score_rows(const float *query, const struct rows *rows) {
  for (uint32_t r = 0; r < rows->count; r += 1) {
    score[r] = 0;
    for (uint32_t i = 0; i < rows->dim; i += 1) {
      score[r] += (double)rows->wide[(size_t)r * rows->dim + i] * (double)query[i];
    }
  }
}

static void check_exact(const struct rows *rows, uint32_t queries, uint32_t k) {
  float *query = random_floats((size_t)queries * rows->dim, -5, 5);
  for (size_t i = 0; i < (size_t)queries * rows->dim; i += 1) query[i] = floorf(query[i]);
  float *values = guarded_floats((size_t)queries * k);
  int32_t *indices = guarded_bytes((size_t)queries * k * sizeof(int32_t));
  int32_t *order = guarded_bytes(rows->count * sizeof(int32_t));
  const uint32_t found = rows->count < k ? rows->count : k;
  for (size_t i = 0; i < (size_t)queries * k; i += 1) values[i] = -7, indices[i] = -7;
  CHECK_EQ(search(values, indices, query, queries, rows, k), QN_OK);
  bool good = true;
  for (uint32_t q = 0; q < queries; q += 1) {
    score_rows(query + (size_t)q * rows->dim, rows);
    for (uint32_t r = 0; r < rows->count; r += 1) order[r] = (int32_t)r;
    qsort(order, rows->count, sizeof order[0], by_score);
    for (uint32_t i = 0; i < k; i += 1) {
      const size_t at = (size_t)q * k + i;
      good &= indices[at] == (i < found ? order[i] : -7);
      good &= (double)values[at] == (i < found ? score[order[i]] : -7);
    }
  }
  if (!good) {
    printf("%u x %u of dtype %d, %u queries, k %u (%s)\n", rows->count, rows->dim, rows->dtype,
           queries, k, qn_isa_name(qn_isa_selected()));
  }
  CHECK(good);
  for (int i = 0; i < 4; i += 1) guarded_free(test_arena.buffers[--test_arena.count]);
}

static const int32_t dtypes[] = {QN_F32, QN_F16, QN_I8};

static void test_sizes(void) {
  static const uint32_t row_counts[] = {1, 3, 4, 5, 8, 65, 257};
  static const uint32_t query_counts[] = {1, 2, 3, 4, 5, 17};
  for (size_t c = 1; c < COUNT_OF(test_lengths); c += 1) {
    for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
      const uint32_t count = row_counts[c % COUNT_OF(row_counts)];
      const struct rows rows = make_rows(count, test_lengths[c], dtypes[d], true);
      for (size_t q = 0; q < COUNT_OF(query_counts); q += 1) {
        check_exact(&rows, query_counts[q], 1);
        check_exact(&rows, query_counts[q], count / 2 + 1);
        check_exact(&rows, query_counts[q], count + 3);
      }
      release_all();
    }
  }
}

/* Several chunks, and more results than a chunk has rows. */
static void test_chunks(void) {
  const uint32_t count = test_is_slow() ? 3000 : MOST_ROWS;
  for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
    const struct rows rows = make_rows(count, 5, dtypes[d], true);
    check_exact(&rows, 3, 10);
    check_exact(&rows, 1, 9000);
    check_exact(&rows, 1, count);
    release_all();
  }
}

/* Scores of any elements; the same bits of a row whatever it is searched with. */
static void test_scores(void) {
  enum { ROWS = 301, DIM = 83, QUERIES = 19 };
  for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
    const struct rows rows = make_rows(ROWS, DIM, dtypes[d], false);
    float *queries = random_floats(QUERIES * DIM, -1, 1);
    float *values = guarded_floats(QUERIES * ROWS);
    int32_t *indices = guarded_bytes(QUERIES * ROWS * sizeof(int32_t));
    float alone;
    int32_t index;
    CHECK_EQ(search(values, indices, queries, QUERIES, &rows, ROWS), QN_OK);
    for (uint32_t q = 0; q < QUERIES; q += 1) {
      score_rows(queries + q * DIM, &rows);
      bool near = true, same = true, sorted = true;
      for (uint32_t i = 0; i < ROWS; i += 1) {
        const float value = values[q * ROWS + i];
        const int32_t r = indices[q * ROWS + i];
        const struct rows one = {.count = 1,
                                 .dim = DIM,
                                 .dtype = rows.dtype,
                                 .x = (const char *)rows.x + (size_t)r * DIM *
                                      (dtypes[d] == QN_F32 ? 4u : dtypes[d] == QN_F16 ? 2u : 1u),
                                 .scales = rows.scales == NULL ? NULL : rows.scales + r};
        CHECK_EQ(search(&alone, &index, queries + q * DIM, 1, &one, 1), QN_OK);
        same &= same_bits(&alone, &value, 1);
        near &= fabs((double)value - score[r]) <= 3e-5 * DIM;
        sorted &= i == 0 || value < values[q * ROWS + i - 1] ||
                  (value == values[q * ROWS + i - 1] && r > indices[q * ROWS + i - 1]);
      }
      CHECK(near);
      CHECK(same);
      CHECK(sorted);
    }
    release_all();
  }
}

/* A search that goes on with more rows finds what one of all of them does. */
static void test_parts(void) {
  enum { ROWS = 1000, DIM = 24, QUERIES = 3, K = 70 };
  static const uint32_t ends[] = {0, 1, 50, 51, 400, ROWS};
  for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
    const struct rows rows = make_rows(ROWS, DIM, dtypes[d], true);
    const size_t item = dtypes[d] == QN_F32 ? 4 : dtypes[d] == QN_F16 ? 2 : 1;
    float *queries = random_floats(QUERIES * DIM, -5, 5);
    for (size_t i = 0; i < QUERIES * DIM; i += 1) queries[i] = floorf(queries[i]);
    float *whole = guarded_floats(QUERIES * K), *values = guarded_floats(QUERIES * K);
    int32_t *order = guarded_bytes(QUERIES * K * sizeof(int32_t));
    int32_t *indices = guarded_bytes(QUERIES * K * sizeof(int32_t));
    CHECK_EQ(search(whole, order, queries, QUERIES, &rows, K), QN_OK);
    for (size_t e = 1; e < COUNT_OF(ends); e += 1) {
      const uint32_t first = ends[e - 1], held = first < K ? first : K;
      CHECK_EQ(qn_search(values, indices, queries, (const char *)rows.x + first * DIM * item,
                         rows.scales == NULL ? NULL : rows.scales + first, QUERIES,
                         ends[e] - first, DIM, K, held, first, dtypes[d]),
               QN_OK);
    }
    CHECK(same_bits(values, whole, QUERIES * K));
    CHECK(memcmp(indices, order, QUERIES * K * sizeof(int32_t)) == 0);
    release_all();
  }
}

static void test_threads(void) {
  enum { ROWS = 5000, DIM = 67, QUERIES = 18, K = 30 };
  for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
    const struct rows rows = make_rows(test_is_slow() ? 900 : ROWS, DIM, dtypes[d], false);
    float *queries = random_floats(QUERIES * DIM, -1, 1);
    float *first = guarded_floats(QUERIES * K), *values = guarded_floats(QUERIES * K);
    int32_t *order = guarded_bytes(QUERIES * K * sizeof(int32_t));
    int32_t *indices = guarded_bytes(QUERIES * K * sizeof(int32_t));
    for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
      CHECK_EQ(search(c == 0 ? first : values, c == 0 ? order : indices, queries, QUERIES, &rows,
                      K),
               QN_OK);
      if (c == 0) continue;
      CHECK(same_bits(values, first, QUERIES * K));
      CHECK(memcmp(indices, order, QUERIES * K * sizeof(int32_t)) == 0);
    }
    release_all();
  }
}

static void test_special_scores(void) {
  const float x[] = {0, -0.0f, INFINITY, 1, NAN, -INFINITY, -NAN, 1};
  const int32_t expected[] = {4, 6, 2, 3, 7, 0, 1, 5};
  const float one = 1;
  float values[8];
  int32_t indices[8];
  CHECK_EQ(qn_search(values, indices, &one, x, NULL, 1, 8, 1, 8, 0, 0, QN_F32), QN_OK);
  CHECK(memcmp(indices, expected, sizeof expected) == 0);
}

static void test_quantize(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    enum { ROWS = 5 };
    const uint32_t n = test_lengths[c];
    float *x = random_floats(ROWS * n, -3, 3);
    for (uint32_t i = 0; i < n; i += 1) {
      x[n + i] = 0;
      x[2 * n + i] *= 0x1p-140f; /* subnormal */
      x[3 * n + i] *= 0x1p120f;
      x[4 * n + i] = i == 0 ? 127 : (float)(i % 255) - 126.5f; /* ties */
    }
    int8_t *y = guarded_bytes(ROWS * n);
    float *scales = guarded_floats(ROWS);
    CHECK_EQ(qn_quantize_rows(y, scales, x, ROWS, n), QN_OK);
    bool good = true;
    for (uint32_t r = 0; r < ROWS; r += 1) {
      float largest = 0;
      for (uint32_t i = 0; i < n; i += 1) largest = fmaxf(largest, fabsf(x[r * n + i]));
      good &= scales[r] == largest / 127.0f;
      for (uint32_t i = 0; i < n; i += 1) {
        const float quotient = scales[r] > 0 ? x[r * n + i] / scales[r] : 0;
        const float near = fmaxf(fminf(rintf(quotient), 127), -127);
        good &= (float)y[r * n + i] == near;
      }
    }
    CHECK(good);
    release_all();
  }
}

static void test_bad_arguments(void) {
  float x[8] = {0}, y[8], q[8] = {0};
  int32_t ids[8];
  float *odd = (float *)(void *)((char *)x + 2);
  CHECK_EQ(qn_search(y, ids, q, x, NULL, 1, 2, 4, 2, 3, 3, QN_F32), QN_BAD_SIZE); /* held > k */
  CHECK_EQ(qn_search(y, ids, q, x, NULL, 1, 2, 4, 2, 2, 1, QN_F32), QN_BAD_SIZE); /* > first */
  CHECK_EQ(qn_search(y, ids, q, x, NULL, 1, 2, 0, 2, 0, 0, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_search(y, ids, q, x, NULL, 1, 2, 4, 2, 0, 0x7fffffff, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_search(y, ids, q, x, NULL, 1, 2, 4, 2, 0, 0, QN_F64), QN_BAD_DTYPE);
  CHECK_EQ(qn_search(y, ids, q, x, NULL, 1, 2, 4, 2, 0, 0, QN_I8), QN_NULL_POINTER);
  CHECK_EQ(qn_search(y, ids, q, NULL, NULL, 1, 2, 4, 2, 0, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_search(y, ids, NULL, x, NULL, 1, 2, 4, 2, 0, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_search(y, NULL, q, x, NULL, 1, 2, 4, 2, 0, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_search(y, ids, q, odd, NULL, 1, 1, 4, 1, 0, 0, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_search(NULL, NULL, NULL, x, NULL, 0, 2, 4, 2, 0, 0, QN_F32), QN_OK);
  CHECK_EQ(qn_search(y, ids, q, NULL, NULL, 1, 0, 4, 2, 0, 0, QN_F32), QN_OK);
  CHECK_EQ(qn_search(NULL, NULL, q, x, NULL, 1, 2, 4, 0, 0, 0, QN_F32), QN_OK);
  CHECK_EQ(qn_quantize_rows(NULL, y, x, 2, 4), QN_NULL_POINTER);
  CHECK_EQ(qn_quantize_rows(ids, NULL, x, 2, 4), QN_NULL_POINTER);
  CHECK_EQ(qn_quantize_rows(ids, y, odd, 1, 4), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_quantize_rows(NULL, NULL, NULL, 0, 4), QN_OK);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_sizes,   test_chunks,         test_scores,   test_parts,
      test_threads, test_special_scores, test_quantize, test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
