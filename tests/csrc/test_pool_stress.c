/*
 * test_pool_stress.c: the pool under random operations, sound ones and misuse,
 * against a model that is a list of what should be held.
 *
 * After every thousand or so operations the statistics are compared with the
 * model, exactly; now and then the pool walks its invariants, and a snapshot is
 * compared with the list. QUERN_STRESS_OPERATIONS says how many operations there
 * are, a million by default, and QUERN_STRESS_SEED what they begin with.
 */
#include "pool_model.h"

/* ---- Renting and returning ----------------------------------------------- */

static size_t draw_small(void) {
  const uint64_t r = test_random(&model.random);
  return (((size_t)(r >> 8) & (((size_t)2 << r % 20) - 1)) % MIB) + 1;
}

static size_t draw_large(void) { return MIB + 1 + (size_t)draw(5 * MIB); }

/* What was refused was refused for the budget, and what was granted keeps to it. */
static void judge_rent(int32_t status, uint64_t held_before) {
  const bool refused = status == QN_OVER_BUDGET && model.budget != 0;
  expect(status == QN_OK || refused, "a rent failed");
  model.refused += refused;
  if (model.budget == 0) return;
  const uint64_t most = held_before > model.budget ? held_before : model.budget;
  expect(statistic(QN_STAT_HELD_BYTES) <= most, "a rent exceeds the budget");
}

static void rent_bytes(size_t bytes, uint32_t alignment) {
  item *at = draw_item(ITEM_NONE);
  if (at == NULL) return;
  const uint32_t place = draw_place();
  const uint64_t held = model.budget == 0 ? 0 : statistic(QN_STAT_HELD_BYTES);
  lease block;
  const int32_t status = lease_rent(&block, bytes, alignment, number_of(place));
  judge_rent(status, held);
  if (status != QN_OK) return;
  enter(at, block, bytes, place);
  expect((uintptr_t)block.address % alignment == 0, "an alignment was not kept");
}

static void rent_small(void) { rent_bytes(draw_small(), 64); }
static void rent_large(void) { rent_bytes(draw_large(), 64); }
static void rent_aligned(void) {
  rent_bytes(draw(40) == 0 ? draw_large() : draw_small(), (uint32_t)1 << draw(13));
}

/* The block is not the one that the pool was told of where a shelf served it. */
static void settle_request(const item *at, uint32_t place) {
  if (place == ISOLATES) return;
  model.isolates[place].fields[QN_ISOLATE_REQUESTED] -=
      (double)at->asked - (double)at->block.requested;
}

static void return_one(void) {
  item *at = draw_item(ITEM_LIVE);
  if (at == NULL) return;
  const uint32_t place = draw_holder(at);
  const uint32_t generation = draw(2) == 0 ? 0 : at->block.generation;
  expect(at->holds[place] != 0 || at->due != 0, "the model lost a holder");
  if (at->holds[place] == 0) return;
  expect(lease_holds(&at->block, at->seed), "contents were damaged");
  settle_request(at, place);
  at->asked = at->block.requested;
  const int32_t status = qn_pool_return(at->block.address, generation, number_of(place));
  expect(status == QN_OK, "a return failed");
  release_hold(at, place);
}

/* ---- Batches ------------------------------------------------------------- */

enum { BATCH = 24 };

static void rent_batch(void) {
  uint64_t values[BATCH * QN_POOL_BLOCK_VALUES];
  const uint32_t count = (uint32_t)draw(BATCH + 1);
  const uint32_t place = draw_place();
  const size_t bytes = draw(50) == 0 ? draw_large() : draw_small() % 50000 + 1;
  const uint64_t held = model.budget == 0 ? 0 : statistic(QN_STAT_HELD_BYTES);
  uint32_t room = 0;
  for (uint32_t i = 0; i < ITEMS; i += 1) room += model.items[i].state == ITEM_NONE;
  if (room < count) return;
  const int32_t status = qn_pool_rent_batch(values, bytes, count, number_of(place));
  judge_rent(status, held);
  if (status != QN_OK) adopt_counts();
  for (uint32_t i = 0; status == QN_OK && i < count; i += 1) {
    const lease block = lease_of(values + i * QN_POOL_BLOCK_VALUES, bytes, number_of(place));
    enter(draw_item(ITEM_NONE), block, bytes, place);
  }
}

