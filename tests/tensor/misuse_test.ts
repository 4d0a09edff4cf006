/**
 * Misuse of tensors, from tables: what is no size, no value and no tensor any
 * more. Each is a precise error, and nothing is leaked by it.
 */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { DisposedError, OutOfMemoryError } from "../../lib/core/errors.ts";
import { pool } from "../../lib/memory/mod.ts";
import { type NestedNumbers, Tensor } from "../../lib/tensor/mod.ts";

const makers: Record<string, (shape: number[]) => Tensor> = {
  "Tensor.empty": (shape) => Tensor.empty(shape),
  "Tensor.zeros": (shape) => Tensor.zeros(shape),
  "Tensor.ones": (shape) => Tensor.ones(shape),
  "Tensor.full": (shape) => Tensor.full(shape, 2),
  "Tensor.randn": (shape) => Tensor.randn(shape),
};

const noShapes: [shape: unknown, error: new () => Error, words: string][] = [
  [[-1], RangeError, "shape [-1] is not made of integers from 0 to 2^32 - 1"],
  [[NaN], RangeError, "shape [NaN]"],
  [[1.5], RangeError, "shape [1.5]"],
  [[Infinity], RangeError, "shape [Infinity]"],
  [[2 ** 53], RangeError, "shape [9007199254740992]"],
  [[2 ** 32], RangeError, "shape [4294967296]"],
  [["3"], RangeError, "shape [3] is not made of integers"],
  [[3n], RangeError, "shape [3] is not made of integers"],
  [[2 ** 31, 2 ** 31], RangeError, "shape [2147483648, 2147483648]"],
  [[2 ** 20, 2 ** 20, 2 ** 20], RangeError, "shape [1048576, 1048576, 1048576]"],
  [new Array(17).fill(1), RangeError, "a tensor has up to 16 axes, and the shape has 17"],
  [5, TypeError, "a shape is an array of integers, not 5"],
  [undefined, TypeError, "a shape is an array of integers, not undefined"],
  [new Uint32Array([2]), TypeError, "a shape is an array of integers"],
];

for (const [name, make] of Object.entries(makers)) {
  Deno.test(
    `${name}() refuses what is no shape, and takes nothing for it`,
    withoutLeaks(() => {
      for (const [shape, error, words] of noShapes) {
        assertThrows(() => make(shape as number[]), error, `${name}: ${words}`);
      }
    }),
  );

  Deno.test(
    `${name}() makes empty tensors, scalars and sixteen axes`,
    withoutLeaks(() => {
      for (const shape of [[0], [3, 0], [], new Array(16).fill(1)]) {
        using x = make(shape);
        assertEquals(x.shape, shape);
      }
    }),
  );

  Deno.test(
    `${name}() says so when there is no memory for it`,
    withoutLeaks(() => {
      try {
        pool.setBudget(pool.stats().liveBytes + 2 ** 20);
        assertThrows(() => make([2 ** 20]), OutOfMemoryError);
      } finally {
        pool.setBudget(Infinity);
      }
    }),
  );
}

Deno.test(
  "a tensor's elements and options are refused when they are none, and nothing is leaked",
  withoutLeaks(() => {
    const from = (values: unknown) => () => Tensor.from(values as NestedNumbers);
    const ring: unknown[] = [];
    ring.push(ring);
    const typed = (dtype: string) => dtype as "float32";
    const refused: [use: () => unknown, error: new () => Error, words: string][] = [
      [
        from(new BigInt64Array(2)),
        TypeError,
        "Tensor.from: an element at depth 0 is of type BigInt",
      ],
      [from([new BigUint64Array(2)]), TypeError, "depth 1 is of type BigUint64Array"],
      [from(new DataView(new ArrayBuffer(8))), TypeError, "of type DataView"],
      [from("12"), TypeError, "of type string"],
      [from(["1", "2"]), TypeError, "depth 1 is of type string"],
      [from([1, "2"]), TypeError, "depth 1 is of type string"],
      [from([1n]), TypeError, "of type bigint"],
      [from([1, undefined]), TypeError, "of type undefined"],
      [from([[1], null]), TypeError, "of type null"],
      [from(undefined), TypeError, "depth 0 is of type undefined"],
      [from({ length: 2 }), TypeError, "of type Object"],
      [from([1, [2]]), RangeError, "Tensor.from: a row at depth 1"],
      [from([new Float32Array(2), new Float32Array(3)]), RangeError, "has 3 elements"],
      [from(ring), RangeError, "a tensor has up to 16 axes"],
      [() => Tensor.from([1], typed("float8")), TypeError, 'not "float8"'],
      [() => Tensor.from([1.5], typed("int64")), RangeError, "1.5 is no integer"],
      [() => Tensor.from([new Float32Array([2, 1.5])], typed("int64")), RangeError, "1.5 is no"],
      [() => Tensor.from([true]), TypeError, "of type boolean"],
      [() => Tensor.from([true], typed("int32")), TypeError, "of type boolean"],
      [() => Tensor.full([1], 0.5, typed("int64")), RangeError, "Tensor.full: 0.5 is no integer"],
      [() => Tensor.full([1], true), TypeError, "not boolean, for float32"],
      [() => Tensor.zeros([32], typed("q8_0")), TypeError, "Tensor.zeros: the dtype is"],
      [() => Tensor.from([1], typed("q8_0")), TypeError, 'not "q8_0"'],
      [() => Tensor.empty([32], typed("float8")), TypeError, 'no dtype "float8"'],
      [() => Tensor.empty([33], typed("q8_0")), RangeError, "whole blocks"],
      [() => Tensor.full([1], 1n as unknown as number), TypeError, "not bigint"],
      [() => Tensor.randn([1], { seed: 2 ** 53 }), RangeError, "Tensor.randn: a seed"],
      [() => Tensor.randn([1], { seed: NaN }), RangeError, "Tensor.randn: a seed"],
      [() => Tensor.randn([1], { mean: Infinity }), RangeError, "Tensor.randn: mean"],
      [() => Tensor.randn([1], { deviation: -1 }), RangeError, "Tensor.randn: deviation"],
    ];
    for (const [use, error, words] of refused) assertThrows(use, error, words);
  }),
);

