import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { add, pool, scope, Tensor, Workspace } from "@quern/quern";
import { assertNoLeaks, LeakError, withoutLeaks } from "@quern/quern/testing";
import { observer } from "../../lib/memory/observer.ts";
import "../support/native.ts";

const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

/** What leaks, without the path of this file. */
function leaksOf(fn: () => unknown): string[] {
  const { leaks } = assertThrows(() => assertNoLeaks(fn), LeakError);
  return leaks.map(({ what, bytes, origin }) => `${what}, ${bytes}, ${origin.split(" at ")[0]}`);
}

Deno.test("assertNoLeaks() passes when everything was disposed of, and gives the result", () => {
  const sum = assertNoLeaks(() => {
    using x = Tensor.ones([2]);
    using y = add(x, x);
    using view = y.reshape([2, 1]);
    return view.get(0, 0) + view.get(1, 0);
  });
  assertEquals(sum, 4);
});

Deno.test("assertNoLeaks() lists each tensor with its shape, dtype, bytes and line", () => {
  const held: Tensor[] = [];
  const error = assertThrows(
    () =>
      assertNoLeaks(() => {
        held.push(Tensor.ones([2, 3]));
        held.push(Tensor.from([1, 2], "int32"));
      }),
    LeakError,
  );
  const [head, first, second] = error.message.split("\n");
  assertMatch(head, /^2 objects were not disposed of \(32 B\); bind each with `using`/);
  assertMatch(
    first,
    /^ {2}Tensor float32 \[2, 3\], 24 B, from Tensor\.ones at .*testing_test\.ts:\d+:\d+$/,
  );
  assertMatch(second, /^ {2}Tensor int32 \[2\], 8 B, from Tensor\.from at /);
  for (const tensor of held) tensor.dispose();
});

Deno.test("assertNoLeaks() reports a view that outlives its tensor, and only it", () => {
  let view: Tensor | undefined;
  assertEquals(
    leaksOf(() => {
      using x = Tensor.ones([4]);
      view = x.reshape([2, 2]);
    }),
    ["Tensor float32 [2, 2], 16, Tensor.reshape"],
  );
  view?.dispose();
});

Deno.test("assertNoLeaks() reports a view of a tensor that was made before", () => {
  using x = Tensor.ones([4]);
  let view: Tensor | undefined;
  assertEquals(leaksOf(() => void (view = x.slice(0, 2))), [
    "Tensor float32 [2], 8, Tensor.slice",
  ]);
  view?.dispose();
  assertNoLeaks(() => x.slice(0, 2).dispose());
});

Deno.test("assertNoLeaks() leaves what the function returns to its caller", () => {
  using tensor = assertNoLeaks(() => Tensor.ones([2]));
  const [a, { b }] = assertNoLeaks(() => [Tensor.ones([1]), { b: Tensor.ones([3]) }] as const);
  assertEquals([tensor.size, a.size, b.size], [2, 1, 3]);
  a.dispose();
  b.dispose();
  using buffer = assertNoLeaks(() => pool.rent(4));
  assertEquals(buffer.length, 4);
});

Deno.test("assertNoLeaks() still reports what was made beside the result", () => {
  const held: Tensor[] = [];
  assertEquals(
    leaksOf(() => {
      const x = Tensor.ones([2]);
      held.push(x, add(x, x));
      return x;
    }),
    ["Tensor float32 [2], 8, add"],
  );
  for (const tensor of held) tensor.dispose();
});

Deno.test("assertNoLeaks() reports handles of the pool", () => {
  const held: Disposable[] = [];
  const leaks = leaksOf(() => held.push(pool.rent(4), pool.rentBatch(3, 8, "int32")));
  assertEquals(leaks.length, 2);
  assertEquals(leaks[0], "PooledBuffer float32 of 4, 16, Pool.rent");
  assertMatch(leaks[1], /^PooledBatch.*, 96, Pool\.rentBatch$/);
  for (const handle of held) handle[Symbol.dispose]();
});

Deno.test("assertNoLeaks() reports the tensors of a workspace that goes on", () => {
  const workspace = new Workspace();
  assertEquals(leaksOf(() => void workspace.get("x", [2])), [
    "Tensor float32 [2], 8, Workspace.get",
  ]);
  assertNoLeaks(() => void workspace.get("x", [2]));
  workspace.dispose();
  assertNoLeaks(() => {
    using inside = new Workspace();
    for (let size = 1; size < 40; size++) inside.get("x", [size]);
  });
});

Deno.test("assertNoLeaks() counts what a scope disposed of, and what was moved, as gone", () => {
  assertNoLeaks(() => scope(() => void add(Tensor.ones([2]), Tensor.ones([2]))));
  assertNoLeaks(() => {
    using _moved = Tensor.ones([2]).move();
  });
});

Deno.test("assertNoLeaks() ignores what others make at the same time", async () => {
  const running = assertNoLeaks(async () => {
    using _x = Tensor.ones([2]);
    await pause();
  });
  using _other = Tensor.ones([3]);
  await running;
});

Deno.test("assertNoLeaks() follows an asynchronous function", async () => {
  using x = Tensor.ones([2]);
  let lost: Tensor | undefined;
  const error = await assertRejects(
    () =>
      assertNoLeaks(async () => {
        await pause();
        lost = add(x, x);
      }),
    LeakError,
    "1 object was not disposed of (8 B)",
  );
  assertEquals(error.leaks.length, 1);
  lost?.dispose();
  using kept = await assertNoLeaks(async () => {
    await pause();
    return Tensor.ones([5]);
  });
  assertEquals(kept.size, 5);
});

Deno.test("assertNoLeaks() works inside another one", () => {
  let lost: Tensor | undefined;
  const outer = leaksOf(() => {
    assertNoLeaks(() => Tensor.ones([1]).dispose());
    assertThrows(() => assertNoLeaks(() => void (lost = Tensor.ones([2]))), LeakError);
  });
  assertEquals(outer, ["Tensor float32 [2], 8, Tensor.ones"]);
  lost?.dispose();
});

Deno.test("assertNoLeaks() passes on what the function throws, and ends", async () => {
  const before = observer;
  assertThrows(
    () =>
      assertNoLeaks(() => {
        throw new TypeError("first");
      }),
    TypeError,
    "first",
  );
  await assertRejects(() => assertNoLeaks(() => Promise.reject(new TypeError("later"))), TypeError);
  assertStrictEquals(observer, before);
});

Deno.test("assertNoLeaks() lists at most twenty leaks", () => {
  const held: Tensor[] = [];
  const { message, leaks } = assertThrows(
    () => assertNoLeaks(() => void Array.from({ length: 25 }, () => held.push(Tensor.ones([1])))),
    LeakError,
  );
  assertEquals(leaks.length, 25);
  assertEquals(message.split("\n").length, 22);
  assert(message.endsWith("… and 5 more"));
  for (const tensor of held) tensor.dispose();
});

Deno.test("withoutLeaks() makes a test that fails when it leaks", async () => {
  let lost: Tensor | undefined;
  assertThrows(withoutLeaks(() => void (lost = Tensor.ones([2]))), LeakError);
  lost?.dispose();
  const test = withoutLeaks(async (size: number) => {
    using x = Tensor.ones([size]);
    await pause();
    return x.size;
  });
  assertEquals(await test(3), 3);
});