static void return_batch(void) {
  uint64_t values[BATCH * QN_POOL_BLOCK_VALUES] = {0};
  const uint32_t place = draw_place();
  uint32_t count = 0;
  for (uint32_t tries = 0; tries < 2 * BATCH && count < BATCH; tries += 1) {
    item *at = &model.items[draw(ITEMS)];
    if (at->state != ITEM_LIVE || at->holds[place] == 0) continue;
    uint64_t *block = values + count * QN_POOL_BLOCK_VALUES;
    block[0] = (uint64_t)(uintptr_t)at->block.address;
    block[1] = at->block.bytes;
    block[4] = at->block.generation;
    expect(lease_holds(&at->block, at->seed), "contents were damaged");
    settle_request(at, place);
    at->asked = at->block.requested;
    release_hold(at, place);
    count += 1;
  }
  const int32_t status = qn_pool_return_batch(values, count, number_of(place));
  expect(status == QN_OK, "a return of a batch failed");
}

/* ---- Shelves ------------------------------------------------------------- */

static void shelve_one(void) {
  item *at = draw_item(ITEM_LIVE);
  if (at == NULL || at->listed) return;
  const uint32_t place = draw_holder(at);
  if (place == ISOLATES || at->holds[place] != 1) return;
  double *fields = model.isolates[place].fields;
  fields[QN_ISOLATE_RETURNS + at->size_class] += 1;
  fields[QN_ISOLATE_REQUESTED] -= (double)at->asked;
  if (at->size_class == LARGE) fields[QN_ISOLATE_LARGE_SHELVED] += (double)at->block.bytes;
  model.returns[at->size_class] += 1;
  at->state = ITEM_SHELVED;
  at->asked = 0;
}

static void take_from_shelf(void) {
  item *at = draw_item(ITEM_SHELVED);
  if (at == NULL) return;
  double *fields = model.isolates[draw_holder(at)].fields;
  expect(lease_holds(&at->block, at->seed), "contents were damaged on a shelf");
  at->asked = at->block.bytes - (size_t)draw(at->block.bytes / 5);
  at->state = ITEM_LIVE;
  fields[QN_ISOLATE_RENTS + at->size_class] += 1;
  fields[QN_ISOLATE_REQUESTED] += (double)at->asked;
  if (at->size_class == LARGE) fields[QN_ISOLATE_LARGE_SHELVED] -= (double)at->block.bytes;
  model.rents[at->size_class] += 1;
}

/* A shelved block counts as returned already. */
static void pass_on_from_shelf(void) {
  item *at = draw_item(ITEM_SHELVED);
  if (at == NULL) return;
  const uint32_t place = draw_holder(at);
  double *fields = model.isolates[place].fields;
  fields[QN_ISOLATE_RETURNS + at->size_class] -= 1;
  fields[QN_ISOLATE_REQUESTED] += (double)at->block.requested;
  if (at->size_class == LARGE) fields[QN_ISOLATE_LARGE_SHELVED] -= (double)at->block.bytes;
  const int32_t status =
      qn_pool_return(at->block.address, at->block.generation, number_of(place));
  expect(status == QN_OK, "a return from a shelf failed");
  leave(at, false);
}

/* ---- Isolates, and what they share --------------------------------------- */

static void open_isolate(void) {
  isolate *at = &model.isolates[draw(ISOLATES)];
  if (at->number != 0) return;
  uint64_t values[2] = {0, 0};
  expect(qn_isolate_open(values) == QN_OK && values[0] != 0, "an isolate was not opened");
  at->number = (uint32_t)values[0];
  at->fields = (double *)(uintptr_t)values[1];
}

