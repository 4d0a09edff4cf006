/*
 * test_pressure.c: what counts as a shortage of memory, read from trees of files
 * that look like Linux's /proc and /sys, sound ones and hostile ones.
 *
 * The trees stand in the working folder, under a name of their own, and are
 * removed. Elsewhere than on Linux only the real answer can be asked for.
 */
#include "test.h" /* before pressure.h: see pool_test.h */

#include "base/pressure.h"

#if defined(__linux__)
#include <errno.h>
#include <sys/stat.h>

/* ---- Trees --------------------------------------------------------------- */

enum { MAX_PLACES = 400, MAX_NAME = 300 };

static char root[64];
static char places[MAX_PLACES][MAX_NAME];
static int place_count;

static void remember(const char *name) {
  if (place_count == MAX_PLACES) abort();
  snprintf(places[place_count++], MAX_NAME, "%s", name);
}

/* Makes the folders above a file. */
static void make_folders(const char *name) {
  char folder[MAX_NAME];
  for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
    if (folder[0] != 0 && mkdir(folder, 0700) == 0) remember(folder);
  }
}

static FILE *create(const char *file) {
  char name[MAX_NAME];
  snprintf(name, sizeof name, "%s%s", root, file);
  make_folders(name);
  FILE *stream = fopen(name, "wb");
  if (stream == NULL) abort();
  remember(name);
  return stream;
}

static void put(const char *file, const char *text) {
  FILE *stream = create(file);
  fputs(text, stream);
  fclose(stream);
}

static void put_number(const char *file, uint64_t value) {
  FILE *stream = create(file);
  fprintf(stream, "%" PRIu64 "\n", value);
  fclose(stream);
}

static void clear_tree(void) {
  while (place_count > 0) remove(places[--place_count]);
}

/* What a tree says; it is removed then. */
static qn_pressure judged(void) {
  errno = 77;
  const qn_pressure pressure = qn_os_memory_pressure();
  CHECK_EQ(errno, 77);
  clear_tree();
  return pressure;
}

/* ---- Version 2 of control groups ----------------------------------------- */

#define V2 "/sys/fs/cgroup"
#define OWN V2 "/pod/box"

static void put_group(const char *folder, uint64_t used, const char *max, const char *high) {
  char file[MAX_NAME];
  snprintf(file, sizeof file, "%s/memory.current", folder);
  put_number(file, used);
  snprintf(file, sizeof file, "%s/memory.max", folder);
  if (max != NULL) put(file, max);
  snprintf(file, sizeof file, "%s/memory.high", folder);
  if (high != NULL) put(file, high);
}

static qn_pressure judged_group(uint64_t used, const char *max, const char *high) {
  put("/proc/self/cgroup", "0::/pod/box\n");
  put_group(OWN, used, max, high);
  return judged();
}

static void the_limit_of_a_group_counts(void) {
  CHECK_EQ(judged_group(0, "1000\n", "max\n"), QN_PRESSURE_NONE);
  CHECK_EQ(judged_group(799, "1000\n", "max\n"), QN_PRESSURE_NONE);
  CHECK_EQ(judged_group(800, "1000\n", "max\n"), QN_PRESSURE_SOME);
  CHECK_EQ(judged_group(949, "1000\n", "max\n"), QN_PRESSURE_SOME);
  CHECK_EQ(judged_group(950, "1000\n", "max\n"), QN_PRESSURE_HIGH);
  CHECK_EQ(judged_group(5000, "1000\n", "max\n"), QN_PRESSURE_HIGH);
  CHECK_EQ(judged_group(850, "1000", NULL), QN_PRESSURE_SOME);
  CHECK_EQ(judged_group(850, NULL, "1000\n"), QN_PRESSURE_SOME);
  CHECK_EQ(judged_group(960, "2000\n", "1000\n"), QN_PRESSURE_HIGH);
  CHECK_EQ(judged_group(960, "1000\n", "2000\n"), QN_PRESSURE_HIGH);
  CHECK_EQ(judged_group((uint64_t)15 << 60, "max\n", "max\n"), QN_PRESSURE_NONE);
  CHECK_EQ(judged_group(960, NULL, NULL), QN_PRESSURE_NONE);
}

