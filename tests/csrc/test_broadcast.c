/*
 * test_broadcast.c: qn_binary and qn_where against a loop over every index, for
 * every dtype and operation, layouts as broadcasting, slices and transposes make
 * them, in place, and on every instruction set.
 *
 * All arrays end at a page that faults. The reference works in double precision, or
 * in 64-bit integers, from the definitions.
 */
#include "kernel_test.h"

#define MOST_AXES 4
#define MANY 50001 /* several threads' shares, and odd */

static const int32_t dtypes[] = {QN_F32, QN_F64, QN_I32, QN_I64, QN_U8, QN_BOOL};

static size_t item_of(int32_t dtype) {
  if (dtype == QN_F64 || dtype == QN_I64) return 8;
  return dtype == QN_F32 || dtype == QN_I32 ? 4 : 1;
}

static bool is_real(int32_t dtype) { return dtype == QN_F32 || dtype == QN_F64; }

/* What quern.h says of operations and dtypes. */
static bool is_allowed(int32_t op, int32_t dtype) {
  if (op >= QN_AND) return dtype == QN_BOOL;
  if (op >= QN_EQUAL) return true;
  if (dtype == QN_U8 || dtype == QN_BOOL) return false;
  return is_real(dtype) || (op != QN_DIVIDE && op != QN_POWER && op != QN_ADD_SCALED);
}

/* An element, as both kinds of numbers that the reference works in. */
struct number {
  double real;
  int64_t whole;
};

static struct number load_number(const char *at, int32_t dtype) {
  float f;
  double d;
  int32_t i;
  int64_t l;
  uint8_t u;
  switch (dtype) {
    case QN_F32: memcpy(&f, at, 4); return (struct number){(double)f, 0};
    case QN_F64: memcpy(&d, at, 8); return (struct number){d, 0};
    case QN_I32: memcpy(&i, at, 4); return (struct number){i, i};
    case QN_I64: memcpy(&l, at, 8); return (struct number){(double)l, l};
    default: memcpy(&u, at, 1); return (struct number){u, u};
  }
}

static double real_result(int32_t op, double a, double b, double scalar) {
  switch (op) {
    case QN_ADD: return a + b;
    case QN_SUBTRACT: return a - b;
    case QN_MULTIPLY: return a * b;
    case QN_DIVIDE: return a / b;
    case QN_MAXIMUM: return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
    case QN_MINIMUM: return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
    case QN_POWER: return pow(a, b);
    default: return a + scalar * b;
  }
}

static int64_t whole_result(int32_t op, int64_t a, int64_t b) {
  switch (op) {
    case QN_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
    case QN_SUBTRACT: return (int64_t)((uint64_t)a - (uint64_t)b);
    case QN_MULTIPLY: return (int64_t)((uint64_t)a * (uint64_t)b);
    case QN_MAXIMUM: return a > b ? a : b;
    default: return a < b ? a : b;
  }
}

static bool truth(int32_t op, struct number a, struct number b, bool real) {
  if (op == QN_AND) return a.whole != 0 && b.whole != 0;
  if (op == QN_OR) return a.whole != 0 || b.whole != 0;
  const bool less = real ? a.real < b.real : a.whole < b.whole;
  const bool equal = real ? a.real == b.real : a.whole == b.whole;
  const bool greater = real ? a.real > b.real : a.whole > b.whole;
  switch (op) {
    case QN_EQUAL: return equal;
    case QN_NOT_EQUAL: return !equal;
    case QN_LESS: return less;
    case QN_LESS_EQUAL: return less || equal;
    case QN_GREATER: return greater;
    default: return greater || equal;
  }
}

/* Whether the element at `y` is a op b. */
static bool is_result(const char *y, const char *a, const char *b, int32_t op, int32_t dtype,
                      double scalar) {
  const struct number x = load_number(a, dtype);
  const struct number z = load_number(b, dtype);
  if (op >= QN_EQUAL) return *(const uint8_t *)y == truth(op, x, z, is_real(dtype));
  if (!is_real(dtype)) {
    const int64_t expected = whole_result(op, x.whole, z.whole);
    const int64_t got = load_number(y, dtype).whole;
    return got == (dtype == QN_I32 ? (int32_t)(uint32_t)expected : expected);
  }
  const double got = load_number(y, dtype).real;
  const double expected = real_result(op, x.real, z.real, scalar);
  if (dtype == QN_F64) return got == expected || (isnan(got) && isnan(expected));
  if (op == QN_POWER) return is_close((float)got, expected, 0x1.05p-24);
  if (op == QN_ADD_SCALED) {
    const double size = fabs(x.real) + fabs(scalar * z.real);
    return fabs(got - expected) <= 0x1p-23 * size || is_close((float)got, expected, 0);
  }
  return is_close((float)got, expected, 0);
}

