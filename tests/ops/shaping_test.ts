/**
 * Operations that put elements elsewhere: against models that follow one index at a time,
 * and figures of NumPy.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import {
  concatenate,
  fill,
  flip,
  pad,
  type PadWidth,
  repeat,
  roll,
  split,
  stack,
  tile,
  tril,
  triu,
} from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { dispose, f, type Floats } from "./cases.ts";
import { placesOf } from "./places.ts";

/** Compares a tensor with what should be at each place. */
function assertModel(y: Tensor, shape: number[], at: (place: number[]) => number): void {
  assertEquals(y.shape, shape);
  for (const place of placesOf(shape)) assertEquals(y.get(...place), at(place), `[${place}]`);
}

const shapes = [[], [0], [7], [1, 1], [3, 4], [17, 33], [2, 3, 4], [5, 1, 20, 3]];

for (const shape of shapes) {
  Deno.test(
    `flip(), roll(), tile() and repeat() of [${shape}] follow their definitions`,
    withoutLeaks(() => {
      using x = f(shape);
      using turned = x.transpose();
      using views = new DisposableStack();
      for (const own of [x, turned]) {
        const size = [...own.shape];
        assertModel(views.use(flip(own)), size, (at) => own.get(...at.map((i) => -1 - i)));
        const twice = size.map((extent) => extent * 2);
        const tiled = views.use(tile(own, [3, ...size.map(() => 2)]));
        const inside = (at: number[]) => at.map((i, axis) => i % size[axis]);
        assertModel(tiled, [3, ...twice], (at) => own.get(...inside(at.slice(1))));
        const axes = [...size.keys()];
        const shifts = axes.map((axis) => 2 * axis - 3);
        const rolled = views.use(roll(own, shifts, { axis: axes }));
        const from = (at: number[]) =>
          at.map((i, axis) => (i - shifts[axis] + 10 * size[axis]) % size[axis]);
        assertModel(rolled, size, (at) => own.get(...from(at)));
        for (const axis of axes) {
          const one = views.use(flip(own, { axis: axis - size.length }));
          assertModel(one, size, (at) => own.get(...at.with(axis, -1 - at[axis])));
          const many = views.use(repeat(own, 3, { axis }));
          assertModel(many, size.with(axis, 3 * size[axis]), (at) => {
            return own.get(...at.with(axis, Math.floor(at[axis] / 3)));
          });
        }
      }
    }),
  );
}

Deno.test(
  "concatenate(), stack() and split() put tensors beside each other and apart",
  withoutLeaks(() => {
    for (const shape of [[4], [3, 4], [2, 3, 4], [40, 50]]) {
      for (let axis = -shape.length; axis < shape.length; axis++) {
        const place = axis < 0 ? axis + shape.length : axis;
        const sizes = [1, 0, shape[place], 70];
        const parts = sizes.map((size, seed) => Tensor.randn(shape.with(place, size), { seed }));
        // One of them turned, so that its elements do not lie side by side.
        using turned = parts[2].transpose();
        using copy = turned.clone();
        using view = copy.transpose();
        const whole = concatenate([parts[0], parts[1], view, parts[3]], { axis });
        assertEquals(whole.shape, shape.with(place, 71 + shape[place]));
        const views = split(whole, sizes, { axis });
        assertEquals(views.map((part) => part.toArray()), parts.map((part) => part.toArray()));
        dispose([...parts, ...views, whole]);
      }
      for (let axis = -1 - shape.length; axis <= shape.length; axis++) {
        const place = axis < 0 ? axis + shape.length + 1 : axis;
        const parts = [1, 2, 3].map((seed) => Tensor.randn(shape, { seed }));
        using y = stack(parts, { axis });
        assertModel(y, shape.toSpliced(place, 0, 3), (at) => {
          return parts[at[place]].get(...at.toSpliced(place, 1));
        });
        const views = split(y, 3, { axis });
        assertEquals(views.map(({ shape }) => shape[place]), [1, 1, 1]);
        dispose([...parts, ...views]);
      }
    }
  }),
);

