/*
 * test_gemm.c: products of float32 matrices against loops in float64, on every
 * instruction set, within the bound (k + 3) * 2^-24 * sum |a| |b|.
 *
 * A, B and C end at pages that fault; rows of C that are longer than they need be
 * must keep what lies between them. Sizes lie at both sides of every tile, panel
 * and block of K.
 */
#include "kernel_test.h"

/* A product of one matrix, with strides in elements. */
struct product {
  uint32_t m, n, k;
  uint32_t a_row, a_col, b_row, b_col, c_row;
  float alpha, beta;
};

static void write_layout(uint64_t *layout, const struct product *p) {
  layout[QN_GEMM_ROWS] = p->m;
  layout[QN_GEMM_COLS] = p->n;
  layout[QN_GEMM_INNER] = p->k;
  layout[QN_GEMM_A_ROW] = p->a_row;
  layout[QN_GEMM_A_COL] = p->a_col;
  layout[QN_GEMM_B_ROW] = p->b_row;
  layout[QN_GEMM_B_COL] = p->b_col;
  layout[QN_GEMM_C_ROW] = p->c_row;
}

static size_t span_of(uint32_t rows, size_t row_stride, uint32_t cols, size_t col_stride) {
  if (rows == 0 || cols == 0) return 0;
  return (rows - 1) * row_stride + (cols - 1) * col_stride + 1;
}

/* One element: the reference and how far from it a result may be. */
static void reference_of(const struct product *p, const float *a, const float *b, float old,
                         size_t i, size_t j, double *value, double *bound) {
  double sum = 0;
  double size = 0;
  for (size_t q = 0; q < p->k; q += 1) {
    const double term = (double)a[i * p->a_row + q * p->a_col] *
                        (double)b[q * p->b_row + j * p->b_col];
    sum += term;
    size += fabs(term);
  }
  const double kept = p->beta == 0.0f ? 0.0 : (double)p->beta * (double)old;
  *value = (double)p->alpha * sum + kept;
  *bound = (p->k + 3) * 0x1p-24 * (fabs((double)p->alpha) * size + fabs(kept)) + 0x1p-126;
}

/* c is `before` with the product in it, and nothing else is changed. */
static bool is_product(const struct product *p, const float *c, const float *before,
                       const float *a, const float *b) {
  const size_t span = span_of(p->m, p->c_row, p->n, 1);
  for (size_t at = 0; at < span; at += 1) {
    const size_t i = at / p->c_row;
    const size_t j = at % p->c_row;
    if (j >= p->n) {
      if (same_bits(c + at, before + at, 1)) continue;
      printf("element %zu is not of c, and was written\n", at);
      return false;
    }
    double value, bound;
    reference_of(p, a, b, before[at], i, j, &value, &bound);
    if (fabs((double)c[at] - value) <= bound) continue;
    printf("%u x %u x %u, a %u %u, b %u %u: c[%zu, %zu] is %g, not %g (%s)\n", p->m, p->n, p->k,
           p->a_row, p->a_col, p->b_row, p->b_col, i, j, (double)c[at], value,
           qn_isa_name(qn_isa_selected()));
    return false;
  }
  return true;
}

static void check_product(const struct product *p) {
  const size_t c_span = span_of(p->m, p->c_row, p->n, 1);
  const float *a = random_floats(span_of(p->m, p->a_row, p->k, p->a_col), -1, 1);
  const float *b = random_floats(span_of(p->k, p->b_row, p->n, p->b_col), -1, 1);
  const float *before = random_floats(c_span, -1, 1);
  float *c = copy_floats(before, c_span);
  uint64_t layout[QN_GEMM_BATCH];
  write_layout(layout, p);
  CHECK_EQ(qn_matmul(c, a, b, layout, 0, p->alpha, p->beta, QN_F32), QN_OK);
  CHECK(is_product(p, c, before, a, b));
  release_all();
}

