/*
 * pool_model.h: what test_pool_stress.c believes the pool to hold, and how the
 * pool's statistics and snapshots are compared with it.
 *
 * The model is a list of blocks. Each is held by isolates, or by the process, or
 * waits for claims; it may also lie on the shelf of the isolate that holds it, as
 * lib/memory keeps them: then it counts as returned, in the memory that the isolate
 * shares with the pool.
 */
#ifndef QN_TESTS_POOL_MODEL_H
#define QN_TESTS_POOL_MODEL_H

#include "lease.h"

/* ---- The list ------------------------------------------------------------ */

enum { ITEMS = 400, ISOLATES = 5, CLASSES = QN_POOL_CLASSES + 1, LARGE = QN_POOL_CLASSES };

typedef enum item_state { ITEM_NONE, ITEM_LIVE, ITEM_SHELVED } item_state;

typedef struct item {
  item_state state;
  lease block; /* requested: what the pool was told */
  size_t asked; /* what the present holder asked for */
  uint64_t seed;
  uint32_t size_class;
  uint32_t holds[ISOLATES + 1]; /* of each isolate; the last is the process */
  uint32_t due;                 /* claims that are expected */
  bool listed;                  /* was shared since it was rented */
} item;

typedef struct isolate {
  uint32_t number; /* 0: not open */
  double *fields;
} isolate;

static struct {
  item items[ITEMS];
  isolate isolates[ISOLATES];
  uint64_t rents[CLASSES], returns[CLASSES];
  uint64_t budget, random, wrong, refused;
  uint64_t class_bytes[CLASSES];
  struct {
    char *address;
    uint32_t generation;
  } gone[64]; /* some blocks that were returned */
} model;

/* Says the first few things that went wrong, and counts all. */
static void expect(bool fine, const char *what) {
  if (fine) return;
  model.wrong += 1;
  if (model.wrong < 20) printf("wrong: %s\n", what);
}

static uint64_t draw(uint64_t below) { return test_random(&model.random) % below; }

static uint32_t number_of(uint32_t place) {
  return place == ISOLATES ? 0 : model.isolates[place].number;
}

/* The process, or an isolate that is open. */
static uint32_t draw_place(void) {
  const uint32_t place = (uint32_t)draw(ISOLATES + 1);
  return place < ISOLATES && model.isolates[place].number == 0 ? ISOLATES : place;
}

static item *draw_item(item_state state) {
  const uint64_t first = draw(ITEMS);
  for (uint64_t i = 0; i < ITEMS; i += 1) {
    item *at = &model.items[(first + i) % ITEMS];
    if (at->state == state) return at;
  }
  return NULL;
}

static uint32_t class_of(size_t granted) {
  if (granted > QN_POOL_LARGEST_SMALL) return LARGE;
  for (uint32_t i = 0; i < LARGE; i += 1) {
    if (model.class_bytes[i] == granted) return i;
  }
  expect(false, "a grant is of no class");
  return 0;
}

static uint32_t count_holders(const item *at) {
  uint32_t holders = 0;
  for (uint32_t i = 0; i <= ISOLATES; i += 1) holders += at->holds[i] != 0;
  return holders;
}

/* Some place that holds it; the process counts as one. */
static uint32_t draw_holder(const item *at) {
  const uint32_t first = (uint32_t)draw(ISOLATES + 1);
  for (uint32_t i = 0; i <= ISOLATES; i += 1) {
    const uint32_t place = (first + i) % (ISOLATES + 1);
    if (at->holds[place] != 0) return place;
  }
  return ISOLATES;
}

/* Enters what was rented; the contents tell it from all others. */
static void enter(item *at, lease block, size_t asked, uint32_t place) {
  const uint64_t seed = test_random(&model.random);
  *at = (item){ITEM_LIVE, block, asked, seed, class_of(block.bytes), {0}, 0, false};
  at->holds[place] = 1;
  at->block.requested = asked;
  model.rents[at->size_class] += 1;
  expect(block.bytes >= asked, "a block is too small");
  expect(block.generation != 0, "a generation is 0");
  expect((uintptr_t)block.address % QN_POOL_ALIGNMENT == 0, "a block is not aligned");
  expect(block.address >= block.segment &&
             block.address + block.bytes <= block.segment + block.segment_bytes,
         "a block leaves its segment");
  lease_fill(&at->block, at->seed);
}

