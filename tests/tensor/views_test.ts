/**
 * Views: slices, transposes and reshapes against a model that follows one index
 * at a time, and the copies that read and write them.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { Random } from "../../lib/core/random.ts";
import { pool } from "../../lib/memory/mod.ts";
import { add, addInPlace, fill } from "../../lib/ops/mod.ts";
import { type NestedNumbers, Tensor } from "../../lib/tensor/mod.ts";

/** What a tensor should be: a shape, and a number for each index. */
interface Model {
  shape: number[];
  at: (index: number[]) => number;
}

function toArray({ shape, at }: Model, index: number[] = []): NestedNumbers {
  if (index.length === shape.length) return at(index);
  return Array.from(
    { length: shape[index.length] },
    (_, i) => toArray({ shape, at }, [...index, i]),
  );
}

function reshaped(model: Model, shape: number[]): Model {
  return {
    shape,
    at: (index) => {
      let place = index.reduce((sum, i, axis) => sum * shape[axis] + i, 0);
      const source = model.shape.toReversed().map((extent) => {
        const i = place % extent;
        place = (place - i) / extent;
        return i;
      });
      return model.at(source.toReversed());
    },
  };
}

function transposed(model: Model, order: number[]): Model {
  return {
    shape: order.map((axis) => model.shape[axis]),
    at: (index) => model.at(model.shape.map((_, axis) => index[order.indexOf(axis)])),
  };
}

function sliced(model: Model, axis: number, start: number, end: number): Model {
  return {
    shape: model.shape.with(axis, end - start),
    at: (index) => model.at(index.with(axis, index[axis] + start)),
  };
}

/** Splits and joins the axes of a shape at random. */
function anotherShape(shape: readonly number[], below: (limit: number) => number): number[] {
  const factors = shape.flatMap((extent) =>
    extent % 2 === 0 && below(2) ? [2, extent / 2] : extent
  );
  const result: number[] = [];
  for (const factor of factors) {
    if (result.length > 0 && below(2)) result[result.length - 1] *= factor;
    else result.push(factor);
    if (below(6) === 0) result.push(1);
  }
  return result;
}

Deno.test(
  "any sequence of slice, transpose and reshape shows what the same indices show",
  withoutLeaks(() => {
    const random = new Random(7);
    const below = (limit: number) => Math.floor(random.next() * limit);
    for (let round = 0; round < 300; round++) {
      const shape = Array.from({ length: 1 + below(4) }, () => 1 + below(6));
      const size = shape.reduce((product, extent) => product * extent, 1);
      const base = Tensor.from(Float32Array.from({ length: size }, (_, i) => i));
      let tensor: Tensor = base.reshape(shape);
      base.dispose();
      let model = reshaped({ shape: [size], at: ([i]) => i }, shape);
      for (let step = 0; step < 6; step++) {
        const rank = model.shape.length;
        let next: Tensor;
        if (below(3) === 0) {
          const order = Array.from({ length: rank }, (_, axis) => axis)
            .sort(() => random.next() - 0.5);
          next = tensor.transpose(...order);
          model = transposed(model, order);
        } else if (below(2) === 0) {
          const axis = below(rank);
          const start = below(model.shape[axis]);
          const end = start + 1 + below(model.shape[axis] - start);
          next = tensor.slice(start, end, { axis: axis - rank });
          model = sliced(model, axis, start, end);
        } else {
          const target = anotherShape(model.shape, below);
          next = tensor.reshape(target);
          model = reshaped(model, target);
        }
        tensor.dispose();
        tensor = next;
      }
      const expected = toArray(model);
      assertEquals(tensor.toArray(), expected);
      using dense = tensor.contiguous();
      using copy = tensor.clone();
      assert(dense.isContiguous && copy.isContiguous);
      assertEquals([dense.toArray(), copy.toArray()], [expected, expected]);
      tensor.dispose();
    }
  }),
);

