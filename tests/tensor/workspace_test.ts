import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  DisposedError,
  keep,
  OutOfMemoryError,
  pool,
  scope,
  Tensor,
  Workspace,
} from "@quern/quern";
import { withoutLeaks } from "../support/native.ts";

Deno.test(
  "Workspace.get() returns the same tensor while the shape stays the same",
  withoutLeaks(() => {
    using workspace = new Workspace();
    const first = workspace.get("scores", [2, 3]);
    assertEquals([first.shape, first.dtype], [[2, 3], "float32"]);
    assertStrictEquals(workspace.get("scores", [2, 3]), first);
    assertStrictEquals(workspace.get("scores", first.shape, "float32"), first);
    assertEquals(workspace.stats(), {
      hits: 2,
      misses: 1,
      resized: 0,
      evicted: 0,
      bytes: 24,
      keys: 1,
    });
  }),
);

Deno.test(
  "Workspace.get() leaves the contents of the last use",
  withoutLeaks(() => {
    using workspace = new Workspace();
    workspace.get("x", [3]).data.set([1, 2, 3]);
    assertEquals(workspace.get("x", [3]).toArray(), [1, 2, 3]);
  }),
);

Deno.test(
  "Workspace.get() uses the same memory for a shape that fits",
  withoutLeaks(() => {
    using workspace = new Workspace();
    const large = workspace.get("x", [8, 8]);
    const { address } = large;
    const small = workspace.get("x", [4, 4]);
    assertEquals(small.address, address);
    assertEquals(small.shape, [4, 4]);
    assert(large.disposed);
    assertEquals(workspace.get("x", [8, 8]).address, address);
    assertEquals(workspace.get("x", [64], "int32").address, address);
    const { misses, resized, bytes } = workspace.stats();
    assertEquals([misses, resized, bytes], [1, 3, 256]);
  }),
);

Deno.test(
  "Workspace.get() takes new memory for a shape that does not fit",
  withoutLeaks(() => {
    using workspace = new Workspace();
    const before = pool.stats().outstanding;
    const small = workspace.get("x", [64]);
    const large = workspace.get("x", [65]);
    assert(small.disposed);
    assert(!large.disposed);
    assertEquals(workspace.stats().bytes, 260);
    assertEquals(pool.stats().outstanding, before + 1);
  }),
);

Deno.test(
  "Workspace.get() makes the older tensor of a key an error to use",
  withoutLeaks(() => {
    using workspace = new Workspace();
    const older = workspace.get("x", [2, 2]);
    workspace.get("x", [4]);
    assertThrows(() => older.data, DisposedError, "[2, 2]");
  }),
);

Deno.test(
  "Workspace.get() tells dtypes apart",
  withoutLeaks(() => {
    using workspace = new Workspace();
    const floats = workspace.get("x", [4]);
    const integers = workspace.get("x", [4], "int32");
    assert(floats.disposed);
    assertEquals(integers.dtype, "int32");
    assertEquals(workspace.get("x", [2], "float16").byteLength, 4);
  }),
);

Deno.test(
  "Workspace.get() makes a new tensor when the last one was disposed of from outside",
  withoutLeaks(() => {
    using workspace = new Workspace();
    const first = workspace.get("x", [4]);
    const { address } = first;
    first.data.set([1, 2, 3, 4]);
    first.dispose();
    const second = workspace.get("x", [4]);
    assert(!second.disposed);
    assertEquals([second.address, second.toArray()], [address, [1, 2, 3, 4]]);
    assertEquals(workspace.stats().resized, 1);
  }),
);

Deno.test(
  "Workspace.get() does not hand out memory that a view of an older tensor shows",
  withoutLeaks(() => {
    using workspace = new Workspace();
    using view = workspace.get("x", [4]).reshape([2, 2]);
    view.data.set([1, 2, 3, 4]);
    workspace.get("x", [3]).data.fill(9);
    assertEquals(view.toArray(), [[1, 2], [3, 4]]);
    assertEquals(workspace.stats().misses, 2);
  }),
);

