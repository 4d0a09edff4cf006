/**
 * What the finalisation net does for tensors that nobody disposed of: their memory
 * comes back once no tensor shows it any more, and not before.
 */
import { assert, assertEquals } from "@std/assert";
import { collectGarbage, collectUntil } from "../support/garbage.ts";
import "../support/native.ts";
import { pool } from "../../lib/memory/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

/** Large, so that each closes its epoch of the net at once. */
const shape = [1024, 512];

/** In a function of its own, so that no local variable holds what it makes. */
function forget(make: () => void): void {
  for (let i = 0; i < 3; i++) make();
}

Deno.test("tensors that were forgotten give their memory back", async () => {
  const { outstanding } = pool.stats();
  forget(() => void Tensor.empty(shape));
  assertEquals(pool.stats().outstanding, outstanding + 3);
  assert(await collectUntil(() => pool.stats().outstanding === outstanding));
});

Deno.test("small tensors that were forgotten give their memory back", async () => {
  const { outstanding } = pool.stats();
  forget(() => void Tensor.ones([4]));
  assert(await collectUntil(() => pool.stats().outstanding === outstanding));
});

Deno.test("views that were forgotten give the memory back that they held last", async () => {
  const { outstanding } = pool.stats();
  forget(() => {
    using x = Tensor.empty(shape);
    x.transpose();
    x.slice(3);
  });
  assertEquals(pool.stats().outstanding, outstanding + 3);
  assert(await collectUntil(() => pool.stats().outstanding === outstanding));
});

Deno.test("a view keeps the memory of a tensor that was forgotten", async () => {
  const { outstanding } = pool.stats();
  const views: Tensor[] = [];
  forget(() => void views.push(Tensor.full(shape, 7).slice(0, 1)));
  for (let i = 0; i < 4; i++) await collectGarbage();
  assertEquals(pool.stats().outstanding, outstanding + 3);
  // The memory serves nothing else meanwhile.
  using _other = Tensor.zeros(shape);
  assert(views.every((view) => view.get(0, 511) === 7));
  for (const view of views) view.dispose();
  // What the forgotten tensors still count for is seen once they are collected.
  assert(await collectUntil(() => pool.stats().outstanding === outstanding + 1));
});