Deno.test(
  "transpose() reverses the axes, or puts them in the order that is given",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    using turned = x.transpose();
    assertEquals([turned.shape, turned.strides, turned.isContiguous], [[3, 2], [1, 3], false]);
    assertEquals(turned.toArray(), [[1, 4], [2, 5], [3, 6]]);
    assertEquals([turned.get(2, 0), turned.get(-1, -1)], [3, 6]);
    using back = turned.transpose(-1, 0);
    assert(back.isContiguous);
    assertEquals(back.data, x.data);
    using cube = Tensor.zeros([2, 3, 4]);
    using moved = cube.transpose(2, 0, 1);
    assertEquals([moved.shape, moved.strides], [[4, 2, 3], [1, 12, 4]]);
    using scalar = Tensor.from(5);
    using same = scalar.transpose();
    assertEquals(same.toArray(), 5);
    for (const axes of [[0], [0, 0], [0, 2], [0, -3], [0, 0.5], [0, 1, 2], [NaN, 0]]) {
      assertThrows(() => x.transpose(...axes), RangeError, "Tensor.transpose: ax");
    }
  }),
);

Deno.test(
  "views share memory both ways, and the last one gives it back",
  withoutLeaks(() => {
    const x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    const turned = x.transpose();
    const column = x.slice(1, 2, { axis: 1 });
    const before = pool.stats().outstanding;
    x.data[1] = 20;
    assertEquals([turned.get(1, 0), column.toArray()], [20, [[20], [5]]]);
    x.dispose();
    turned.dispose();
    assertEquals(pool.stats().outstanding, before);
    assertEquals(column.toArray(), [[20], [5]]);
    column.dispose();
    assertEquals(pool.stats().outstanding, before - 1);
  }),
);

Deno.test(
  "data throws for a view that is not contiguous, and get(), toArray() and inspect show it",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    using turned = x.transpose();
    assertThrows(() => turned.data, TypeError, "use contiguous()");
    assertEquals(Deno.inspect(turned), "Tensor float32 [3, 2] [[1, 4],\n [2, 5],\n [3, 6]]");
    using large = Tensor.zeros([100, 50]);
    using part = large.slice(10, 20, { axis: 1 });
    assertStringIncludes(Deno.inspect(part), "Tensor float32 [100, 10]");
  }),
);

Deno.test(
  "an axis of one element, or an empty tensor, leaves a tensor contiguous",
  withoutLeaks(() => {
    using row = Tensor.from([[1, 2, 3]]);
    using column = row.transpose();
    assertEquals([column.isContiguous, column.data.length], [true, 3]);
    using empty = Tensor.zeros([0, 4]);
    using turned = empty.transpose();
    assertEquals([turned.isContiguous, turned.toArray()], [true, [[], [], [], []]]);
    using wide = Tensor.zeros([3, 4]);
    using none = wide.slice(2, 2, { axis: 1 });
    assertEquals([none.shape, none.isContiguous, none.toArray()], [[3, 0], true, [[], [], []]]);
  }),
);

Deno.test(
  "reshape() is a view where strides allow it and a copy otherwise",
  withoutLeaks(() => {
    using line = Tensor.from(Float32Array.from({ length: 24 }, (_, i) => i));
    using x = line.reshape([2, 3, 4]);
    using turned = x.transpose(1, 0, 2);
    using split = turned.reshape([3, 2, 2, 2]);
    using joined = turned.reshape([3, 8]);
    x.data[0] = 100;
    assertEquals([split.get(0, 0, 0, 0), joined.get(0, 0)], [100, 0]);
    assertEquals(joined.isContiguous, true);
    using flat = turned.reshape([-1]);
    assertEquals(flat.shape, [24]);
  }),
);

Deno.test(
  "slice() refuses axes and indices that are none",
  withoutLeaks(() => {
    using x = Tensor.zeros([2, 3]);
    using scalar = Tensor.from(1);
    for (const axis of [2, -3, 0.5, NaN]) {
      assertThrows(() => x.slice(0, 1, { axis }), RangeError, `Tensor.slice: axis ${axis}`);
    }
    assertThrows(() => scalar.slice(0), RangeError, "Tensor.slice: axis 0 is out of range");
    assertThrows(() => x.slice(0, 0.5), RangeError, "not both integers");
  }),
);

