/*
 * test_strided.c: qn_copy_strided against a loop over every index, for every size
 * of an item, up to five axes, and layouts as slices and transposes make them, on
 * every instruction set.
 *
 * Both arrays end at a page that faults, so a copy that leaves them ends the
 * program; elements of y that the layout leaves out must keep their bytes.
 */
#include "kernel_test.h"

#define MOST_AXES 5

struct case_axes {
  uint64_t layout[3 * 16];
  uint32_t rank;
  size_t y_items; /* that y spans */
  size_t x_items;
};

static size_t span_items(const struct case_axes *axes, uint32_t side) {
  size_t last = 0;
  for (uint32_t i = 0; i < axes->rank; i += 1) {
    if (axes->layout[3 * i] == 0) return 0;
    last += (axes->layout[3 * i] - 1) * axes->layout[3 * i + side];
  }
  return last + 1;
}

static void copy_naively(char *y, const char *x, const struct case_axes *axes, size_t item,
                         uint32_t axis) {
  if (axis == axes->rank) {
    memcpy(y, x, item);
    return;
  }
  const uint64_t *at = axes->layout + 3 * axis;
  for (uint64_t i = 0; i < at[0]; i += 1) {
    copy_naively(y + i * at[1] * item, x + i * at[2] * item, axes, item, axis + 1);
  }
}

/* Copies both ways into arrays of random bytes, and compares all of y. */
static void check_copy(struct case_axes *axes, uint32_t item) {
  axes->y_items = span_items(axes, 1);
  axes->x_items = span_items(axes, 2);
  const size_t y_bytes = axes->y_items * item;
  const size_t x_bytes = axes->x_items * item;
  char *x = guarded_bytes(x_bytes);
  char *y = guarded_bytes(y_bytes);
  char *expected = guarded_bytes(y_bytes);
  for (size_t i = 0; i < x_bytes; i += 1) x[i] = (char)test_random(&test_seed);
  copy_naively(expected, x, axes, item, 0);
  const int32_t status = qn_copy_strided(y, x, axes->layout, axes->rank, item);
  CHECK_EQ(status, QN_OK);
  const bool same = y_bytes == 0 || memcmp(y, expected, y_bytes) == 0;
  CHECK(same);
  if (!same) {
    for (uint32_t i = 0; i < axes->rank; i += 1) {
      printf("axis of %" PRIu64 ": %" PRIu64 " %" PRIu64 "\n", axes->layout[3 * i],
             axes->layout[3 * i + 1], axes->layout[3 * i + 2]);
    }
  }
  release_all();
}

/* Strides of one side: axes nested in a random order, some with gaps, or, in x
 * only, repeated. */
static void make_strides(struct case_axes *axes, uint32_t side, bool repeats) {
  uint32_t order[MOST_AXES] = {0, 1, 2, 3, 4};
  for (uint32_t i = axes->rank; i > 1; i -= 1) {
    const uint32_t other = (uint32_t)(test_random(&test_seed) % i);
    const uint32_t held = order[i - 1];
    order[i - 1] = order[other];
    order[other] = held;
  }
  uint64_t stride = test_random(&test_seed) % 4 == 0 ? 2 : 1;
  for (uint32_t i = 0; i < axes->rank; i += 1) {
    uint64_t *axis = axes->layout + 3 * order[i];
    if (repeats && test_random(&test_seed) % 8 == 0) {
      axis[side] = 0;
      continue;
    }
    axis[side] = stride;
    stride *= axis[0] == 0 ? 1 : axis[0];
    if (test_random(&test_seed) % 4 == 0) stride += test_random(&test_seed) % 5;
  }
}

