/*
 * test_sample.c: the sampler against a plain reference that sorts everything in
 * float64. Where the reference itself stands on an edge (a threshold or a draw
 * within 1e-6 of the next element) it has no opinion.
 */
#include "kernel_test.h"

#define MOST 6000

struct settings {
  float temperature, top_p, min_p, penalty;
  uint32_t top_k;
};

static double logit[MOST];
static uint32_t order[MOST];

static int by_logit(const void *a, const void *b) {
  const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
  if (logit[i] != logit[j]) return logit[i] > logit[j] ? -1 : 1;
  return i < j ? -1 : 1;
}

static int by_index(const void *a, const void *b) {
  const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
  return i < j ? -1 : 1;
}

static double weight_of(uint32_t i, double largest, const struct settings *s) {
  return exp((logit[i] - largest) / (double)s->temperature);
}

/* Sorts the elements and gives how many are kept. `edge` widens or narrows what
 * top_p and min_p keep. */
static uint32_t keep(uint32_t cols, const struct settings *s, double edge) {
  for (uint32_t i = 0; i < cols; i += 1) order[i] = i;
  qsort(order, cols, sizeof(order[0]), by_logit);
  const double largest = logit[order[0]];
  uint32_t kept = s->top_k != 0 && s->top_k < cols ? s->top_k : cols;
  if (s->top_p < 1.0f) {
    double total = 0, mass = 0;
    for (uint32_t i = 0; i < kept; i += 1) total += weight_of(order[i], largest, s);
    uint32_t n = 0;
    while (n < kept && mass < ((double)s->top_p + edge) * total) {
      mass += weight_of(order[n], largest, s);
      n += 1;
    }
    kept = n;
  }
  const double least = (double)s->min_p * (1.0 - edge);
  while (kept > 1 && weight_of(order[kept - 1], largest, s) < least) kept -= 1;
  return kept;
}

/* The index that `uniform` picks, by index over what is kept, or -1 on an edge. */
static int32_t draw(uint32_t cols, const struct settings *s, double uniform) {
  const uint32_t kept = keep(cols, s, 1e-6);
  if (keep(cols, s, -1e-6) != kept) return -1;
  const double largest = logit[order[0]];
  qsort(order, kept, sizeof(order[0]), by_index);
  double total = 0, mass = 0;
  for (uint32_t i = 0; i < kept; i += 1) total += weight_of(order[i], largest, s);
  for (uint32_t i = 0; i < kept; i += 1) {
    mass += weight_of(order[i], largest, s);
    if (fabs(mass / total - uniform) < 1e-6 && i + 1 < kept) return -1;
    if (mass / total > uniform || i + 1 == kept) return (int32_t)order[i];
  }
  return -1;
}

static void set_reference(const float *x, uint32_t cols, const int32_t *history, uint32_t count,
                          float penalty) {
  for (uint32_t i = 0; i < cols; i += 1) logit[i] = (double)x[i];
  for (uint32_t h = 0; h < count; h += 1) {
    const double given = (double)x[history[h]];
    logit[history[h]] = given > 0 ? given / (double)penalty : given * (double)penalty;
  }
}

static const struct settings all_settings[] = {
    /* temperature, top_p, min_p, penalty, top_k */
    {1.0f, 1.0f, 0.0f, 1.0f, 0},      {0.7f, 0.9f, 0.0f, 1.0f, 0},  {1.3f, 1.0f, 0.05f, 1.1f, 0},
    {0.8f, 0.95f, 0.02f, 1.2f, 40},   {1.0f, 1.0f, 0.0f, 1.0f, 3},  {5.0f, 0.5f, 0.0f, 1.0f, 0},
    {100.0f, 0.999f, 0.0f, 1.0f, 17}, {0.01f, 0.9f, 0.0f, 1.0f, 0}, {2.0f, 0.3f, 0.5f, 0.5f, 1000},
    {1.0f, 1e-6f, 0.0f, 1.0f, 0},     {1.0f, 0.99f, 0.0f, 1.0f, 1}, {30.0f, 0.7f, 0.0f, 1.0f, 0},
};