/* Values that compare equal now and then, with the dtype's own extremes. */
static void fill_random(char *values, size_t count, int32_t dtype) {
  static const double specials[] = {INFINITY, -INFINITY, NAN, 0.0, -0.0, 1.0, 3e38, 1e-45};
  for (size_t i = 0; i < count; i += 1) {
    const uint64_t draw = test_random(&test_seed);
    const bool special = draw % 16 == 0;
    const double real = special ? specials[draw / 16 % 8] : (double)(int)(draw % 41) / 4 - 5;
    const float f = (float)real;
    const int32_t word = special ? (int32_t)(draw >> 16) : (int32_t)(draw % 9) - 4;
    const int64_t wide = special ? (int64_t)test_random(&test_seed) : word;
    const uint8_t byte = (uint8_t)(dtype == QN_BOOL ? draw / 32 % 2 : special ? draw >> 8 : draw % 5);
    char *at = values + i * item_of(dtype);
    switch (dtype) {
      case QN_F32: memcpy(at, &f, 4); break;
      case QN_F64: memcpy(at, &real, 8); break;
      case QN_I32: memcpy(at, &word, 4); break;
      case QN_I64: memcpy(at, &wide, 8); break;
      default: memcpy(at, &byte, 1); break;
    }
  }
}

/* ---- Layouts --------------------------------------------------------------- */

struct layout {
  uint64_t values[4 * 16];
  uint32_t rank;
  uint32_t inputs;
  size_t size;
};

static uint64_t *axis_of(struct layout *layout, uint32_t axis) {
  return layout->values + (1 + layout->inputs) * axis;
}

/* Where element `index` of y is in an input. */
static size_t place_of(const struct layout *layout, uint32_t input, size_t index) {
  size_t place = 0;
  for (uint32_t i = layout->rank; i > 0; i -= 1) {
    const uint64_t *axis = layout->values + (1 + layout->inputs) * (i - 1);
    place += index % axis[0] * axis[1 + input];
    index /= axis[0];
  }
  return place;
}

static size_t span_of(const struct layout *layout, uint32_t input) {
  return layout->size == 0 ? 0 : place_of(layout, input, layout->size - 1) + 1;
}

static void find_size(struct layout *layout) {
  layout->size = 1;
  for (uint32_t i = 0; i < layout->rank; i += 1) layout->size *= axis_of(layout, i)[0];
}

/* Strides of an input: dense, axes repeated, gaps, or turned. */
static void make_strides(struct layout *layout, uint32_t input, uint32_t kind) {
  uint64_t stride = 1;
  for (uint32_t i = 0; i < layout->rank; i += 1) {
    const bool turned = kind == 3;
    uint64_t *axis = axis_of(layout, turned ? i : layout->rank - 1 - i);
    axis[1 + input] = stride;
    stride *= axis[0] == 0 ? 1 : axis[0];
    if (kind == 1 && test_random(&test_seed) % 2 == 0) {
      stride = axis[0] == 0 ? stride : stride / axis[0];
      axis[1 + input] = 0;
    }
    if (kind == 2) stride += test_random(&test_seed) % 3;
  }
}

static struct layout random_layout(uint32_t inputs) {
  static const uint64_t sizes[] = {1, 2, 3, 5, 9, 16, 17, 64, 127, 128, 129, 1100};
  struct layout layout = {.rank = (uint32_t)(test_random(&test_seed) % (MOST_AXES + 1)),
                          .inputs = inputs};
  uint64_t elements = 1;
  for (uint32_t i = 0; i < layout.rank; i += 1) {
    uint64_t size = sizes[test_random(&test_seed) % COUNT_OF(sizes)];
    if (test_random(&test_seed) % 50 == 0) size = 0;
    if (elements * size > 20000) size = 1;
    axis_of(&layout, i)[0] = size;
    elements *= size == 0 ? 1 : size;
  }
  for (uint32_t k = 0; k < inputs; k += 1) {
    make_strides(&layout, k, (uint32_t)(test_random(&test_seed) % 4));
  }
  find_size(&layout);
  return layout;
}