static void any_group_above_counts_too(void) {
  put("/proc/self/cgroup", "0::/pod/box\n");
  put_group(OWN, 10, "max\n", "max\n");
  put_group(V2 "/pod", 990, "1000\n", "max\n");
  CHECK_EQ(judged(), QN_PRESSURE_HIGH);
  /* Within a namespace the mount itself is the container's group. */
  put("/proc/self/cgroup", "0::/\n");
  put_group(V2, 850, "1000\n", "max\n");
  CHECK_EQ(judged(), QN_PRESSURE_SOME);
  put("/proc/self/cgroup", "0::/not/to/be/seen/here\n");
  put_group(V2, 850, "1000\n", "max\n");
  CHECK_EQ(judged(), QN_PRESSURE_SOME);
  /* A neighbour, and what lies outside the mount, do not count. */
  put("/proc/self/cgroup", "0::/pod/box\n");
  put_group(V2 "/pod/boxes", 990, "1000\n", "max\n");
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
  put("/proc/self/cgroup", "0::/../../outside\n");
  put_group("/sys/outside", 990, "1000\n", "max\n");
  put(V2 "/none", "");
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
  put("/proc/self/cgroup", "0::/pod/..\n");
  put_group(V2, 990, "1000\n", "max\n");
  CHECK_EQ(judged(), QN_PRESSURE_HIGH);
}

static void page_cache_that_can_be_dropped_does_not_count(void) {
  put(OWN "/memory.stat", "anon 100\nfile 850\nactive_file 50\ninactive_file 800\nslab 5\n");
  CHECK_EQ(judged_group(990, "1000\n", "max\n"), QN_PRESSURE_NONE);
  put(OWN "/memory.stat", "anon 800\ninactive_file 100\n");
  CHECK_EQ(judged_group(990, "1000\n", "max\n"), QN_PRESSURE_SOME);
  put(OWN "/memory.stat", "inactive_file 99999");
  CHECK_EQ(judged_group(990, "1000\n", "max\n"), QN_PRESSURE_NONE);
  put(OWN "/memory.stat", "anon 800\nworkingset_inactive_file 900\ninactive_file -900\n");
  CHECK_EQ(judged_group(990, "1000\n", "max\n"), QN_PRESSURE_HIGH);
}

/* ---- Version 1 ----------------------------------------------------------- */

#define V1 "/sys/fs/cgroup/memory"

static void version_1_of_control_groups_counts(void) {
  const char *groups = "5:devices:/x\n4:cpu,memory,pids:/docker/1\n1:name=systemd:/memory\n0::/\n";
  put("/proc/self/cgroup", groups);
  put_number(V1 "/docker/1/memory.limit_in_bytes", 1000);
  put_number(V1 "/docker/1/memory.usage_in_bytes", 960);
  CHECK_EQ(judged(), QN_PRESSURE_HIGH);
  put("/proc/self/cgroup", groups);
  put_number(V1 "/docker/1/memory.limit_in_bytes", 1000);
  put_number(V1 "/docker/1/memory.usage_in_bytes", 960);
  put(V1 "/docker/1/memory.stat", "inactive_file 1\ntotal_inactive_file 100\n");
  CHECK_EQ(judged(), QN_PRESSURE_SOME);
  put("/proc/self/cgroup", groups);
  put_number(V1 "/memory.limit_in_bytes", 1000);
  put_number(V1 "/memory.usage_in_bytes", 850);
  CHECK_EQ(judged(), QN_PRESSURE_SOME);
  /* Without a limit the file holds the largest multiple of a page. */
  put("/proc/self/cgroup", groups);
  put_number(V1 "/docker/1/memory.limit_in_bytes", 0x7ffffffffffff000u);
  put_number(V1 "/docker/1/memory.usage_in_bytes", (uint64_t)1 << 40);
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
  /* No hierarchy has memory: neither "memory2" nor a path that says so. */
  put("/proc/self/cgroup", "3:memory2,cpumemory:/\n2:cpu:/:memory:/\n");
  put_number(V1 "/memory.limit_in_bytes", 1000);
  put_number(V1 "/memory.usage_in_bytes", 990);
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
}