static void test_against_reference(void) {
  const uint32_t widths[] = {1, 2, 3, 15, 16, 17, 33, 100, 1023, MOST};
  uint64_t asked = 0, answered = 0;
  for (size_t c = 0; c < COUNT_OF(widths); c += 1) {
    const uint32_t cols = widths[c];
    if (test_is_slow() && cols > 1023) continue;
    float *x = random_floats(cols, -10, 10);
    const int32_t history[] = {0, (int32_t)cols - 1, (int32_t)(cols / 2), 0};
    for (size_t i = 0; i < COUNT_OF(all_settings); i += 1) {
      const struct settings *s = &all_settings[i];
      set_reference(x, cols, history, COUNT_OF(history), s->penalty);
      for (int k = 0; k < 6; k += 1) {
        const double uniform = k == 0 ? 0.0 : (double)(test_random(&test_seed) >> 11) * 0x1p-53;
        const int32_t expected = draw(cols, s, uniform);
        int32_t y = -1;
        CHECK_EQ(qn_sample_f32(&y, x, history, cols, COUNT_OF(history), s->temperature, s->top_k,
                               s->top_p, s->min_p, s->penalty, uniform),
                 QN_OK);
        asked += 1;
        if (expected < 0) continue;
        answered += 1;
        CHECK_EQ(y, expected);
      }
    }
    release_all();
  }
  CHECK(answered * 10 > asked * 9);
}

static int32_t sample(const float *x, uint32_t cols, const struct settings *s, double uniform) {
  int32_t y = -1;
  CHECK_EQ(qn_sample_f32(&y, x, NULL, cols, 0, s->temperature, s->top_k, s->top_p, s->min_p,
                         s->penalty, uniform),
           QN_OK);
  return y;
}

/* Equal logits are kept from the lowest index. */
static void test_ties(void) {
  float x[64];
  for (int i = 0; i < 64; i += 1) x[i] = 1.0f;
  x[20] = 2.0f;
  const struct settings by_count = {1.0f, 1.0f, 0.0f, 1.0f, 5};
  CHECK_EQ(sample(x, 64, &by_count, 0.0), 0);
  CHECK_EQ(sample(x, 64, &by_count, 0.9999999), 20);
  x[20] = 1.0f;
  const struct settings by_mass = {1.0f, 0.5f, 0.0f, 1.0f, 0};
  CHECK_EQ(sample(x, 64, &by_mass, 0.0), 0);
  CHECK_EQ(sample(x, 64, &by_mass, 0.9999999), 31);
  const struct settings greedy = {0.0f, 1.0f, 0.0f, 1.0f, 0};
  CHECK_EQ(sample(x, 64, &greedy, 0.5), 0);
}

static void test_penalty(void) {
  const float x[] = {3.0f, 2.9f, -1.0f, -1.1f};
  const int32_t history[] = {0, 0, 0};
  int32_t y;
  /* Three times penalised, the first would fall behind the third. */
  CHECK_EQ(qn_sample_f32(&y, x, history, 4, 3, 0, 0, 1, 0, 1.5f, 0), QN_OK);
  CHECK_EQ(y, 1);
  CHECK_EQ(qn_sample_f32(&y, x, history, 4, 3, 0, 0, 1, 0, 1.02f, 0), QN_OK);
  CHECK_EQ(y, 0);
  const int32_t negative[] = {2};
  CHECK_EQ(qn_sample_f32(&y, x + 2, negative, 2, 0, 0, 0, 1, 0, 2.0f, 0), QN_OK);
  CHECK_EQ(y, 0);
  const int32_t first[] = {0};
  CHECK_EQ(qn_sample_f32(&y, x + 2, first, 2, 1, 0, 0, 1, 0, 2.0f, 0), QN_OK);
  CHECK_EQ(y, 1);
}

