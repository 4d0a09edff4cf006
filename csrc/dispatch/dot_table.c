/*
 * dispatch/dot_table.c: one instruction set's table of the kernels on dot products.
 *
 * Compiled once for each instruction set, as dispatch/kernel_table.c, and for those that
 * differ from another in these alone.
 */
#include "dispatch/kernel_table.h"

extern const struct qn_dot_kernels QN_VARIANT(qn_dot_kernels);

const struct qn_dot_kernels QN_VARIANT(qn_dot_kernels) = {
#define QN_KERNEL(type, name, arguments) .name = QN_VARIANT(name),
#include "dispatch/dot_kernels.inc"
#undef QN_KERNEL
};
