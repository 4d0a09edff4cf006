/*
 * test_file_map.c: mapping files that are there, and all that are not.
 *
 * Files are made in the working folder, under names of their own, and removed.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* truncate and fseeko, with glibc */
#endif
#define _FILE_OFFSET_BITS 64
#include "base/os.h"
#include "test.h"

#include <stdlib.h>

#if defined(_WIN32)
#include <windows.h>
#define REMOVE_FOLDER(path) RemoveDirectoryA(path)
#define MAKE_FOLDER(path) CreateDirectoryA(path, NULL)
#define PROCESS_ID ((unsigned)GetCurrentProcessId())
#else
#include <sys/stat.h>
#include <unistd.h>
#define REMOVE_FOLDER(path) rmdir(path)
#define MAKE_FOLDER(path) mkdir(path, 0700)
#define PROCESS_ID ((unsigned)getpid())
#endif

static char name_buffer[200];

/* A name in the working folder that no other run uses. */
static const char *name_for(const char *what) {
  snprintf(name_buffer, sizeof name_buffer, "quern-test-%u-%s", PROCESS_ID, what);
  return name_buffer;
}

static FILE *open_file(const char *path, const char *mode) {
#if defined(_WIN32)
  wchar_t wide[200], wide_mode[8];
  MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 200);
  MultiByteToWideChar(CP_UTF8, 0, mode, -1, wide_mode, 8);
  return _wfopen(wide, wide_mode);
#else
  return fopen(path, mode);
#endif
}

static void remove_file(const char *path) {
#if defined(_WIN32)
  wchar_t wide[200];
  MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 200);
  DeleteFileW(wide);
#else
  remove(path);
#endif
}

static bool write_file(const char *path, const void *bytes, size_t size) {
  FILE *file = open_file(path, "wb");
  if (file == NULL) return false;
  const bool written = fwrite(bytes, 1, size, file) == size;
  return fclose(file) == 0 && written;
}

static void a_mapping_is_a_private_copy(const char *what) {
  const char *path = name_for(what);
  char *content = malloc(100001);
  for (int i = 0; i < 100001; i += 1) content[i] = (char)(i * 7);
  CHECK(write_file(path, content, 100001));
  uint64_t out[3] = {0, 0};
  CHECK_EQ(qn_file_map(out, path, 0), QN_OK);
  CHECK_EQ(out[1], 100001);
  char *mapped = (char *)(uintptr_t)out[0];
  CHECK(mapped != NULL && memcmp(mapped, content, 100001) == 0);
  if (mapped != NULL) mapped[5] = 99, mapped[100000] = 98;
  uint64_t other[3] = {0, 0};
  CHECK_EQ(qn_file_map(other, path, 0), QN_OK);
  CHECK(other[0] != out[0]);
  CHECK(memcmp((char *)(uintptr_t)other[0], content, 100001) == 0);
  CHECK_EQ(qn_file_unmap(mapped + 1, 0, 0), QN_NOT_OWNED);
  CHECK_EQ(qn_file_unmap(mapped, (uint32_t)out[2] + 100, 0), QN_STALE);
  CHECK_EQ(qn_file_unmap(mapped, (uint32_t)out[2], 0), QN_OK);
  CHECK_EQ(qn_file_unmap(mapped, 0, 0), QN_NOT_OWNED);
  CHECK_EQ(qn_file_unmap((void *)(uintptr_t)other[0], 0, 0), QN_OK);
  remove_file(path);
  free(content);
}

static void what_cannot_be_mapped_is_told(void) {
  uint64_t out[3] = {5, 5};
  CHECK_EQ(qn_file_map(NULL, "x", 0), QN_NULL_POINTER);
  CHECK_EQ(qn_file_map(out, NULL, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_file_unmap(NULL, 0, 0), QN_NULL_POINTER);
  CHECK_EQ(qn_file_map(out, "", 0), QN_FILE_NOT_FOUND);
  CHECK_EQ(qn_file_map(out, name_for("missing"), 0), QN_FILE_NOT_FOUND);
  CHECK_EQ(qn_file_map(out, name_for("missing/deep/file"), 0), QN_FILE_NOT_FOUND);
  const char *path = name_for("empty");
  CHECK(write_file(path, "", 0));
  CHECK_EQ(qn_file_map(out, path, 0), QN_FILE_EMPTY);
  remove_file(path);
  path = name_for("folder");
  (void)MAKE_FOLDER(path);
  CHECK_EQ(qn_file_map(out, path, 0), QN_FILE_ERROR);
  (void)REMOVE_FOLDER(path);
  CHECK_EQ(out[0], 5);
}

static void a_refused_mapping_is_out_of_memory(void) {
  const char *path = name_for("refused");
  uint64_t out[3];
  CHECK(write_file(path, "abc", 3));
  qn_os_test_refuse(0, 1);
  CHECK_EQ(qn_file_map(out, path, 0), QN_OUT_OF_MEMORY);
  CHECK_EQ(qn_file_map(out, path, 0), QN_OK);
  CHECK_EQ(qn_file_unmap((void *)(uintptr_t)out[0], 0, 0), QN_OK);
  remove_file(path);
}

#if !defined(_WIN32)
static void posix_files_of_other_kinds_are_refused(void) {
  uint64_t out[3];
  CHECK_EQ(qn_file_map(out, "/dev/null", 0), QN_FILE_ERROR);
  const char *path = name_for("pipe");
  CHECK_EQ(mkfifo(path, 0600), 0);
  CHECK_EQ(qn_file_map(out, path, 0), QN_FILE_ERROR);
  remove_file(path);
  if (geteuid() == 0) return; /* root may read everything */
  path = name_for("secret");
  CHECK(write_file(path, "abc", 3));
  CHECK_EQ(chmod(path, 0), 0);
  CHECK_EQ(qn_file_map(out, path, 0), QN_FILE_DENIED);
  remove_file(path);
}

/* Sparse: takes no space. */
static void a_file_over_4_gib_is_mapped_whole(void) {
  const char *path = name_for("huge");
  const off_t size = ((off_t)5 << 30) + 3;
  CHECK(write_file(path, "begin", 5));
  if (truncate(path, size) == 0) {
    FILE *file = open_file(path, "r+b");
    uint64_t out[3] = {0, 0};
    CHECK(fseeko(file, size - 3, SEEK_SET) == 0 && fwrite("end", 1, 3, file) == 3);
    fclose(file);
    CHECK_EQ(qn_file_map(out, path, 0), QN_OK);
    const char *mapped = (const char *)(uintptr_t)out[0];
    CHECK_EQ(out[1], size);
    CHECK(mapped != NULL && memcmp(mapped, "begin", 5) == 0);
    CHECK(mapped != NULL && memcmp(mapped + size - 3, "end", 3) == 0);
    CHECK_EQ(qn_file_unmap((void *)(uintptr_t)out[0], 0, 0), QN_OK);
  }
  remove_file(path);
}
#endif

int main(int count, char **arguments) {
  test_begin(count, arguments);
  a_mapping_is_a_private_copy("plain");
  a_mapping_is_a_private_copy("\xc3\xa9t\xc3\xa9 \xe7\x9f\xb3\xe8\x87\xbc \xf0\x9f\x8c\xbe.gguf");
  what_cannot_be_mapped_is_told();
  a_refused_mapping_is_out_of_memory();
#if !defined(_WIN32)
  posix_files_of_other_kinds_are_refused();
  if (!test_state.emulated) a_file_over_4_gib_is_mapped_whole();
#endif
  return test_finish();
}