Deno.test(
  "quantised tensors stay whole: rows can be sliced, axes cannot be turned",
  withoutLeaks(() => {
    using x = Tensor.empty([4, 64], "q4_0");
    using rows = x.slice(1, 3);
    assertEquals([rows.shape, rows.byteLength], [[2, 64], 72]);
    assertThrows(() => x.transpose(), TypeError, "q4_0 [64, 4]: blocks of a quantised dtype");
    assertThrows(() => x.slice(0, 32, { axis: 1 }), TypeError, "use dequantize() first");
    using flat = x.reshape([256]);
    using half = flat.slice(128);
    assertEquals(half.byteLength, 72);
  }),
);

Deno.test(
  "copyFrom() copies any strides into any strides, of another shape too",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    using y = Tensor.zeros([3, 2]);
    using turned = y.transpose();
    assert(turned.copyFrom(x) === turned);
    assertEquals(y.toArray(), [[1, 4], [2, 5], [3, 6]]);
    using columns = Tensor.zeros([2, 5]);
    using part = columns.slice(1, 4, { axis: 1 });
    using source = x.transpose();
    part.copyFrom(source);
    assertEquals(columns.toArray(), [[0, 1, 4, 2, 0], [0, 5, 3, 6, 0]]);
  }),
);

Deno.test(
  "copyFrom() copies as if the source were copied first when they share memory",
  withoutLeaks(() => {
    using square = Tensor.from([[1, 2, 3], [4, 5, 6], [7, 8, 9]]);
    using turned = square.transpose();
    square.copyFrom(turned);
    assertEquals(square.toArray(), [[1, 4, 7], [2, 5, 8], [3, 6, 9]]);
    turned.copyFrom(turned);
    assertEquals(square.toArray(), [[1, 4, 7], [2, 5, 8], [3, 6, 9]]);
    using line = Tensor.from([1, 2, 3, 4, 5]);
    using head = line.slice(0, 4);
    using tail = line.slice(1);
    tail.copyFrom(head);
    assertEquals(line.toArray(), [1, 1, 2, 3, 4]);
    using left = square.slice(0, 2, { axis: 1 });
    using right = square.slice(1, 3, { axis: 1 });
    right.copyFrom(left);
    assertEquals(square.toArray(), [[1, 1, 4], [2, 2, 5], [3, 3, 6]]);
  }),
);

Deno.test(
  "clone() of a view of every plain dtype copies its elements only",
  withoutLeaks(() => {
    for (const dtype of ["float32", "float16", "int32"] as const) {
      using x = Tensor.from([[1, 2, 3], [4, 5, 6]], dtype);
      using turned = x.transpose();
      using copy = turned.clone();
      assertEquals([copy.dtype, copy.toArray()], [dtype, [[1, 4], [2, 5], [3, 6]]]);
    }
    using half = Tensor.empty([2, 3], "bfloat16");
    half.data.set([1, 2, 3, 4, 5, 6]);
    using turned = half.transpose();
    using copy = turned.clone();
    assertEquals([...copy.data], [1, 4, 2, 5, 3, 6]);
  }),
);

Deno.test(
  "move() passes the memory on, and the old handle says that it was moved",
  withoutLeaks(() => {
    const x = Tensor.from([[1, 2], [3, 4]]);
    const turned = x.transpose();
    using moved = x.move();
    using movedView = turned.move();
    assert(x.disposed && turned.disposed);
    assertEquals([moved.toArray(), movedView.toArray()], [[[1, 2], [3, 4]], [[1, 3], [2, 4]]]);
    assertThrows(() => x.data, Error, "Tensor float32 [2, 2] was used after it was moved");
    assertThrows(() => x.move(), Error, "after it was moved");
    assertEquals(Deno.inspect(x), "Tensor float32 [2, 2] (moved)");
    x.dispose();
    assert(!moved.disposed);
  }),
);

Deno.test(
  "capacity is never taken for size: views, clones and moves count their own elements",
  withoutLeaks(() => {
    using x = Tensor.zeros([65]);
    using part = x.slice(3, 5);
    using copy = part.clone();
    using moved = part.move();
    assertEquals([part.size, copy.byteLength, copy.data.length, moved.data.length], [2, 8, 2, 2]);
    assertEquals(moved.toArray(), [0, 0]);
  }),
);