/* ---- Stalls, and the machine --------------------------------------------- */

static qn_pressure judged_stall(const char *file, const char *some, const char *full) {
  FILE *stream = create(file);
  fprintf(stream, "some avg10=%s avg60=99.00 avg300=99.00 total=1\n", some);
  fprintf(stream, "full avg10=%s avg60=99.00 avg300=99.00 total=1\n", full);
  fclose(stream);
  put("/proc/self/cgroup", "0::/pod/box\n");
  return judged();
}

static void time_lost_waiting_for_memory_counts(void) {
  const char *files[] = {"/proc/pressure/memory", OWN "/memory.pressure",
                         V2 "/pod/memory.pressure"};
  for (size_t i = 0; i < 3; i += 1) {
    CHECK_EQ(judged_stall(files[i], "0.00", "0.00"), QN_PRESSURE_NONE);
    CHECK_EQ(judged_stall(files[i], "9.99", "9.99"), QN_PRESSURE_NONE);
    CHECK_EQ(judged_stall(files[i], "10.00", "0.00"), QN_PRESSURE_SOME);
    CHECK_EQ(judged_stall(files[i], "73.10", "9.99"), QN_PRESSURE_SOME);
    CHECK_EQ(judged_stall(files[i], "10.50", "10.00"), QN_PRESSURE_HIGH);
    CHECK_EQ(judged_stall(files[i], "-10.00", "-99.00"), QN_PRESSURE_NONE);
    CHECK_EQ(judged_stall(files[i], "", "nan"), QN_PRESSURE_NONE);
    CHECK_EQ(judged_stall(files[i], "99999999999999999999999.00", "x"), QN_PRESSURE_NONE);
  }
}

static qn_pressure judged_machine(const char *text) {
  put("/proc/meminfo", text);
  return judged();
}

static void what_the_machine_has_left_counts(void) {
  CHECK_EQ(judged_machine("MemTotal:    1000 kB\nMemFree:  1 kB\nMemAvailable:  30 kB\n"),
           QN_PRESSURE_NONE);
  CHECK_EQ(judged_machine("MemTotal:    1000 kB\nMemFree:  1 kB\nMemAvailable:  29 kB\n"),
           QN_PRESSURE_HIGH);
  CHECK_EQ(judged_machine("MemTotal:    1000 kB\nMemAvailable:  0 kB\n"), QN_PRESSURE_HIGH);
  CHECK_EQ(judged_machine("MemTotal:    0 kB\nMemAvailable:  0 kB\n"), QN_PRESSURE_NONE);
  CHECK_EQ(judged_machine("MemTotal:    1000 kB\nMemAvailable:  -1 kB\n"), QN_PRESSURE_NONE);
  CHECK_EQ(judged_machine("MemTotal:    1000 kB\n"), QN_PRESSURE_NONE);
  CHECK_EQ(judged_machine("MemAvailable:   0 kB\n"), QN_PRESSURE_NONE);
}

/* ---- What is not what it should be --------------------------------------- */

static void hostile_contents_count_as_no_pressure(void) {
  const char *limits[] = {"",      "\n",     "0\n",  "-1\n",    "-1000\n",   "1000x\n", "0x10\n",
                          "1e3\n", "1000.5", " \n",  "max",     "maximum\n", "\xff\xfe", "10\n00",
                          "18446744073709551616\n", "99999999999999999999999999999999\n"};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i += 1) {
    const bool second_line = strcmp(limits[i], "10\n00") == 0;
    const qn_pressure expected = second_line ? QN_PRESSURE_HIGH : QN_PRESSURE_NONE;
    CHECK_EQ(judged_group(990, limits[i], NULL), expected);
  }
  CHECK_EQ(judged_group(UINT64_MAX, "18446744073709551615\n", NULL), QN_PRESSURE_NONE);
  CHECK_EQ(judged_group(UINT64_MAX, "18446744073709551614\n", NULL), QN_PRESSURE_HIGH);
  const char *groups[] = {"", "0", "0:", "0::", "0::\n", "::::", "0::pod/box\n", "\n\n\n", "4:memory",
                          "4:memory:", ":memory:\n", "memory", ",,,:,,,:,,,\n"};
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i += 1) {
    put("/proc/self/cgroup", groups[i]);
    put_group(OWN, 990, "1000\n", "1000\n");
    CHECK_EQ(judged(), QN_PRESSURE_NONE);
  }
}

