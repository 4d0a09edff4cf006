/*
 * dispatch/kernel_table.h: the kernels of the instruction set being compiled.
 *
 * Included by the files of csrc/kernels, which the build compiles once for each
 * instruction set with QN_ISA defined as its name. QN_VARIANT(name) is the
 * symbol of a kernel there: `name__avx2` and so on. Everything else in those
 * files must be static, or the linker may take another instruction set's copy.
 */
#ifndef QN_DISPATCH_KERNEL_TABLE_H
#define QN_DISPATCH_KERNEL_TABLE_H

#include "dispatch/dispatch.h"

#define QN_VARIANT(name) QN_VARIANT_OF(name, QN_ISA)
#define QN_VARIANT_OF(name, isa) QN_VARIANT_PASTE(name, isa)
#define QN_VARIANT_PASTE(name, isa) name##__##isa

#define QN_KERNEL(type, name, arguments) type QN_VARIANT(name) arguments;
#include "dispatch/kernels.inc"
#include "dispatch/real_kernels.inc"
#include "dispatch/dot_kernels.inc"
#include "dispatch/shared_kernels.inc"
#undef QN_KERNEL

#endif
