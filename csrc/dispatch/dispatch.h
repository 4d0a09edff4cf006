/*
 * dispatch/dispatch.h: the tables of kernels, and the choice of an instruction set.
 *
 * A kernel is called as `qn_kernels->name(arguments)`, one that exists for float32 and
 * float64 as `qn_real_kernels(dtype)->name(arguments)`, one on dot products of short
 * numbers as `qn_dot_kernels->name(arguments)`, and one that instruction sets share as
 * `qn_shared_kernels->name(arguments)`. The tables are never null: they are set to the best when the library is loaded, and change
 * only when an instruction set is selected, which must not happen while
 * another thread runs a kernel.
 */
#ifndef QN_DISPATCH_DISPATCH_H
#define QN_DISPATCH_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quern.h"

struct qn_attention; /* kernels/attention.h */
struct qn_attention_queries;
struct qn_folds;
struct qn_reduction;

struct qn_kernels {
#define QN_KERNEL(type, name, arguments) type(*name) arguments;
#include "dispatch/kernels.inc"
#undef QN_KERNEL
};

struct qn_real_kernels {
#define QN_KERNEL(type, name, arguments) type(*name) arguments;
#include "dispatch/real_kernels.inc"
#undef QN_KERNEL
};

struct qn_dot_kernels {
#define QN_KERNEL(type, name, arguments) type(*name) arguments;
#include "dispatch/dot_kernels.inc"
#undef QN_KERNEL
};

struct qn_shared_kernels {
#define QN_KERNEL(type, name, arguments) type(*name) arguments;
#include "dispatch/shared_kernels.inc"
#undef QN_KERNEL
};

extern const struct qn_kernels *qn_kernels;
extern const struct qn_dot_kernels *qn_dot_kernels;
extern const struct qn_shared_kernels *qn_shared_kernels;

/* The kernels of QN_F32 or QN_F64; null for any other dtype. */
const struct qn_real_kernels *qn_real_kernels(int32_t dtype);

/* The instruction sets of this build, worst first. `index` is below the count. */
uint32_t qn_dispatch_count(void);
const char *qn_dispatch_name(uint32_t index);
bool qn_dispatch_supported(uint32_t index);
uint32_t qn_dispatch_selected(void);
/* Whether the selected one has dot products of bfloat16. */
bool qn_dispatch_has_bf16(void);

/* Selects by name, or the best where `name` is null. On an error nothing changes. */
qn_status qn_dispatch_select(const char *name);

#endif
