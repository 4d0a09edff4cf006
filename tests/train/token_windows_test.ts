/**
 * Windows of a text: what they hold, in what order, and from where they go on.
 */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { type TokenBatch, TokenWindows } from "../../lib/train/mod.ts";

/** The tokens 0, 1, 2, …: a window tells its place. */
const counting = (length: number) => Int32Array.from({ length }, (_, i) => i);

/** Windows as `[first id, last target]`, batch by batch. */
function epochOf(windows: Iterable<TokenBatch>): number[][][] {
  return Array.from(windows, ({ ids, targets }) => {
    const [first, last] = [ids.toArray() as number[][], targets.toArray() as number[][]];
    first.forEach((row, i) => {
      row.forEach((id, j) => assertEquals([id, last[i][j]], [row[0] + j, row[0] + j + 1]));
    });
    return first.map((row, i) => [row[0], last[i].at(-1)!]);
  });
}

Deno.test(
  "without a seed windows come in the order of the text, and what makes no batch is left out",
  withoutLeaks(() => {
    const windows = new TokenWindows(counting(12), { length: 2, batch: 2 });
    const expected = [[[0, 2], [2, 4]], [[4, 6], [6, 8]]];
    assertEquals(windows.batches, 2);
    assertEquals(epochOf(windows), expected);
    assertEquals(epochOf(windows), expected);
    const few = new TokenWindows(counting(12), { length: 4, batch: 16 });
    assertEquals(epochOf(few), [[[0, 4], [4, 8]]]);
    assertEquals(few.batches, 1);
  }),
);

Deno.test(
  "with a seed each epoch has another order and other places, and never a token twice",
  withoutLeaks(() => {
    const make = () => new TokenWindows(counting(1000), { length: 7, batch: 5, seed: 3 });
    const windows = make();
    const epochs = [epochOf(windows), epochOf(windows), epochOf(windows)];
    const offsets = new Set<number>();
    for (const epoch of epochs) {
      const starts = epoch.flat().map(([first]) => first).sort((a, b) => a - b);
      assert(epoch.length >= windows.batches);
      assertEquals(new Set(starts).size, starts.length);
      assert(starts.every((start) => start % 7 === starts[0] % 7 && start + 7 < 1000));
      offsets.add(starts[0] % 7);
    }
    assertNotEquals(epochs[0], epochs[1]);
    assert(offsets.size > 1);
    assertEquals(epochOf(make()), epochs[0]);
    const other = new TokenWindows(counting(1000), { length: 7, batch: 5, seed: 4 });
    assertNotEquals(epochOf(other), epochs[0]);
  }),
);

Deno.test(
  "windows go on from a place, also at the end of an epoch",
  withoutLeaks(() => {
    const options = { length: 3, batch: 2, seed: 1 };
    const whole = new TokenWindows(counting(40), options);
    const all = [...epochOf(whole), ...epochOf(whole)];
    for (let taken = 0; taken < all.length; taken++) {
      const first = new TokenWindows(counting(40), options);
      let place = first.state();
      for (let i = 0; i < taken;) {
        for (const _ of first) {
          place = first.state();
          if (++i === taken) break;
        }
      }
      const second = new TokenWindows(counting(40), options);
      second.load(JSON.parse(JSON.stringify(place)));
      const rest = epochOf(second);
      if (rest.length === 0) rest.push(...epochOf(second));
      assertEquals(rest[0], all[taken], `after ${taken}`);
    }
  }),
);

Deno.test("windows refuse a text that is too short, and sizes that are none", () => {
  const make = (tokens: number, length: number, batch = 1) => () =>
    new TokenWindows(counting(tokens), { length, batch });
  assertThrows(make(4, 4), RangeError, "4 tokens make no window of 4 and the token behind it");
  assertThrows(make(4, 0), RangeError, "length is 0");
  assertThrows(make(4, 2, 1.5), RangeError, "batch is 1.5");
  assertEquals(epochOf(new TokenWindows(counting(5), { length: 4, batch: 1, seed: 9 })), [[[
    0,
    4,
  ]]]);
});