/* Strikes off a block that nobody holds any more. */
static void leave(item *at, bool counted) {
  const uint64_t place = draw(64);
  model.gone[place].address = at->block.address;
  model.gone[place].generation = at->block.generation;
  if (counted) model.returns[at->size_class] += 1;
  at->state = ITEM_NONE;
}

static void release_hold(item *at, uint32_t place) {
  at->holds[place] -= 1;
  if (count_holders(at) == 0 && at->due == 0) leave(at, true);
}

/* ---- Agreement ----------------------------------------------------------- */

static void compare(const char *what, uint64_t actual, uint64_t expected) {
  if (actual == expected) return;
  model.wrong += 1;
  if (model.wrong < 20) {
    printf("wrong: %s is %" PRIu64 ", not %" PRIu64 "\n", what, actual, expected);
  }
}

/* Takes the pool's counts over, after what it may have begun and undone. */
static void adopt_counts(void) {
  uint64_t classes[CLASSES * QN_CLASS_STAT_COUNT];
  expect(qn_pool_class_stats(classes) == QN_OK, "no statistics of classes");
  for (uint32_t i = 0; i < CLASSES; i += 1) {
    const uint64_t *of = classes + i * QN_CLASS_STAT_COUNT;
    const uint64_t more = of[QN_CLASS_RENTS] - model.rents[i];
    expect(of[QN_CLASS_RETURNS] - model.returns[i] == more, "more was undone than begun");
    model.rents[i] += more;
    model.returns[i] += more;
  }
}

static void compare_classes(const uint64_t *live_count, const uint64_t *live_bytes) {
  uint64_t classes[CLASSES * QN_CLASS_STAT_COUNT];
  expect(qn_pool_class_stats(classes) == QN_OK, "no statistics of classes");
  for (uint32_t i = 0; i < CLASSES; i += 1) {
    const uint64_t *of = classes + i * QN_CLASS_STAT_COUNT;
    compare("rents of a class", of[QN_CLASS_RENTS], model.rents[i]);
    compare("returns of a class", of[QN_CLASS_RETURNS], model.returns[i]);
    compare("blocks out of a class", of[QN_CLASS_OUTSTANDING], live_count[i]);
    compare("live bytes of a class", of[QN_CLASS_LIVE_BYTES], live_bytes[i]);
  }
}

/* Every statistic that the model knows. */
static void compare_statistics(void) {
  uint64_t values[QN_STAT_COUNT];
  uint64_t count[CLASSES] = {0}, bytes[CLASSES] = {0};
  uint64_t outstanding = 0, live = 0, asked = 0, shelved = 0, shared = 0, rents = 0, returns = 0;
  uint64_t open = 0;
  for (uint32_t i = 0; i < ITEMS; i += 1) {
    const item *at = &model.items[i];
    if (at->state == ITEM_SHELVED) shelved += at->block.bytes;
    if (at->state != ITEM_LIVE) continue;
    outstanding += 1, live += at->block.bytes, asked += at->asked;
    count[at->size_class] += 1, bytes[at->size_class] += at->block.bytes;
    shared += at->listed;
  }
  for (uint32_t i = 0; i < CLASSES; i += 1) rents += model.rents[i], returns += model.returns[i];
  for (uint32_t i = 0; i < ISOLATES; i += 1) open += model.isolates[i].number != 0;
  expect(qn_pool_stats(values) == QN_OK, "no statistics");
  compare("rents", values[QN_STAT_RENTS], rents);
  compare("returns", values[QN_STAT_RETURNS], returns);
  compare("hits and misses", values[QN_STAT_HITS] + values[QN_STAT_MISSES], rents);
  compare("outstanding", values[QN_STAT_OUTSTANDING], outstanding);
  compare("live bytes", values[QN_STAT_LIVE_BYTES], live);
  compare("requested bytes", values[QN_STAT_REQUESTED_BYTES], asked);
  compare("shelved bytes", values[QN_STAT_SHELVED_BYTES], shelved);
  compare("shared", values[QN_STAT_SHARED], shared);
  compare("isolates", values[QN_STAT_ISOLATES], open);
  compare("budget", values[QN_STAT_BUDGET_BYTES], model.budget);
  compare("held", values[QN_STAT_HELD_BYTES], live + values[QN_STAT_CACHED_BYTES]);
  expect(values[QN_STAT_PEAK_BYTES] >= live, "the peak is below live");
  expect(values[QN_STAT_PEAK_HELD_BYTES] >= values[QN_STAT_HELD_BYTES], "the peak is below held");
  expect(values[QN_STAT_CACHED_BYTES] >= shelved, "shelves are not cached");
  compare_classes(count, bytes);
}