/* ---- Two inputs ------------------------------------------------------------ */

static bool are_results(const char *y, const char *a, const char *b, const struct layout *layout,
                        int32_t op, int32_t dtype, double scalar) {
  const size_t item = item_of(dtype);
  const size_t y_item = op >= QN_EQUAL ? 1 : item;
  for (size_t i = 0; i < layout->size; i += 1) {
    const char *x = a + place_of(layout, 0, i) * item;
    const char *z = b + place_of(layout, 1, i) * item;
    if (is_result(y + i * y_item, x, z, op, dtype, scalar)) continue;
    printf("op %d, dtype %d, element %zu of %zu: %.17g, %.17g give %.17g (%s)\n", op, dtype, i,
           layout->size, load_number(x, dtype).real, load_number(z, dtype).real,
           load_number(y + i * y_item, op >= QN_EQUAL ? QN_U8 : dtype).real,
           qn_isa_name(qn_isa_selected()));
    return false;
  }
  return true;
}

static void check_binary(const struct layout *layout, int32_t op, int32_t dtype) {
  const size_t item = item_of(dtype);
  const double scalar = -0.75; /* times 3e38 is finite */
  char *a = guarded_bytes(span_of(layout, 0) * item);
  char *b = guarded_bytes(span_of(layout, 1) * item);
  char *y = guarded_bytes(layout->size * (op >= QN_EQUAL ? 1 : item));
  fill_random(a, span_of(layout, 0), dtype);
  fill_random(b, span_of(layout, 1), dtype);
  CHECK_EQ(qn_binary(y, a, b, layout->values, layout->rank, scalar, op, dtype), QN_OK);
  CHECK(are_results(y, a, b, layout, op, dtype, scalar));
  release_all();
}

static void test_random_layouts(void) {
  const uint32_t rounds = test_is_slow() ? 3 : 25;
  for (uint32_t round = 0; round < rounds; round += 1) {
    for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
      for (int32_t op = QN_ADD; op <= QN_OR; op += 1) {
        if (!is_allowed(op, dtypes[d])) continue;
        const struct layout layout = random_layout(2);
        check_binary(&layout, op, dtypes[d]);
      }
    }
  }
}

/* Every length around the lanes: dense, and with either side one element. */
static void test_lengths_and_scalars(void) {
  for (size_t c = 0; c < COUNT_OF(test_lengths); c += 1) {
    for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
      for (int32_t op = QN_ADD; op <= QN_OR; op += 1) {
        if (!is_allowed(op, dtypes[d])) continue;
        for (uint64_t form = 0; form < 3; form += 1) {
          const struct layout layout = {.values = {test_lengths[c], form != 1, form != 2},
                                        .rank = 1,
                                        .inputs = 2,
                                        .size = test_lengths[c]};
          check_binary(&layout, op, dtypes[d]);
        }
      }
    }
  }
}

/* A null b is the scalar, rounded to the dtype. */
static void test_scalar_argument(void) {
  const uint64_t values[] = {5, 2, 77, 2, 1, 77};
  for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) {
    for (int32_t op = QN_ADD; op <= QN_OR; op += 1) {
      const int32_t dtype = dtypes[d];
      if (!is_allowed(op, dtype) || op == QN_ADD_SCALED) continue;
      const double scalar = is_real(dtype) ? 0.1 : 1;
      const float rounded = 0.1f;
      const int32_t word = 1;
      const int64_t wide = 1;
      const char byte = 1;
      const void *b = dtype == QN_F32   ? (const void *)&rounded
                      : dtype == QN_F64 ? (const void *)&scalar
                      : dtype == QN_I32 ? (const void *)&word
                      : dtype == QN_I64 ? (const void *)&wide
                                        : (const void *)&byte;
      char *a = guarded_bytes(11 * item_of(dtype));
      char *y = guarded_bytes(10 * item_of(dtype));
      fill_random(a, 11, dtype);
      CHECK_EQ(qn_binary(y, a, NULL, values, 2, scalar, op, dtype), QN_OK);
      struct layout layout = {.values = {5, 2, 0, 2, 1, 0}, .rank = 2, .inputs = 2, .size = 10};
      CHECK(are_results(y, a, b, &layout, op, dtype, 0));
      release_all();
    }
  }
}