static void put_repeated(const char *file, const char *head, char byte, size_t count) {
  FILE *stream = create(file);
  fputs(head, stream);
  for (size_t i = 0; i < count; i += 1) fputc(byte, stream);
  fclose(stream);
}

/* Long ones are read in part, and a part of a number is no number. */
static void endless_lines_count_as_no_pressure(void) {
  enum { LONG = 10 << 20 };
  put_repeated("/proc/self/cgroup", "0::/pod/", 'x', LONG);
  put_group(OWN, 990, "1000\n", "max\n");
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
  put_repeated("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable:", ' ', LONG);
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
  put_repeated("/proc/pressure/memory", "full avg10=", '9', LONG);
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
  put_repeated("/proc/pressure/memory", "full avg10=50.0\n", 0, LONG);
  CHECK_EQ(judged(), QN_PRESSURE_HIGH);
  put_repeated(OWN "/memory.max", "", '1', LONG);
  CHECK_EQ(judged_group(990, NULL, NULL), QN_PRESSURE_NONE);
  put_repeated(OWN "/memory.max", "", '\n', LONG);
  CHECK_EQ(judged_group(990, NULL, NULL), QN_PRESSURE_NONE);
  /* The number is cut where the part ends that is read. */
  FILE *stream = create(OWN "/memory.stat");
  for (int i = 0; i < 8192 - 16; i += 1) fputc('\n', stream);
  fputs("inactive_file 900\n", stream);
  fclose(stream);
  CHECK_EQ(judged_group(990, "1000\n", NULL), QN_PRESSURE_HIGH);
  /* As deep as there is room for, and deeper. */
  FILE *deep = create("/proc/self/cgroup");
  fputs("0::", deep);
  for (int i = 0; i < 2000; i += 1) fputs("/d", deep);
  fputs("\n", deep);
  fclose(deep);
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
}

static void files_of_other_kinds_count_as_no_pressure(void) {
  char name[MAX_NAME];
  put("/proc/meminfo/file", "");
  put("/proc/pressure/none", "");
  snprintf(name, sizeof name, "%s/proc/pressure/memory", root);
  CHECK_EQ(mkfifo(name, 0600), 0);
  remember(name);
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
  CHECK_EQ(judged(), QN_PRESSURE_NONE); /* nothing is there at all */
  char long_root[6000];
  memset(long_root, 'r', sizeof long_root - 1);
  long_root[sizeof long_root - 1] = 0;
  qn_os_pressure_test_root(long_root);
  CHECK_EQ(judged(), QN_PRESSURE_NONE);
  qn_os_pressure_test_root(root);
}

static void trees_are_judged(void) {
  snprintf(root, sizeof root, "quern-test-%u-pressure", (unsigned)getpid());
  qn_os_pressure_test_root(root);
  the_limit_of_a_group_counts();
  any_group_above_counts_too();
  page_cache_that_can_be_dropped_does_not_count();
  version_1_of_control_groups_counts();
  time_lost_waiting_for_memory_counts();
  what_the_machine_has_left_counts();
  hostile_contents_count_as_no_pressure();
  endless_lines_count_as_no_pressure();
  files_of_other_kinds_count_as_no_pressure();
  qn_os_pressure_test_root("");
}
#else
static void trees_are_judged(void) {}
#endif

int main(int count, char **arguments) {
  test_begin(count, arguments);
  trees_are_judged();
  const int pressure = (int)qn_os_memory_pressure();
  CHECK(pressure >= QN_PRESSURE_NONE && pressure <= QN_PRESSURE_HIGH);
  return test_finish();
}
