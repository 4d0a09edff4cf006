import { assert, assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { type DType, dtypes } from "../../lib/core/dtype.ts";
import { DisposedError } from "../../lib/core/errors.ts";
import { pool, scope } from "../../lib/memory/mod.ts";
import { addObserver } from "../../lib/memory/observer.ts";

const bytesOf64: Record<DType, number> = {
  float32: 256,
  float16: 128,
  bfloat16: 128,
  float64: 512,
  int32: 256,
  int64: 512,
  uint8: 64,
  bool: 64,
  q8_0: 68,
  q4_0: 36,
  q4_1: 40,
};

Deno.test(
  "pool.rent() gives exactly the elements that were asked for, in every dtype",
  withoutLeaks(() => {
    for (const dtype of dtypes) {
      using buffer = pool.rent(64, dtype);
      assertEquals(buffer.length, 64);
      assertEquals(buffer.dtype, dtype);
      assertEquals(buffer.byteLength, bytesOf64[dtype]);
      assertEquals(buffer.data.byteLength, bytesOf64[dtype]);
      assertEquals(buffer.address % 64n, 0n);
    }
  }),
);

Deno.test(
  "pool.rent() takes lengths that no size of the pool fits, and none at all",
  withoutLeaks(() => {
    for (const length of [0, 1, 3, 63, 65, 1000, 262_144, 262_145, 3_000_001]) {
      using buffer = pool.rent(length);
      assertEquals(buffer.data.length, length);
      buffer.data.fill(length);
      assertEquals(buffer.data.at(-1), length === 0 ? undefined : Math.fround(length));
    }
  }),
);

Deno.test(
  "buffer.data is the same array each time, also for the next buffer that is like it",
  withoutLeaks(() => {
    const first = pool.rent(1234);
    const { data } = first;
    assertStrictEquals(first.data, data);
    first.dispose();
    using second = pool.rent(1234);
    assertStrictEquals(second.data, data);
  }),
);

Deno.test(
  "buffer.data fits the buffer when another length or dtype had the memory before",
  withoutLeaks(() => {
    const address = (() => {
      using buffer = pool.rent(1200);
      buffer.data.fill(1);
      return buffer.address;
    })();
    for (
      const [length, dtype] of [[1100, "float32"], [1200, "int32"], [2300, "float16"]] as const
    ) {
      using buffer = pool.rent(length, dtype);
      assertEquals(buffer.address, address);
      assertEquals(buffer.data.length, length);
      assertMatch(buffer.data.constructor.name, new RegExp(`^${dtype}array$`, "i"));
    }
  }),
);

Deno.test(
  "a buffer that was disposed of is told from its successor in the same memory",
  withoutLeaks(() => {
    const stale = pool.rent(500);
    const { address } = stale;
    stale.dispose();
    using fresh = pool.rent(500);
    fresh.data.fill(3);
    assertEquals(fresh.address, address);
    assert(stale.disposed && !fresh.disposed);
    for (const use of [() => stale.data, () => stale.address]) {
      assertThrows(use, DisposedError, "PooledBuffer float32 [500] was used after it was disposed");
    }
    stale.dispose();
    stale[Symbol.dispose]();
    assert(!fresh.disposed);
    assertEquals(fresh.data[499], 3);
  }),
);

Deno.test(
  "disposing of a buffer twice gives its memory back once",
  withoutLeaks(() => {
    const buffer = pool.rent(500);
    pool.resetStats();
    buffer.dispose();
    buffer.dispose();
    assertEquals(pool.stats().returns, 1);
    // Had it gone back twice, two buffers would get the same memory now.
    using a = pool.rent(500);
    using b = pool.rent(500);
    assert(a.address !== b.address);
  }),
);

Deno.test(
  "using gives a buffer back when the block throws",
  withoutLeaks(() => {
    assertThrows(
      () => {
        using buffer = pool.rent(10);
        buffer.data[0] = 1;
        throw new Error("stop");
      },
      Error,
      "stop",
    );
  }),
);

Deno.test(
  "scope() disposes of buffers and batches that are not returned",
  withoutLeaks(() => {
    const made: Disposable[] = [];
    using kept = scope(() => {
      const buffer = pool.rent(10);
      made.push(buffer, pool.rentBatch(3, 10));
      return pool.rent(20);
    });
    assert(!kept.disposed);
    assertEquals(made.map((each) => (each as unknown as { disposed: boolean }).disposed), [
      true,
      true,
    ]);
  }),
);

Deno.test(
  "observers hear of buffers and batches once each way, with the bytes asked for",
  withoutLeaks(() => {
    const heard: unknown[] = [];
    {
      using _listening = addObserver({
        allocated: (holder, bytes) => heard.push(holder.constructor.name, bytes),
        freed: (holder) => heard.push(holder.constructor.name),
      });
      const buffer = pool.rent(10);
      buffer.dispose();
      buffer.dispose();
      pool.rentBatch(3, 5).dispose();
    }
    pool.rent(10).dispose();
    assertEquals(heard, ["PooledBuffer", 40, "PooledBuffer", "PooledBatch", 60, "PooledBatch"]);
  }),
);

Deno.test(
  "a buffer shows its size and its first values, or that it was disposed of",
  withoutLeaks(() => {
    const buffer = pool.rent(10, "int32");
    buffer.data.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const live = "PooledBuffer int32 [10], 40 B: [1, 2, 3, 4, 5, 6, 7, 8, …]";
    assertEquals(Deno.inspect(buffer), live);
    const display = (buffer as unknown as Record<symbol, () => Record<string, string>>)[
      Symbol.for("Jupyter.display")
    ];
    assertEquals(display.call(buffer), { "text/plain": live });
    buffer.dispose();
    assertEquals(Deno.inspect(buffer), "PooledBuffer int32 [10], disposed");
    using empty = pool.rent(0);
    assertEquals(Deno.inspect(empty), "PooledBuffer float32 [0], 0 B: []");
  }),
);