static void test_in_place(void) {
  const uint64_t shapes[][6] = {
      {1, 0, 0, 1000, 1, 1}, {7, 100, 0, 100, 1, 1}, {30, 10, 1, 10, 1, 0}, {9, 77, 3, 77, 1, 5},
  };
  for (size_t s = 0; s < COUNT_OF(shapes); s += 1) {
    struct layout layout = {.rank = 2, .inputs = 2};
    memcpy(layout.values, shapes[s], sizeof shapes[s]);
    find_size(&layout);
    for (int32_t op = QN_ADD; op <= QN_ADD_SCALED; op += 1) {
      float *a = random_floats(layout.size, 0.5f, 4);
      float *b = random_floats(span_of(&layout, 1), -4, 4);
      float *y = guarded_floats(layout.size);
      CHECK_EQ(qn_binary(y, a, b, layout.values, 2, 0.5, op, QN_F32), QN_OK);
      CHECK_EQ(qn_binary(a, a, b, layout.values, 2, 0.5, op, QN_F32), QN_OK);
      CHECK(same_bits(a, y, layout.size));
      /* The other way round, b being as y is. */
      uint64_t turned[6];
      for (size_t i = 0; i < 6; i += 3) {
        turned[i] = shapes[s][i];
        turned[i + 1] = shapes[s][i + 2];
        turned[i + 2] = shapes[s][i + 1];
      }
      float *other = random_floats(layout.size, 0.5f, 4);
      CHECK_EQ(qn_binary(y, b, other, turned, 2, 0.5, op, QN_F32), QN_OK);
      CHECK_EQ(qn_binary(other, b, other, turned, 2, 0.5, op, QN_F32), QN_OK);
      CHECK(same_bits(other, y, layout.size));
      release_all();
    }
  }
}

static void test_power(void) {
  const float least = 1e-45f, big = 3e38f;
  const float x[] = {0,  0,  -0.0f, -0.0f, -0.0f, NAN, 1,   -1,       -1,        -2, -2, -2,
                     -8, 2,  2,     2,     0.5f,  big, 2,   INFINITY, -INFINITY, -INFINITY,
                     -INFINITY, 0.5f, 0.5f, least, 1.0000001f, -3, 0.9999999f};
  const float y[] = {0,  -1, -1, 3, 2.5f, 0, NAN, INFINITY, 3e8f, 3, 2, 0.5f,
                     1.0f / 3, -149, 128, -150, INFINITY, 2, NAN, -1, 3, 2.5f,
                     -3, -INFINITY, 130, 0.5f, 16777216, -3, 1e9f};
  _Static_assert(COUNT_OF(x) == COUNT_OF(y), "pairs");
  float result[COUNT_OF(x)];
  const uint64_t layout[] = {COUNT_OF(x), 1, 1};
  CHECK_EQ(qn_binary(result, x, y, layout, 1, 0, QN_POWER, QN_F32), QN_OK);
  for (size_t i = 0; i < COUNT_OF(x); i += 1) {
    const double expected = pow((double)x[i], (double)y[i]);
    CHECK(is_close(result[i], expected, 0x1.05p-24));
    CHECK(isnan(expected) || signbit(expected) == signbit(result[i]));
  }
  /* Over the whole range of x and of results, subnormal ones too. */
  const uint32_t count = test_is_slow() ? 5000 : 100000;
  float *base = guarded_floats(count);
  float *exponent = guarded_floats(count);
  for (uint32_t i = 0; i < count; i += 1) {
    base[i] = exp2f(test_random_float(&test_seed, -149, 128));
    const float log = log2f(base[i]);
    exponent[i] = test_random_float(&test_seed, -150, 129) / (log == 0 ? 1 : log);
  }
  float *power = guarded_floats(count);
  const uint64_t all[] = {count, 1, 1};
  CHECK_EQ(qn_binary(power, base, exponent, all, 1, 0, QN_POWER, QN_F32), QN_OK);
  double worst = 0;
  for (uint32_t i = 0; i < count; i += 1) {
    const double expected = pow((double)base[i], (double)exponent[i]);
    if (!isfinite((float)expected) || expected == 0) {
      CHECK(power[i] == (float)expected);
      continue;
    }
    int scale;
    frexp(expected, &scale);
    const double last_place = ldexp(1.0, scale - 24 < -149 ? -149 : scale - 24);
    worst = fmax(worst, fabs((double)power[i] - expected) / last_place);
  }
  CHECK(worst < 0.51);
}

