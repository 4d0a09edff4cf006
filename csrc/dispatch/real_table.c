/*
 * dispatch/real_table.c: one instruction set's table of the kernels that exist for float32
 * and float64.
 *
 * Compiled once for each instruction set, as dispatch/kernel_table.c, and once more for
 * each variant of float64.
 */
#include "dispatch/kernel_table.h"

extern const struct qn_real_kernels QN_VARIANT(qn_real_kernels);

const struct qn_real_kernels QN_VARIANT(qn_real_kernels) = {
#define QN_KERNEL(type, name, arguments) .name = QN_VARIANT(name),
#include "dispatch/real_kernels.inc"
#undef QN_KERNEL
};
