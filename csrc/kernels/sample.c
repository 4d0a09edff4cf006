/*
 * kernels/sample.c: draws one index from a row of logits.
 *
 * y: one index; logits: [cols], cols at least 1; history: [count], each in
 * 0 .. cols - 1; scratch: 16 * cols bytes, aligned to 4. The order of the steps
 * is that of qn_sample_f32 in quern.h. Gives QN_BAD_ARGUMENT, and writes nothing,
 * when the largest logit after the penalty is NaN or infinite: then there is no
 * distribution.
 *
 * Each filter keeps a beginning of one order: by logit from the largest, equal
 * ones by index. So what is kept is known by its last element, a `cut`, and no
 * filter sorts: the elements are put into bins by their distance from the
 * largest, whole bins are kept by their count or their mass, and only the bin
 * where the filter ends is put in order, by a heap that gives as many as are
 * needed. Masses are added in float64. The draw goes by index over what is kept,
 * so it does not depend on how the filters work.
 */
#include <math.h>

#include "dispatch/kernel_table.h"
#include <vec.h>

#include "row_math.h"

/* Bins of 1/32 nat; the last takes all that is further away. */
enum { BINS = 1024, BINS_PER_NAT = 32 };

struct row {
  float *x;        /* [cols] logits after the penalty */
  float *weight;   /* [cols] exp((x - largest) / temperature), 1 for the largest */
  uint32_t *order; /* [cols] room for the members of one bin */
  int32_t *bin;    /* [cols] 0 for the largest and its neighbours */
  size_t cols;
  float largest;
  float temperature;
};

/* The last element that is kept. */
struct cut {
  float x;
  uint32_t index;
};

struct bins {
  uint32_t count[BINS];
  double mass[BINS];
};

static void penalise(float *x, const float *logits, size_t cols, const int32_t *history,
                     size_t count, float penalty) {
  for (size_t i = 0; i < cols; i += 1) x[i] = logits[i];
  /* From the given logits: a token that comes twice is penalised once. */
  for (size_t i = 0; i < count; i += 1) {
    float logit = logits[history[i]];
    x[history[i]] = logit > 0.0f ? logit / penalty : logit * penalty;
  }
}

/* Fills weight and bin. */
static void weigh(const struct row *row) {
  for (size_t i = 0; i < row->cols; i += QN_LANES) {
    size_t n = row->cols - i < QN_LANES ? row->cols - i : QN_LANES;
    qn_vf distance = (row->largest - qn_vload_n(row->x + i, n)) / row->temperature;
    qn_vstore_n(row->weight + i, qn_vexp(-distance), n);
    qn_vi bin = qn_vto_i32(qn_vmin(distance * (float)BINS_PER_NAT, qn_vset1(BINS - 1)));
    qn_vstore_i32_n(row->bin + i, bin, n);
  }
}

/* Whether a comes before b. */
static int before(const struct row *row, uint32_t a, uint32_t b) {
  return row->x[a] > row->x[b] || (row->x[a] == row->x[b] && a < b);
}

static int is_kept(const struct row *row, struct cut cut, uint32_t i) {
  return row->x[i] > cut.x || (row->x[i] == cut.x && i <= cut.index);
}

static void sift_down(const struct row *row, uint32_t *heap, size_t count, size_t at) {
  for (;;) {
    size_t first = at;
    size_t left = 2 * at + 1;
    if (left < count && before(row, heap[left], heap[first])) first = left;
    if (left + 1 < count && before(row, heap[left + 1], heap[first])) first = left + 1;
    if (first == at) return;
    uint32_t moved = heap[at];
    heap[at] = heap[first];
    heap[first] = moved;
    at = first;
  }
}

/* The members of a bin as a heap in row->order. */
static size_t make_heap(const struct row *row, int32_t bin) {
  size_t count = 0;
  for (size_t i = 0; i < row->cols; i += 1) {
    if (row->bin[i] == bin) row->order[count++] = (uint32_t)i;
  }
  for (size_t at = count / 2; at > 0; at -= 1) sift_down(row, row->order, count, at - 1);
  return count;
}

/* Takes the first element off a heap that is not empty. */
static uint32_t pop(const struct row *row, size_t *count) {
  uint32_t first = row->order[0];
  *count -= 1;
  row->order[0] = row->order[*count];
  sift_down(row, row->order, *count, 0);
  return first;
}

