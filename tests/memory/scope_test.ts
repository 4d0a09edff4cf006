import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { withoutLeaks, withoutLeaksAsync } from "../support/native.ts";
import { enterScope, keep, leaveScope, pool, scope, type Scoped } from "../../lib/memory/mod.ts";
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

Deno.test(
  "scope() finds tensors in returned maps, sets and objects with fields or without prototypes",
  withoutLeaks(() => {
    class Pair {
      constructor(readonly first: Tensor, readonly second: Tensor) {}
    }
    const bare = Object.create(null);
    const found: Tensor[] = [];
    const make = () => {
      const tensor = Tensor.zeros([2]);
      found.push(tensor);
      return tensor;
    };
    const value = scope(() => {
      Tensor.zeros([9]);
      bare.x = make();
      return {
        map: new Map<unknown, unknown>([[make(), "key"], ["value", [make()]]]),
        set: new Set([make()]),
        pair: new Pair(make(), make()),
        bare,
        numbers: new Float32Array(4),
        nothing: null,
      };
    });
    assertEquals(found.map((tensor) => tensor.disposed), [
      false,
      false,
      false,
      false,
      false,
      false,
    ]);
    assert(value.pair.first === found[4]);
    for (const tensor of found) tensor.dispose();
  }),
);

Deno.test(
  "scope() keeps the tensors in public fields of a disposable object, and cannot see private ones",
  withoutLeaks(() => {
    class Layer {
      disposed = false;
      readonly #hidden: Tensor;
      constructor(readonly weight: Tensor, hidden: Tensor) {
        this.#hidden = hidden;
      }
      get hidden(): Tensor {
        return this.#hidden;
      }
      [Symbol.dispose]() {
        this.weight.dispose();
        this.#hidden.dispose();
      }
    }
    using layer = scope(() => new Layer(Tensor.ones([2]), Tensor.ones([3])));
    assertEquals([layer.weight.disposed, layer.hidden.disposed], [false, true]);
    using keeping = scope(() => new Layer(Tensor.ones([2]), keep(Tensor.ones([3]))));
    assertEquals([keeping.weight.disposed, keeping.hidden.disposed], [false, false]);
  }),
);

Deno.test(
  "a view that is kept or returned keeps the memory of the tensor it came from",
  withoutLeaks(() => {
    let base: Tensor | undefined;
    const kept = scope(() => {
      base = Tensor.from([[1, 2], [3, 4]]);
      return { view: keep(base.transpose()), row: base.slice(1) };
    });
    assert(base!.disposed);
    assertEquals(kept.view.toArray(), [[1, 3], [2, 4]]);
    assertEquals(kept.row.toArray(), [[3, 4]]);
    kept.view.dispose();
    kept.row.dispose();
  }),
);

Deno.test(
  "move() hands a tensor over to the scope that it is called in",
  withoutLeaks(() => {
    let moved: Tensor | undefined;
    let made: Tensor | undefined;
    scope(() => {
      made = Tensor.zeros([4]);
      scope(() => void (moved = made!.move()));
      assert(moved!.disposed);
    });
    assert(made!.disposed);
  }),
);

Deno.test(
  "scope() disposes in the order that is the reverse of making",
  () => {
    const order: number[] = [];
    class Member implements Scoped {
      disposed = false;
      constructor(readonly id: number) {
        enterScope(this);
      }
      [Symbol.dispose]() {
        this.disposed = true;
        order.push(this.id);
      }
    }
    scope(() => [1, 2, 3].forEach((id) => void new Member(id)));
    assertEquals(order, [3, 2, 1]);
  },
);

Deno.test(
  "scope() disposes of all members when one of them cannot be, and then says so",
  withoutLeaks(() => {
    class Stuck implements Scoped {
      disposed = false;
      constructor(readonly words: string) {
        enterScope(this);
      }
      [Symbol.dispose]() {
        throw new Error(this.words);
      }
    }
    const tensors: Tensor[] = [];
    const run = (stuck: number, fail: boolean) =>
      scope(() => {
        tensors.push(Tensor.zeros([1]));
        for (let i = 0; i < stuck; i++) new Stuck(`stuck ${i}`);
        tensors.push(Tensor.zeros([1]));
        if (fail) throw new Error("first");
      });
    assertThrows(() => run(1, false), Error, "stuck 0");
    const both = assertThrows(() => run(2, false), AggregateError, "2 members");
    assertEquals(both.errors.length, 2);
    const suppressed = assertThrows(() => run(1, true), SuppressedError);
    assertEquals((suppressed.suppressed as Error).message, "first");
    assert(tensors.every((tensor) => tensor.disposed));
  }),
);

Deno.test(
  "scopes three deep hand a result outwards one by one, also across await",
  withoutLeaksAsync(async () => {
    const made: Tensor[] = [];
    const note = (tensor: Tensor) => {
      made.push(tensor);
      return tensor;
    };
    const result = await scope(async () => {
      note(Tensor.zeros([1]));
      const inner = await scope(async () => {
        await Promise.resolve();
        note(Tensor.zeros([2]));
        return scope(() => {
          note(Tensor.zeros([3]));
          return note(Tensor.zeros([4]));
        });
      });
      assertEquals(made.map((tensor) => tensor.disposed), [false, true, true, false]);
      return inner;
    });
    assertEquals(made.map((tensor) => tensor.disposed), [true, true, true, false]);
    result.dispose();
  }),
);

Deno.test(
  "what a call makes that outlives its scope belongs to the scope around it",
  withoutLeaksAsync(async () => {
    let late: Tensor | undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    await scope(async () => {
      let work: Promise<void> | undefined;
      scope(() => {
        work = promise.then(() => void (late = Tensor.zeros([4])));
      });
      resolve();
      await work;
      assert(!late!.disposed);
    });
    assert(late!.disposed);
  }),
);

Deno.test(
  "scope() waits for what can be awaited, promise or not",
  withoutLeaksAsync(async () => {
    let made: Tensor | undefined;
    const thenable = {
      then(resolve: (value: string) => void) {
        made = Tensor.zeros([4]);
        assert(!made.disposed);
        resolve("done");
      },
    };
    assertEquals(await scope(() => thenable), "done");
    assert(made!.disposed);
  }),
);

Deno.test("a member of an outer scope that is disposed of in an inner one is disposed of once", () => {
  let disposals = 0;
  const member = {
    disposed: false,
    [Symbol.dispose]() {
      disposals++;
      leaveScope(member);
    },
  };
  scope(() => {
    enterScope(member);
    scope(() => member[Symbol.dispose]());
  });
  assertEquals(disposals, 1);
});

Deno.test(
  "keep() outside of a scope, and of what holds no tensors, changes nothing",
  withoutLeaks(() => {
    using x = keep(Tensor.zeros([1]));
    assertEquals(keep(5), 5);
    assertEquals(keep(null), null);
    assertEquals(scope(() => keep("text")), "text");
    assert(!x.disposed);
  }),
);

Deno.test(
  "buffers and batches of the pool enter scopes as tensors do",
  withoutLeaks(() => {
    const made: Scoped[] = [];
    const kept = scope(() => {
      made.push(pool.rent(16), pool.rentBatch(3, 16, "float32"), keep(pool.rent(16)));
      return pool.rent(16);
    });
    assertEquals([...made, kept].map(({ disposed }) => disposed), [true, true, false, false]);
    made[2][Symbol.dispose]();
    kept.dispose();
  }),
);
