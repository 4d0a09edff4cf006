/*
 * api/attention_float64.h: attention in float64, for reference.
 */
#ifndef QN_API_ATTENTION_FLOAT64_H
#define QN_API_ATTENTION_FLOAT64_H

#include "kernels/attention.h"

/* The rows first .. last - 1 of one key-value head. `weights` is room for all its keys. */
void qn_attention_rows_f64(double *weights, const struct qn_attention *task, size_t first,
                           size_t last);

#endif