static void fill_bins(struct bins *bins, const struct row *row) {
  for (size_t b = 0; b < BINS; b += 1) {
    bins->count[b] = 0;
    bins->mass[b] = 0.0;
  }
  for (size_t i = 0; i < row->cols; i += 1) {
    size_t b = (size_t)row->bin[i];
    bins->count[b] += 1;
    bins->mass[b] += (double)row->weight[i];
  }
}

/* The cut after the `keep` first elements, 1 <= keep <= cols, and their mass. */
static struct cut cut_at_count(const struct row *row, const struct bins *bins, size_t keep,
                               double *mass) {
  size_t b = 0;
  *mass = 0.0;
  for (; keep > bins->count[b]; b += 1) {
    keep -= bins->count[b];
    *mass += bins->mass[b];
  }
  size_t members = make_heap(row, (int32_t)b);
  uint32_t last = 0;
  for (; keep > 0; keep -= 1) {
    last = pop(row, &members);
    *mass += (double)row->weight[last];
  }
  return (struct cut){row->x[last], last};
}

/* The cut after the first element with which the mass reaches `target`, or the
 * last element of all when rounding keeps it below. */
static struct cut cut_at_mass(const struct row *row, const struct bins *bins, double target) {
  size_t b = 0;
  double mass = 0.0;
  size_t last_bin = BINS - 1;
  while (bins->count[last_bin] == 0) last_bin -= 1;
  for (; b < last_bin && mass + bins->mass[b] < target; b += 1) mass += bins->mass[b];
  size_t members = make_heap(row, (int32_t)b);
  uint32_t last = 0;
  do {
    if (members == 0) break;
    last = pop(row, &members);
    mass += (double)row->weight[last];
  } while (mass < target);
  return (struct cut){row->x[last], last};
}

/* What top_k and top_p keep. */
static struct cut find_cut(const struct row *row, size_t top_k, float top_p) {
  struct cut cut = {-INFINITY, UINT32_MAX};
  int by_count = top_k > 0 && top_k < row->cols;
  if (!by_count && top_p >= 1.0f) return cut;
  struct bins bins;
  fill_bins(&bins, row);
  double mass = 0.0;
  if (by_count) {
    cut = cut_at_count(row, &bins, top_k, &mass);
  } else {
    for (size_t b = 0; b < BINS; b += 1) mass += bins.mass[b];
  }
  if (top_p >= 1.0f) return cut;
  struct cut by_mass = cut_at_mass(row, &bins, (double)top_p * mass);
  int sooner = by_mass.x > cut.x || (by_mass.x == cut.x && by_mass.index < cut.index);
  return sooner ? by_mass : cut;
}

static int32_t draw(const struct row *row, struct cut cut, float min_p, double uniform) {
  size_t kept = 0;
  double mass = 0.0;
  for (size_t i = 0; i < row->cols; i += 1) {
    if (!is_kept(row, cut, (uint32_t)i) || row->weight[i] < min_p) continue;
    row->order[kept++] = (uint32_t)i;
    mass += (double)row->weight[i];
  }
  double target = uniform * mass;
  double reached = 0.0;
  size_t chosen = kept;
  for (size_t i = 0; i < kept; i += 1) {
    float weight = row->weight[row->order[i]];
    if (weight == 0.0f) continue; /* never drawn, even if rounding leads past the rest */
    chosen = i;
    reached += (double)weight;
    if (reached > target) break;
  }
  return (int32_t)row->order[chosen];
}

int32_t QN_VARIANT(sample_f32)(int32_t *y, void *scratch, const float *logits,
                               const int32_t *history, size_t cols, size_t count,
                               float temperature, size_t top_k, float top_p, float min_p,
                               float repeat_penalty, double uniform) {
  struct row row = {.x = scratch, .cols = cols, .temperature = temperature};
  row.weight = row.x + cols;
  row.order = (uint32_t *)(row.weight + cols);
  row.bin = (int32_t *)(row.order + cols);
  penalise(row.x, logits, cols, history, count, repeat_penalty);
  size_t best = qn_row_argmax(row.x, cols);
  row.largest = row.x[best];
  if (!isfinite(row.largest)) return QN_BAD_ARGUMENT;
  if (temperature == 0.0f || top_k == 1) {
    *y = (int32_t)best;
    return QN_OK;
  }
  weigh(&row);
  *y = draw(&row, find_cut(&row, top_k, top_p), min_p, uniform);
  return QN_OK;
}
