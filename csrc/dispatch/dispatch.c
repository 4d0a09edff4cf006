/*
 * dispatch/dispatch.c: which instruction sets there are, and which one is used.
 */
#include "dispatch/dispatch.h"

#include <string.h>

#include "base/cpu.h"

/* Of float64 there are fewer variants: it is for reference, not for speed. Those with
 * VNNI, or BF16 too, differ in dot products alone; all of AVX-512 share kernels of AVX2. */
struct isa {
  const char *name;
  const struct qn_kernels *kernels;
  const struct qn_shared_kernels *shared;
  const struct qn_dot_kernels *dots;
  const struct qn_real_kernels *float32;
  const struct qn_real_kernels *float64;
};

extern const struct qn_kernels qn_kernels__generic;
extern const struct qn_shared_kernels qn_shared_kernels__generic;
extern const struct qn_dot_kernels qn_dot_kernels__generic;
extern const struct qn_real_kernels qn_real_kernels__generic, qn_real_kernels__float64;

static const struct isa generic = {"generic", &qn_kernels__generic, &qn_shared_kernels__generic,
                                   &qn_dot_kernels__generic, &qn_real_kernels__generic,
                                   &qn_real_kernels__float64};

/* Worst first; build.zig has the same list. */
#if defined(__x86_64__)
extern const struct qn_kernels qn_kernels__avx2, qn_kernels__avx512;
extern const struct qn_shared_kernels qn_shared_kernels__avx2;
extern const struct qn_dot_kernels qn_dot_kernels__avx2, qn_dot_kernels__avx512,
    qn_dot_kernels__avx512vnni, qn_dot_kernels__avx512bf16;
extern const struct qn_real_kernels qn_real_kernels__avx2, qn_real_kernels__avx512,
    qn_real_kernels__float64_avx2;

static const struct isa avx2 = {"avx2", &qn_kernels__avx2, &qn_shared_kernels__avx2,
                                &qn_dot_kernels__avx2, &qn_real_kernels__avx2,
                                &qn_real_kernels__float64_avx2};
static const struct isa avx512 = {"avx512", &qn_kernels__avx512, &qn_shared_kernels__avx2,
                                  &qn_dot_kernels__avx512, &qn_real_kernels__avx512,
                                  &qn_real_kernels__float64_avx2};
static const struct isa avx512vnni = {"avx512vnni", &qn_kernels__avx512, &qn_shared_kernels__avx2,
                                      &qn_dot_kernels__avx512vnni, &qn_real_kernels__avx512,
                                      &qn_real_kernels__float64_avx2};
static const struct isa avx512bf16 = {"avx512bf16", &qn_kernels__avx512, &qn_shared_kernels__avx2,
                                      &qn_dot_kernels__avx512bf16, &qn_real_kernels__avx512,
                                      &qn_real_kernels__float64_avx2};
static const struct isa *const isas[] = {&generic, &avx2, &avx512, &avx512vnni, &avx512bf16};

static bool cpu_has(struct qn_cpu cpu, uint32_t index) {
  const bool has[] = {true, cpu.avx2, cpu.avx512, cpu.avx512vnni, cpu.avx512bf16};
  return has[index];
}
#elif defined(__aarch64__)
extern const struct qn_kernels qn_kernels__neon;
extern const struct qn_shared_kernels qn_shared_kernels__neon;
extern const struct qn_dot_kernels qn_dot_kernels__neon;
extern const struct qn_real_kernels qn_real_kernels__neon;

static const struct isa neon = {"neon", &qn_kernels__neon, &qn_shared_kernels__neon,
                                &qn_dot_kernels__neon, &qn_real_kernels__neon,
                                &qn_real_kernels__float64};
static const struct isa *const isas[] = {&generic, &neon};

static bool cpu_has(struct qn_cpu cpu, uint32_t index) { return index == 0 || cpu.neon_dot; }
#else
static const struct isa *const isas[] = {&generic};

static bool cpu_has(struct qn_cpu cpu, uint32_t index) {
  (void)cpu;
  return index == 0;
}
#endif

#define ISA_COUNT ((uint32_t)(sizeof(isas) / sizeof(isas[0])))

const struct qn_kernels *qn_kernels = &qn_kernels__generic;
const struct qn_dot_kernels *qn_dot_kernels = &qn_dot_kernels__generic;
const struct qn_shared_kernels *qn_shared_kernels = &qn_shared_kernels__generic;
static uint32_t selected = 0;

static void use(uint32_t index) {
  selected = index;
  qn_kernels = isas[index]->kernels;
  qn_dot_kernels = isas[index]->dots;
  qn_shared_kernels = isas[index]->shared;
}

static uint32_t best(void) {
  uint32_t index = ISA_COUNT - 1;
  while (!qn_dispatch_supported(index)) index -= 1;
  return index;
}

/* Runs when the library is loaded, so that no caller has to ask whether the
 * choice has been made. */
__attribute__((constructor)) static void select_best_at_load(void) { use(best()); }

const struct qn_real_kernels *qn_real_kernels(int32_t dtype) {
  switch (dtype) {
    case QN_F32: return isas[selected]->float32;
    case QN_F64: return isas[selected]->float64;
    default: return NULL;
  }
}

uint32_t qn_dispatch_count(void) { return ISA_COUNT; }

const char *qn_dispatch_name(uint32_t index) { return isas[index]->name; }

bool qn_dispatch_supported(uint32_t index) { return cpu_has(qn_cpu_detect(), index); }

uint32_t qn_dispatch_selected(void) { return selected; }

bool qn_dispatch_has_bf16(void) {
#if defined(__x86_64__)
  return qn_dot_kernels == &qn_dot_kernels__avx512bf16;
#else
  return false;
#endif
}

qn_status qn_dispatch_select(const char *name) {
  if (name == NULL) {
    use(best());
    return QN_OK;
  }
  for (uint32_t index = 0; index < ISA_COUNT; index += 1) {
    if (strcmp(isas[index]->name, name) != 0) continue;
    if (!qn_dispatch_supported(index)) return QN_UNSUPPORTED_ISA;
    use(index);
    return QN_OK;
  }
  return QN_UNKNOWN_ISA;
}
