/*
 * api/library.c: the functions of quern.h that concern the library itself.
 */
#include "base/cpu.h"
#include "base/status.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"
#include "quern.h"

uint64_t qn_header_hash(void) { return QN_HEADER_HASH; }

int32_t qn_isa_select(const char *name) { return qn_dispatch_select(name); }

uint32_t qn_isa_count(void) { return qn_dispatch_count(); }

const char *qn_isa_name(uint32_t index) {
  return index < qn_dispatch_count() ? qn_dispatch_name(index) : NULL;
}

int32_t qn_isa_supported(uint32_t index) {
  return index < qn_dispatch_count() && qn_dispatch_supported(index);
}

uint32_t qn_isa_selected(void) { return qn_dispatch_selected(); }

size_t qn_cache_bytes(uint32_t level) {
  const struct qn_caches *caches = qn_cpu_caches();
  switch (level) {
    case 1: return caches->first;
    case 2: return caches->second;
    case 3: return caches->last;
    default: return 0;
  }
}

const char *qn_status_text(int32_t status) { return qn_status_name(status); }

int32_t qn_threads_set(uint32_t count) {
  if (count < 1 || count > QN_MAX_THREADS) return QN_BAD_ARGUMENT;
  qn_thread_count_set(count);
  return QN_OK;
}

uint32_t qn_threads(void) { return qn_thread_count(); }
