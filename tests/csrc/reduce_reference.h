/*
 * reduce_reference.h: what qn_reduce must give, by plain loops over every element in
 * float64 or int64, and a call that is compared with it.
 */
#ifndef QN_TESTS_REDUCE_REFERENCE_H
#define QN_TESTS_REDUCE_REFERENCE_H

#include "kernel_test.h"

#define MOST_AXES 4

static bool is_whole(int32_t dtype) {
  return dtype == QN_I32 || dtype == QN_I64 || dtype == QN_U8 || dtype == QN_BOOL;
}

static size_t item_of(int32_t dtype) {
  if (dtype == QN_F64 || dtype == QN_I64) return 8;
  if (dtype == QN_F16 || dtype == QN_BF16) return 2;
  return dtype == QN_U8 || dtype == QN_BOOL ? 1 : 4;
}

/* As quern.h says of each operation. */
static int32_t result_dtype(int32_t op, int32_t dtype) {
  if (op == QN_REDUCE_SUM || op == QN_REDUCE_PRODUCT) return is_whole(dtype) ? QN_I64 : dtype;
  if (op == QN_REDUCE_LARGEST || op == QN_REDUCE_SMALLEST) return dtype;
  if (op == QN_REDUCE_ARG_LARGEST || op == QN_REDUCE_ARG_SMALLEST) return QN_I32;
  if (op == QN_REDUCE_ANY || op == QN_REDUCE_ALL) return QN_BOOL;
  if (op == QN_REDUCE_COUNT_NONZERO) return QN_I64;
  return is_whole(dtype) ? QN_F64 : dtype;
}

static bool needs_elements(int32_t op) {
  return (op >= QN_REDUCE_LARGEST && op <= QN_REDUCE_ARG_SMALLEST) || op == QN_REDUCE_SMALLEST_SIZE;
}

static double to_double(const void *x, size_t at, int32_t dtype) {
  const char *p = (const char *)x + at * item_of(dtype);
  double wide;
  float narrow;
  int64_t whole;
  int32_t word;
  switch (dtype) {
    case QN_F32: memcpy(&narrow, p, 4); return (double)narrow;
    case QN_F64: memcpy(&wide, p, 8); return wide;
    case QN_I32: memcpy(&word, p, 4); return (double)word;
    case QN_I64: memcpy(&whole, p, 8); return (double)whole;
    case QN_U8:
    case QN_BOOL: return (double)*(const uint8_t *)p;
    default: {
      _Alignas(8) char item[2];
      memcpy(item, p, 2);
      qn_cast(&wide, item, 1, 1, QN_F64, dtype);
      return wide;
    }
  }
}

static int64_t to_whole(const void *x, size_t at, int32_t dtype) {
  if (dtype == QN_I64) return ((const int64_t *)x)[at];
  return (int64_t)to_double(x, at, dtype);
}

/* Elements between -3 and 3, some of them 0; int64 are of any size. */
static void *random_elements(size_t count, int32_t dtype) {
  float *values = guarded_floats(count);
  for (size_t i = 0; i < count; i += 1) {
    values[i] = test_random_float(&test_seed, -3, 3);
    if (test_random(&test_seed) % 8 == 0) values[i] = 0.0f;
    if (is_whole(dtype)) values[i] = floorf(values[i] * 40.0f);
    if (dtype == QN_U8) values[i] = fabsf(values[i]);
  }
  void *x = guarded_bytes(count * item_of(dtype));
  CHECK_EQ(qn_cast(x, values, 1, (uint32_t)count, dtype, QN_F32), QN_OK);
  if (dtype == QN_I64) {
    for (size_t i = 0; i < count; i += 7) ((int64_t *)x)[i] = (int64_t)test_random(&test_seed);
  }
  return x;
}

/* ---- References ------------------------------------------------------------- */

#define MOST 70000

static double value[MOST]; /* the elements of one result */
static int64_t whole[MOST];

static bool comes_first(double a, double b, bool largest) {
  if (isnan(b)) return false;
  return isnan(a) || (largest ? a > b : a < b);
}

