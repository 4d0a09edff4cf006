/*
 * test_optimisers.c: the steps of optimisers against their definitions in double precision,
 * at every length around the number of lanes, over several steps, and for any number of
 * threads.
 */
#include "kernel_test.h"

#define STEPS 3
#define MANY 40001 /* more than a thread's share, and odd */

/* Parameters, what is remembered, and the same in double precision. */
struct run {
  float *p, *m, *v, *g;
  double *exact_p, *exact_m, *exact_v;
};

static double *widened(const float *values, size_t count) {
  double *wide = guarded_bytes(count * sizeof(double));
  for (size_t i = 0; i < count; i += 1) wide[i] = (double)values[i];
  return wide;
}

static struct run new_run(uint32_t n) {
  struct run run = {.p = random_floats(n, -2, 2), .m = random_floats(n, -1, 1),
                    .v = random_floats(n, 0, 1), .g = random_floats(n, -3, 3)};
  run.exact_p = widened(run.p, n);
  run.exact_m = widened(run.m, n);
  run.exact_v = widened(run.v, n);
  return run;
}

static void check_run(const struct run *run, uint32_t n) {
  CHECK(all_close(run->p, run->exact_p, n, 1e-6, 1e-6));
  CHECK(all_close(run->m, run->exact_m, n, 1e-6, 1e-6));
  CHECK(all_close(run->v, run->exact_v, n, 1e-6, 1e-6));
}

static void test_adamw(void) {
  const double rate = 0.01, decay = 0.1, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8;
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    struct run run = new_run(n);
    for (int t = 1; t <= STEPS; t += 1) {
      const double scaled = rate / (1.0 - pow(beta1, t));
      const double root = 1.0 / sqrt(1.0 - pow(beta2, t));
      CHECK_EQ(qn_adamw(run.p, run.m, run.v, run.g, 1, n, 1.0 - rate * decay, beta1, beta2,
                        scaled, root, epsilon, QN_F32),
               QN_OK);
      for (uint32_t i = 0; i < n; i += 1) {
        const double g = (double)run.g[i];
        run.exact_m[i] = beta1 * run.exact_m[i] + (1 - beta1) * g;
        run.exact_v[i] = beta2 * run.exact_v[i] + (1 - beta2) * g * g;
        run.exact_p[i] *= 1.0 - rate * decay;
        run.exact_p[i] -= scaled * run.exact_m[i] / (sqrt(run.exact_v[i]) * root + epsilon);
      }
    }
    check_run(&run, n);
    release_all();
  }
}

static void test_sgd(void) {
  const double rate = 0.01, decay = 0.1, momentum = 0.9;
  for (size_t c = 0; c < 3 * COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c / 3];
    const bool remembers = c % 3 != 0;
    const bool nesterov = c % 3 == 2;
    struct run run = new_run(n);
    for (int t = 1; t <= STEPS; t += 1) {
      CHECK_EQ(qn_sgd(run.p, remembers ? run.m : NULL, run.g, n, 1, decay, momentum, rate,
                      nesterov, QN_F32),
               QN_OK);
      for (uint32_t i = 0; i < n; i += 1) {
        const double g = (double)run.g[i] + decay * run.exact_p[i];
        double step = g;
        if (remembers) {
          run.exact_m[i] = momentum * run.exact_m[i] + g;
          step = nesterov ? g + momentum * run.exact_m[i] : run.exact_m[i];
        }
        run.exact_p[i] -= rate * step;
      }
    }
    check_run(&run, n);
    release_all();
  }
}

