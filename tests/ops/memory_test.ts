/**
 * What all operations do with memory, from tables: operands of any strides give
 * the same bits, a result never shares a part of an operand, and a tensor that
 * was disposed of is refused in every position; and nothing leaks.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { byteLengthOf, type DType, isPlain } from "../../lib/core/dtype.ts";
import { DisposedError } from "../../lib/core/errors.ts";
import { formatShape } from "../../lib/core/shape.ts";
import { pool, PooledStorage } from "../../lib/memory/mod.ts";
import * as ops from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { cases, dispose, f, type Floats, i, type Ids } from "./cases.ts";

/** The same elements with a gap behind each of them. */
function strided<D extends DType>(tensor: Tensor<D>): Tensor<D> {
  using wide = Tensor.empty([...tensor.shape, 2], tensor.dtype);
  new Uint8Array(wide.data.buffer, wide.data.byteOffset, wide.byteLength).fill(99);
  using part = wide.slice(0, 1, { axis: -1 });
  const view = part.reshape(tensor.shape);
  view.copyFrom(tensor);
  assert(!view.isContiguous);
  return view;
}

/** A tensor of a tensor's elements, and another that begins so many bytes behind its start. */
function overlapping(
  tensor: Tensor,
  shape: number[],
  dtype: DType,
  byteOffset: number,
): [Tensor, Tensor] {
  const storage = new PooledStorage(tensor.byteLength + 4 * byteLengthOf(dtype, 1024));
  const operand = new Tensor(storage, 0, tensor.shape, tensor.dtype);
  storage.retain();
  const out = new Tensor(storage, byteOffset, shape, dtype);
  operand.copyFrom(tensor);
  return [operand, out];
}

for (const { name, make, run, shape, dtype = "float32", inPlace = [], kept = 0 } of cases) {
  Deno.test(
    `${name}() gives the same bits for operands that are not contiguous`,
    withoutLeaks(() => {
      const operands = make();
      using expected = run(operands);
      for (let index = 0; index <= operands.length; index++) {
        // Each operand by itself, and at last all of them.
        const views = operands.map((operand, at) =>
          at === index || index === operands.length ? strided(operand) : operand.clone()
        );
        const before = pool.stats().outstanding;
        const y = run(views);
        assertEquals([y.shape, y.data], [expected.shape, expected.data]);
        assertEquals(pool.stats().outstanding, before + 1 + kept, "temporaries");
        using out = Tensor.empty(shape, expected.dtype);
        assert(run(views, out) === out);
        assertEquals(out.data, expected.data);
        y.dispose();
        dispose(views);
      }
      dispose(operands);
    }),
  );

  Deno.test(
    `${name}() gives temporaries back when it throws`,
    withoutLeaks(() => {
      const operands = make();
      const views = operands.map(strided);
      using out = Tensor.empty([...shape, 2, 2]);
      const before = pool.stats().outstanding;
      assertThrows(() => run(views, out), Error, `${name}: out is`);
      assertEquals(pool.stats().outstanding, before);
      dispose(views);
      dispose(operands);
    }),
  );

  // There are no views with strides of blocks.
  if (isPlain(dtype)) {
    Deno.test(
      `${name}() refuses an out that is not contiguous`,
      withoutLeaks(() => {
        const operands = make();
        using fresh = run(operands);
        using room = Tensor.empty([...(shape.length === 0 ? [1] : shape), 2], fresh.dtype);
        using part = room.slice(0, 1, { axis: -1 });
        using out = part.reshape(shape);
        if (out.isContiguous) assertEquals(fresh.size, 1, "only one element has no stride");
        else {assertThrows(
            () => run(operands, out),
            TypeError,
            `${name}: out is a view with strides`,
          );}
        dispose(operands);
      }),
    );
  }

  Deno.test(
    `${name}() refuses an out that shares a part of an operand`,
    withoutLeaks(() => {
      const operands = make();
      using fresh = run(operands);
      for (let index = 0; index < operands.length; index++) {
        for (const byteOffset of [0, 4, operands[index].byteLength - 4]) {
          if (byteOffset === 0 && inPlace.includes(index)) continue;
          const [operand, out] = overlapping(operands[index], shape, fresh.dtype, byteOffset);
          const all = operands.with(index, operand);
          assertThrows(() => run(all, out), RangeError, `${name}: out m`);
          dispose([operand, out]);
        }
        const { byteLength } = operands[index];
        const [operand, out] = overlapping(operands[index], shape, fresh.dtype, byteLength);
        run(operands.with(index, operand), out);
        assertEquals(out.data.slice(), fresh.data.slice());
        dispose([operand, out]);
      }
      dispose(operands);
    }),
  );
}

Deno.test(
  "ropeTable() takes factors that are not contiguous, and refuses tables that share memory",
  withoutLeaks(() => {
    using factors = Tensor.from([1, 2, 4, 8]);
    using view = strided(factors);
    const expected = ops.ropeTable(3, 4, { factors });
    const table = ops.ropeTable(3, 4, { factors: view });
    assertEquals(table.cosines.data, expected.cosines.data);
    assertEquals(table.sines.data, expected.sines.data);
    const [cosines, sines] = overlapping(table.cosines, [3, 4], "float32", 4) as Floats[];
    const shared = { cosines, sines };
    assertThrows(() => ops.ropeTable(3, 4, { out: shared }), RangeError, "must not be out.cosines");
    using row = cosines.slice(0, 1);
    using first = row.reshape([4]);
    const apart = { cosines, sines: table.sines };
    assertThrows(() => ops.ropeTable(3, 4, { out: apart, factors: first }), RangeError, "factors");
    dispose([...Object.values(table), ...Object.values(expected), cosines, sines]);
  }),
);