Deno.test(
  "concatenate() and stack() take any number of tensors, dense or not",
  withoutLeaks(() => {
    for (const count of [1, 2, 16, 17, 100]) {
      for (const turn of [false, true]) {
        const parts = Array.from({ length: count }, (_, seed) => Tensor.randn([3, 2], { seed }));
        const given = turn ? parts.map((part) => part.transpose()) : parts;
        const rows = given.map((part) => part.toArray() as number[][]);
        for (const axis of [0, 1]) {
          using joined = concatenate(given, { axis });
          const beside = rows[0].map((_, row) => rows.flatMap((part) => part[row]));
          assertEquals(joined.toArray(), axis === 0 ? rows.flat() : beside);
        }
        using piled = stack(given);
        assertEquals(piled.toArray(), rows);
        dispose(turn ? [...parts, ...given] : parts);
      }
    }
  }),
);

Deno.test(
  "split() gives views of the tensor, of quantised ones too",
  withoutLeaks(() => {
    using x = Tensor.zeros([4, 2]);
    const [first, last] = split(x, 2);
    fill(last, 7);
    assertEquals(x.toArray(), [[0, 0], [0, 0], [7, 7], [7, 7]]);
    using blocks = Tensor.empty([4, 32], "q8_0");
    const rows = split(blocks, [1, 3]);
    assertEquals(rows.map(({ shape }) => shape), [[1, 32], [3, 32]]);
    dispose([first, last, ...rows]);
  }),
);

/** `np.pad(np.arange(n), (5, 6), mode=mode).tolist()` of NumPy 2.4 for n, mode. */
const padded: [n: number, mode: "edge" | "reflect" | "wrap", expected: number[]][] = [
  [1, "edge", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
  [1, "reflect", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
  [1, "wrap", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
  [2, "edge", [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]],
  [2, "reflect", [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]],
  [2, "wrap", [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]],
  [3, "edge", [0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2]],
  [3, "reflect", [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0]],
  [3, "wrap", [1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]],
  [4, "edge", [0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3]],
  [4, "reflect", [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3]],
  [4, "wrap", [3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1]],
];

Deno.test(
  "pad() gives NumPy's figures in every mode, along each of two axes",
  withoutLeaks(() => {
    for (const [n, mode, expected] of padded) {
      using x = Tensor.arange(n);
      using y = pad(x, [5, 6], { mode });
      assertEquals(y.toArray(), expected);
      using column = x.reshape([n, 1]);
      using wide = column.broadcastTo([n, 3]);
      using rows = pad(wide, [[5, 6], [0, 0]], { mode });
      assertEquals(rows.toArray(), expected.map((value) => [value, value, value]));
    }
  }),
);

Deno.test(
  "pad() puts a value of every plain dtype around, and takes widths in three forms",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2]]);
    using all = pad(x, 1, { value: 9 });
    assertEquals(all.toArray(), [[9, 9, 9, 9], [9, 1, 2, 9], [9, 9, 9, 9]]);
    using same = pad(x, [0, 1]);
    assertEquals(same.toArray(), [[1, 2, 0], [0, 0, 0]]);
    using each = pad(x, [[0, 0], [2, 0]], { value: -1 });
    assertEquals(each.toArray(), [[-1, -1, 1, 2]]);
    for (const dtype of ["float64", "float16", "bfloat16", "int32", "uint8"] as const) {
      using y = Tensor.from([1], dtype);
      using more = pad(y, 1, { value: 3 });
      assertEquals([more.dtype, more.toArray()], [dtype, [3, 1, 3]]);
    }
    using wide = Tensor.from([1n], "int64");
    using wider = pad(wide, 1, { value: 2n ** 60n });
    assertEquals(wider.toArray(), [2n ** 60n, 1n, 2n ** 60n]);
    using flags = Tensor.from([false], "bool");
    using more = pad(flags, [0, 2], { value: true });
    assertEquals(more.toArray(), [0, 1, 1]);
    using none = Tensor.empty([0, 2]);
    using filled = pad(none, [[1, 0], [0, 1]], { value: 5 });
    assertEquals(filled.toArray(), [[5, 5, 5]]);
    using scalar = f([]);
    using still = pad(scalar, 3);
    assertEquals([still.shape, still.toArray()], [[], scalar.toArray()]);
  }),
);