/* Dense matrices; bit 0 of `turned`: A is stored as [k, m], bit 1: B as [n, k]. */
static struct product dense(uint32_t m, uint32_t n, uint32_t k, uint32_t turned) {
  struct product p = {m, n, k, k, 1, n, 1, n, 1.0f, 0.0f};
  if (turned & 1) {
    p.a_row = 1;
    p.a_col = m;
  }
  if (turned & 2) {
    p.b_row = 1;
    p.b_col = k;
  }
  return p;
}

/* Heights and widths at the edges of tiles and panels, in every transposition. */
static void test_edges(void) {
  static const uint32_t heights[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 25};
  static const uint32_t widths[] = {0, 1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 130};
  static const uint32_t depths[] = {0, 1, 2, 7, 33};
  for (uint32_t i = 0; i < COUNT_OF(heights); i += 1) {
    for (uint32_t j = 0; j < COUNT_OF(widths); j += 1) {
      const uint32_t turned = (i + j) % 4;
      for (uint32_t q = 0; q < COUNT_OF(depths); q += 1) {
        if (test_is_slow() && (i + j + q) % 5 != 0) continue;
        const struct product p = dense(heights[i], widths[j], depths[q], turned);
        check_product(&p);
      }
    }
  }
}

/* Few rows, or few columns, have kernels of their own: heights and widths at the edges of
 * vectors and of what they take, depths at those of a cache line, beta and strides of C. */
static void test_skinny(void) {
  static const uint32_t few[] = {1, 2, 3, 4, 5, 7, 8, 9};
  static const uint32_t many[] = {1, 4, 15, 16, 17, 33, 63, 64, 65, 80, 130};
  static const uint32_t depths[] = {1, 3, 4, 15, 16, 21, 40};
  for (uint32_t i = 0; i < COUNT_OF(few); i += 1) {
    for (uint32_t j = 0; j < COUNT_OF(many); j += 1) {
      for (uint32_t q = 0; q < COUNT_OF(depths); q += 1) {
        if (test_is_slow() && (i + j + q) % 7 != 0) continue;
        for (uint32_t turned = 0; turned < 8; turned += 1) {
          const bool tall = turned & 4;
          struct product p = dense(tall ? many[j] : few[i], tall ? few[i] : many[j], depths[q],
                                   turned % 4);
          if ((i + j + q) % 3 == 0) p.c_row += 5;
          p.alpha = q % 2 == 0 ? 1.0f : -1.5f;
          p.beta = j % 2 == 0 ? 0.0f : 0.75f;
          check_product(&p);
        }
      }
    }
  }
  static const struct product long_ones[] = {
      {.m = 1, .n = 2100, .k = 20}, {.m = 2, .n = 2100, .k = 9},  {.m = 2100, .n = 1, .k = 20},
      {.m = 1, .n = 20, .k = 2049}, {.m = 40, .n = 2, .k = 1030}, {.m = 3, .n = 33, .k = 1100},
  };
  for (uint32_t i = 0; i < COUNT_OF(long_ones); i += 1) {
    for (uint32_t turned = 0; turned < (test_is_slow() ? 1u : 4u); turned += 1) {
      const struct product p = dense(long_ones[i].m, long_ones[i].n, long_ones[i].k, turned);
      check_product(&p);
    }
  }
}

/* Both sides of a block of K, and of the rows and sizes that choose another way. */
static void test_blocks(void) {
  static const struct product shapes[] = {
      {.m = 7, .n = 70, .k = 1023},  {.m = 7, .n = 70, .k = 1024}, {.m = 7, .n = 70, .k = 1025},
      {.m = 1, .n = 65, .k = 2049},  {.m = 13, .n = 200, .k = 400}, {.m = 13, .n = 1100, .k = 70},
      {.m = 70, .n = 40, .k = 1500}, {.m = 530, .n = 70, .k = 30}, {.m = 600, .n = 200, .k = 9},
  };
  for (uint32_t i = 0; i < COUNT_OF(shapes); i += 1) {
    for (uint32_t turned = 0; turned < (test_is_slow() ? 1u : 4u); turned += 1) {
      const struct product p = dense(shapes[i].m, shapes[i].n, shapes[i].k, turned);
      check_product(&p);
    }
  }
}