Deno.test(
  "Tensor.from() takes typed arrays of every kind of number, nested too",
  withoutLeaks(() => {
    for (const array of [Float64Array, Uint8Array, Int16Array, Float16Array]) {
      using x = Tensor.from([new array([1, 2]), new array([3, 4])] as unknown as NestedNumbers);
      assertEquals(x.toArray(), [[1, 2], [3, 4]]);
    }
  }),
);

/** Every method and getter that needs the elements, by name. */
const uses: Record<string, (x: Tensor<"float32">) => unknown> = {
  address: (x) => x.address,
  data: (x) => x.data,
  get: (x) => x.get(0, 0),
  toArray: (x) => x.toArray(),
  reshape: (x) => x.reshape([6]),
  slice: (x) => x.slice(0),
  transpose: (x) => x.transpose(),
  unsqueeze: (x) => x.unsqueeze(0),
  squeeze: (x) => x.squeeze(),
  broadcastTo: (x) => x.broadcastTo([2, 3]),
  diagonal: (x) => x.diagonal(),
  contiguous: (x) => x.contiguous(),
  clone: (x) => x.clone(),
  copyFrom: (x) => x.copyFrom(x),
  move: (x) => x.move(),
  share: (x) => x.share(),
  backward: (x) => x.backward(),
  detach: (x) => x.detach(),
};

/** What can be asked of a tensor that was disposed of. */
const harmless = ["constructor", "size", "strides", "isContiguous", "byteLength", "disposed"]
  .concat("requiresGrad", "grad", "zeroGrad");

Deno.test("the table of uses names every member of Tensor", () => {
  const members = Object.getOwnPropertyNames(Tensor.prototype);
  const expected = [...Object.keys(uses), ...harmless, "dispose"];
  assertEquals(members.toSorted(), expected.toSorted());
});

for (const [name, use] of Object.entries(uses)) {
  Deno.test(
    `Tensor.${name} of a disposed tensor, or view, is an error that names it`,
    withoutLeaks(() => {
      const x = Tensor.zeros([2, 3]);
      const turned = x.transpose();
      x.dispose();
      turned.dispose();
      for (const [tensor, shape] of [[x, "[2, 3]"], [turned, "[3, 2]"]] as const) {
        const before = pool.stats().outstanding;
        const words = `Tensor.${name}: Tensor float32 ${shape} was used after it was disposed of`;
        assertThrows(() => use(tensor), DisposedError, words);
        assertEquals(pool.stats().outstanding, before);
      }
      assertEquals([x.size, x.byteLength, x.disposed, x.strides], [6, 24, true, [3, 1]]);
      x.dispose();
    }),
  );
}

Deno.test(
  "copyFrom() refuses a source that was disposed of, or is none",
  withoutLeaks(() => {
    using x = Tensor.zeros([2]);
    const source = Tensor.zeros([2]);
    source.dispose();
    const words = "Tensor.copyFrom: the source, a Tensor float32 [2] was used after";
    assertThrows(() => x.copyFrom(source), DisposedError, words);
    assertThrows(() => x.copyFrom([1, 2] as unknown as typeof x), TypeError, "no tensor");
    using ids = Tensor.from([1, 2], "int32");
    assertThrows(() => x.copyFrom(ids as Tensor as typeof x), TypeError, "int32 cannot be copied");
    using longer = Tensor.zeros([3]);
    assertThrows(() => x.copyFrom(longer), RangeError, "[3] does not fill [2]");
  }),
);

Deno.test("tickets that are none are refused", () => {
  const refused: unknown[] = [undefined, null, 5, {}, { address: 1, generation: 1 }];
  for (const ticket of refused) {
    const claim = () => Tensor.fromShared(ticket as ReturnType<Tensor["share"]>);
    assertThrows(claim, TypeError, "Tensor.fromShared: the ticket is not");
  }
});

Deno.test(
  "in debug mode an error says where a tensor was made and where it ended",
  () => {
    const wasDebug = pool.debug;
    pool.debug = true;
    try {
      const x = Tensor.zeros([2]);
      x.dispose();
      const { message } = assertThrows(() => x.data, DisposedError);
      assertMatch(message, /made by Tensor\.zeros at .*misuse_test.*disposed of by .*misuse_test/);
    } finally {
      pool.debug = wasDebug;
    }
    assert(pool.debug === wasDebug);
  },
);
