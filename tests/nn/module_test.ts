/**
 * Modules: names, states, modes, errors that say where, and the memory of passes.
 */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { noGrad } from "../../lib/autograd/mod.ts";
import { DisposedError } from "../../lib/core/errors.ts";
import { pool, scope } from "../../lib/memory/mod.ts";
import { Embedding, LayerNorm, Linear, MLP, Module } from "../../lib/nn/mod.ts";
import { add, sum } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

type Floats = Tensor<"float32">;

/** Layers in a list, a field, and behind a private field. */
class Net extends Module {
  readonly blocks: MLP[];
  readonly norm: LayerNorm;
  readonly #head: Linear;

  constructor(seed: number) {
    super();
    this.blocks = [0, 1].map((i) =>
      new MLP({ dim: 4, hidden: 6, activation: "swiglu", seed: seed + i })
    );
    this.norm = new LayerNorm(4);
    this.#head = this.child("head", new Linear(4, 2, { seed }));
    this.buffer("scale", Tensor.from([2]));
  }

  forward(x: Floats): Floats {
    return this.pass([x], (frame) => {
      let y = x;
      for (const [i, block] of this.blocks.entries()) {
        y = frame.own(block.forward(y, { out: frame.room(`Net.${i}`, x.shape, "float32") }));
      }
      const normal = frame.own(
        this.norm.forward(y, { out: frame.room("Net.norm", x.shape, "float32") }),
      );
      return this.#head.forward(normal);
    });
  }
}

function backward(net: Net, x: Floats): void {
  using y = net.forward(x);
  using loss = sum(y);
  loss.backward();
}

Deno.test(
  "a module finds its parts in fields, lists and what was registered, and names them with dots",
  withoutLeaks(() => {
    using net = new Net(1);
    const names = Object.keys(net.parameters());
    for (const name of ["blocks.0.gate.weight", "blocks.1.down.bias", "norm.bias", "head.weight"]) {
      assert(names.includes(name), `${names} lack ${name}`);
    }
    assertEquals(names.length, 2 * 6 + 2 + 2);
    assertEquals(names.includes("scale"), false);
    assertEquals(Object.keys(net.state()).length, names.length + 1);
    assert(Object.values(net.parameters()).every((each) => each.requiresGrad));
  }),
);

Deno.test(
  "the same seed gives the same bits, and another gives others",
  withoutLeaks(() => {
    using a = new Net(1);
    using b = new Net(1);
    using c = new Net(2);
    const bits = (net: Net) => Object.values(net.state()).map((each) => each.toArray());
    assertEquals(bits(a), bits(b));
    assertNotEquals(bits(a), bits(c));
    assertThrows(() => new Linear(2, 2, { seed: -1 }), RangeError, "seed");
  }),
);

Deno.test(
  "a state goes from one module to another, and what does not fit changes nothing",
  withoutLeaks(() => {
    using a = new Net(1);
    using b = new Net(2);
    using x = Tensor.randn([3, 4], { seed: 5 });
    b.load(a.state());
    using ya = a.forward(x);
    using yb = b.forward(x);
    assertEquals(ya.toArray(), yb.toArray());
    const { "norm.bias": bias, ...rest } = a.state();
    assertThrows(
      () => b.load({ ...rest, "norm.more": bias }),
      RangeError,
      "Net.load: norm.bias missing; no place for norm.more",
    );
    b.load(rest, { strict: false });
    using wrong = Tensor.zeros([5]);
    const error = assertThrows(() => b.load({ ...a.state(), "norm.bias": wrong }), RangeError);
    assertEquals(error.message, "Net.load: norm.bias is [5], expected [4]");
    using integers = Tensor.zeros([4], "int32");
    assertThrows(() => b.load({ ...a.state(), "norm.bias": integers }), TypeError, "int32");
    using halves = Tensor.from([1, 2, 3, 4], "bfloat16");
    b.load({ ...a.state(), "norm.bias": halves });
    assertEquals(b.norm.bias?.toArray(), [1, 2, 3, 4]);
  }),
);

Deno.test(
  "an error in a part names its path and keeps its class and its cause",
  withoutLeaks(() => {
    using net = new Net(1);
    using x = Tensor.ones([2, 3]);
    for (const training of [true, false]) {
      net.train(training);
      const error = assertThrows(() => net.forward(x), RangeError, "blocks.0.up: linear: x [2, 3]");
      assert(error.cause instanceof RangeError && error.cause !== error);
    }
    using layer = new Linear(4, 2);
    const error = assertThrows(() => layer.forward(x), RangeError);
    assert(error.message.startsWith("linear: "));
    assertEquals(error.cause, undefined);
  }),
);

Deno.test(
  "a pass is recorded in training alone, or where an input wants a gradient",
  withoutLeaks(() => {
    using net = new Net(1);
    using x = Tensor.ones([2, 4]);
    const isRecorded = () => {
      using y = net.forward(x);
      return y.requiresGrad;
    };
    assertEquals([isRecorded(), noGrad(isRecorded)], [true, false]);
    assertEquals([net.eval().training, net.norm.training, isRecorded()], [false, false, false]);
    x.requiresGrad = true;
    assertEquals([isRecorded(), net.train().norm.training], [true, true]);
  }),
);

