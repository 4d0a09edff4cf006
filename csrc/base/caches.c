/*
 * base/caches.c: the sizes of the data caches.
 *
 * x86 processors say them by CPUID: leaf 4, or 0x8000001d on AMD's, has one entry a
 * cache. Elsewhere the operating system is asked. Sizes choose how large pieces of work
 * are, so a wrong one costs speed alone.
 */
#include "base/cpu.h"

#include <stdint.h>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__linux__)
#include <stdio.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { LEVELS = 3 };

static const size_t common[LEVELS] = {32 << 10, 512 << 10, 8 << 20};

#if defined(__x86_64__)
/* An entry: its type (1 data, 2 instructions, 3 both; 0 ends the list), level and size. */
static void read_leaf(uint32_t leaf, size_t sizes[LEVELS]) {
  uint32_t a, b, c, d;
  for (uint32_t i = 0; i < 16 && __get_cpuid_count(leaf, i, &a, &b, &c, &d); i += 1) {
    const uint32_t type = a & 31;
    const uint32_t level = a >> 5 & 7;
    if (type == 0) return;
    if (type == 2 || level < 1 || level > LEVELS) continue;
    const size_t ways = (b >> 22) + 1;
    const size_t partitions = (b >> 12 & 1023) + 1;
    const size_t line = (b & 4095) + 1;
    sizes[level - 1] = ways * partitions * line * ((size_t)c + 1);
  }
}

static void ask(size_t sizes[LEVELS]) {
  const uint32_t topology = 1u << 22;
  uint32_t a, b, c, d;
  const bool extended = __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & topology) != 0;
  read_leaf(extended ? 0x8000001d : 4, sizes);
}

#elif defined(__APPLE__)
static size_t sysctl_size(const char *name) {
  int64_t value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value > 0 ? (size_t)value : 0;
}

/* The second cache is shared by the fast cores of a cluster, of four or more. */
static void ask(size_t sizes[LEVELS]) {
  sizes[0] = sysctl_size("hw.perflevel0.l1dcachesize");
  sizes[1] = sysctl_size("hw.perflevel0.l2cachesize") / 4;
}

#elif defined(__linux__)
static bool read_number(const char *name, int index, size_t *value, char *unit) {
  char path[96];
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  const bool found = fscanf(file, "%zu%c", value, unit) >= 1;
  fclose(file);
  return found;
}

/* Entry 1 is the first cache of instructions where 0 is that of data, or the reverse: of
 * one level the first counts. */
static void ask(size_t sizes[LEVELS]) {
  for (int i = 0; i < 8; i += 1) {
    size_t level, size;
    char unit = 0;
    if (!read_number("level", i, &level, &unit)) return;
    if (level < 1 || level > LEVELS || sizes[level - 1] != 0) continue;
    if (!read_number("size", i, &size, &unit)) continue;
    sizes[level - 1] = size << (unit == 'M' ? 20 : unit == 'K' ? 10 : 0);
  }
}

#else
static void ask(size_t sizes[LEVELS]) { (void)sizes; }
#endif

static struct qn_caches caches;

__attribute__((constructor)) static void find_caches(void) {
  size_t sizes[LEVELS] = {0};
  ask(sizes);
  const size_t second = sizes[1] != 0 ? sizes[1] : common[1];
  const size_t without = sizes[1] != 0 ? 8 * second : common[2];
  caches.first = sizes[0] != 0 ? sizes[0] : common[0];
  caches.second = second;
  caches.last = sizes[2] > second ? sizes[2] : without;
}

const struct qn_caches *qn_cpu_caches(void) { return &caches; }

/* On ARM a streaming store is a hint that processors take in different ways. */
bool qn_is_streamed(size_t bytes) {
#if defined(__x86_64__)
  return bytes > caches.last / 4 * 3;
#else
  (void)bytes;
  return false;
#endif
}
