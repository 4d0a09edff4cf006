/*
 * kernels/real/geglu.c: y = gelu(gate) * up, the gated activation of T5 1.1's and Gemma's
 * feed-forward layers (Shazeer, "GLU variants improve transformer", 2020).
 *
 * y, gate, up: [count]. y may be gate or up. An element's bits do not depend on where
 * in the array it stands: the last few go through the same operations.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "isa/vec_math.h"

QN_INLINE void gate_by(qn_real *y, const qn_real *gate, const qn_real *up, size_t count,
                       qn_vf (*gelu)(qn_vf x)) {
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) {
    qn_vstore(y + i, gelu(qn_vload(gate + i)) * qn_vload(up + i));
  }
  if (i < count) {
    size_t rest = count - i;
    qn_vstore_n(y + i, gelu(qn_vload_n(gate + i, rest)) * qn_vload_n(up + i, rest), rest);
  }
}

void QN_VARIANT(geglu)(void *y, const void *gate, const void *up, size_t count, int32_t gelu) {
  if (gelu == QN_GELU_ERF) {
    gate_by(y, gate, up, count, qn_vgelu_erf);
  } else {
    gate_by(y, gate, up, count, qn_vgelu_tanh);
  }
}
