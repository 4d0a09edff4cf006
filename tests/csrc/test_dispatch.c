/*
 * test_dispatch.c: instruction sets, their choice, and complete tables.
 */
#include "dispatch/dispatch.h"

#include <string.h>
#include "test.h"

static void names_are_distinct_and_begin_with_generic(void) {
  CHECK(qn_isa_count() >= 1);
  CHECK(strcmp(qn_isa_name(0), "generic") == 0);
  CHECK(qn_isa_supported(0) == 1);
  for (uint32_t i = 0; i < qn_isa_count(); i += 1) {
    for (uint32_t k = 0; k < i; k += 1) CHECK(strcmp(qn_isa_name(i), qn_isa_name(k)) != 0);
  }
  CHECK(qn_isa_name(qn_isa_count()) == NULL);
  CHECK(qn_isa_supported(qn_isa_count()) == 0);
  CHECK(qn_isa_supported(UINT32_MAX) == 0);
}

static void the_best_is_chosen_at_load(void) {
  uint32_t best = 0;
  for (uint32_t i = 0; i < qn_isa_count(); i += 1) {
    if (qn_isa_supported(i)) best = i;
  }
  CHECK_EQ(qn_isa_selected(), best);
}

static void every_supported_name_selects(void) {
  for (uint32_t i = 0; i < qn_isa_count(); i += 1) {
    const uint32_t before = qn_isa_selected();
    const int32_t status = qn_isa_select(qn_isa_name(i));
    CHECK_EQ(status, qn_isa_supported(i) ? QN_OK : QN_UNSUPPORTED_ISA);
    CHECK_EQ(qn_isa_selected(), qn_isa_supported(i) ? i : before);
  }
}

static void unknown_names_change_nothing(void) {
  const char *const names[] = {"", "sse9", "GENERIC", "generic ", "avx", "avx512vnni2"};
  CHECK_EQ(qn_isa_select("generic"), QN_OK);
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i += 1) {
    CHECK_EQ(qn_isa_select(names[i]), QN_UNKNOWN_ISA);
    CHECK_EQ(qn_isa_selected(), 0);
  }
}

static void null_selects_the_best(void) {
  CHECK_EQ(qn_isa_select("generic"), QN_OK);
  CHECK_EQ(qn_isa_select(NULL), QN_OK);
  the_best_is_chosen_at_load();
}

static void tables_are_complete_and_work(void) {
  for (uint32_t i = 0; i < qn_isa_count(); i += 1) {
    if (!test_select_isa(i)) continue;
#define QN_KERNEL(type, name, arguments) CHECK(qn_kernels->name != NULL);
#include "dispatch/kernels.inc"
#undef QN_KERNEL
#define QN_KERNEL(type, name, arguments) CHECK(qn_dot_kernels->name != NULL);
#include "dispatch/dot_kernels.inc"
#undef QN_KERNEL
#define QN_KERNEL(type, name, arguments) CHECK(qn_shared_kernels->name != NULL);
#include "dispatch/shared_kernels.inc"
#undef QN_KERNEL
    struct guarded buffer = guarded_alloc(37 * sizeof(float));
    float *y = buffer.data;
    qn_kernels->fill((char *)y, 37 * sizeof(float), 0x3f8000003f800000);
    for (size_t k = 0; k < 37; k += 1) CHECK_NEAR(y[k], 1.0, 0);
    guarded_free(buffer);
  }
}

/* Two instruction sets that share a kernel would mean that the linker merged
 * them, or that a variant was compiled from the wrong folder. Only AVX-512 with VNNI, or
 * with BF16 too, has all but its dot products from AVX-512 without, which has some kernels
 * from AVX2. */
static void instruction_sets_have_their_own_kernels(void) {
  const struct qn_kernels *seen[16];
  const struct qn_dot_kernels *dots[16];
  const struct qn_shared_kernels *shared[16];
  const char *names[16];
  uint32_t count = 0;
  for (uint32_t i = 0; i < qn_isa_count(); i += 1) {
    if (!test_select_isa(i)) continue;
    const char *name = qn_dispatch_name(i);
    for (uint32_t k = 0; k < count; k += 1) {
      CHECK(dots[k] != qn_dot_kernels);
      CHECK(dots[k]->linear_fast != qn_dot_kernels->linear_fast);
      CHECK(dots[k]->linear_bf16 != qn_dot_kernels->linear_bf16);
      const bool shares = strncmp(name, "avx512", 6) == 0 && strncmp(names[k], "avx512", 6) == 0;
      CHECK((seen[k] == qn_kernels) == shares);
      CHECK((seen[k]->fill == qn_kernels->fill) == shares);
      const bool are_avx = strncmp(name, "avx", 3) == 0 && strncmp(names[k], "avx", 3) == 0;
      CHECK((shared[k] == qn_shared_kernels) == are_avx);
    }
    seen[count] = qn_kernels;
    dots[count] = qn_dot_kernels;
    shared[count] = qn_shared_kernels;
    names[count] = name;
    count += 1;
  }
}

static void every_status_has_a_text(void) {
  for (int32_t status = QN_OK; status <= QN_UNKNOWN_ISOLATE; status += 1) {
    const char *text = qn_status_text(status);
    CHECK(text != NULL && text[0] != '\0');
  }
  CHECK(qn_status_text(QN_UNKNOWN_ISOLATE + 1) == NULL);
  CHECK(qn_status_text(-1) == NULL);
  CHECK(qn_header_hash() != 0);
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  the_best_is_chosen_at_load();
  names_are_distinct_and_begin_with_generic();
  every_supported_name_selects();
  unknown_names_change_nothing();
  null_selects_the_best();
  tables_are_complete_and_work();
  instruction_sets_have_their_own_kernels();
  every_status_has_a_text();
  return test_finish();
}