Deno.test(
  "tril() and triu() keep their side of any diagonal",
  withoutLeaks(() => {
    for (const shape of [[1, 1], [3, 5], [5, 3], [2, 4, 4], [0, 3, 3], [3, 0]]) {
      using x = f(shape);
      using turned = x.transpose(
        ...[...shape.keys()].toSpliced(-2, 2, shape.length - 1, shape.length - 2),
      );
      for (const own of [x, turned]) {
        for (const diagonal of [-9, -2, -1, 0, 1, 2, 9, 2 ** 40, -(2 ** 40)]) {
          using lower = tril(own, { diagonal });
          using upper = triu(own, { diagonal });
          const across = (at: number[]) => at.at(-1)! - at.at(-2)!;
          const size = [...own.shape];
          assertModel(lower, size, (at) => across(at) <= diagonal ? own.get(...at) : 0);
          assertModel(upper, size, (at) => across(at) >= diagonal ? own.get(...at) : 0);
        }
      }
    }
    using words = Tensor.from([[1n, 2n], [3n, 4n]], "int64");
    using y = triu(words);
    assertEquals(y.toArray(), [[1n, 2n], [0n, 4n]]);
  }),
);

Deno.test(
  "operations that put elements elsewhere refuse what does not fit",
  withoutLeaks(() => {
    using x = f([2, 3]);
    using v = f([3]);
    using none = f([0]);
    using halves = Tensor.from([1, 2, 3], "float16");
    using deep = f(new Array(9).fill(2));
    const refused: [() => unknown, string][] = [
      [() => concatenate([x, v]), "concatenate: [3] and [2, 3] differ in more than axis 0"],
      [() => concatenate([x, x], { axis: 2 }), "concatenate: axis 2 is out of range for 2 axes"],
      [() => concatenate([]), "concatenate: there is no tensor to join"],
      [() => stack([x, v]), "stack: [3] is not [2, 3], as the first tensor is"],
      [() => stack([v], { axis: 2 }), "stack: axis 2 is out of range for 2 axes"],
      [() => split(x, 2, { axis: 1 }), "split: axis 1 of [2, 3] is not 2 parts of one size"],
      [() => split(x, 0), "is not 0 parts"],
      [() => split(x, [1, 2]), "split: sizes [1, 2] do not make axis 0 of [2, 3]"],
      [() => split(x, [3, -1]), "split: sizes [3, -1]"],
      [() => pad(x, -1), "pad: widths -1 do not fit [2, 3]"],
      [() => pad(x, [[1, 1]]), "pad: widths [[1,1]] do not fit [2, 3]"],
      [() => pad(x, [1.5, 0]), "pad: widths [1.5,0]"],
      [() => pad(none, 1, { mode: "edge" }), "pad: axis 0 of [0] has nothing to repeat"],
      [() => flip(x, { axis: [0, -2] }), "flip: axes [0, -2] name an axis twice"],
      [() => flip(x, { axis: 5 }), "flip: axis 5"],
      [() => roll(x, [1, 2]), "roll: shift [1,2] is not an integer for each of axes [0]"],
      [() => roll(x, 0.5), "roll: shift 0.5"],
      [() => tile(x, [2, -1]), "tile: [2,-1] are not integers from 0"],
      [() => tile(deep, new Array(9).fill(2)), "tile: [2, 2, 2, 2, 2, 2, 2, 2, 2] has too many"],
      [() => repeat(x, NaN), "repeat: [null] are not integers"],
      [() => tril(v), "tril: x [3] is not […, rows, cols]"],
      [() => triu(x, { diagonal: 0.5 }), "triu: the diagonal is an integer, not 0.5"],
    ];
    for (const [call, words] of refused) assertThrows(call, RangeError, words);
    using blocks = Tensor.empty([32], "q8_0");
    const any = blocks as Tensor as Floats;
    const kinds: [() => unknown, string][] = [
      [() => concatenate([v, halves as Tensor as Floats]), "concatenate: tensor 1 is float16"],
      [() => concatenate(v as unknown as Floats[]), "concatenate: the operands are an array"],
      [() => pad(x, 1, { mode: "mirror" as "wrap" }), 'not "mirror"'],
      [() => pad(x, 1, { value: "0" as unknown as number }), "pad: the value is a number"],
      ...[flip, tril, (y: Floats) => tile(y, [2]), (y: Floats) => pad(y, 1)].map((run) =>
        [() => run(any), "use dequantize() first"] as [() => unknown, string]
      ),
    ];
    for (const [call, words] of kinds) assertThrows(call, TypeError, words);
    const widths: PadWidth[] = [[0, 0], [0, 0]];
    assertThrows(() => pad(x, widths, { out: x }), RangeError, "pad: out must not be x");
  }),
);