static void test_lion(void) {
  const double rate = 0.01, decay = 0.1, beta1 = 0.9, beta2 = 0.99;
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    const uint32_t n = test_lengths[c];
    struct run run = new_run(n);
    if (n > 0) run.g[n - 1] = run.m[n - 1] = 0.0f, run.exact_m[n - 1] = 0.0;
    for (int t = 1; t <= STEPS; t += 1) {
      CHECK_EQ(qn_lion(run.p, run.m, run.g, 1, n, 1.0 - rate * decay, beta1, beta2, rate, QN_F32),
               QN_OK);
      for (uint32_t i = 0; i < n; i += 1) {
        const double g = (double)run.g[i];
        const double way = beta1 * run.exact_m[i] + (1 - beta1) * g;
        run.exact_p[i] *= 1.0 - rate * decay;
        run.exact_p[i] -= rate * ((way > 0) - (way < 0));
        run.exact_m[i] = beta2 * run.exact_m[i] + (1 - beta2) * g;
      }
    }
    check_run(&run, n);
    release_all();
  }
}

static void step_all(const struct run *run, uint32_t n) {
  CHECK_EQ(qn_adamw(run->p, run->m, run->v, run->g, n, 1, 0.99, 0.9, 0.99, 0.01, 1.1, 1e-8, QN_F32),
           QN_OK);
  CHECK_EQ(qn_sgd(run->p, run->m, run->g, n, 1, 0.1, 0.9, 0.01, 1, QN_F32), QN_OK);
  CHECK_EQ(qn_lion(run->p, run->m, run->g, n, 1, 0.99, 0.9, 0.99, 0.01, QN_F32), QN_OK);
}

static void test_threads(void) {
  const struct run first = new_run(MANY);
  float *p = copy_floats(first.p, MANY);
  float *m = copy_floats(first.m, MANY);
  float *v = copy_floats(first.v, MANY);
  CHECK_EQ(qn_threads_set(1), QN_OK);
  step_all(&first, MANY);
  for (size_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
    const struct run run = {.p = copy_floats(p, MANY), .m = copy_floats(m, MANY),
                            .v = copy_floats(v, MANY), .g = first.g};
    CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
    step_all(&run, MANY);
    CHECK(same_bits(run.p, first.p, MANY));
    CHECK(same_bits(run.m, first.m, MANY));
    CHECK(same_bits(run.v, first.v, MANY));
  }
}

static void test_bad_arguments(void) {
  struct run run = new_run(8);
  CHECK_EQ(qn_adamw(NULL, run.m, run.v, run.g, 1, 8, 1, 0, 0, 1, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_adamw(run.p, NULL, run.v, run.g, 1, 8, 1, 0, 0, 1, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_adamw(run.p, run.m, NULL, run.g, 1, 8, 1, 0, 0, 1, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_adamw(run.p, run.m, run.v, NULL, 1, 8, 1, 0, 0, 1, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_adamw(run.p, run.m, run.v, run.g, 1, 8, 1, 1, 0, 1, 1, 0, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_adamw(run.p, run.m, run.v, run.g, 1, 8, 1, 0, -1, 1, 1, 0, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_adamw(run.p, run.m, run.v, run.g, 1, 8, 1, 0, 0, NAN, 1, 0, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_adamw(run.p, run.m, run.v, run.g, 1, 8, 1, 0, 0, 1, 1, -1, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_adamw(run.p, run.m, run.v, run.g, 1, 8, 1, 0, 0, 1, 1, 0, QN_F16), QN_BAD_DTYPE);
  CHECK_EQ(qn_sgd(run.p, run.m, NULL, 1, 8, 0, 0, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_sgd(run.p, run.m, run.g, 1, 8, 0, INFINITY, 1, 0, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_sgd(run.p, run.m, run.g, 1, 8, 0, 0, 1, 0, QN_I32), QN_BAD_DTYPE);
  CHECK_EQ(qn_lion(run.p, NULL, run.g, 1, 8, 1, 0, 0, 1, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_lion(run.p, run.m, run.g, 1, 8, 1, 0, 2, 1, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_lion(run.p, run.m, run.g, 1, 8, 1, 0, 0, 1, QN_Q8_0), QN_BAD_DTYPE);
  CHECK_EQ(qn_lion(run.p, run.m, run.g, UINT32_MAX, UINT32_MAX, 1, 0, 0, 1, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_sgd(NULL, NULL, NULL, 0, 8, 0, 0, 1, 0, QN_F32), QN_OK);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_adamw, test_sgd, test_lion, test_threads, test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
