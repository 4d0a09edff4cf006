/*
 * dispatch/shared_table.c: one instruction set's table of the kernels that others share.
 *
 * Compiled once for each instruction set, as dispatch/kernel_table.c, but not for those
 * that share another's.
 */
#include "dispatch/kernel_table.h"

extern const struct qn_shared_kernels QN_VARIANT(qn_shared_kernels);

const struct qn_shared_kernels QN_VARIANT(qn_shared_kernels) = {
#define QN_KERNEL(type, name, arguments) .name = QN_VARIANT(name),
#include "dispatch/shared_kernels.inc"
#undef QN_KERNEL
};