static void test_random_layouts(void) {
  static const uint64_t sizes[] = {1, 2, 3, 4, 7, 16, 17};
  const uint32_t rounds = test_is_slow() ? 300 : 4000;
  for (uint32_t round = 0; round < rounds; round += 1) {
    struct case_axes axes = {.rank = (uint32_t)(test_random(&test_seed) % (MOST_AXES + 1))};
    uint64_t elements = 1;
    for (uint32_t i = 0; i < axes.rank; i += 1) {
      uint64_t size = sizes[test_random(&test_seed) % COUNT_OF(sizes)];
      if (test_random(&test_seed) % 64 == 0) size = 0;
      if (elements * size > 40000) size = 1;
      axes.layout[3 * i] = size;
      elements *= size == 0 ? 1 : size;
    }
    make_strides(&axes, 1, false);
    make_strides(&axes, 2, true);
    check_copy(&axes, 1u << round % 4);
  }
}

/* Every pair of sizes around the square and the block, turned. */
static void test_turned(void) {
  static const uint64_t sizes[] = {1, 3, 7, 8, 9, 15, 16, 17, 31, 64, 65, 200, 1100};
  for (uint32_t a = 0; a < COUNT_OF(sizes); a += 1) {
    for (uint32_t b = 0; b < COUNT_OF(sizes); b += 1) {
      for (uint32_t item = 1; item <= 8; item *= 2) {
        struct case_axes axes = {.rank = 2,
                                 .layout = {sizes[a], sizes[b], 1, sizes[b], 1, sizes[a]}};
        check_copy(&axes, item);
      }
    }
  }
}

/* Large enough for several threads: dense, rows with gaps, turned, and points. */
static void test_threads(void) {
  const uint64_t n = test_is_slow() ? 130 : 1030;
  struct case_axes large[] = {
      {.rank = 1, .layout = {n * n, 1, 1}},
      {.rank = 2, .layout = {n, n, n + 3, n, 1, 1}},
      {.rank = 2, .layout = {n, n, 1, n, 1, n}},
      {.rank = 3, .layout = {3, n * n / 2, 1, n / 2, n, 3, n, 1, 3 * (n / 2)}},
      {.rank = 2, .layout = {n, 2 * n, 3, n, 2, 3 * n}},
      {.rank = 2, .layout = {n, n, 0, n, 1, 1}},
      {.rank = 2, .layout = {n, n, 1, n, 1, 0}},
  };
  for (uint32_t t = 0; t < COUNT_OF(test_thread_counts); t += 1) {
    CHECK_EQ(qn_threads_set(test_thread_counts[t]), QN_OK);
    for (uint32_t i = 0; i < COUNT_OF(large); i += 1) check_copy(&large[i], 4);
  }
}

/* Axes of x backwards, in every combination, against the same copy forwards of what lies
 * the other way round. */
static void test_backwards(void) {
  static const uint64_t sizes[][3] = {{3, 5, 7}, {2, 33, 40}, {1, 1, 300}, {40, 17, 1}};
  for (uint32_t s = 0; s < COUNT_OF(sizes); s += 1) {
    const uint64_t *size = sizes[s];
    const uint64_t strides[3] = {size[1] * size[2], size[2], 1};
    const size_t count = size[0] * size[1] * size[2];
    for (uint32_t item = 1; item <= 8; item *= 2) {
      for (uint32_t ways = 0; ways < 16; ways += 1) {
        char *x = guarded_bytes(count * item);
        char *y = guarded_bytes(count * item);
        for (size_t i = 0; i < count * item; i += 1) x[i] = (char)test_random(&test_seed);
        uint64_t layout[9];
        size_t first = 0;
        /* With the fourth bit, y is turned as well. */
        uint64_t y_stride = 1;
        for (uint32_t i = 0; i < 3; i += 1) {
          const uint32_t axis = ways & 8 ? i : 2 - i;
          const bool back = ways >> axis & 1;
          layout[3 * axis] = size[axis];
          layout[3 * axis + 1] = y_stride;
          layout[3 * axis + 2] = back ? 0 - strides[axis] : strides[axis];
          if (back) first += (size[axis] - 1) * strides[axis];
          y_stride *= size[axis];
        }
        CHECK_EQ(qn_copy_strided(y, x + first * item, layout, 3, item), QN_OK);
        bool same = true;
        for (size_t i = 0; i < count; i += 1) {
          const size_t at[3] = {i / strides[0], i / strides[1] % size[1], i % size[2]};
          size_t to = 0;
          size_t from = 0;
          for (uint32_t axis = 0; axis < 3; axis += 1) {
            to += at[axis] * layout[3 * axis + 1];
            from += (ways >> axis & 1 ? size[axis] - 1 - at[axis] : at[axis]) * strides[axis];
          }
          same = same && memcmp(y + to * item, x + from * item, item) == 0;
        }
        CHECK(same);
        release_all();
      }
    }
  }
}

