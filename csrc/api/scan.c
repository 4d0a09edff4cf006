/*
 * api/scan.c: running sums and products along an axis.
 *
 * x[outer, count, inner]: with inner 1 each row is by itself, else neighbouring columns
 * go together. Threads take rows, or tiles of columns; a sum is never split.
 */
#include "api/check.h"
#include "base/threads.h"
#include "dispatch/dispatch.h"

enum { TILE = 256 }; /* columns that a kernel takes */

struct scan {
  char *y;
  const char *x;
  size_t count;
  size_t inner;
  size_t tiles; /* of the columns of one matrix */
  size_t item;
  int32_t multiplies;
  int32_t dtype;
};

static void scan_tiles(void *context, size_t begin, size_t end, uint32_t worker) {
  (void)worker;
  const struct scan *task = context;
  for (size_t tile = begin; tile < end; tile += 1) {
    const size_t col = tile % task->tiles * TILE;
    const size_t rest = task->inner - col;
    const size_t at = (tile / task->tiles * task->count * task->inner + col) * task->item;
    qn_kernels->scan(task->y + at, task->x + at, task->count, rest < TILE ? rest : TILE,
                     task->inner, task->multiplies, task->dtype);
  }
}

int32_t qn_scan(void *y, const void *x, uint32_t outer, uint32_t count, uint32_t inner,
                int32_t multiplies, int32_t dtype) {
  if (dtype != QN_F32 && dtype != QN_F64 && dtype != QN_I64) return QN_BAD_DTYPE;
  const size_t item = qn_item_bytes(dtype);
  QN_TRY(qn_check_array(y, outer, count, inner, item, item));
  QN_TRY(qn_check_array(x, outer, count, inner, item, item));
  if (outer == 0 || count == 0 || inner == 0) return QN_OK;
  struct scan task = {.y = y,
                      .x = x,
                      .count = count,
                      .inner = inner,
                      .tiles = ((size_t)inner + TILE - 1) / TILE,
                      .item = item,
                      .multiplies = multiplies != 0,
                      .dtype = dtype};
  const size_t work = count * (size_t)(inner < TILE ? inner : TILE);
  qn_parallel_rows(outer * task.tiles, qn_grain_rows(work), scan_tiles, &task);
  return QN_OK;
}