/* ---- Where ----------------------------------------------------------------- */

static void test_where(void) {
  const uint32_t rounds = test_is_slow() ? 30 : 300;
  for (uint32_t round = 0; round < rounds; round += 1) {
    const size_t item = (size_t)1 << round % 4;
    struct layout layout = random_layout(3);
    char *condition = guarded_bytes(span_of(&layout, 0));
    char *a = guarded_bytes(span_of(&layout, 1) * item);
    char *b = guarded_bytes(span_of(&layout, 2) * item);
    char *y = guarded_bytes(layout.size * item);
    for (size_t i = 0; i < span_of(&layout, 0); i += 1) {
      condition[i] = (char)(test_random(&test_seed) % 3 == 0 ? 0 : test_random(&test_seed));
    }
    for (size_t i = 0; i < span_of(&layout, 1) * item; i += 1) a[i] = (char)test_random(&test_seed);
    for (size_t i = 0; i < span_of(&layout, 2) * item; i += 1) b[i] = (char)test_random(&test_seed);
    const uint32_t bytes = (uint32_t)item;
    CHECK_EQ(qn_where(y, condition, a, b, layout.values, layout.rank, bytes), QN_OK);
    bool same = true;
    for (size_t i = 0; i < layout.size && same; i += 1) {
      const char *from = condition[place_of(&layout, 0, i)]
                             ? a + place_of(&layout, 1, i) * item
                             : b + place_of(&layout, 2, i) * item;
      same = memcmp(y + i * item, from, item) == 0;
    }
    CHECK(same);
    if (span_of(&layout, 1) == layout.size && layout.size > 0) {
      make_strides(&layout, 1, 0);
      CHECK_EQ(qn_where(y, condition, a, b, layout.values, layout.rank, bytes), QN_OK);
      CHECK_EQ(qn_where(a, condition, a, b, layout.values, layout.rank, bytes), QN_OK);
      CHECK(memcmp(a, y, layout.size * item) == 0);
    }
    release_all();
  }
}

/* ---- Threads and arguments ------------------------------------------------- */

/* The same bits for any number of threads. */
static void test_threads(void) {
  const uint64_t layouts[][9] = {
      {1, 0, 0, 1, 0, 0, MANY, 1, 1},
      {3, MANY / 3, 0, MANY / 3, 1, 1, 1, 0, 0},
      {MANY / 3, 3, 0, 1, 0, 0, 3, 1, 1},
      {3, 1, 40000, 100, 3, 1, 160, 300, 100},
  };
  float *a = random_floats(3 * MANY, -20, 20);
  float *b = random_floats(3 * MANY, -20, 20);
  float *y = guarded_floats(MANY);
  float *first = guarded_floats(MANY);
  for (size_t i = 0; i < COUNT_OF(layouts); i += 1) {
    const size_t size = layouts[i][0] * layouts[i][3] * layouts[i][6];
    for (size_t c = 0; c < COUNT_OF(test_thread_counts); c += 1) {
      CHECK_EQ(qn_threads_set(test_thread_counts[c]), QN_OK);
      CHECK_EQ(qn_binary(y, a, b, layouts[i], 3, 0, QN_MULTIPLY, QN_F32), QN_OK);
      if (c == 0) memcpy(first, y, size * sizeof(float));
      CHECK(same_bits(y, first, size));
    }
  }
}