Deno.test(
  "Workspace.get() allows empty tensors and scalars",
  withoutLeaks(() => {
    using workspace = new Workspace();
    assertEquals(workspace.get("empty", [0, 4]).size, 0);
    assertEquals(workspace.get("scalar", []).size, 1);
    assertEquals(workspace.stats().bytes, 4);
  }),
);

Deno.test("Workspace.get() refuses what is no shape, and loses nothing by it", () => {
  using workspace = new Workspace();
  const kept = workspace.get("x", [2]);
  for (const shape of [[-1], [1.5], [NaN], [2 ** 32]]) {
    assertThrows(() => workspace.get("x", shape), RangeError, "Workspace.get: shape");
  }
  assertThrows(() => workspace.get("x", [33], "q8_0"), RangeError, "whole blocks");
  assertStrictEquals(workspace.get("x", [2]), kept);
});

Deno.test(
  "Workspace.zeros() clears only when asked",
  withoutLeaks(() => {
    using workspace = new Workspace();
    workspace.get("x", [3]).data.fill(7);
    assertEquals(workspace.get("x", [3]).toArray(), [7, 7, 7]);
    assertEquals(workspace.zeros("x", [3]).toArray(), [0, 0, 0]);
    workspace.get("x", [3]).data.fill(7);
    assertEquals(workspace.zeros("x", [3], "float16").toArray(), [0, 0, 0]);
    assertEquals(workspace.zeros("i", [2, 2], "int32").toArray(), [[0, 0], [0, 0]]);
    const blocks = workspace.get("q", [32], "q8_0");
    blocks.data.fill(255);
    assert(workspace.zeros("q", [32], "q8_0").data.every((byte) => byte === 0));
    assertEquals(workspace.zeros("none", [0]).size, 0);
  }),
);

Deno.test(
  "Workspace.zeros() clears more than one native row",
  withoutLeaks(() => {
    using workspace = new Workspace();
    workspace.get("x", [2 ** 20 + 3]).data.fill(1);
    assert(workspace.zeros("x", [2 ** 20 + 3]).data.every((value) => value === 0));
  }),
);

Deno.test(
  "Workspace gives up the least recently used key beyond maxKeys",
  withoutLeaks(() => {
    using workspace = new Workspace({ maxKeys: 2 });
    const a = workspace.get("a", [1]);
    const b = workspace.get("b", [1]);
    workspace.get("a", [1]);
    const c = workspace.get("c", [1]);
    assertEquals([a.disposed, b.disposed, c.disposed], [false, true, false]);
    assertEquals([workspace.stats().evicted, workspace.stats().keys], [1, 2]);
  }),
);

Deno.test(
  "Workspace gives up the least recently used keys beyond its limit",
  withoutLeaks(() => {
    using workspace = new Workspace({ limit: 400 });
    const [a, b, c] = ["a", "b", "c"].map((key) => workspace.get(key, [32]));
    workspace.get("a", [32]);
    const d = workspace.get("d", [50]);
    assertEquals([a, b, c, d].map((each) => each.disposed), [false, true, true, false]);
    assertEquals([workspace.stats().evicted, workspace.stats().bytes], [2, 328]);
  }),
);

Deno.test(
  "Workspace refuses a single request over its limit, and keeps what it has",
  withoutLeaks(() => {
    using workspace = new Workspace({ limit: "1KiB" });
    const x = workspace.get("x", [256]);
    assertThrows(() => workspace.get("y", [257]), RangeError, "limit is 1.00 KiB");
    assertThrows(() => workspace.get("x", [257]), RangeError, '"x" float32 [257]');
    assert(!x.disposed);
  }),
);

Deno.test(
  "Workspace replaces the only key at its limit without evicting what it returns",
  withoutLeaks(() => {
    using workspace = new Workspace({ limit: 256, maxKeys: 1 });
    workspace.get("x", [16]);
    const x = workspace.get("x", [64]);
    assert(!x.disposed);
    assertEquals(workspace.stats().evicted, 0);
    const y = workspace.get("y", [64]);
    assertEquals([x.disposed, y.disposed], [true, false]);
  }),
);

