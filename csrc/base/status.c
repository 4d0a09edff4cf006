/*
 * base/status.c: the names of the status codes.
 *
 * They are short and name only what went wrong: the caller knows the operation
 * and the values, and puts them around this text.
 */
#include "base/status.h"

const char *qn_status_name(int32_t status) {
  switch ((qn_status)status) {
    case QN_OK: return "ok";
    case QN_NULL_POINTER: return "null pointer";
    case QN_BAD_SIZE: return "size out of range";
    case QN_BAD_DTYPE: return "dtype not supported";
    case QN_BAD_ARGUMENT: return "argument out of range";
    case QN_BAD_INDEX: return "index out of range";
    case QN_BAD_ALIGNMENT: return "address not aligned";
    case QN_OUT_OF_MEMORY: return "out of memory";
    case QN_OVER_BUDGET: return "over the memory budget";
    case QN_NOT_OWNED: return "not a block of the pool";
    case QN_ALREADY_RETURNED: return "block already returned";
    case QN_FILE_NOT_FOUND: return "file not found";
    case QN_FILE_DENIED: return "file access denied";
    case QN_FILE_EMPTY: return "file is empty";
    case QN_FILE_ERROR: return "file error";
    case QN_UNKNOWN_ISA: return "unknown instruction set";
    case QN_UNSUPPORTED_ISA: return "instruction set not supported by this processor";
    case QN_STALE: return "memory was returned since";
    case QN_NOT_SHARED: return "nobody is expected to claim this memory";
    case QN_UNKNOWN_ISOLATE: return "isolate not open";
  }
  return NULL;
}