/* Strides with gaps, of 0, and rows of C that are longer than they need be. */
static void test_strides(void) {
  static const struct product shapes[] = {
      {9, 70, 20, 25, 1, 75, 1, 80, 1.0f, 0.0f},   /* gaps between rows */
      {9, 70, 20, 60, 3, 150, 2, 70, 1.0f, 0.0f},  /* and between columns */
      {9, 70, 20, 0, 1, 70, 1, 70, 1.0f, 0.0f},    /* one row of A for all */
      {9, 70, 20, 20, 1, 0, 1, 70, 1.0f, 0.0f},    /* one row of B for all */
      {9, 70, 20, 20, 0, 70, 0, 70, 1.0f, 0.0f},
      {30, 70, 20, 2, 61, 3, 77, 71, 1.0f, 0.0f},
      {9, 70, 20, 20, 1, 70, 1, 70, 2.5f, 0.0f},
      {9, 70, 20, 20, 1, 70, 1, 90, 1.0f, 1.0f},
      {9, 70, 20, 20, 1, 70, 1, 70, -0.5f, 0.25f},
      {9, 70, 20, 20, 1, 70, 1, 70, 0.0f, 2.0f},
      {9, 70, 0, 1, 1, 1, 1, 70, 1.0f, 0.5f},
      {7, 70, 1500, 1500, 1, 70, 1, 75, 2.0f, -1.0f},
  };
  for (uint32_t i = 0; i < COUNT_OF(shapes); i += 1) check_product(&shapes[i]);
}

/* Whether each `step`th element is exact, as sums of small integers are. */
static bool is_exact(const struct product *p, const float *c, const float *a, const float *b,
                     size_t step) {
  for (size_t at = 0; at < (size_t)p->m * p->n; at += step) {
    double value, bound;
    reference_of(p, a, b, 0, at / p->n, at % p->n, &value, &bound);
    if ((double)c[at] != value) return false;
  }
  return true;
}

/* Copies of A and B that are too large for one piece of scratch memory. */
static void test_several_parts(void) {
  if (test_is_slow()) return;
  const struct product wide = {520, 9000, 500, 500, 1, 1, 500, 9000, 1.0f, 0.0f};
  float *a = guarded_floats((size_t)wide.m * wide.k);
  float *b = guarded_floats((size_t)wide.n * wide.k);
  float *c = guarded_floats((size_t)wide.m * wide.n);
  for (size_t i = 0; i < (size_t)wide.m * wide.k; i += 1) a[i] = (float)(i % 7) - 3.0f;
  for (size_t i = 0; i < (size_t)wide.n * wide.k; i += 1) b[i] = (float)(i % 11) - 5.0f;
  uint64_t layout[QN_GEMM_BATCH];
  write_layout(layout, &wide);
  CHECK_EQ(qn_matmul(c, a, b, layout, 0, 1, 0, QN_F32), QN_OK);
  CHECK(is_exact(&wide, c, a, b, 977));
  struct product tall = dense(9000, 9, 500, 1);
  write_layout(layout, &tall);
  CHECK_EQ(qn_matmul(c, b, a, layout, 0, 1, 0, QN_F32), QN_OK);
  CHECK(is_exact(&tall, c, b, a, 97));
}

/* Batches of two axes: A has its own matrices, or one for all, B likewise. */
static void test_batches(void) {
  enum { OUTER = 3, INNER = 4, M = 7, N = 66, K = 19 };
  for (uint32_t shared = 0; shared < 16; shared += 1) {
    const struct product p = dense(M, N, K, shared % 4);
    const uint64_t a_inner = shared & 4 ? 0 : M * K;
    const uint64_t b_inner = shared & 8 ? 0 : K * N;
    uint64_t layout[QN_GEMM_BATCH + 8] = {0};
    write_layout(layout, &p);
    const uint64_t batch[] = {OUTER, INNER * M * N, INNER * a_inner, INNER * b_inner,
                              INNER, M * N,         a_inner,         b_inner};
    memcpy(layout + QN_GEMM_BATCH, batch, sizeof batch);
    const float *a = random_floats(OUTER * INNER * M * K, -1, 1);
    const float *b = random_floats(OUTER * INNER * K * N, -1, 1);
    const float *before = random_floats(OUTER * INNER * M * N, -1, 1);
    float *c = copy_floats(before, OUTER * INNER * M * N);
    CHECK_EQ(qn_matmul(c, a, b, layout, 2, 1, 0, QN_F32), QN_OK);
    for (size_t i = 0; i < OUTER * INNER; i += 1) {
      CHECK(is_product(&p, c + i * M * N, before + i * M * N, a + i * a_inner, b + i * b_inner));
    }
    release_all();
  }
}