/* What it holds goes back; what is due to others stays. */
static void close_isolate(void) {
  const uint32_t place = (uint32_t)draw(ISOLATES);
  const uint32_t number = model.isolates[place].number;
  if (number == 0) return;
  expect(qn_isolate_close(number) == QN_OK, "an isolate was not closed");
  expect(qn_isolate_close(number) == QN_UNKNOWN_ISOLATE, "an isolate was closed twice");
  model.isolates[place].number = 0;
  for (uint32_t i = 0; i < ITEMS; i += 1) {
    item *at = &model.items[i];
    if (at->state == ITEM_NONE || at->holds[place] == 0) continue;
    at->holds[place] = 0;
    at->asked = at->block.requested;
    if (count_holders(at) == 0 && at->due == 0) leave(at, at->state == ITEM_LIVE);
  }
}

static void share_one(void) {
  item *at = draw_item(ITEM_LIVE);
  if (at == NULL) return;
  const uint32_t place = draw_holder(at);
  if (at->holds[place] == 0) return;
  const uint32_t receivers = (uint32_t)draw(3) + 1;
  settle_request(at, place);
  at->asked = at->block.requested;
  const int32_t status = qn_memory_share(at->block.address, at->block.generation,
                                         number_of(place), receivers);
  expect(status == QN_OK, "a block was not shared");
  at->due += receivers;
  at->listed = true;
}

static void claim_one(void) {
  item *at = draw_item(ITEM_LIVE);
  const uint32_t place = draw_place();
  if (at == NULL) return;
  uint64_t values[QN_POOL_BLOCK_VALUES];
  const int32_t status = qn_memory_claim(values, at->block.address, at->block.generation,
                                         number_of(place));
  expect(status == (at->due > 0 ? QN_OK : QN_NOT_SHARED), "a claim ended otherwise");
  if (status != QN_OK) return;
  expect(values[0] == (uintptr_t)at->block.address && values[1] == at->block.bytes &&
             values[4] == at->block.generation,
         "a claim gave something else");
  expect(lease_holds(&at->block, at->seed), "contents were damaged on the way");
  at->due -= 1;
  at->holds[place] += 1;
}

/* ---- What holds nothing -------------------------------------------------- */

static void prewarm(void) {
  if (draw(8) != 0) return;
  const int32_t status = qn_pool_prewarm(draw_small(), (uint32_t)draw(6));
  expect(status == QN_OK || (status == QN_OVER_BUDGET && model.budget != 0), "a warming failed");
}

static void trim(void) {
  if (draw(200) != 0) return;
  uint64_t released = 0;
  expect(qn_pool_trim(&released) == QN_OK, "a trim failed");
}

static void set_budget(void) {
  if (draw(20) != 0) return;
  model.budget = draw(3) == 0 ? (draw(120) + 1) * MIB : 0;
  expect(qn_pool_budget_set((size_t)model.budget) == QN_OK, "a budget was refused");
}

static void set_idle(void) {
  if (draw(100) == 0) expect(qn_pool_idle_set((uint32_t)draw(100)) == QN_OK, "idle was refused");
}

/* ---- Misuse -------------------------------------------------------------- */

static void return_wrongly(void) {
  item *at = draw_item(ITEM_LIVE);
  if (at == NULL) return;
  const uint32_t number = number_of(draw_holder(at));
  const lease *block = &at->block;
  const size_t inside = (size_t)draw(block->bytes - 1) + 1;
  const int32_t status = qn_pool_return(block->address + inside, 0, number);
  /* An earlier block may have begun at a page of a large one: that is told. */
  const bool earlier = at->size_class == LARGE && status == QN_ALREADY_RETURNED;
  expect(status == QN_NOT_OWNED || earlier, "an address inside a block was taken for one");
  expect(qn_pool_return(block->address, block->generation + 1, number) == QN_STALE,
         "a wrong generation was taken for the right one");
  expect(qn_pool_return(&model, 0, number) == QN_NOT_OWNED, "a foreign address was taken");
}

/* A block that was returned may have been rented again: its generation tells. */
static void return_again(void) {
  const uint64_t place = draw(64);
  char *address = model.gone[place].address;
  if (address == NULL) return;
  const int32_t status = qn_pool_return(address, model.gone[place].generation, 0);
  expect(status == QN_STALE || status == QN_ALREADY_RETURNED || status == QN_NOT_OWNED,
         "a block was returned twice");
}

