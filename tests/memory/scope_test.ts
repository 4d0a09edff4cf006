import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { withoutLeaks, withoutLeaksAsync } from "../support/native.ts";
import { keep, scope } from "../../lib/memory/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

Deno.test(
  "scope() disposes of everything but what is returned",
  withoutLeaks(() => {
    let inner: Tensor | undefined;
    using result = scope(() => {
      inner = Tensor.zeros([4]);
      return Tensor.ones([4]);
    });
    assert(inner!.disposed);
    assertEquals(result.toArray(), [1, 1, 1, 1]);
  }),
);

Deno.test(
  "scope() finds tensors in returned arrays and objects",
  withoutLeaks(() => {
    const { pair, deep } = scope(() => ({
      pair: [Tensor.zeros([1]), Tensor.zeros([2])],
      deep: { x: Tensor.zeros([3]) },
    }));
    assertEquals([...pair, deep.x].map((tensor) => tensor.disposed), [false, false, false]);
    for (const tensor of [...pair, deep.x]) tensor.dispose();
  }),
);

Deno.test(
  "scope() disposes when the function throws",
  withoutLeaks(() => {
    const made: Tensor[] = [];
    assertThrows(
      () =>
        scope(() => {
          made.push(Tensor.zeros([4]));
          throw new Error("stop");
        }),
      Error,
      "stop",
    );
    assert(made[0].disposed);
  }),
);

Deno.test(
  "scope() hands what it returns to the scope around it",
  withoutLeaks(() => {
    let inner: Tensor | undefined;
    scope(() => {
      inner = scope(() => Tensor.zeros([4]));
      assert(!inner.disposed);
    });
    assert(inner!.disposed);
  }),
);

Deno.test(
  "keep() takes a tensor out of all scopes",
  withoutLeaks(() => {
    let kept: Tensor | undefined;
    scope(() => {
      scope(() => {
        kept = keep(Tensor.zeros([4]));
      });
    });
    assert(!kept!.disposed);
    kept!.dispose();
  }),
);

Deno.test(
  "scope() survives await, and two at once do not mix",
  withoutLeaksAsync(async () => {
    const made: Tensor[] = [];
    const run = (ms: number) =>
      scope(async () => {
        made.push(Tensor.zeros([ms]));
        await new Promise((resolve) => setTimeout(resolve, ms));
        const late = Tensor.zeros([ms]);
        made.push(late);
        return late;
      });
    const [a, b] = await Promise.all([run(5), run(1)]);
    assertEquals(made.filter((tensor) => !tensor.disposed).length, 2);
    assertEquals([a.shape, b.shape], [[5], [1]]);
    a.dispose();
    b.dispose();
  }),
);

Deno.test(
  "scope() disposes when an asynchronous function rejects",
  withoutLeaksAsync(async () => {
    let made: Tensor | undefined;
    await assertRejects(
      () =>
        scope(async () => {
          made = Tensor.zeros([4]);
          await Promise.resolve();
          throw new Error("stop");
        }),
      Error,
      "stop",
    );
    assert(made!.disposed);
  }),
);

Deno.test(
  "a tensor disposed of by hand inside a scope is disposed of once",
  withoutLeaks(() => {
    scope(() => {
      using x = Tensor.zeros([4]);
      assertEquals(x.size, 4);
    });
  }),
);

Deno.test(
  "scope() follows what it returns even when it holds itself, or cannot be read",
  withoutLeaks(() => {
    interface Ring {
      self?: Ring;
      x: Tensor;
    }
    const ring = scope(() => {
      const made: Ring = { x: Tensor.zeros([1]) };
      made.self = made;
      return made;
    });
    assert(!ring.x.disposed);
    ring.x.dispose();
    let inner: Tensor | undefined;
    assertThrows(
      () =>
        scope(() => {
          inner = Tensor.zeros([1]);
          return Object.defineProperty({}, "x", {
            enumerable: true,
            get: () => {
              throw new Error("not now");
            },
          });
        }),
      Error,
      "not now",
    );
    assert(inner!.disposed);
  }),
);