static void test_bad_arguments(void) {
  _Alignas(8) char y[64] = {0}, a[64] = {0}, b[64] = {0};
  const uint64_t one[] = {4, 1, 1};
  CHECK_EQ(qn_binary(y, a, b, NULL, 0, 0, QN_ADD, QN_F32), QN_OK);
  CHECK_EQ(qn_binary(y, a, b, NULL, 1, 0, QN_ADD, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_binary(y, a, NULL, NULL, 1, 0, QN_ADD, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_binary(NULL, a, b, one, 1, 0, QN_ADD, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_binary(y, NULL, b, one, 1, 0, QN_ADD, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_binary(y, a, NULL, one, 1, 0, QN_ADD_SCALED, QN_F32), QN_NULL_POINTER);
  CHECK_EQ(qn_binary(y, a, b, one, 17, 0, QN_ADD, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_binary(y, a, NULL, one, 17, 0, QN_ADD, QN_F32), QN_BAD_SIZE);
  CHECK_EQ(qn_binary(y + 2, a, b, one, 1, 0, QN_ADD, QN_F32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_binary(y, a + 4, b, one, 1, 0, QN_ADD, QN_F64), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_binary(y, a, b + 1, one, 1, 0, QN_LESS, QN_I32), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_binary(y + 1, a, b, one, 1, 0, QN_LESS, QN_I32), QN_OK);
  CHECK_EQ(qn_binary(y, a, b, one, 1, 0, -1, QN_F32), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_binary(y, a, b, one, 1, 0, QN_OR + 1, QN_F32), QN_BAD_ARGUMENT);
  for (int32_t dtype = -1; dtype < 12; dtype += 1) {
    for (int32_t op = QN_ADD; op <= QN_OR; op += 1) {
      bool known = false;
      for (size_t d = 0; d < COUNT_OF(dtypes); d += 1) known = known || dtypes[d] == dtype;
      const bool allowed = known && is_allowed(op, dtype);
      CHECK_EQ(qn_binary(y, a, b, one, 1, 0, op, dtype), allowed ? QN_OK : QN_BAD_DTYPE);
    }
  }
  const struct {
    int32_t dtype;
    double scalar;
    int32_t status;
  } scalars[] = {
      {QN_I32, 0.5, QN_BAD_ARGUMENT},       {QN_I32, NAN, QN_BAD_ARGUMENT},
      {QN_I32, 2147483648.0, QN_BAD_ARGUMENT}, {QN_I32, -2147483648.0, QN_OK},
      {QN_I64, 0x1p63, QN_BAD_ARGUMENT},    {QN_I64, -0x1p63, QN_OK},
      {QN_U8, 256, QN_BAD_ARGUMENT},        {QN_U8, -1, QN_BAD_ARGUMENT},
      {QN_U8, 255, QN_OK},                  {QN_BOOL, 2, QN_BAD_ARGUMENT},
      {QN_F32, NAN, QN_OK},                 {QN_F64, INFINITY, QN_OK},
  };
  for (size_t i = 0; i < COUNT_OF(scalars); i += 1) {
    const double scalar = scalars[i].scalar;
    CHECK_EQ(qn_binary(y, a, NULL, one, 1, scalar, QN_LESS, scalars[i].dtype), scalars[i].status);
  }
  const uint64_t half = (uint64_t)1 << 63;
  const uint64_t too_large[][6] = {
      {2, half, 1, 1, 0, 0}, {2, 1, half, 1, 0, 0}, {half, 0, 0, 2, 0, 0},
      {half, 0, 0, 1, 0, 0}, {1ull << 32, 1ull << 32, 1, 2, 1, 1},
  };
  for (size_t i = 0; i < COUNT_OF(too_large); i += 1) {
    CHECK_EQ(qn_binary(y, a, b, too_large[i], 2, 0, QN_ADD, QN_F32), QN_BAD_SIZE);
  }
  const uint64_t empty[] = {half, half, half, 0, 1, 1};
  CHECK_EQ(qn_binary(NULL, NULL, NULL, empty, 2, 0, QN_ADD, QN_F32), QN_OK);
  const uint64_t three[] = {4, 1, 1, 1};
  CHECK_EQ(qn_where(y, a, a, b, three, 1, 3), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_where(y, NULL, a, b, three, 1, 4), QN_NULL_POINTER);
  CHECK_EQ(qn_where(y, a + 1, a, b + 2, three, 1, 4), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_where(y, a + 1, a, b, three, 1, 4), QN_OK);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_lengths_and_scalars, test_random_layouts, test_scalar_argument, test_in_place,
      test_power,               test_where,          test_threads,         test_bad_arguments,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
