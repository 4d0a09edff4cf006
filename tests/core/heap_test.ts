import { assertEquals } from "@std/assert";
import { Heap } from "../../lib/core/heap.ts";
import { random } from "../tokenizers/vocabularies.ts";

Deno.test("a heap gives its entries back in order", () => {
  const next = random(3);
  for (const count of [0, 1, 2, 3, 10, 1000]) {
    const values = Array.from({ length: count }, () => Math.floor(next() * count));
    const heap = new Heap<number>((a, b) => a < b);
    for (const value of values) heap.add(value);
    assertEquals(heap.size, count);
    assertEquals(values.map(() => heap.take()), values.toSorted((a, b) => a - b));
    assertEquals(heap.take(), undefined);
  }
});

Deno.test("a heap stays in order when entries come while others go", () => {
  const next = random(9);
  const heap = new Heap<number>((a, b) => a > b);
  const kept: number[] = [];
  for (let i = 0; i < 2000; i++) {
    if (next() < 0.6) {
      const value = Math.floor(next() * 50);
      heap.add(value);
      kept.push(value);
      kept.sort((a, b) => b - a);
    } else {
      assertEquals(heap.take(), kept.shift());
    }
  }
});
