/*
 * base/cpu.c: detection of instruction sets.
 *
 * `__builtin_cpu_supports` needs a symbol of the compiler's runtime that a
 * shared library does not get, hence CPUID by hand on x86; arm64 has no such
 * instruction for user programs, hence the operating system is asked there.
 */
#include "base/cpu.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__APPLE__)
#include <sys/sysctl.h>

static bool sysctl_flag(const char *name) {
  int value = 0;
  size_t size = sizeof(value);
  return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value != 0;
}
#endif

#if defined(__x86_64__)
#include <cpuid.h>

static bool has_bits(uint32_t value, uint32_t bits) { return (value & bits) == bits; }

/* The register sets that the operating system saves: XCR0. */
static uint32_t saved_registers(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static bool saves_avx512(uint32_t saved) {
#if defined(__APPLE__)
  /* macOS turns these registers on at a thread's first use of them, so XCR0
   * does not show them before. */
  (void)saved;
  return sysctl_flag("hw.optional.avx512f");
#else
  return has_bits(saved, 0xe6); /* XMM, YMM, opmask, both parts of ZMM */
#endif
}

struct qn_cpu qn_cpu_detect(void) {
  struct qn_cpu cpu = {0};
  uint32_t a, b, d, basic, extended, features, more;
  if (!__get_cpuid(1, &a, &b, &basic, &d)) return cpu;
  if (!__get_cpuid_count(7, 0, &a, &features, &more, &d)) return cpu;
  if (!__get_cpuid(0x80000001, &a, &b, &extended, &d)) return cpu;

  const uint32_t v3_basic = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C;
  const uint32_t v3_features = bit_BMI | bit_AVX2 | bit_BMI2;
  if (!has_bits(basic, v3_basic) || !has_bits(features, v3_features)) return cpu;
  if (!has_bits(extended, bit_LZCNT)) return cpu;
  const uint32_t saved = saved_registers();
  cpu.avx2 = has_bits(saved, 0x6); /* XMM and YMM */

  const uint32_t v4_features =
      bit_AVX512F | bit_AVX512DQ | bit_AVX512CD | bit_AVX512BW | bit_AVX512VL;
  cpu.avx512 = cpu.avx2 && has_bits(features, v4_features) && saves_avx512(saved);
  cpu.avx512vnni = cpu.avx512 && has_bits(more, bit_AVX512VNNI);
  uint32_t later = 0;
  const bool has_later = __get_cpuid_count(7, 1, &later, &b, &more, &d);
  cpu.avx512bf16 = cpu.avx512vnni && has_later && has_bits(later, bit_AVX512BF16);
  return cpu;
}

#elif defined(__aarch64__)

#if defined(__linux__)
#include <sys/auxv.h>

/* From the kernel's interface, asm/hwcap.h. */
#define HWCAP_HALF_SIMD (1ul << 10) /* ASIMDHP */
#define HWCAP_DOT_SIMD (1ul << 20)  /* ASIMDDP */

static bool has_dot(void) {
  const unsigned long wanted = HWCAP_HALF_SIMD | HWCAP_DOT_SIMD;
  return (getauxval(AT_HWCAP) & wanted) == wanted;
}
#elif defined(__APPLE__)
static bool has_dot(void) {
  return sysctl_flag("hw.optional.arm.FEAT_DotProd") && sysctl_flag("hw.optional.arm.FEAT_FP16");
}
#elif defined(_WIN32)
#include <windows.h>

/* Windows reports dot products only. Every processor with them that Windows
 * runs on has half-precision arithmetic too. */
#define FEATURE_ARM_DOT_PRODUCT 43

static bool has_dot(void) { return IsProcessorFeaturePresent(FEATURE_ARM_DOT_PRODUCT) != 0; }
#else
static bool has_dot(void) { return false; }
#endif

struct qn_cpu qn_cpu_detect(void) {
  struct qn_cpu cpu = {0};
  cpu.neon_dot = has_dot();
  return cpu;
}

#else
struct qn_cpu qn_cpu_detect(void) { return (struct qn_cpu){0}; }
#endif