/* ---- The run ------------------------------------------------------------- */

static const struct {
  void (*run)(void);
  uint32_t weight;
} operations[] = {
    {rent_small, 30},    {rent_large, 3},         {rent_aligned, 6},   {return_one, 34},
    {rent_batch, 1},     {return_batch, 2},       {shelve_one, 12},    {take_from_shelf, 10},
    {open_isolate, 2},   {pass_on_from_shelf, 4}, {close_isolate, 1},  {share_one, 4},
    {claim_one, 8},      {prewarm, 1},            {trim, 1},           {set_budget, 1},
    {set_idle, 1},       {return_wrongly, 2},     {return_again, 2},
};

static void run_one(void) {
  enum { OPERATIONS = sizeof operations / sizeof *operations };
  static uint32_t total = 0;
  if (total == 0) {
    for (size_t i = 0; i < OPERATIONS; i += 1) total += operations[i].weight;
  }
  uint64_t at = draw(total);
  size_t i = 0;
  for (; at >= operations[i].weight; i += 1) at -= operations[i].weight;
  operations[i].run();
}

static void reset_counters(void) {
  expect(qn_pool_stats_reset() == QN_OK, "no reset");
  memset(model.rents, 0, sizeof model.rents);
  memset(model.returns, 0, sizeof model.returns);
}

/* Claims what is due, closes what is open, returns the rest. */
static void end_model(void) {
  model.budget = 0;
  CHECK_EQ(qn_pool_budget_set(0), QN_OK);
  while (model.isolates[0].number == 0) open_isolate();
  for (uint32_t i = 0; i < ITEMS; i += 1) {
    item *at = &model.items[i];
    while (at->state == ITEM_LIVE && at->due > 0) {
      uint64_t values[QN_POOL_BLOCK_VALUES];
      const int32_t status = qn_memory_claim(values, at->block.address, at->block.generation,
                                             model.isolates[0].number);
      CHECK_EQ(status, QN_OK);
      if (status != QN_OK) break;
      at->due -= 1;
      at->holds[0] += 1;
    }
  }
  for (int i = 0; i < 1000; i += 1) close_isolate();
  while (draw_item(ITEM_LIVE) != NULL && model.wrong == 0) return_one();
}

static uint64_t setting(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static uint64_t usual_count(void) {
  return test_state.emulated || TEST_UNDER_TSAN || TEST_UNDER_ASAN ? 100000 : 1000000;
}

static void random_operations_agree_with_a_model(void) {
  const uint64_t count = setting("QUERN_STRESS_OPERATIONS", usual_count());
  model.random = setting("QUERN_STRESS_SEED", 42);
  uint64_t classes[CLASSES * QN_CLASS_STAT_COUNT];
  CHECK_EQ(qn_pool_class_stats(classes), QN_OK);
  for (uint32_t i = 0; i < CLASSES; i += 1) {
    model.class_bytes[i] = classes[i * QN_CLASS_STAT_COUNT + QN_CLASS_BYTES];
  }
  reset_counters();
  for (uint64_t i = 0; i < count && model.wrong == 0; i += 1) {
    run_one();
    if (i % 1009 == 0) compare_statistics();
    if (i % 20011 == 0) check_pool();
    if (i % 50021 == 0) compare_snapshot();
    if (i % 300007 == 300006) reset_counters();
    if (model.wrong != 0) printf("at operation %" PRIu64 "\n", i);
  }
  CHECK_EQ(model.wrong, 0);
  CHECK(model.refused > 0);
  end_model();
  CHECK_EQ(statistic(QN_STAT_OUTSTANDING), 0);
  CHECK_EQ(statistic(QN_STAT_REQUESTED_BYTES), 0);
  CHECK_EQ(statistic(QN_STAT_SHARED), 0);
  CHECK_EQ(qn_pool_trim((uint64_t[1]){0}), QN_OK);
  CHECK_EQ(statistic(QN_STAT_HELD_BYTES), 0); /* no block is lost on its way back */
  check_pool();
}

int main(int count, char **arguments) {
  test_begin(count, arguments);
  random_operations_agree_with_a_model();
  return test_finish();
}
