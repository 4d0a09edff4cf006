/*
 * kernels/real/rope.c: turns pairs of a head's elements by the angles of its token.
 *
 * y, x: [tokens, heads, head_size], y may be x; cosines, sines: [tokens, pairs];
 * 2 * pairs <= head_size. Pair p is the elements (2p, 2p + 1), or (p, p + pairs)
 * where `halves` is not 0; it becomes (a cos - b sin, a sin + b cos), each with at
 * most two roundings. Elements from 2 * pairs on are copied.
 */
#include <string.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

typedef qn_real wide __attribute__((ext_vector_type(2 * QN_LANES)));

QN_INLINE qn_vf turn_first(qn_vf a, qn_vf b, qn_vf c, qn_vf s) { return qn_vfma(a, c, -(b * s)); }
QN_INLINE qn_vf turn_second(qn_vf a, qn_vf b, qn_vf c, qn_vf s) { return qn_vfma(a, s, b * c); }

static void turn_halves(qn_real *y, const qn_real *x, const qn_real *cosines, const qn_real *sines,
                        size_t pairs) {
  for (size_t p = 0; p < pairs; p += QN_LANES) {
    size_t n = pairs - p < QN_LANES ? pairs - p : QN_LANES;
    qn_vf a = qn_vload_n(x + p, n);
    qn_vf b = qn_vload_n(x + pairs + p, n);
    qn_vf c = qn_vload_n(cosines + p, n);
    qn_vf s = qn_vload_n(sines + p, n);
    qn_vstore_n(y + p, turn_first(a, b, c, s), n);
    qn_vstore_n(y + pairs + p, turn_second(a, b, c, s), n);
  }
}

static void turn_interleaved(qn_real *y, const qn_real *x, const qn_real *cosines,
                             const qn_real *sines, size_t pairs) {
  for (size_t p = 0; p < pairs; p += QN_LANES) {
    size_t n = pairs - p < QN_LANES ? pairs - p : QN_LANES;
    size_t low = 2 * n < QN_LANES ? 2 * n : QN_LANES;
    wide v;
    v.lo = qn_vload_n(x + 2 * p, low);
    v.hi = qn_vload_n(x + 2 * p + low, 2 * n - low);
    qn_vf c = qn_vload_n(cosines + p, n);
    qn_vf s = qn_vload_n(sines + p, n);
    wide turned;
    turned.even = turn_first(v.even, v.odd, c, s);
    turned.odd = turn_second(v.even, v.odd, c, s);
    qn_vstore_n(y + 2 * p, turned.lo, low);
    qn_vstore_n(y + 2 * p + low, turned.hi, 2 * n - low);
  }
}

static void turn_tokens(qn_real *y, const qn_real *x, const qn_real *cosines, const qn_real *sines,
                        size_t tokens, size_t heads, size_t head_size, size_t pairs,
                        int32_t halves) {
  size_t rest = head_size - 2 * pairs;
  for (size_t t = 0; t < tokens; t += 1, cosines += pairs, sines += pairs) {
    for (size_t h = 0; h < heads; h += 1, x += head_size, y += head_size) {
      if (halves) {
        turn_halves(y, x, cosines, sines, pairs);
      } else {
        turn_interleaved(y, x, cosines, sines, pairs);
      }
      if (rest && y != x) memcpy(y + 2 * pairs, x + 2 * pairs, rest * sizeof *y);
    }
  }
}

void QN_VARIANT(rope)(void *y, const void *x, const void *cosines, const void *sines, size_t tokens,
                      size_t heads, size_t head_size, size_t pairs, int32_t halves) {
  turn_tokens(y, x, cosines, sines, tokens, heads, head_size, pairs, halves);
}