/* The same bits for any number of threads, and for a row, or a column, by itself. */
static void test_threads_and_rows(void) {
  static const uint32_t shapes[][3] = {{65, 200, 300}, {13, 130, 1100}, {130, 70, 200},
                                       {600, 150, 40}, {5, 700, 300}, {96, 37, 128}, {40, 70, 129}};
  for (uint32_t s = 0; s < (test_is_slow() ? 2 : COUNT_OF(shapes)); s += 1) {
    for (uint32_t turned = 0; turned < 4; turned += 1) {
      const struct product p = dense(shapes[s][0], shapes[s][1], shapes[s][2], turned);
      const float *a = random_floats((size_t)p.m * p.k, -1, 1);
      const float *b = random_floats((size_t)p.k * p.n, -1, 1);
      float *expected = guarded_floats((size_t)p.m * p.n);
      float *c = guarded_floats((size_t)p.m * p.n);
      uint64_t layout[QN_GEMM_BATCH];
      write_layout(layout, &p);
      CHECK_EQ(qn_threads_set(1), QN_OK);
      CHECK_EQ(qn_matmul(expected, a, b, layout, 0, 1, 0, QN_F32), QN_OK);
      for (uint32_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
        CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
        CHECK_EQ(qn_matmul(c, a, b, layout, 0, 1, 0, QN_F32), QN_OK);
        CHECK(same_bits(c, expected, (size_t)p.m * p.n));
      }
      for (uint32_t rows = 1; rows < 8 && rows < p.m; rows += 1) {
        const uint32_t first = p.m - rows;
        layout[QN_GEMM_ROWS] = rows;
        CHECK_EQ(qn_matmul(c, a + first * p.a_row, b, layout, 0, 1, 0, QN_F32), QN_OK);
        CHECK(same_bits(c, expected + (size_t)first * p.n, (size_t)rows * p.n));
      }
      layout[QN_GEMM_ROWS] = p.m;
      for (uint32_t cols = 1; cols < 10; cols += 1) {
        const uint32_t first = p.n - cols;
        layout[QN_GEMM_COLS] = cols;
        layout[QN_GEMM_C_ROW] = cols;
        CHECK_EQ(qn_matmul(c, a, b + first * p.b_col, layout, 0, 1, 0, QN_F32), QN_OK);
        bool same = true;
        for (uint32_t r = 0; r < p.m; r += 1) {
          same = same && same_bits(c + (size_t)r * cols, expected + (size_t)r * p.n + first, cols);
        }
        CHECK(same);
      }
      release_all();
    }
  }
}

/* The same bits each time. */
static void test_repetitions(void) {
  static const uint32_t shapes[][3] = {{64, 64, 64}, {1, 300, 200}, {6, 200, 90}, {70, 3, 200}};
  const uint32_t times = test_is_slow() ? 3 : 100;
  for (uint32_t s = 0; s < COUNT_OF(shapes); s += 1) {
    for (uint32_t turned = 0; turned < 4; turned += 3) {
      const struct product p = dense(shapes[s][0], shapes[s][1], shapes[s][2], turned);
      const size_t size = (size_t)p.m * p.n;
      const float *a = random_floats((size_t)p.m * p.k, -1, 1);
      const float *b = random_floats((size_t)p.k * p.n, -1, 1);
      float *expected = guarded_floats(size);
      float *c = guarded_floats(size);
      uint64_t layout[QN_GEMM_BATCH];
      bool same = true;
      write_layout(layout, &p);
      CHECK_EQ(qn_matmul(expected, a, b, layout, 0, 1, 0, QN_F32), QN_OK);
      for (uint32_t i = 0; i < times; i += 1) {
        CHECK_EQ(qn_threads_set(test_thread_counts[i % COUNT_OF(test_thread_counts)]), QN_OK);
        CHECK_EQ(qn_matmul(c, a, b, layout, 0, 1, 0, QN_F32), QN_OK);
        same = same && same_bits(c, expected, size);
      }
      CHECK(same);
      release_all();
    }
  }
}