Deno.test(
  "unsqueeze() and squeeze() add and leave out axes of size 1, of views too",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    using turned = x.transpose();
    for (const [axis, shape] of [[0, [1, 3, 2]], [1, [3, 1, 2]], [-1, [3, 2, 1]]] as const) {
      using more = turned.unsqueeze(axis);
      assertEquals([more.shape, more.get(...shape.map((extent) => extent - 1))], [shape, 6]);
      using less = more.squeeze();
      using named = more.squeeze(axis);
      assertEquals([less.toArray(), named.toArray()], [turned.toArray(), turned.toArray()]);
    }
    assertThrows(() => x.unsqueeze(3), RangeError, "axis 3 is out of range for 3 axes");
    assertThrows(() => x.squeeze(0), RangeError, "axis 0 of [2, 3] has 2 elements, not 1");
    using one = Tensor.ones([1, 1]);
    using scalar = one.squeeze();
    assertEquals(scalar.shape, []);
  }),
);

Deno.test(
  "broadcastTo() repeats elements without a copy, and is never written to",
  withoutLeaks(() => {
    using column = Tensor.from([[1], [2]]);
    using wide = column.broadcastTo([2, 2, 3]);
    assertEquals([wide.strides, wide.isContiguous], [[0, 1, 0], false]);
    assertEquals(wide.toArray(), [[[1, 1, 1], [2, 2, 2]], [[1, 1, 1], [2, 2, 2]]]);
    using copy = wide.clone();
    assertEquals(copy.toArray(), wide.toArray());
    using flat = wide.reshape([12]);
    assertEquals(flat.toArray(), [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]);
    using part = wide.slice(1, 2, { axis: 1 });
    using turned = part.transpose();
    assertEquals(turned.toArray(), [[[2, 2]], [[2, 2]], [[2, 2]]]);
    using other = Tensor.zeros([2, 2, 3]);
    for (
      const write of [
        () => wide.copyFrom(other),
        () => addInPlace(wide, other),
        () => addInPlace(wide, 1),
        () => fill(wide, 0),
        () => add(other, 1, { out: wide }),
      ]
    ) {
      assertThrows(write, TypeError);
    }
    assertThrows(() => wide.data, TypeError);
    assertEquals(column.toArray(), [[1], [2]]);
    addInPlace(other, wide);
    assertEquals(other.toArray(), wide.toArray());
    assertThrows(() => column.broadcastTo([3, 3]), RangeError, "[2, 1] does not broadcast to");
    assertThrows(() => column.broadcastTo([2]), RangeError, "[2, 1] does not broadcast to [2]");
    using same = column.broadcastTo([2, 1]);
    assert(same.isContiguous);
    using none = column.broadcastTo([0, 2, 4]);
    assertEquals(none.toArray(), []);
  }),
);

Deno.test(
  "diagonal() walks along two axes at once, and can be written to",
  withoutLeaks(() => {
    const shape = [3, 4, 5];
    using x = Tensor.arange(60);
    using cube = x.reshape(shape);
    for (const [rows, cols] of [[0, 1], [1, 0], [0, 2], [-1, 1]]) {
      const [down, across] = [rows, cols].map((axis) => (axis + 3) % 3);
      const rest = 3 - down - across;
      for (let offset = -6; offset <= 6; offset++) {
        using view = cube.diagonal(offset, rows, cols);
        const [skip, right] = [Math.max(-offset, 0), Math.max(offset, 0)];
        const extent = Math.max(Math.min(shape[down] - skip, shape[across] - right), 0);
        assertEquals(view.shape, [shape[rest], extent]);
        for (let i = 0; i < shape[rest]; i++) {
          for (let j = 0; j < extent; j++) {
            const place = [i, i, i].with(down, j + skip).with(across, j + right);
            assertEquals(view.get(i, j), cube.get(...place));
          }
        }
      }
    }
    using square = Tensor.zeros([2, 3]);
    using diagonal = square.diagonal(1);
    fill(diagonal, 1);
    assertEquals(square.toArray(), [[0, 1, 0], [0, 0, 1]]);
    assertThrows(() => square.diagonal(0, 1, 1), RangeError, "of two axes, not of axis 1 alone");
    assertThrows(() => square.diagonal(0, 0, 2), RangeError, "axis 2");
    assertThrows(() => square.diagonal(0.5), RangeError, "the offset is an integer");
  }),
);
