/*
 * kernels/real/rope_table.c: the cosines and sines that a rotary embedding turns by
 * (Su et al., "RoFormer", 2021).
 *
 * cosines, sines: [tokens, pairs], of which the columns first_pair ..
 * last_pair - 1 are written; factors: [pairs] or null for ones. Angles, cosines
 * and sines are float64 and rounded to float32 at the end: at position 100 000
 * an angle in float32 would be wrong in the second decimal.
 */
#include <math.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

static void table_columns(qn_real *cosines, qn_real *sines, const qn_real *factors, size_t tokens,
                          size_t pairs, size_t first_pair, size_t last_pair, double start,
                          double base, double scale) {
  for (size_t p = first_pair; p < last_pair; p += 1) {
    double step = scale * pow(base, -(double)p / (double)pairs);
    if (factors) step /= (double)factors[p];
    for (size_t t = 0; t < tokens; t += 1) {
      double angle = (start + (double)t) * step;
      cosines[t * pairs + p] = (qn_real)cos(angle);
      sines[t * pairs + p] = (qn_real)sin(angle);
    }
  }
}

void QN_VARIANT(rope_table)(void *cosines, void *sines, const void *factors, size_t tokens,
                            size_t pairs, size_t first_pair, size_t last_pair, double start,
                            double base, double scale) {
  table_columns(cosines, sines, factors, tokens, pairs, first_pair, last_pair, start, base, scale);
}