static const item *find_item(uint64_t address) {
  for (uint32_t i = 0; i < ITEMS; i += 1) {
    const item *at = &model.items[i];
    if (at->state != ITEM_NONE && (uintptr_t)at->block.address == address) return at;
  }
  return NULL;
}

/* One record of a snapshot; returns whether it is of a block that is held. */
static bool judge_record(const uint64_t *record, const uint64_t *before) {
  const uint64_t address = record[QN_BLOCK_ADDRESS], bytes = record[QN_BLOCK_BYTES];
  const uint64_t segment = record[QN_BLOCK_SEGMENT];
  expect(address >= segment && address + bytes <= segment + record[QN_BLOCK_SEGMENT_BYTES],
         "a block of a snapshot leaves its segment");
  const bool neighbours = before != NULL && before[QN_BLOCK_SEGMENT] == segment;
  expect(!neighbours || before[QN_BLOCK_ADDRESS] + before[QN_BLOCK_BYTES] <= address,
         "blocks of a snapshot overlap");
  const uint64_t state = record[QN_BLOCK_STATE];
  const item *at = find_item(address);
  const bool held = state == QN_BLOCK_LIVE || state == QN_BLOCK_SHARED;
  expect(held == (at != NULL), "a snapshot has another state of a block");
  if (at == NULL || !held) return held;
  expect(at->block.bytes == bytes && at->block.requested == record[QN_BLOCK_REQUESTED],
         "a snapshot has another size of a block");
  expect((state == QN_BLOCK_SHARED) == at->listed, "a snapshot shares otherwise");
  const uint64_t holder = at->listed ? 0 : number_of(draw_holder(at));
  expect(record[QN_BLOCK_ISOLATE] == holder, "a snapshot has another holder");
  return held;
}

/* The keeper may retire free blocks between the count and the snapshot. */
static void compare_snapshot(void) {
  uint64_t count = 0, held = 0, listed = 0;
  expect(qn_pool_snapshot(&count, NULL, 0) == QN_OK, "no count of blocks");
  const uint64_t capacity = count;
  uint64_t *records = malloc((size_t)capacity * QN_BLOCK_FIELDS * sizeof *records + 8);
  if (records == NULL) abort();
  expect(qn_pool_snapshot(&count, records, (uint32_t)capacity) == QN_OK, "no snapshot");
  expect(count <= capacity, "a snapshot has blocks that nobody made");
  for (uint64_t i = 0; i < count && i < capacity; i += 1) {
    const uint64_t *record = records + i * QN_BLOCK_FIELDS;
    listed += judge_record(record, i == 0 ? NULL : record - QN_BLOCK_FIELDS);
  }
  for (uint32_t i = 0; i < ITEMS; i += 1) held += model.items[i].state != ITEM_NONE;
  compare("held blocks of a snapshot", listed, held);
  free(records);
}

#endif
