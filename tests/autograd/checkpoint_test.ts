/**
 * Functions that run again for their gradients: the same bits as without, less memory, and
 * errors where a second run could not compute the same.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import "../support/native.ts";
import {
  add,
  addInPlace,
  fill,
  linear,
  mul,
  scaleInPlace,
  softmax,
  sum,
  tanh,
} from "../../lib/ops/mod.ts";
import { checkpoint, draw, noGrad } from "../../lib/autograd/mod.ts";
import { pool, scope } from "../../lib/memory/mod.ts";
import { addObserver } from "../../lib/memory/observer.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

type Vector = Tensor<"float32">;
/** Runs a function, with or without a checkpoint. */
type Way = <A extends Tensor[]>(fn: (...inputs: A) => Vector, ...inputs: A) => Vector;

const plain: Way = (fn, ...inputs) => scope(() => fn(...inputs));

function leaf(shape: number[], seed: number): Vector {
  const x = Tensor.randn(shape, { seed });
  x.requiresGrad = true;
  return x;
}

/** The gradients of some leaves, of a sum that a function makes. */
function gradientsOf(leaves: readonly Vector[], make: () => Vector): Float32Array[] {
  scope(() => sum(make()).backward());
  return leaves.map((each) => {
    const gradient = Float32Array.from(each.grad!.data);
    each.zeroGrad();
    return gradient;
  });
}

Deno.test("gradients have the same bits with a checkpoint and without", () => {
  using x = leaf([5, 8], 1);
  using first = leaf([8, 8], 2);
  using second = leaf([8, 8], 3);
  // Each leaf is used several times, inside and outside, so that the order of sums counts.
  const network = (way: Way) => () => {
    let y: Vector = add(x, mul(x, 0.5));
    for (let i = 0; i < 3; i++) {
      y = way(
        (y: Vector, x: Vector) => {
          const hidden = tanh(linear(add(y, x), first));
          return add(softmax(linear(hidden, second)), mul(linear(hidden, first), y));
        },
        y,
        x,
      );
      y = add(y, linear(y, second));
    }
    return y;
  };
  const leaves = [x, first, second];
  assertEquals(
    gradientsOf(leaves, network(checkpoint)),
    gradientsOf(leaves, network(plain)),
  );
});

Deno.test("gradients that are summed up over several walks have the same bits too", () => {
  using weight = leaf([4, 4], 4);
  using x = Tensor.randn([3, 4], { seed: 5 });
  const block = (x: Vector) => tanh(linear(tanh(linear(x, weight)), weight));
  const twice = (way: Way) =>
    gradientsOf([weight], () => {
      sum(way(block, x)).backward();
      return way(block, way(block, x));
    });
  assertEquals(twice(checkpoint), twice(plain));
});

Deno.test("checkpoints may be nested, and walked twice", () => {
  using x = leaf([6], 6);
  using weight = leaf([6], 7);
  const inner = (x: Vector) => tanh(mul(x, weight));
  const network = (way: Way) => () =>
    way((x: Vector) => add(way(inner, way(inner, x)), way(inner, x)), x);
  assertEquals(
    gradientsOf([x, weight], network(checkpoint)),
    gradientsOf([x, weight], network(plain)),
  );
  const walks = [checkpoint, plain].map((way) =>
    gradientsOf([x], () => {
      const y = sum(network(way as Way)());
      y.backward({ retain: true });
      return y;
    })
  );
  assertEquals(walks[0], walks[1]);
});

Deno.test("random numbers of a seed are the same in the second run", () => {
  using x = leaf([64], 8);
  const drop = (x: Vector) => mul(x, Tensor.randn([64], { seed: 9 }));
  assertEquals(
    gradientsOf([x], () => checkpoint(drop, x)),
    gradientsOf([x], () => plain(drop, x)),
  );
});

Deno.test("what a function draws is drawn again in its second run, also where runs are nested", () => {
  const run = (way: Way) => {
    let state = 0;
    const noise = (x: Vector) => mul(x, Tensor.randn([64], { seed: draw(() => ++state) }));
    using x = leaf([64], 9);
    const gradients = gradientsOf([x], () => {
      const y = way((x: Vector) => noise(way(noise, way(noise, noise(x)))), x);
      return add(way(noise, y), noise(x));
    });
    return { gradients, state };
  };
  assertEquals(run(checkpoint), run(plain));
  assertEquals(run(plain).state, 6);
});

Deno.test("gradients reach leaves that the function alone uses, whatever its arguments", () => {
  using x = Tensor.ones([2]);
  using weight = leaf([2], 10);
  gradientsOf([weight], () => {
    const y = checkpoint((x: Vector) => mul(x, weight), x);
    assertEquals(y.requiresGrad, true);
    return y;
  });
  using without = checkpoint((x: Vector) => mul(x, 2), x);
  assertEquals([without.requiresGrad, without.toArray()], [false, [2, 2]]);
  using unrecorded = noGrad(() => checkpoint((x: Vector) => mul(x, weight), x));
  assertEquals(unrecorded.requiresGrad, false);
});

Deno.test("what the function returns may be its argument, a view of it, or a leaf", () => {
  using x = leaf([2, 2], 11);
  const ones = [new Float32Array(4).fill(1)];
  assertEquals(gradientsOf([x], () => checkpoint((x: Vector) => x, x)), ones);
  assertEquals(gradientsOf([x], () => checkpoint((x: Vector) => x.transpose(), x)), ones);
  assertEquals(checkpoint(() => x), x);
  assertEquals(gradientsOf([x], () => mul(checkpoint(() => x), 1)), ones);
  assertEquals(x.disposed, false);
});