/* NaN and infinity of A and B pass through; those of C do not, with beta 0; and
 * neither do those of other rows and columns. */
static void check_special_values(uint32_t m, uint32_t n, uint32_t turned) {
  const uint32_t k = 20;
  const struct product p = dense(m, n, k, turned);
  float *a = random_floats((size_t)m * k, 1, 2);
  float *b = random_floats((size_t)k * n, 1, 2), *c = guarded_floats((size_t)m * n);
  for (size_t i = 0; i < (size_t)m * n; i += 1) c[i] = NAN;
  const uint32_t bad = m - 1, large = m > 1 ? m - 2 : m; /* the rows with NaN and infinity */
  a[bad * p.a_row + 5 * p.a_col] = NAN;
  if (large < m) a[large * p.a_row + 19 * p.a_col] = INFINITY;
  b[7 * p.b_row + (n - 1) * p.b_col] = -INFINITY;
  uint64_t layout[QN_GEMM_BATCH];
  write_layout(layout, &p);
  CHECK_EQ(qn_matmul(c, a, b, layout, 0, 1, 0, QN_F32), QN_OK);
  bool right = true;
  for (size_t i = 0; i < m; i += 1) {
    for (size_t j = 0; j < n; j += 1) {
      const float v = c[i * n + j];
      if (i == bad || (i == large && j == n - 1)) {
        right = right && isnan(v);
      } else if (i == large) {
        right = right && v == INFINITY;
      } else {
        right = right && (j == n - 1 ? v == -INFINITY : isfinite(v));
      }
    }
  }
  CHECK(right);
  release_all();
}

static void test_special_values(void) {
  static const uint32_t sizes[][2] = {{9, 70}, {1, 70}, {2, 40}, {6, 33}, {40, 1}, {40, 6}};
  for (uint32_t i = 0; i < 4 * COUNT_OF(sizes); i += 1) {
    check_special_values(sizes[i / 4][0], sizes[i / 4][1], i % 4);
  }
}

/* ---- Packed weights ----------------------------------------------------------- */

static double activation_of(double v, int32_t activation) {
  switch (activation) {
    case QN_ACTIVATION_RELU: return v > 0 ? v : 0;
    case QN_ACTIVATION_GELU_TANH:
      return 0.5 * v * (1 + tanh(sqrt(2 / acos(-1.0)) * (v + 0.044715 * v * v * v)));
    case QN_ACTIVATION_GELU_ERF: return 0.5 * v * erfc(-v / sqrt(2.0));
    case QN_ACTIVATION_SILU: return v / (1 + exp(-v));
    default: return v;
  }
}

static void check_linear(uint32_t rows, uint32_t outputs, uint32_t inputs, bool with_bias,
                         bool with_residual, int32_t activation) {
  const float *x = random_floats((size_t)rows * inputs, -1, 1);
  const float *w = random_floats((size_t)outputs * inputs, -1, 1);
  const float *bias = with_bias ? random_floats(outputs, -2, 2) : NULL;
  const float *residual = with_residual ? random_floats((size_t)rows * outputs, -2, 2) : NULL;
  float *packed = guarded_floats(qn_gemm_pack_bytes(outputs, inputs) / sizeof(float));
  float *y = guarded_floats((size_t)rows * outputs);
  CHECK_EQ(qn_gemm_pack_f32(packed, w, outputs, inputs, inputs, 1), QN_OK);
  CHECK_EQ(qn_linear_packed_f32(y, x, packed, bias, residual, rows, outputs, inputs, activation),
           QN_OK);
  const struct product p = dense(rows, outputs, inputs, 2);
  bool right = true;
  for (size_t i = 0; i < (size_t)rows * outputs; i += 1) {
    double value, bound;
    reference_of(&p, x, w, 0, i / outputs, i % outputs, &value, &bound);
    value += (bias != NULL ? (double)bias[i % outputs] : 0);
    value += (residual != NULL ? (double)residual[i] : 0);
    bound = 1.2 * bound + 8 * 0x1p-24 * (4 + fabs(value));
    right = right && fabs((double)y[i] - activation_of(value, activation)) <= bound;
  }
  CHECK(right);
  if (residual != NULL) { /* in place, and by a weight that is stored the other way */
    float *in_place = copy_floats(residual, (size_t)rows * outputs);
    CHECK_EQ(qn_linear_packed_f32(in_place, x, packed, bias, in_place, rows, outputs, inputs,
                                  activation), QN_OK);
    CHECK(same_bits(in_place, y, (size_t)rows * outputs));
  }
  release_all();
}

