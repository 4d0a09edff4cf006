/*
 * base/os.c: os.h over POSIX (Linux, macOS) and Windows.
 *
 * POSIX has no aligned mmap, so a reservation takes `alignment` more and gives
 * the ends back. Windows cannot give back a part, so there the address of a
 * larger reservation is reused after it was freed; another thread may take it
 * in between, hence the attempts.
 */
#if !defined(_WIN32)
#define _GNU_SOURCE      /* madvise, MAP_ANONYMOUS with glibc */
#define _DARWIN_C_SOURCE /* the same on macOS */
#define _FILE_OFFSET_BITS 64
#endif

#include "base/os.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/refusal.h"

static qn_refusal refusal;

void qn_os_test_refuse(uint64_t after, uint64_t count) { qn_refusal_set(&refusal, after, count); }

void qn_os_touch(void *address, size_t bytes) {
  size_t page = qn_os_page_size();
  for (size_t at = 0; at < bytes; at += page) ((volatile char *)address)[at] = 0;
}

#if defined(_WIN32)
/* ======================================================================== */

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

size_t qn_os_page_size(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

static void *reserve_at(void *address, size_t bytes) {
  return VirtualAlloc(address, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void *qn_os_reserve(size_t bytes, size_t alignment) {
  if (bytes > SIZE_MAX - alignment || qn_refusal_now(&refusal)) return NULL;
  for (int attempt = 0; attempt < 16; attempt++) {
    /* Only address space is taken to find the place; the memory itself is
     * committed once, at the aligned address. */
    char *found = VirtualAlloc(NULL, bytes + alignment, MEM_RESERVE, PAGE_READWRITE);
    if (found == NULL) return NULL;
    char *aligned = (char *)(((uintptr_t)found + alignment - 1) & ~(uintptr_t)(alignment - 1));
    VirtualFree(found, 0, MEM_RELEASE);
    void *address = reserve_at(aligned, bytes);
    if (address != NULL) return address;
    if (GetLastError() != ERROR_INVALID_ADDRESS) return NULL;
  }
  return NULL;
}

void qn_os_release(void *address, size_t bytes) {
  (void)bytes;
  VirtualFree(address, 0, MEM_RELEASE);
}

size_t qn_os_discard(void *address, size_t bytes) {
  if (DiscardVirtualMemory(address, bytes) == ERROR_SUCCESS) return bytes;
  /* Early versions of Windows 10 refuse; a reset does the same more lazily. */
  return VirtualAlloc(address, bytes, MEM_RESET, PAGE_READWRITE) != NULL ? bytes : 0;
}

void qn_os_prefer_huge_pages(void *address, size_t bytes) {
  /* Large pages need a privilege that services rarely have. */
  (void)address;
  (void)bytes;
}

/* The path as UTF-16, absolute, and with the prefix that lifts the limit of 260
 * characters where it is needed. The caller frees it. Null: not valid UTF-8, not
 * a path, or no memory. */
static wchar_t *wide_path(const char *path) {
  static const wchar_t prefix[] = L"\\\\?\\";
  enum { PREFIX = 4 };
  int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
  if (units <= 1) return NULL;
  wchar_t *wide = malloc((size_t)units * sizeof *wide);
  if (wide == NULL) return NULL;
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, units);
  DWORD needed = GetFullPathNameW(wide, 0, NULL, NULL);
  if (needed < MAX_PATH) return wide;
  wchar_t *full = malloc(((size_t)needed + PREFIX) * sizeof *full);
  if (full == NULL || GetFullPathNameW(wide, needed, full + PREFIX, NULL) == 0) {
    free(full);
    return wide;
  }
  free(wide);
  bool drive = full[PREFIX] != L'\\' && full[PREFIX + 1] == L':';
  size_t shift = drive ? 0 : PREFIX; /* a share or an already prefixed path stays as it is */
  for (size_t i = 0; drive && i < PREFIX; i++) full[i] = prefix[i];
  for (size_t i = 0; shift != 0 && i < needed; i++) full[i] = full[i + shift];
  return full;
}

static qn_status file_status(DWORD error) {
  switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
    case ERROR_INVALID_DRIVE:
      return QN_FILE_NOT_FOUND;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
      return QN_FILE_DENIED;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_OUTOFMEMORY:
      return QN_OUT_OF_MEMORY;
    default:
      return QN_FILE_ERROR;
  }
}

/* Maps an open file. The view keeps the file alive after its handles close. */
static qn_status map_handle(HANDLE file, void **address_out, size_t *bytes_out) {
  LARGE_INTEGER size;
  if (GetFileType(file) != FILE_TYPE_DISK || !GetFileSizeEx(file, &size)) return QN_FILE_ERROR;
  if (size.QuadPart == 0) return QN_FILE_EMPTY;
  if ((uint64_t)size.QuadPart > SIZE_MAX || qn_refusal_now(&refusal)) return QN_OUT_OF_MEMORY;
  HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_WRITECOPY, 0, 0, NULL);
  if (mapping == NULL) return file_status(GetLastError());
  void *address = MapViewOfFile(mapping, FILE_MAP_COPY, 0, 0, 0);
  qn_status status = address == NULL ? file_status(GetLastError()) : QN_OK;
  CloseHandle(mapping);
  if (status != QN_OK) return status;
  *address_out = address;
  *bytes_out = (size_t)size.QuadPart;
  return QN_OK;
}