static size_t find_first(size_t n, bool largest, bool is_int) {
  size_t best = 0;
  for (size_t i = 1; i < n; i += 1) {
    const bool further = is_int ? (largest ? whole[i] > whole[best] : whole[i] < whole[best])
                                : comes_first(value[i], value[best], largest);
    if (further) best = i;
  }
  return best;
}

static double log_sum(size_t n) {
  double top = -INFINITY, sum = 0;
  for (size_t i = 0; i < n; i += 1) top = fmax(top, value[i]);
  if (n == 0 || isinf(top)) top = isinf(top) && top > 0 ? top : 0;
  for (size_t i = 0; i < n; i += 1) sum += exp(value[i] - (isinf(top) ? 0 : top));
  return log(sum) + (isinf(top) ? 0 : top);
}

static double spread(size_t n, double taken) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i += 1) sum += value[i];
  for (size_t i = 0; i < n; i += 1) {
    const double apart = value[i] - sum / (double)n;
    squares += apart * apart;
  }
  return squares / fmax((double)n - taken, 0);
}

/* The result of the elements in `value`, of operations that give a real number. */
static double expected_real(int32_t op, size_t n, double parameter) {
  double sum = 0, product = 1, sizes = 0, squares = 0, powers = 0, count = 0;
  for (size_t i = 0; i < n; i += 1) {
    sum += value[i];
    product *= value[i];
    sizes += fabs(value[i]);
    squares += value[i] * value[i];
    powers += op == QN_REDUCE_NORM_P ? pow(fabs(value[i]), parameter) : 0;
    count += value[i] != 0;
  }
  for (size_t i = 0; i < n; i += 1) {
    if (op == QN_REDUCE_LARGEST_SIZE || op == QN_REDUCE_SMALLEST_SIZE) value[i] = fabs(value[i]);
  }
  switch (op) {
    case QN_REDUCE_SUM: return sum;
    case QN_REDUCE_PRODUCT: return product;
    case QN_REDUCE_MEAN: return sum / (double)n;
    case QN_REDUCE_VARIANCE: return spread(n, parameter);
    case QN_REDUCE_DEVIATION: return sqrt(spread(n, parameter));
    case QN_REDUCE_NORM_0: return count;
    case QN_REDUCE_NORM_1: return sizes;
    case QN_REDUCE_NORM_2: return sqrt(squares);
    case QN_REDUCE_NORM_P: return pow(powers, 1 / parameter);
    case QN_REDUCE_LOG_SUM_EXP: return log_sum(n);
    case QN_REDUCE_LARGEST_SIZE:
      return n == 0 ? 0 : value[find_first(n, true, false)];
    default: return value[find_first(n, op == QN_REDUCE_LARGEST, false)];
  }
}

static int64_t expected_whole(int32_t op, size_t n) {
  uint64_t sum = 0, product = 1;
  size_t count = 0;
  for (size_t i = 0; i < n; i += 1) {
    sum += (uint64_t)whole[i];
    product *= (uint64_t)whole[i];
    count += value[i] != 0;
  }
  switch (op) {
    case QN_REDUCE_SUM: return (int64_t)sum;
    case QN_REDUCE_PRODUCT: return (int64_t)product;
    case QN_REDUCE_ANY: return count != 0;
    case QN_REDUCE_ALL: return count == n;
    case QN_REDUCE_COUNT_NONZERO: return (int64_t)count;
    default: return whole[find_first(n, op == QN_REDUCE_LARGEST, true)];
  }
}

/* ---- One call --------------------------------------------------------------- */

struct call {
  uint64_t layout[2 * MOST_AXES];
  uint32_t kept;
  uint32_t reduced;
  double parameter;
  int32_t op;
  int32_t dtype;
};

static size_t size_of(const uint64_t *layout, uint32_t axes) {
  size_t size = 1;
  for (uint32_t i = 0; i < axes; i += 1) size *= layout[2 * i];
  return size;
}