static void test_linear(void) {
  static const uint32_t shapes[][3] = {{1, 1, 1},   {1, 64, 30}, {5, 65, 31},   {6, 128, 1030},
                                       {7, 63, 64}, {40, 17, 9}, {2, 300, 200}, {3, 70, 0}};
  for (uint32_t s = 0; s < COUNT_OF(shapes); s += 1) {
    for (int32_t i = 0; i < 20; i += 1) {
      if (test_is_slow() && i % 7 != 0) continue;
      check_linear(shapes[s][0], shapes[s][1], shapes[s][2], i & 1, i & 2, i / 4);
    }
  }
}

/* A packed weight gives the bits of the product that it stands for, and packing
 * [inputs, outputs] gives what packing [outputs, inputs] does. */
static void test_packing(void) {
  const uint32_t rows = 11, outputs = 150, inputs = 1200;
  const float *x = random_floats((size_t)rows * inputs, -1, 1);
  const float *w = random_floats((size_t)outputs * inputs, -1, 1);
  float *turned = guarded_floats((size_t)outputs * inputs);
  for (size_t o = 0; o < outputs; o += 1) {
    for (size_t i = 0; i < inputs; i += 1) turned[i * outputs + o] = w[o * inputs + i];
  }
  const size_t bytes = qn_gemm_pack_bytes(outputs, inputs);
  CHECK_EQ(bytes, 160 * 1200 * sizeof(float));
  float *packed = guarded_bytes(bytes);
  float *other = guarded_bytes(bytes);
  CHECK_EQ(qn_gemm_pack_f32(packed, w, outputs, inputs, inputs, 1), QN_OK);
  CHECK_EQ(qn_gemm_pack_f32(other, turned, outputs, inputs, 1, outputs), QN_OK);
  CHECK(same_bits(packed, other, bytes / sizeof(float)));
  float *y = guarded_floats((size_t)rows * outputs);
  float *c = guarded_floats((size_t)rows * outputs);
  uint64_t layout[QN_GEMM_BATCH];
  const struct product p = dense(rows, outputs, inputs, 2);
  write_layout(layout, &p);
  CHECK_EQ(qn_linear_packed_f32(y, x, packed, NULL, NULL, rows, outputs, inputs, 0), QN_OK);
  CHECK_EQ(qn_matmul(c, x, w, layout, 0, 1, 0, QN_F32), QN_OK);
  CHECK(same_bits(y, c, (size_t)rows * outputs));
}

