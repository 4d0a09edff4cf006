/*
 * base/pressure.c: pressure.h over Linux, macOS and Windows.
 *
 * Linux tells in four places, and the worst counts:
 *
 *   /sys/fs/cgroup      limit and use of the process's control groups, from its
 *                       own up to the root: a container is killed at the limit of
 *                       any of them, however much the machine has
 *   memory.pressure     of those groups: the share of the last ten seconds in which
 *   /proc/pressure      some, or all, tasks waited for memory
 *   /proc/meminfo       what the machine has left
 *
 * Version 2 of control groups lies at /sys/fs/cgroup, version 1 at its folder
 * `memory`; a machine may mount both. Within a namespace, the path that
 * /proc/self/cgroup tells may not exist below the mount: its ancestors do, down to
 * the mount itself, which is then the container's own group.
 *
 * What counts as used is the working set, as container runtimes count it: page
 * cache that was not used lately (`inactive_file`) can be dropped at once.
 */
#if defined(__linux__)
#define _GNU_SOURCE /* O_CLOEXEC with -std=c11 */
#endif

#include "base/pressure.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__linux__) || defined(_WIN32)
/* Of a limit: a fifth left is time to be modest, a twentieth to give up all. */
#define SOME_LEFT(limit) ((limit) / 5)
#define HIGH_LEFT(limit) ((limit) / 20)
/* Of a machine's memory. Its page cache is small by then, and programs stall. */
#define MACHINE_HIGH_LEFT(total) ((total) / 100 * 3)

static qn_pressure worse(qn_pressure a, qn_pressure b) { return a > b ? a : b; }

static qn_pressure limit_pressure(uint64_t used, uint64_t limit) {
  if (limit == 0) return QN_PRESSURE_NONE; /* nothing runs under such a limit */
  const uint64_t left = used < limit ? limit - used : 0;
  if (left <= HIGH_LEFT(limit)) return QN_PRESSURE_HIGH;
  return left <= SOME_LEFT(limit) ? QN_PRESSURE_SOME : QN_PRESSURE_NONE;
}
#endif

#if !defined(__linux__)
void qn_os_pressure_test_root(const char *root) { (void)root; }
#endif

#if defined(__linux__)
/* ======================================================================== */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Percent of ten seconds in which some task, or every task, waited for memory.
 * A tenth of the time lost is far above what a healthy machine shows. */
#define STALL_PERCENT 10

/* Deeper than control groups are nested. */
#define MAX_GROUPS 32

/* Several times the longest of the files read here, and a whole path. */
#define TEXT_BYTES 8192
#define PATH_BYTES 4608

static _Atomic(const char *) test_root = "";

void qn_os_pressure_test_root(const char *root) { atomic_store(&test_root, root); }

/* A path that grows and shrinks at its end. */
typedef struct path {
  char text[PATH_BYTES];
  size_t length;
} path;

/* Appends `bytes` of text; false, with nothing changed, when they do not fit. */
static bool path_add(path *to, const char *text, size_t bytes) {
  if (bytes >= PATH_BYTES - to->length) return false;
  memcpy(to->text + to->length, text, bytes);
  to->length += bytes;
  to->text[to->length] = 0;
  return true;
}

static void path_cut(path *to, size_t length) {
  to->length = length;
  to->text[length] = 0;
}

static bool path_begin(path *to, const char *text) {
  const char *root = atomic_load(&test_root);
  path_cut(to, 0);
  return path_add(to, root, strlen(root)) && path_add(to, text, strlen(text));
}

/* ---- Reading ----------------------------------------------------------- */