static size_t span_of(const struct call *call) {
  size_t last = 0;
  for (uint32_t i = 0; i < call->kept + call->reduced; i += 1) {
    if (call->layout[2 * i] == 0) return 0;
    last += (call->layout[2 * i] - 1) * call->layout[2 * i + 1];
  }
  return last + 1;
}

static size_t offset_of(const uint64_t *layout, uint32_t axes, size_t place) {
  size_t offset = 0;
  for (uint32_t i = axes; i > 0; i -= 1) {
    offset += place % layout[2 * i - 2] * layout[2 * i - 1];
    place /= layout[2 * i - 2];
  }
  return offset;
}

/* How far a result may be off, in proportion to it and to the largest element. */
static double tolerance_of(int32_t dtype) {
  return dtype == QN_F64 ? 1e-11 : dtype == QN_F32 ? 2e-6 : dtype == QN_F16 ? 1e-3 : 8e-3;
}

static bool check_result(const struct call *call, const void *y, const void *x, size_t output) {
  const int32_t op = call->op;
  const uint64_t *reduced = call->layout + 2 * call->kept;
  const size_t n = size_of(reduced, call->reduced);
  const size_t first = offset_of(call->layout, call->kept, output);
  double sizes = 0;
  for (size_t i = 0; i < n; i += 1) {
    const size_t at = first + offset_of(reduced, call->reduced, i);
    value[i] = to_double(x, at, call->dtype);
    if (is_whole(call->dtype)) whole[i] = to_whole(x, at, call->dtype);
    sizes += fabs(value[i]);
  }
  const int32_t dtype = result_dtype(op, call->dtype);
  if (op == QN_REDUCE_ARG_LARGEST || op == QN_REDUCE_ARG_SMALLEST) {
    const bool largest = op == QN_REDUCE_ARG_LARGEST;
    return ((const int32_t *)y)[output] == (int32_t)find_first(n, largest, is_whole(call->dtype));
  }
  if (is_whole(dtype)) return to_whole(y, output, dtype) == expected_whole(op, n);
  const double result = to_double(y, output, dtype);
  const double expected = expected_real(op, n, call->parameter);
  /* As a sum of elements that cancel, and of int64 as floats. */
  const bool cancels = op == QN_REDUCE_SUM || op == QN_REDUCE_MEAN;
  double scale = cancels ? sizes / (op == QN_REDUCE_MEAN ? (double)n : 1) : fabs(expected);
  if (op == QN_REDUCE_LOG_SUM_EXP) scale += 1;
  if (isnan(expected)) return isnan(result);
  if (dtype == QN_F16 && fabs(expected) >= 65520) return isinf(result);
  if (isinf(expected) || result == expected) return result == expected;
  const double absolute = dtype == QN_F16 ? 1e-7 : 0; /* subnormal halves */
  return fabs(result - expected) <= tolerance_of(dtype) * (scale + 1e-30) + absolute;
}

static void check_call(const struct call *call, const void *x) {
  const size_t outputs = size_of(call->layout, call->kept);
  void *y = guarded_bytes(outputs * item_of(result_dtype(call->op, call->dtype)));
  const int32_t status = qn_reduce(y, x, call->layout, call->kept, call->reduced, call->parameter,
                                   call->op, call->dtype);
  CHECK_EQ(status, QN_OK);
  if (status != QN_OK) return;
  for (size_t output = 0; output < outputs; output += 1) {
    const bool good = check_result(call, y, x, output);
    CHECK(good);
    if (good) continue;
    printf("op %d dtype %d kept %u reduced %u result %zu is %g (%s)\n", call->op, call->dtype,
           call->kept, call->reduced, output,
           to_double(y, output, result_dtype(call->op, call->dtype)),
           qn_isa_name(qn_isa_selected()));
    for (uint32_t i = 0; i < call->kept + call->reduced; i += 1) {
      printf("  %" PRIu64 " by %" PRIu64 "\n", call->layout[2 * i], call->layout[2 * i + 1]);
    }
    return;
  }
}

static double parameter_of(int32_t op) {
  if (op == QN_REDUCE_NORM_P) return 2.5;
  return op == QN_REDUCE_VARIANCE ? 1.0 : 0.0;
}

#endif