Deno.test(
  "the results in training and in inference have the same bits",
  withoutLeaks(() => {
    using net = new Net(1);
    using x = Tensor.randn([3, 4], { seed: 1 });
    using trained = net.forward(x);
    using inferred = noGrad(() => net.forward(x));
    using again = net.eval().forward(x);
    assertEquals(inferred.toArray(), trained.toArray());
    assertEquals(again.toArray(), trained.toArray());
  }),
);

Deno.test(
  "a module within another of its class has places of its own",
  withoutLeaks(() => {
    class Nest extends Module {
      readonly first: Linear;
      readonly inner: Nest | undefined;

      constructor(depth: number) {
        super();
        this.first = new Linear(4, 4, { seed: depth });
        if (depth > 0) this.inner = new Nest(depth - 1);
      }

      forward(x: Floats, options: { out?: Floats } = {}): Floats {
        return this.pass([x], (frame) => {
          const place = (name: string) => ({ out: frame.room(name, x.shape, "float32") });
          const y = frame.own(this.first.forward(x, place("first")));
          const z = this.inner === undefined ? y : frame.own(this.inner.forward(y, place("inner")));
          return add(y, z, options);
        });
      }
    }
    using nest = new Nest(3);
    using x = Tensor.randn([2, 4], { seed: 1 });
    using trained = nest.forward(x);
    using inferred = nest.eval().forward(x);
    assertEquals(inferred.toArray(), trained.toArray());
  }),
);

Deno.test(
  "a place in the workspace is the same tensor in each pass, and ends with training",
  withoutLeaks(() => {
    class Probe extends Module {
      forward(): Floats {
        return this.pass([], (frame) => {
          const place = frame.room("probe", [2], "float32");
          return frame.own(place ?? Tensor.zeros([2]));
        });
      }
    }
    using probe = new Probe().eval();
    const first = probe.forward();
    assert(probe.forward() === first && !first.disposed);
    assert(probe.train().forward().disposed && first.disposed);
  }),
);

Deno.test(
  "training gives all memory back but the gradients, in a scope too",
  withoutLeaks(() => {
    using net = new Net(1);
    using x = Tensor.ones([2, 4]);
    backward(net, x);
    const { liveBytes, outstanding } = pool.stats();
    for (let i = 0; i < 3; i++) {
      scope(() => backward(net, x));
      backward(net, x);
      using unused = net.forward(x);
      assert(!unused.disposed);
    }
    assertEquals([pool.stats().liveBytes, pool.stats().outstanding], [liveBytes, outstanding]);
    using wide = Tensor.ones([2, 5]);
    assertThrows(() => net.forward(wide), RangeError);
    for (const parameter of Object.values(net.parameters())) {
      assertEquals(parameter.grad?.disposed, false);
    }
  }),
);

Deno.test(
  "inference rents nothing after the first pass but the result, which the pool has",
  withoutLeaks(() => {
    using net = new Net(1).eval();
    using x = Tensor.ones([2, 4]);
    net.forward(x).dispose();
    net.forward(x).dispose();
    const { misses, outstanding } = pool.stats();
    for (let i = 0; i < 5; i++) {
      using y = scope(() => net.forward(x));
      assertEquals(pool.stats().outstanding, outstanding + 1);
      assertEquals(y.shape, [2, 2]);
    }
    assertEquals([pool.stats().misses, pool.stats().outstanding], [misses, outstanding]);
    using kept = net.forward(x);
    using zeros = Tensor.zeros([2, 4]);
    using other = net.forward(zeros);
    assertNotEquals(kept.toArray(), other.toArray());
  }),
);

Deno.test(
  "a module that was disposed of refuses a pass, and disposing twice is harmless",
  withoutLeaks(() => {
    const net = new Net(1);
    using x = Tensor.ones([2, 4]);
    net.dispose();
    net.dispose();
    assertEquals([net.disposed, net.norm.disposed, net.norm.weight.disposed], [true, true, true]);
    assertThrows(() => net.forward(x), DisposedError, "Net: forward was called after disposal");
  }),
);

Deno.test(
  "console.log shows how much a module holds, and whether it is trained",
  withoutLeaks(() => {
    const layer = new Linear(4, 2);
    const shown = "Linear of 10 trained numbers in 2 tensors, 40 B";
    assertEquals(Deno.inspect(layer), `${shown}, in training`);
    assertEquals(Deno.inspect(layer.eval()), shown);
    layer.dispose();
    assertEquals(Deno.inspect(layer), "Linear (disposed)");
  }),
);

Deno.test(
  "a module that is passed what is no tensor leaves the next pass alone",
  withoutLeaks(() => {
    using net = new Net(1);
    using layer = new Linear(4, 2);
    using x = Tensor.ones([2, 3]);
    assertThrows(() => net.forward(undefined as unknown as Floats), TypeError);
    const error = assertThrows(() => layer.forward(x), RangeError);
    assert(error.message.startsWith("linear: "), error.message);
  }),
);

Deno.test(
  "a part that is found twice is one part, with its first name",
  withoutLeaks(() => {
    class Tied extends Module {
      readonly first = new Embedding(3, 2, { seed: 1 });
      readonly second = this.first;
    }
    using tied = new Tied();
    assertEquals(Object.keys(tied.parameters()), ["first.weight"]);
  }),
);