static void test_sixteen_axes(void) {
  struct case_axes axes = {.rank = 16};
  for (uint32_t i = 0; i < 16; i += 1) {
    axes.layout[3 * i] = 2;
    axes.layout[3 * i + 1] = (uint64_t)1 << i;
    axes.layout[3 * i + 2] = (uint64_t)1 << (15 - i);
  }
  check_copy(&axes, 2);
}

static void test_bad_arguments(void) {
  char *y = guarded_bytes(64);
  const char *x = guarded_bytes(64);
  const uint64_t one[] = {8, 1, 1};
  CHECK_EQ(qn_copy_strided(y, x, NULL, 0, 8), QN_OK);
  CHECK_EQ(qn_copy_strided(y, x, NULL, 1, 8), QN_NULL_POINTER);
  CHECK_EQ(qn_copy_strided(NULL, x, one, 1, 8), QN_NULL_POINTER);
  CHECK_EQ(qn_copy_strided(y, NULL, one, 1, 8), QN_NULL_POINTER);
  CHECK_EQ(qn_copy_strided(NULL, x, NULL, 0, 8), QN_NULL_POINTER);
  CHECK_EQ(qn_copy_strided(y, x, one, 1, 0), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_copy_strided(y, x, one, 1, 3), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_copy_strided(y, x, one, 1, 16), QN_BAD_ARGUMENT);
  CHECK_EQ(qn_copy_strided(y, x, one, 17, 8), QN_BAD_SIZE);
  CHECK_EQ(qn_copy_strided(y + 1, x, one, 1, 4), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_copy_strided(y, x + 2, one, 1, 4), QN_BAD_ALIGNMENT);
  CHECK_EQ(qn_copy_strided(y + 1, x + 1, one, 1, 1), QN_OK);

  const uint64_t half = (uint64_t)1 << 63;
  const uint64_t too_large[][6] = {
      {2, half, 1, 1, 0, 0},          {2, 1, half, 1, 0, 0},
      {half, 1, 1, 1, 0, 0},          {half + 1, 4, 4, 1, 0, 0},
      {half / 8, 1, 1, 2, half / 8, 0}, {UINT64_MAX, 1, 0, 1, 0, 0},
      {2, UINT64_MAX, 1, 2, 1, 1},    {1ull << 32, 1ull << 32, 1, 2, 1, 1},
  };
  for (size_t i = 0; i < COUNT_OF(too_large); i += 1) {
    CHECK_EQ(qn_copy_strided(y, x, too_large[i], 2, 8), QN_BAD_SIZE);
  }
  /* An axis of one item, or none, has no stride to speak of. */
  const uint64_t unused[] = {1, half, half, 8, 1, 1};
  CHECK_EQ(qn_copy_strided(y, x, unused, 2, 8), QN_OK);
  const uint64_t empty[] = {half, half, half, 0, 1, 1};
  CHECK_EQ(qn_copy_strided(NULL, NULL, empty, 2, 8), QN_OK);

  /* Elements of y that would be written twice. */
  const uint64_t twice[][6] = {{2, 0, 1, 2, 1, 2}, {2, 1, 1, 3, 1, 2}, {4, 2, 1, 4, 3, 1}};
  for (size_t i = 0; i < COUNT_OF(twice); i += 1) {
    CHECK_EQ(qn_copy_strided(y, x, twice[i], 2, 1), QN_BAD_ARGUMENT);
  }
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  static void (*const tests[])(void) = {
      test_random_layouts, test_turned, test_backwards, test_sixteen_axes, test_bad_arguments, test_threads,
  };
  run_on_each_isa(tests, COUNT_OF(tests));
  return test_finish();
}