Deno.test("arguments may be disposed of before the gradient is computed", () => {
  using weight = leaf([2], 12);
  using total = scope(() => {
    using x = Tensor.from([3, 4]);
    return sum(checkpoint((x: Vector) => mul(x, weight), x));
  });
  total.backward();
  assertEquals(weight.grad?.toArray(), [3, 4]);
});

/** The most bytes that were rented at one time. */
class Peak implements Disposable {
  bytes = 0;
  #live = 0;
  readonly #sizes = new Map<object, number>();
  readonly #listening = addObserver({
    allocated: (holder, bytes) => {
      this.#sizes.set(holder, bytes);
      this.#live += bytes;
      this.bytes = Math.max(this.bytes, this.#live);
    },
    freed: (holder) => this.#live -= this.#sizes.get(holder) ?? 0,
  });

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }
}

Deno.test("a chain of 50 layers takes a fraction of the memory", () => {
  const size = 4096;
  const chain = (way: Way) => () => {
    let y: Vector = Tensor.randn([size], { seed: 13 });
    for (let i = 0; i < 50; i++) {
      const next = way((y: Vector) => tanh(mul(tanh(mul(tanh(y), weight)), weight)), y);
      y.dispose();
      y = next;
    }
    return y;
  };
  using weight = leaf([size], 14);
  const peakOf = (way: Way) => {
    const before = pool.stats().liveBytes;
    const peak = new Peak();
    const gradients = gradientsOf([weight], chain(way));
    peak[Symbol.dispose]();
    assertEquals(pool.stats().liveBytes, before);
    return { gradients, tensors: peak.bytes / (4 * size) };
  };
  const cheap = peakOf(checkpoint);
  const costly = peakOf(plain);
  assertEquals(cheap.gradients, costly.gradients);
  assert(costly.tensors > 150, `${costly.tensors} tensors without`);
  assert(cheap.tensors < 75, `${cheap.tensors} tensors with`);
});

Deno.test("a function that writes to its arguments is refused, and nothing leaks", () => {
  const before = pool.stats().liveBytes;
  {
    using weight = leaf([2], 15);
    using x = Tensor.from([1, 2]);
    using y = add(weight, 1);
    const write = (x: Vector) => mul(scaleInPlace(x, 2), weight);
    assertThrows(() => checkpoint(write, x), Error, "the function wrote to argument 0");
    assertThrows(() => checkpoint((a: Vector) => mul(a, scaleInPlace(a, 2)), y), Error);
    assertThrows(() => checkpoint((a: Vector) => scaleInPlace(a, 2), weight), Error);
    // What it made itself it may write.
    using z = checkpoint((x: Vector) => addInPlace(mul(x, 2), x), weight);
    using total = sum(z);
    total.backward();
    assertEquals(weight.grad?.toArray(), [3, 3]);
  }
  assertEquals(pool.stats().liveBytes, before);
});

Deno.test("what is written between both runs is refused, and nothing leaks", () => {
  const before = pool.stats().liveBytes;
  {
    using weight = leaf([2], 16);
    using x = Tensor.from([1, 2]);
    const make = () => scope(() => sum(checkpoint((x: Vector) => mul(x, weight), x)));
    using changedInput = make();
    fill(x, 3);
    assertThrows(() => changedInput.backward(), Error, "argument 0");
    using changedLeaf = make();
    noGrad(() => scaleInPlace(weight, 2));
    assertThrows(() => changedLeaf.backward(), Error, "a leaf");
    using y = add(weight, 1);
    using changedOther = scope(() => sum(checkpoint((x: Vector) => mul(x, y), x)));
    addInPlace(y, weight);
    assertThrows(() => changedOther.backward(), Error, "something else the second time");
    assertEquals(weight.grad, undefined);
  }
  assertEquals(pool.stats().liveBytes, before);
});

Deno.test("a function that fails in its second run leaks nothing", () => {
  const before = pool.stats().liveBytes;
  {
    using x = leaf([3], 17);
    let runs = 0;
    const fails = (x: Vector) => {
      const y = mul(tanh(x), x);
      if (runs++ > 0) throw new Error("no second time");
      return y;
    };
    using total = scope(() => sum(mul(checkpoint(fails, x), x)));
    assertThrows(() => total.backward(), Error, "no second time");
    let count = 2;
    using other = scope(() => sum(checkpoint((x: Vector) => mul(x, Tensor.ones([count++, 3])), x)));
    assertThrows(() => other.backward(), Error, "something else the second time");
    assertEquals(x.grad, undefined);
  }
  assertEquals(pool.stats().liveBytes, before);
});

Deno.test("checkpoint() throws when it is not given what it needs", () => {
  using x = leaf([2], 18);
  assertThrows(() => checkpoint((_: Vector) => 1 as unknown as Vector, x), TypeError, "no tensor");
  assertThrows(
    () => checkpoint((x: Vector) => x, 3 as unknown as Vector),
    TypeError,
    "argument 0 is no tensor",
  );
  const gone = leaf([2], 19);
  gone.dispose();
  assertThrows(() => checkpoint((x: Vector) => x, gone), Error, "argument 0");
  const making = () => {
    const inner = leaf([2], 20);
    return mul(x, inner);
  };
  scope(() => {
    const y = sum(checkpoint(making));
    assertThrows(() => y.backward(), Error, "something else the second time");
  });
});