qn_status qn_os_file_map(const char *path, void **address_out, size_t *bytes_out) {
  wchar_t *wide = wide_path(path);
  if (wide == NULL) return QN_FILE_NOT_FOUND;
  HANDLE file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
                            OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
  qn_status status;
  if (file == INVALID_HANDLE_VALUE) {
    status = file_status(GetLastError());
    /* A folder cannot be opened this way, and says that access was denied. */
    DWORD attributes = GetFileAttributesW(wide);
    bool folder = attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY);
    if (folder) status = QN_FILE_ERROR;
  } else {
    status = map_handle(file, address_out, bytes_out);
    CloseHandle(file);
  }
  free(wide);
  return status;
}

void qn_os_file_unmap(void *address, size_t bytes) {
  (void)bytes;
  UnmapViewOfFile(address);
}

#else
/* ======================================================================== */

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif

size_t qn_os_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Without MAP_NORESERVE on purpose: Linux then refuses at once what could never
 * be backed, and a request for terabytes fails here, not when it is touched. */
static void *map_anonymous(size_t bytes) {
  void *address =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? NULL : address;
}

void *qn_os_reserve(size_t bytes, size_t alignment) {
  if (bytes > SIZE_MAX - alignment || qn_refusal_now(&refusal)) return NULL;
  size_t page = qn_os_page_size();
  size_t slack = alignment > page ? alignment - page : 0;
  char *found = map_anonymous(bytes + slack);
  if (found == NULL) return NULL;
  char *aligned = (char *)(((uintptr_t)found + alignment - 1) & ~(uintptr_t)(alignment - 1));
  size_t head = (size_t)(aligned - found);
  if (head != 0) munmap(found, head);
  if (slack != head) munmap(aligned + bytes, slack - head);
  return aligned;
}

void qn_os_release(void *address, size_t bytes) { munmap(address, bytes); }

size_t qn_os_discard(void *address, size_t bytes) {
#if defined(__APPLE__)
  /* MADV_DONTNEED leaves the pages in the process's footprint on macOS. */
  if (madvise(address, bytes, MADV_FREE_REUSABLE) == 0) return bytes;
  return madvise(address, bytes, MADV_FREE) == 0 ? bytes : 0;
#else
  return madvise(address, bytes, MADV_DONTNEED) == 0 ? bytes : 0;
#endif
}

void qn_os_prefer_huge_pages(void *address, size_t bytes) {
#if defined(MADV_HUGEPAGE)
  int error = errno;
  (void)madvise(address, bytes, MADV_HUGEPAGE);
  errno = error;
#else
  (void)address;
  (void)bytes;
#endif
}

static qn_status file_status(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return QN_FILE_NOT_FOUND;
    case EACCES:
    case EPERM:
      return QN_FILE_DENIED;
    case ENOMEM:
    case EAGAIN:
      return QN_OUT_OF_MEMORY;
    default:
      return QN_FILE_ERROR;
  }
}

/* Maps an open file. The mapping keeps the file alive after it is closed. */
static qn_status map_descriptor(int file, void **address_out, size_t *bytes_out) {
  struct stat facts;
  if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) return QN_FILE_ERROR;
  if (facts.st_size == 0) return QN_FILE_EMPTY;
  if ((uint64_t)facts.st_size > SIZE_MAX || qn_refusal_now(&refusal)) return QN_OUT_OF_MEMORY;
  /* Pages are copied only when written, which weights rarely are: nothing need
   * be set aside for copies, and a model larger than the memory can be mapped. */
  void *address = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_NORESERVE, file, 0);
  if (address == MAP_FAILED) return file_status(errno);
  *address_out = address;
  *bytes_out = (size_t)facts.st_size;
  return QN_OK;
}

qn_status qn_os_file_map(const char *path, void **address_out, size_t *bytes_out) {
  /* O_NONBLOCK: opening a pipe would otherwise wait for its other end. */
  int file;
  do {
    file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (file < 0 && errno == EINTR);
  if (file < 0) return file_status(errno);
  qn_status status = map_descriptor(file, address_out, bytes_out);
  close(file);
  return status;
}

void qn_os_file_unmap(void *address, size_t bytes) { munmap(address, bytes); }

#endif
