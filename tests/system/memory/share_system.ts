/**
 * Tensors that go from one worker to another: what is sent is a ticket, the
 * elements stay where they are, and the memory goes back when the last isolate
 * lets go of it, however it ends.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import "../../support/native.ts";
import { delay } from "../../../lib/core/delay.ts";
import { MappedStorage, pool } from "../../../lib/memory/mod.ts";
import { type SharedTensor, Tensor } from "../../../lib/tensor/mod.ts";
import type { Answer, Order } from "./sharing_worker.ts";

/** A worker that answers orders, one after the other. */
class Colleague {
  readonly #worker = new Worker(new URL("./sharing_worker.ts", import.meta.url), {
    type: "module",
  });

  ask(order: Order): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#worker.onmessage = (event: MessageEvent<Answer>) => resolve(event.data);
    this.#worker.onerror = (event) => reject(new Error(event.message));
    this.#worker.postMessage(order);
    return promise;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

/** Waits until the threads that were ended have given back what they held. */
async function settled(outstanding: number): Promise<void> {
  for (let i = 0; i < 1000 && pool.stats().outstanding !== outstanding; i++) await delay(10);
  assertEquals(pool.stats().outstanding, outstanding, "blocks outstanding");
}

/** Runs a test, and asserts that in the end all memory is back. */
function withoutLeaks(fn: () => Promise<void>): () => Promise<void> {
  return async () => {
    const { outstanding, mappedBytes } = pool.stats();
    await fn();
    await settled(outstanding);
    assertEquals(pool.stats().mappedBytes, mappedBytes, "mapped bytes");
  };
}