Deno.test(
  "Workspace stays within its bounds under many keys and shapes",
  withoutLeaks(() => {
    using workspace = new Workspace({ limit: 4096, maxKeys: 5 });
    let state = 1;
    const draw = (below: number) => (state = state * 48271 % 2147483647) % below;
    for (let step = 0; step < 2000; step++) {
      const size = draw(1025);
      const tensor = workspace.get(`key ${draw(9)}`, [size]);
      assertEquals(tensor.size, size);
      tensor.data.fill(step);
      const { bytes, keys } = workspace.stats();
      assert(bytes <= 4096 && keys <= 5, `${bytes} bytes, ${keys} keys`);
    }
    const { hits, misses, resized } = workspace.stats();
    assertEquals(hits + misses + resized, 2000);
  }),
);

Deno.test("Workspace refuses bounds that are none", () => {
  for (const limit of [0, -1, 1.5, NaN, "much"]) {
    assertThrows(() => new Workspace({ limit }), RangeError);
  }
  for (const maxKeys of [0, -1, 1.5, NaN]) {
    assertThrows(() => new Workspace({ maxKeys }), RangeError, "maxKeys");
  }
});

Deno.test(
  "Workspace.delete() and clear() dispose of tensors, and the workspace goes on",
  withoutLeaks(() => {
    using workspace = new Workspace();
    const a = workspace.get("a", [4]);
    const b = workspace.get("b", [4]);
    assertEquals([workspace.delete("a"), workspace.delete("a")], [true, false]);
    assertEquals([a.disposed, b.disposed], [true, false]);
    workspace.clear();
    assert(b.disposed);
    assertEquals([workspace.stats().keys, workspace.stats().bytes], [0, 0]);
    assert(!workspace.get("a", [4]).disposed);
  }),
);

Deno.test(
  "Workspace.dispose() ends it, once or twice",
  withoutLeaks(() => {
    const workspace = new Workspace();
    const x = workspace.get("x", [4]);
    workspace.dispose();
    workspace.dispose();
    assert(workspace.disposed && x.disposed);
    assertThrows(() => workspace.get("x", [4]), DisposedError, '"x"');
    assertThrows(() => workspace.zeros("x", [4]), DisposedError);
    assertEquals(Deno.inspect(workspace), "Workspace (disposed)");
  }),
);

Deno.test(
  "Workspace's tensors outlive a scope that is open when they are made",
  withoutLeaks(() => {
    using workspace = new Workspace();
    const [x, y] = scope(() => scope(() => [workspace.get("x", [2]), workspace.get("y", [2])]));
    assert(!x.disposed && !y.disposed);
    scope(() => workspace.get("x", [1]));
    assert(!workspace.get("x", [1]).disposed);
    assertEquals(workspace.stats().hits, 1);
  }),
);

Deno.test(
  "Workspace is disposed of by the scope that it is made in, unless it is kept",
  withoutLeaks(() => {
    let dropped: Workspace | undefined;
    let kept: Workspace | undefined;
    scope(() => {
      dropped = new Workspace();
      kept = keep(new Workspace());
      dropped.get("x", [2]);
    });
    assertEquals([dropped?.disposed, kept?.disposed], [true, false]);
    kept?.dispose();
  }),
);

Deno.test(
  "Workspace says what it holds",
  withoutLeaks(() => {
    using workspace = new Workspace();
    workspace.get("x", [256]);
    workspace.get("x", [256]);
    assertEquals(
      Deno.inspect(workspace),
      "Workspace of 1 key, 1.00 KiB: 1 hits, 0 resized, 1 misses, 0 evicted",
    );
  }),
);

Deno.test(
  "Workspace gives its memory back when the pool has none left for a request",
  withoutLeaks(() => {
    using workspace = new Workspace();
    const x = workspace.get("x", [4]);
    pool.setBudget(pool.stats().liveBytes + (1 << 20));
    try {
      assertThrows(() => workspace.get("x", [1 << 22]), OutOfMemoryError);
      assert(x.disposed);
      assertEquals(workspace.stats().bytes, 0);
    } finally {
      pool.setBudget(Infinity);
    }
    assert(!workspace.get("x", [4]).disposed);
  }),
);

Deno.test("Tensors made beside a workspace are not its own", () => {
  using x = Tensor.ones([2]);
  {
    using workspace = new Workspace();
    workspace.get("x", [2]);
  }
  assertEquals(x.toArray(), [1, 1]);
});
