/*
 * kernels/real/group_norm.c: y = (x - mean) / sqrt(variance + epsilon) * weight + bias, with
 * mean and variance of each group of channels of each image (Wu and He, "Group
 * normalization", 2018).
 *
 * y, x: [images, groups, channels, spatial], y may be x, channels being those of one
 * group; weight, bias: [groups * channels], null for ones and zeros. The rows
 * first_row .. last_row - 1 of [images * groups] are computed; neither channels nor
 * spatial is 0. Exactness is that of layer_norm.c.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "kernels/norm_math.h"

/* One channel, whose weight and bias are numbers. */
static void normalise_channel(qn_real *y, const qn_real *x, qn_real weight, qn_real bias,
                              size_t count, const struct qn_moments *moments) {
  for (size_t i = 0; i < count; i += QN_LANES) {
    size_t n = count - i < QN_LANES ? count - i : QN_LANES;
    qn_vf v = (qn_vload_n(x + i, n) - moments->shift - moments->offset) * moments->factor;
    qn_vstore_n(y + i, qn_vfma(v, qn_vset1(weight), qn_vset1(bias)), n);
  }
}

static void normalise_channel_wide(qn_real *y, const qn_real *x, double weight, double bias,
                                   size_t count, const struct qn_wide_moments *moments) {
  for (size_t i = 0; i < count; i += 1) {
    y[i] = (qn_real)(((double)x[i] - moments->mean) * moments->factor * weight + bias);
  }
}

static void normalise_group(qn_real *y, const qn_real *x, const qn_real *weight,
                            const qn_real *bias, size_t channels, size_t spatial, qn_real epsilon) {
  struct qn_moments moments = qn_row_moments(NULL, x, NULL, channels * spatial, epsilon);
  struct qn_wide_moments wide = {0.0, 0.0};
  if (moments.wide) wide = qn_row_wide_moments(x, channels * spatial, epsilon);
  for (size_t c = 0; c < channels; c += 1, x += spatial, y += spatial) {
    qn_real w = weight ? weight[c] : 1.0f;
    qn_real b = bias ? bias[c] : 0.0f;
    if (moments.wide) {
      normalise_channel_wide(y, x, (double)w, (double)b, spatial, &wide);
    } else {
      normalise_channel(y, x, w, b, spatial, &moments);
    }
  }
}

static void normalise_rows(qn_real *y, const qn_real *x, const qn_real *weight, const qn_real *bias,
                           size_t first_row, size_t last_row, size_t groups, size_t channels,
                           size_t spatial, qn_real epsilon) {
  for (size_t row = first_row; row < last_row; row += 1) {
    size_t at = row * channels * spatial;
    size_t channel = row % groups * channels;
    const qn_real *w = weight ? weight + channel : NULL;
    const qn_real *b = bias ? bias + channel : NULL;
    if (spatial == 1) {
      struct qn_moments moments = qn_row_moments(NULL, x + at, NULL, channels, epsilon);
      qn_normalise_row(y + at, x + at, w, b, channels, epsilon, &moments);
    } else {
      normalise_group(y + at, x + at, w, b, channels, spatial, epsilon);
    }
  }
}

void QN_VARIANT(group_norm)(void *y, const void *x, const void *weight, const void *bias,
                            size_t first_row, size_t last_row, size_t groups, size_t channels,
                            size_t spatial, double epsilon) {
  normalise_rows(y, x, weight, bias, first_row, last_row, groups, channels, spatial,
                 (qn_real)epsilon);
}