async function withFile(fn: (path: string, values: number[]) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    const values = Array.from({ length: 4096 }, (_, i) => i / 2);
    await Deno.writeFile(path, new Uint8Array(new Float32Array(values).buffer));
    await fn(path, values);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test(
  "a tensor goes to a worker and back without a copy",
  withoutLeaks(async () => {
    using colleague = new Colleague();
    using x = Tensor.from([1, 2, 3]);
    assertEquals((await colleague.ask({ kind: "claim", ticket: x.share() })).values, [1, 2, 3]);
    await colleague.ask({ kind: "negate" });
    assertEquals(x.toArray(), [-1, -2, -3]);
    const { ticket } = await colleague.ask({ kind: "pass", receivers: 1 });
    using back = Tensor.fromShared(ticket!);
    back.data[0] = 7;
    assertEquals(x.toArray(), [7, -2, -3]);
    await colleague.ask({ kind: "let go" });
    assertEquals(back.toArray(), [7, -2, -3]);
  }),
);

Deno.test(
  "a tensor that its sender disposes of before the claim arrives whole",
  withoutLeaks(async () => {
    using colleague = new Colleague();
    const values = Array.from({ length: 1000 }, (_, i) => i);
    const x = Tensor.from(values);
    const { outstanding } = pool.stats();
    const ticket = x.share();
    x.dispose();
    // Memory of the same size must not be the same memory.
    using other = Tensor.full([1000], -1);
    assertEquals(other.get(0), -1);
    assertEquals((await colleague.ask({ kind: "claim", ticket })).values, values);
    await colleague.ask({ kind: "let go" });
    assertEquals(pool.stats().outstanding, outstanding);
  }),
);

Deno.test(
  "four workers claim one ticket, and a fifth claim is refused",
  withoutLeaks(async () => {
    const x = Tensor.from([[1, 2], [3, 4]]);
    const ticket = x.share({ receivers: 4 });
    x.dispose();
    using a = new Colleague();
    using b = new Colleague();
    using c = new Colleague();
    using d = new Colleague();
    const colleagues = [a, b, c, d];
    const answers = await Promise.all(colleagues.map((one) => one.ask({ kind: "claim", ticket })));
    assertEquals(answers.map(({ values }) => values), new Array(4).fill([[1, 2], [3, 4]]));
    assertThrows(() => Tensor.fromShared(ticket), Error, "nobody is expected to claim");
    const { error } = await a.ask({ kind: "claim", ticket });
    assertStringIncludes(error!, "nobody is expected to claim");
    assertStringIncludes(error!, "a ticket serves as many claims as it was shared for");
    // All see one memory, and it lasts until the last of them lets go.
    await a.ask({ kind: "negate" });
    for (const one of [a, b, c]) await one.ask({ kind: "let go" });
    assertEquals((await d.ask({ kind: "negate" })).values, [[1, 2], [3, 4]]);
    await d.ask({ kind: "let go" });
    assertThrows(() => Tensor.fromShared(ticket), Error, "was returned since");
    const { error: stale } = await b.ask({ kind: "claim", ticket });
    assertStringIncludes(stale!, "was returned since");
  }),
);

Deno.test(
  "a stale ticket is refused also when its memory serves something else",
  withoutLeaks(async () => {
    using colleague = new Colleague();
    const tickets: SharedTensor[] = [];
    for (let i = 0; i < 20; i++) {
      const x = Tensor.full([500], i);
      tickets.push(x.share());
      x.dispose();
      Tensor.fromShared(tickets[i]).dispose();
    }
    using _later = Tensor.zeros([500]);
    for (const ticket of tickets) {
      assertThrows(() => Tensor.fromShared(ticket), Error, "Tensor.fromShared");
      assert((await colleague.ask({ kind: "claim", ticket })).error !== undefined);
    }
  }),
);

Deno.test(
  "views that are not contiguous are shared as they are",
  withoutLeaks(async () => {
    using colleague = new Colleague();
    using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    using turned = x.transpose();
    using part = x.slice(1, 3, { axis: 1 });
    const first = await colleague.ask({ kind: "claim", ticket: turned.share() });
    assertEquals(first.values, [[1, 4], [2, 5], [3, 6]]);
    const second = await colleague.ask({ kind: "claim", ticket: part.share() });
    assertEquals(second.values, [[2, 3], [5, 6]]);
  }),
);

Deno.test(
  "weights of a mapped file are shared, and outlive the tensor and the isolate that mapped it",
  withoutLeaks(() =>
    withFile(async (path, values) => {
      using colleague = new Colleague();
      const storage = MappedStorage.map(path);
      const weights = new Tensor(storage, 0, [64, 64], "float32");
      const rows = weights.slice(2, 4);
      const ticket = rows.share();
      weights.dispose();
      rows.dispose();
      const { values: seen } = await colleague.ask({ kind: "claim", ticket });
      assertEquals((seen as number[][]).flat(), values.slice(128, 256));
      await colleague.ask({ kind: "hold", elements: 1, path });
      const { ticket: passed } = await colleague.ask({ kind: "pass", receivers: 1 });
      colleague[Symbol.dispose]();
      using claimed = Tensor.fromShared(passed!);
      assertEquals(claimed.get(9), values[9]);
    })
  ),
);

Deno.test(
  "a tensor outlives the worker that made it, once a ticket was sent",
  withoutLeaks(async () => {
    const { outstanding } = pool.stats();
    const colleague = new Colleague();
    const order: Order = { kind: "make", values: [1, 2, 3], receivers: 2 };
    const { ticket } = await colleague.ask(order);
    colleague[Symbol.dispose]();
    await settled(outstanding + 1);
    using first = Tensor.fromShared(ticket!);
    using second = Tensor.fromShared(ticket!);
    first.data[0] = 9;
    assertEquals(second.toArray(), [9, 2, 3]);
    assertThrows(() => Tensor.fromShared(ticket!), Error, "nobody is expected");
  }),
);

Deno.test(
  "a worker that is ended loses nothing of what it held, shared or not",
  withoutLeaks(() =>
    withFile(async (path) => {
      const { outstanding, mappedBytes } = pool.stats();
      for (let round = 0; round < 5; round++) {
        using x = Tensor.from([1, 2, 3]);
        const colleague = new Colleague();
        await colleague.ask({ kind: "claim", ticket: x.share() });
        await colleague.ask({ kind: "hold", elements: 2 ** 20, path });
        assert(pool.stats().outstanding > outstanding + 2);
        assert(pool.stats().mappedBytes > mappedBytes);
        colleague[Symbol.dispose]();
        await settled(outstanding + 1);
        assertEquals(x.toArray(), [1, 2, 3]);
      }
    })
  ),
);

Deno.test(
  "what is shared in one isolate twice is one memory",
  withoutLeaks(async () => {
    await Promise.resolve();
    using x = Tensor.from([1, 2]);
    const ticket = x.share({ receivers: 2 });
    using y = Tensor.fromShared(ticket);
    using z = Tensor.fromShared(ticket);
    x.data[0] = 5;
    assertEquals([y.toArray(), z.toArray()], [[5, 2], [5, 2]]);
    z.copyFrom(y);
    assertEquals(x.toArray(), [5, 2]);
  }),
);

Deno.test("share() refuses a number of receivers that is none", () => {
  using x = Tensor.zeros([2]);
  for (const receivers of [0, -1, 1.5, NaN, 2 ** 32]) {
    assertThrows(() => x.share({ receivers }), RangeError, `not ${receivers}`);
  }
});
