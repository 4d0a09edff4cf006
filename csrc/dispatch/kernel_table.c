/*
 * dispatch/kernel_table.c: one instruction set's table of kernels.
 *
 * Compiled once for each instruction set, as the kernels are. A kernel that is
 * listed but not written is an error of the linker, never a null pointer.
 */
#include "dispatch/kernel_table.h"

extern const struct qn_kernels QN_VARIANT(qn_kernels);

const struct qn_kernels QN_VARIANT(qn_kernels) = {
#define QN_KERNEL(type, name, arguments) .name = QN_VARIANT(name),
#include "dispatch/kernels.inc"
#undef QN_KERNEL
};
