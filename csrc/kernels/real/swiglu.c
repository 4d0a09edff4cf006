/*
 * kernels/real/swiglu.c: y = silu(gate) * up, the gated activation of Llama's
 * feed-forward layer (Shazeer, "GLU variants improve transformer", 2020).
 *
 * y, gate, up: [count]. y may be gate or up. An element's bits do not depend on
 * where in the array it stands: the last few go through the same operations.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "isa/vec_math.h"

static void gate_by(qn_real *y, const qn_real *gate, const qn_real *up, size_t count) {
  size_t i = 0;
  for (; i + QN_LANES <= count; i += QN_LANES) {
    qn_vstore(y + i, qn_vsilu(qn_vload(gate + i)) * qn_vload(up + i));
  }
  if (i < count) {
    size_t rest = count - i;
    qn_vf product = qn_vsilu(qn_vload_n(gate + i, rest)) * qn_vload_n(up + i, rest);
    qn_vstore_n(y + i, product, rest);
  }
}

void QN_VARIANT(swiglu)(void *y, const void *gate, const void *up, size_t count) {
  gate_by(y, gate, up, count);
}