/** A use of an operation with every tensor that it takes, results included. */
interface Use {
  make: () => Tensor[];
  run: (tensors: Tensor[]) => unknown;
}

const { addInPlace, subInPlace, mulInPlace, divInPlace } = ops;
const inPlace: Record<string, (x: Floats, y: Floats) => Floats> = {
  addInPlace,
  subInPlace,
  mulInPlace,
  divInPlace,
};

/** Those that are not in the table of cases with all that they take. */
const others: Record<string, Use> = {
  ...Object.fromEntries(
    Object.entries(inPlace).map(([name, operation]): [string, Use] => [name, {
      make: () => [f([2, 3]), f([2, 3])],
      run: ([x, y]) => operation(x as Floats, y as Floats),
    }]),
  ),
  addScaledInPlace: {
    make: () => [f([2, 3]), f([2, 3])],
    run: ([x, y]) => ops.addScaledInPlace(x as Floats, y as Floats, 2),
  },
  scaleInPlace: { make: () => [f([2, 3])], run: ([x]) => ops.scaleInPlace(x as Floats, 2) },
  fill: { make: () => [f([2, 3])], run: ([x]) => ops.fill(x as Floats, 2) },
  topK: {
    make: () => [f([2, 3]), f([2, 2]), Tensor.zeros([2, 2], "int32")],
    run: ([x, values, indices]) =>
      ops.topK(x as Floats, 2, {
        out: { values: values as Floats, indices: indices as Tensor<"int32"> },
      }),
  },
  split: { make: () => [f([2, 3])], run: ([x]) => ops.split(x, 2) },
  indexAddInPlace: {
    make: () => [f([2, 3]), i([1]), f([1, 3])],
    run: ([x, ids, source]) => ops.indexAddInPlace(x as Floats, ids as Ids, source as Floats),
  },
  scatterAddInPlace: {
    make: () => [f([2]), i([1]), f([1])],
    run: ([x, ids, source]) => ops.scatterAddInPlace(x as Floats, ids as Ids, source as Floats),
  },
  ropeTable: {
    make: () => [f([4]), f([3, 4]), f([3, 4])],
    run: ([factors, cosines, sines]) =>
      ops.ropeTable(3, 4, {
        factors: factors as Floats,
        out: { cosines: cosines as Floats, sines: sines as Floats },
      }),
  },
};

const uses = new Map<string, Use>(Object.entries(others));
for (const { name, make, run, shape, dtype } of cases) {
  uses.set(name, {
    make: () => [...make(), Tensor.empty(shape, dtype)],
    run: (tensors) => run(tensors.slice(0, -1), tensors.at(-1)),
  });
}

Deno.test("the table of uses has every operation that is exported", () => {
  const exported = Object.entries(ops).filter(([, value]) => typeof value === "function");
  assertEquals(exported.map(([name]) => name).toSorted(), [...uses.keys()].toSorted());
});

for (const [name, { make, run }] of uses) {
  Deno.test(
    `${name}() refuses what was disposed of or moved, in every position`,
    withoutLeaks(() => {
      const count = make().map((tensor) => tensor.dispose()).length;
      for (let index = 0; index < count; index++) {
        for (const end of ["disposed of", "moved"]) {
          const tensors = make();
          const { shape, dtype } = tensors[index];
          const moved = end === "moved" ? [tensors[index].move()] : [];
          tensors[index].dispose();
          const before = pool.stats().outstanding;
          const error = assertThrows(() => run(tensors), DisposedError, `${name}: `);
          const words = `Tensor ${dtype} ${formatShape(shape)} was used after it was ${end}`;
          assert(error.message.includes(words), error.message);
          assertEquals(pool.stats().outstanding, before);
          assert(tensors.every((tensor, at) => at === index || !tensor.disposed));
          dispose([...tensors, ...moved]);
        }
      }
    }),
  );

  Deno.test(
    `${name}() refuses what is no tensor, in every position`,
    withoutLeaks(() => {
      const count = make().map((tensor) => tensor.dispose()).length;
      for (let index = 0; index < count; index++) {
        const tensors = make();
        const array = new Float32Array(4) as unknown as Tensor;
        const words = "of type Float32Array, expected a tensor";
        assertThrows(() => run(tensors.with(index, array)), TypeError, words);
        dispose(tensors);
      }
    }),
  );
}

Deno.test(
  "an operand that is not contiguous may share memory with out, since it is copied first",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2], [3, 4]]);
    using turned = x.transpose();
    ops.add(x, turned, { out: x });
    assertEquals(x.toArray(), [[2, 5], [5, 8]]);
    using weight = f([4, 3]);
    using transposed = weight.transpose();
    using rows = f([2, 4]);
    using product = ops.linear(rows, transposed);
    using columns = transposed.clone();
    using expected = ops.linear(rows, columns);
    assertEquals(product.data, expected.data);
  }),
);