static void test_bad_arguments(void) {
  float *c = guarded_floats(16);
  const float *a = guarded_floats(16);
  uint64_t layout[QN_GEMM_BATCH + 4] = {4, 4, 4, 4, 1, 4, 1, 4, 1, 16, 16, 16};
  CHECK_EQ(qn_matmul(NULL, a, a, layout, 0, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_matmul(c, NULL, a, layout, 0, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_matmul(c, a, NULL, layout, 0, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_matmul(c, a, a, NULL, 0, 1, 0, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_matmul(c, a, a, layout, 17, 1, 0, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_matmul(c, (const float *)((uintptr_t)a + 2), a, layout, 0, 1, 0, QN_F32),
           QN_BAD_ALIGNMENT);
  layout[QN_GEMM_C_ROW] = 3;
  CHECK_EQ(qn_matmul(c, a, a, layout, 0, 1, 0, QN_F32), QN_BAD_ARGUMENT);
  layout[QN_GEMM_C_ROW] = 4;
  layout[QN_GEMM_A_ROW] = UINT64_MAX;
  CHECK_EQ(qn_matmul(c, a, a, layout, 0, 1, 0, QN_F32), QN_BAD_SIZE);
  layout[QN_GEMM_A_ROW] = 4;
  layout[QN_GEMM_INNER] = (uint64_t)1 << 32;
  CHECK_EQ(qn_matmul(c, a, a, layout, 0, 1, 0, QN_F32), QN_BAD_SIZE);
  layout[QN_GEMM_INNER] = 4;
  layout[QN_GEMM_BATCH] = 2;
  layout[QN_GEMM_BATCH + 1] = 15;
  CHECK_EQ(qn_matmul(c, a, a, layout, 1, 1, 0, QN_F32), QN_BAD_ARGUMENT);
  layout[QN_GEMM_BATCH] = 0;
  CHECK_EQ(qn_matmul(NULL, NULL, NULL, layout, 1, 1, 0, QN_F32), QN_OK);
  float *packed = guarded_bytes(qn_gemm_pack_bytes(4, 4));
  CHECK_EQ(qn_gemm_pack_f32(NULL, a, 4, 4, 4, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_gemm_pack_f32(packed, NULL, 4, 4, 4, 1), QN_NULL_POINTER);
  CHECK_EQ(qn_gemm_pack_f32(packed + 1, a, 4, 4, 4, 1), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_gemm_pack_f32(packed, a, 4, 4, SIZE_MAX, 1), QN_BAD_SIZE);
  CHECK_EQ(qn_gemm_pack_f32(NULL, NULL, 0, 4, 4, 1), QN_OK);
  CHECK_EQ(qn_linear_packed_f32(NULL, a, packed, NULL, NULL, 4, 4, 4, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_linear_packed_f32(c, NULL, packed, NULL, NULL, 4, 4, 4, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_linear_packed_f32(c, a, NULL, NULL, NULL, 4, 4, 4, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_linear_packed_f32(c, a, packed, NULL, NULL, 4, 4, 4, 9), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_linear_packed_f32(c, a, packed, (const float *)((uintptr_t)a + 1), NULL, 4, 4, 4, 0),
           QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_linear_packed_f32(NULL, NULL, NULL, NULL, NULL, 0, 4, 4, 0), QN_OK);
}

/* A budget that leaves no room for copies fails, and leaves nothing rented. */
static void test_no_memory(void) {
  const uint32_t n = test_is_slow() ? 64 : 600;
  const struct product p = dense(n, n, n, 3);
  const float *a = random_floats((size_t)n * n, -1, 1);
  float *c = guarded_floats((size_t)n * n);
  uint64_t layout[QN_GEMM_BATCH];
  uint64_t before[QN_STAT_COUNT];
  uint64_t after[QN_STAT_COUNT];
  uint64_t released[1];
  write_layout(layout, &p);
  CHECK_EQ(qn_pool_trim(released), QN_OK);
  CHECK_EQ(qn_pool_stats(before), QN_OK);
  CHECK_EQ(qn_pool_budget_set(1), QN_OK);
  CHECK_EQ(qn_matmul(c, a, a, layout, 0, 1, 0, QN_F32), QN_OVER_BUDGET);
  CHECK_EQ(qn_pool_budget_set(0), QN_OK);
  CHECK_EQ(qn_pool_stats(after), QN_OK);
  CHECK_EQ(after[QN_STAT_OUTSTANDING], before[QN_STAT_OUTSTANDING]);
  CHECK_EQ(qn_matmul(c, a, a, layout, 0, 1, 0, QN_F32), QN_OK);
}

int main(int count, char **arguments) {
  static void (*const tests[])(void) = {
      test_edges,   test_skinny,        test_blocks,           test_strides,
      test_batches, test_several_parts, test_threads_and_rows, test_repetitions,
      test_linear,  test_packing,       test_special_values,   test_bad_arguments, test_no_memory,
  };
  test_begin(count, arguments);
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