/* Bytes read, at most `capacity`; a failure reads as the end. */
static size_t read_some(int file, char *text, size_t capacity) {
  size_t length = 0;
  while (length < capacity) {
    const ssize_t got = read(file, text + length, capacity - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += (size_t)got;
  }
  return length;
}

/* The whole lines that the first TEXT_BYTES of a file hold; false when there are
 * none. A last line without its end is whole where the file ends there. */
static bool read_text(const char *name, char text[TEXT_BYTES]) {
  /* O_NONBLOCK: opening a pipe would otherwise wait for its other end. */
  const int file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  size_t length = read_some(file, text, TEXT_BYTES);
  close(file);
  if (length == TEXT_BYTES) {
    while (length > 0 && text[length - 1] != '\n') length -= 1;
    if (length == TEXT_BYTES) length -= 1; /* its newline makes room for the zero */
  }
  text[length] = 0;
  return length > 0;
}

/* The file `name` of the folder `folder`. */
static bool read_text_in(path *folder, const char *name, char text[TEXT_BYTES]) {
  const size_t before = folder->length;
  const bool found = path_add(folder, name, strlen(name)) && read_text(folder->text, text);
  path_cut(folder, before);
  return found;
}

/* Reads the digits at `text`; what follows them, or null when there are none or
 * more than fit. */
static const char *read_digits(const char *text, uint64_t *value_out) {
  uint64_t value = 0;
  const char *at = text;
  for (; *at >= '0' && *at <= '9'; at += 1) {
    if (__builtin_mul_overflow(value, (uint64_t)10, &value)) return NULL;
    if (__builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) return NULL;
  }
  *value_out = value;
  return at == text ? NULL : at;
}

/* The first line that begins with `start`: what follows it there, or null. */
static const char *find_line(const char *text, const char *start) {
  const size_t length = strlen(start);
  while (text != NULL && strncmp(text, start, length) != 0) {
    text = strchr(text, '\n');
    if (text != NULL) text += 1;
  }
  return text == NULL ? NULL : text + length;
}

/* The number of the line that begins with `name`, blanks, and digits that `after`
 * follows. False, and nothing written: no such line. */
static bool find_number(const char *text, const char *name, char after, uint64_t *value_out) {
  const char *at = find_line(text, name);
  if (at == NULL) return false;
  while (*at == ' ') at += 1;
  uint64_t value;
  const char *end = read_digits(at, &value);
  if (end == NULL || (*end != after && !(after == '\n' && *end == 0))) return false;
  *value_out = value;
  return true;
}

/* A file that holds one number; "max" is none. */
static bool number_in(path *folder, const char *name, uint64_t *value_out) {
  char text[TEXT_BYTES];
  return read_text_in(folder, name, text) && find_number(text, "", '\n', value_out);
}

/* ---- What the files say -------------------------------------------------- */

/*     some avg10=0.12 avg60=0.03 avg300=0.00 total=852115
 *     full avg10=0.00 avg60=0.00 avg300=0.00 total=727247       */
static qn_pressure stall_pressure(const char *text) {
  uint64_t percent;
  const bool full = find_number(text, "full avg10=", '.', &percent) && percent >= STALL_PERCENT;
  if (full) return QN_PRESSURE_HIGH;
  const bool some = find_number(text, "some avg10=", '.', &percent) && percent >= STALL_PERCENT;
  return some ? QN_PRESSURE_SOME : QN_PRESSURE_NONE;
}

/* Both in the same unit, so which one does not matter. */
static qn_pressure machine_pressure(const char *text) {
  uint64_t total, available;
  if (!find_number(text, "MemTotal:", ' ', &total)) return QN_PRESSURE_NONE;
  if (!find_number(text, "MemAvailable:", ' ', &available)) return QN_PRESSURE_NONE;
  return available < MACHINE_HIGH_LEFT(total) ? QN_PRESSURE_HIGH : QN_PRESSURE_NONE;
}

/* How a version of control groups names its files. Beyond the second limit of
 * version 2 tasks are not killed, but made to wait. */
typedef struct group_files {
  const char *mount;
  const char *used;
  const char *limits[2];
  const char *droppable; /* the field of memory.stat, descendants included */
} group_files;

static const group_files version_2 = {
    "/sys/fs/cgroup", "/memory.current", {"/memory.max", "/memory.high"}, "inactive_file "};
static const group_files version_1 = {"/sys/fs/cgroup/memory",
                                      "/memory.usage_in_bytes",
                                      {"/memory.limit_in_bytes", NULL},
                                      "total_inactive_file "};

/* The page cache that a group could drop at once; 0 when it is not told. */
static uint64_t droppable_bytes(path *folder, const group_files *files) {
  char text[TEXT_BYTES];
  uint64_t bytes = 0;
  if (read_text_in(folder, "/memory.stat", text)) {
    (void)find_number(text, files->droppable, '\n', &bytes);
  }
  return bytes;
}

/* One group. Most have no limit, and are done with after one or two files. */
static qn_pressure group_pressure(path *folder, const group_files *files) {
  uint64_t limit = UINT64_MAX;
  for (int i = 0; i < 2 && files->limits[i] != NULL; i += 1) {
    uint64_t value;
    if (number_in(folder, files->limits[i], &value) && value < limit) limit = value;
  }
  uint64_t used;
  if (limit == UINT64_MAX || !number_in(folder, files->used, &used)) return QN_PRESSURE_NONE;
  const qn_pressure pressure = limit_pressure(used, limit);
  if (pressure == QN_PRESSURE_NONE) return pressure;
  const uint64_t droppable = droppable_bytes(folder, files);
  return limit_pressure(used > droppable ? used - droppable : 0, limit);
}

static qn_pressure group_stall(path *folder) {
  char text[TEXT_BYTES];
  return read_text_in(folder, "/memory.pressure", text) ? stall_pressure(text) : QN_PRESSURE_NONE;
}

/* ---- The groups of this process ------------------------------------------ */

/* Whether a list such as "cpu,memory" has "memory". */
static bool has_memory(const char *list, size_t length) {
  static const char name[] = "memory";
  enum { NAME = sizeof name - 1 };
  while (length >= NAME) {
    const char *comma = memchr(list, ',', length);
    const size_t item = comma == NULL ? length : (size_t)(comma - list);
    if (item == NAME && memcmp(list, name, NAME) == 0) return true;
    if (comma == NULL) break;
    length -= item + 1;
    list = comma + 1;
  }
  return false;
}

/* The group's path in the text of /proc/self/cgroup, which has lines such as
 * "4:cpu,memory:/a/b", and for version 2 "0::/a/b". Null: not there. */
static const char *find_group(const char *text, bool second) {
  if (second) return find_line(text, "0::");
  while (text != NULL && *text != 0) {
    const size_t line = strcspn(text, "\n");
    const char *list = memchr(text, ':', line);
    const char *end = list == NULL ? NULL : memchr(list + 1, ':', line - (size_t)(list + 1 - text));
    if (end != NULL && has_memory(list + 1, (size_t)(end - list - 1))) return end + 1;
    text += line + (text[line] == '\n');
  }
  return NULL;
}

/* A path that leaves the namespace is of no use below the mount. */
static bool climbs(const char *name, size_t length) {
  for (size_t i = 0; i + 3 <= length; i += 1) {
    if (memcmp(name + i, "/..", 3) == 0 && (i + 3 == length || name[i + 3] == '/')) return true;
  }
  return false;
}

/* The process's group and all above it, up to the mount. */
static qn_pressure groups_pressure(const char *groups, const group_files *files) {
  const char *name = find_group(groups, files == &version_2);
  path folder;
  if (name == NULL || !path_begin(&folder, files->mount)) return QN_PRESSURE_NONE;
  const size_t mount = folder.length;
  const size_t length = strcspn(name, "\n");
  if (*name == '/' && !climbs(name, length)) (void)path_add(&folder, name, length);
  qn_pressure pressure = QN_PRESSURE_NONE;
  for (int i = 0; i < MAX_GROUPS && pressure != QN_PRESSURE_HIGH; i += 1) {
    pressure = worse(pressure, group_pressure(&folder, files));
    if (files == &version_2) pressure = worse(pressure, group_stall(&folder));
    if (folder.length <= mount) break;
    size_t parent = folder.length - 1;
    while (parent > mount && folder.text[parent] != '/') parent -= 1;
    path_cut(&folder, parent);
  }
  return pressure;
}

/* A text of the machine, judged. */
static qn_pressure file_pressure(const char *name, qn_pressure (*judge)(const char *text)) {
  char text[TEXT_BYTES];
  path file;
  return path_begin(&file, name) && read_text(file.text, text) ? judge(text) : QN_PRESSURE_NONE;
}

static qn_pressure all_groups_pressure(const char *text) {
  return worse(groups_pressure(text, &version_2), groups_pressure(text, &version_1));
}

qn_pressure qn_os_memory_pressure(void) {
  const int error = errno;
  qn_pressure pressure = file_pressure("/proc/pressure/memory", stall_pressure);
  pressure = worse(pressure, file_pressure("/proc/meminfo", machine_pressure));
  if (pressure != QN_PRESSURE_HIGH) {
    pressure = worse(pressure, file_pressure("/proc/self/cgroup", all_groups_pressure));
  }
  errno = error;
  return pressure;
}

#elif defined(__APPLE__)
/* ======================================================================== */

#include <sys/sysctl.h>

/* The level that the kernel itself tells applications: 1 normal, 2 warning,
 * 4 critical. */
qn_pressure qn_os_memory_pressure(void) {
  int level = 0;
  size_t bytes = sizeof level;
  if (sysctlbyname("kern.memorystatus_vm_pressure_level", &level, &bytes, NULL, 0) != 0) {
    return QN_PRESSURE_NONE;
  }
  if (level >= 4) return QN_PRESSURE_HIGH;
  return level >= 2 ? QN_PRESSURE_SOME : QN_PRESSURE_NONE;
}

#elif defined(_WIN32)
/* ======================================================================== */

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

/* Windows refuses memory at the limit of what may be committed, of the system or
 * of the job that the process runs in: the smaller is what "page file" means here. */
qn_pressure qn_os_memory_pressure(void) {
  MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
  if (!GlobalMemoryStatusEx(&memory)) return QN_PRESSURE_NONE;
  const uint64_t limit = memory.ullTotalPageFile;
  const uint64_t left = memory.ullAvailPageFile;
  const qn_pressure commit = limit_pressure(left < limit ? limit - left : 0, limit);
  const bool short_of_pages = memory.ullAvailPhys < MACHINE_HIGH_LEFT(memory.ullTotalPhys);
  return worse(commit, short_of_pages ? QN_PRESSURE_HIGH : QN_PRESSURE_NONE);
}

#else
/* ======================================================================== */

qn_pressure qn_os_memory_pressure(void) { return QN_PRESSURE_NONE; }

#endif
