/*
 * base/status.h: the names of the status codes that quern.h declares.
 */
#ifndef QN_BASE_STATUS_H
#define QN_BASE_STATUS_H

#include "quern.h"

/* A short name in English for a status, or null for a code that does not exist. */
const char *qn_status_name(int32_t status);

#endif