/* Frequencies of a large number of draws follow the distribution. */
static void test_frequencies(void) {
  const float x[] = {0.0f, 1.0f, 2.0f, -INFINITY, 0.5f};
  const struct settings s = {1.0f, 1.0f, 0.0f, 1.0f, 0};
  const int draws = test_is_slow() ? 2000 : 20000;
  int counts[5] = {0};
  double total = 0;
  for (int i = 0; i < 5; i += 1) total += exp((double)x[i]);
  for (int i = 0; i < draws; i += 1) {
    counts[sample(x, 5, &s, (double)(test_random(&test_seed) >> 11) * 0x1p-53)] += 1;
  }
  for (int i = 0; i < 5; i += 1) {
    CHECK_NEAR((double)counts[i] / draws, exp((double)x[i]) / total, 2.5 / sqrt(draws));
  }
  CHECK_EQ(counts[3], 0);
  const float tail[] = {-INFINITY, 1.0f, -INFINITY};
  CHECK_EQ(sample(tail, 3, &s, 0.0), 1);
  CHECK_EQ(sample(tail, 3, &s, 0.99999999999999), 1);
  const struct settings cold = {1e-45f, 0.9f, 0.0f, 1.0f, 0};
  CHECK_EQ(sample(x, 5, &cold, 0.7), 2);
}

static int32_t status_of(const float *x, float temperature, float top_p, float min_p,
                         float penalty, double uniform) {
  int32_t y = 77;
  const int32_t status =
      qn_sample_f32(&y, x, NULL, 4, 0, temperature, 0, top_p, min_p, penalty, uniform);
  CHECK(status == QN_OK || y == 77);
  return status;
}

static void test_bad_arguments(void) {
  const float x[4] = {1, 2, 3, 4};
  CHECK_EQ(status_of(x, 1, 1, 0, 1, 0), QN_OK);
  CHECK_EQ(status_of(x, -1, 1, 0, 1, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, NAN, 1, 0, 1, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, INFINITY, 1, 0, 1, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, 0, 0, 1, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, 1.01f, 0, 1, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, NAN, 0, 1, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, 1, 1, 1, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, 1, -0.1f, 1, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, 1, 0, 0, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, 1, 0, NAN, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, 1, 0, 1, 1), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, 1, 0, 1, -0.1), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(x, 1, 1, 0, 1, (double)NAN), QN_BAD_ARGUMENT);
  const float nan[4] = {NAN, NAN, NAN, NAN}, one_nan[4] = {1, NAN, 1, 1};
  const float lowest[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
  const float highest[4] = {1, INFINITY, 1, 1};
  CHECK_EQ(status_of(nan, 1, 0.9f, 0, 1, 0.5), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(nan, 0, 1, 0, 1, 0.5), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(one_nan, 1, 1, 0, 1, 0.5), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(lowest, 1, 1, 0, 1, 0.5), QN_BAD_ARGUMENT);
  CHECK_EQ(status_of(highest, 1, 1, 0, 1, 0.5), QN_BAD_ARGUMENT);
  int32_t y = 77;
  const int32_t beyond[] = {1, 4}, below[] = {-1};
  CHECK_EQ(qn_sample_f32(&y, x, beyond, 4, 2, 1, 0, 1, 0, 1, 0), QN_BAD_INDEX);
  CHECK_EQ(qn_sample_f32(&y, x, below, 4, 1, 1, 0, 1, 0, 1, 0), QN_BAD_INDEX);
  CHECK_EQ(qn_sample_f32(&y, x, NULL, 0, 0, 1, 0, 1, 0, 1, 0), QN_BAD_SIZE);
  CHECK_EQ(qn_sample_f32(&y, NULL, NULL, 4, 0, 1, 0, 1, 0, 1, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_sample_f32(NULL, x, NULL, 4, 0, 1, 0, 1, 0, 1, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_sample_f32(&y, x, NULL, 4, 1, 1, 0, 1, 0, 1, 0), QN_NULL_POINTER);
  CHECK_EQ(y, 77);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_against_reference, test_ties, test_penalty, test_frequencies, test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
