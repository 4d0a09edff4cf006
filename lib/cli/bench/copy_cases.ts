/**
 * What `bench copy` measures: operations that move elements of a matrix of float32, into
 * tensors that are there. Bytes are those that must be read and written, indices included.
 *
 * @module
 */

import type { PlainDType } from "../../core/dtype.ts";
import {
  cast,
  concatenate,
  flip,
  gather,
  pad,
  scatterAddInPlace,
  takeAlongAxis,
} from "../../ops/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import { caseOf, type OperationCase } from "./operation_bench.ts";
import type { OperationFamily, Sizes } from "./operation_family.ts";

/** Matrices in the third cache and beyond it. */
export const copyFamily: OperationFamily = {
  form: "MxN",
  usual: [[1024, 1024], [8192, 1024]],
  sized: (size) => [128, size],
  largest: ([rows, cols]) => 2 * (rows + 2) * (cols + 2),
  open: copyCases,
};

/** A multiple of it modulo a size visits places in no order that a cache could foresee. */
const STEP = 7919;

/** Places below `size`, scattered. */
function places(shape: number[], size: number): Tensor<"int32"> {
  const indices = Tensor.empty(shape, "int32");
  const { data } = indices;
  for (let i = 0; i < data.length; i++) data[i] = (i * STEP) % size;
  return indices;
}

function copyCases([rows, cols]: Sizes): OperationCase[] {
  const shape = [rows, cols];
  const matrix = 4 * rows * cols;
  const make = (name: string, bytes: number, run: () => unknown, tensors: Tensor[]) => {
    const what = { name, shape: `${rows}x${cols}`, items: rows * cols, bytes };
    return caseOf(what, run, tensors);
  };
  const moved = (name: string, run: (x: Tensor<"float32">, y: Tensor<"float32">) => unknown) => {
    const [x, y] = [Tensor.randn(shape, { seed: 1 }), Tensor.empty(shape)];
    return make(name, 2 * matrix, () => run(x, y), [x, y]);
  };
  return [
    moved("copyFrom", (x, y) => y.copyFrom(x)),
    turnedCase(shape, make),
    ...indexedCases(shape, make),
    padCase(shape, make),
    concatenateCase(shape, make),
    moved("flip, rows", (x, out) => flip(x, { axis: 0, out })),
    moved("flip, columns", (x, out) => flip(x, { axis: 1, out })),
    castCase("float16", 2, shape, make),
    castCase("float64", 8, shape, make),
    castCase("int32", 4, shape, make),
  ];
}

type Make = (
  name: string,
  bytes: number,
  run: () => unknown,
  tensors: Tensor[],
) => OperationCase;

function turnedCase([rows, cols]: number[], make: Make): OperationCase {
  const [x, y] = [Tensor.randn([cols, rows], { seed: 1 }), Tensor.empty([rows, cols])];
  const turned = x.transpose();
  return make("copyFrom, transposed", 8 * rows * cols, () => y.copyFrom(turned), [x, y, turned]);
}

function indexedCases([rows, cols]: number[], make: Make): OperationCase[] {
  const shape = [rows, cols];
  const matrix = 4 * rows * cols;
  const open = () => ({ x: Tensor.randn(shape, { seed: 1 }), y: Tensor.zeros(shape) });
  const [a, b, c, d] = [open(), open(), open(), open()];
  const [rowIds, colIds] = [places([rows], rows), places([cols], cols)];
  const [take, add] = [places(shape, cols), places(shape, cols)];
  return [
    make("gather, rows", 2 * matrix, () => gather(a.x, rowIds, { axis: 0, out: a.y }), [
      a.x,
      a.y,
      rowIds,
    ]),
    make("gather, items", 2 * matrix, () => gather(b.x, colIds, { axis: 1, out: b.y }), [
      b.x,
      b.y,
      colIds,
    ]),
    make("takeAlongAxis", 3 * matrix, () => takeAlongAxis(c.x, take, { axis: 1, out: c.y }), [
      c.x,
      c.y,
      take,
    ]),
    make("scatterAddInPlace", 4 * matrix, () => scatterAddInPlace(d.y, add, d.x, { axis: 1 }), [
      d.x,
      d.y,
      add,
    ]),
  ];
}

function padCase([rows, cols]: number[], make: Make): OperationCase {
  const [x, out] = [Tensor.randn([rows, cols], { seed: 1 }), Tensor.empty([rows + 2, cols + 2])];
  const bytes = 4 * (rows * cols + (rows + 2) * (cols + 2));
  return make("pad", bytes, () => pad(x, 1, { out }), [x, out]);
}

function concatenateCase([rows, cols]: number[], make: Make): OperationCase {
  const [x, z] = [1, 2].map((seed) => Tensor.randn([rows, cols], { seed }));
  const [pair, out] = [[x, z], Tensor.empty([rows, 2 * cols])];
  return make("concatenate", 16 * rows * cols, () => concatenate(pair, { axis: 1, out }), [
    x,
    z,
    out,
  ]);
}

function castCase(dtype: PlainDType, bytes: number, shape: number[], make: Make): OperationCase {
  const [x, out] = [Tensor.randn(shape, { seed: 1 }), Tensor.empty(shape, dtype)];
  const all = (4 + bytes) * shape[0] * shape[1];
  return make(`cast to ${dtype}`, all, () => cast(x, dtype, { out }), [x, out]);
}
