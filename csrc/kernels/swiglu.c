/*
 * kernels/swiglu.c: y = silu(gate) * up, the gated activation of Llama's
 * feed-forward layer (Shazeer, "GLU variants improve transformer", 2020).
 *
 * y, gate, up: [count]. y may be gate or up. An element's bits do not depend on
 * where in the array it stands: the last few go through the same operations.
 */
#include "dispatch/kernel_table.h"
#include <vec.h>

#include "isa/vec_math.h"

void QN_VARIANT(swiglu_f32)(float *y, const float *gate, const float *up, size_t count) {
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
