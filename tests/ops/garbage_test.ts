/**
 * What calls of operations cost the JavaScript heap: nothing, where the result is given. A
 * closure or an object on the way into a call would be 48 bytes or more.
 */
import { assert } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { HeapCounter } from "../../lib/cli/garbage.ts";
import { debugMode } from "../../lib/memory/mod.ts";
import * as ops from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { dispose, f, type Floats } from "./cases.ts";

const calls = 10_000;
const attempts = 30;

/** The fewest bytes that a call took: the compiler's own may fall into some attempts. */
function bytesOf(call: () => void): number {
  const loop = () => {
    for (let i = 0; i < calls; i++) call();
  };
  let least = Infinity;
  for (let i = 0; i < attempts && least > 1; i++) {
    const counter = new HeapCounter();
    loop();
    least = Math.min(least, counter.stop().heapBytes / calls);
  }
  return least;
}

const [x, y, out, weight] = [f([4, 6]), f([4, 6]), f([4, 6]), f([6])];
const operands = { weight, bias: weight, out };
const images = [f([2, 4, 6]), f([2, 4, 6])];
const groups = { out: images[1] };
const given = { out };
const table = ops.ropeTable(2, 3);

const entries: Record<string, () => void> = {
  exp: () => void ops.exp(x, given),
  gelu: () => void ops.gelu(x, given),
  clamp: () => void ops.clamp(x, 0, 1, given),
  add: () => void ops.add(x, y, given),
  "add of a number": () => void ops.add(x, 2, given),
  addInPlace: () => void ops.addInPlace(out, x),
  fill: () => void ops.fill(out, 1),
  swiglu: () => void ops.swiglu(x, y, given),
  geglu: () => void ops.geglu(x, y, given),
  rmsNorm: () => void ops.rmsNorm(x, weight, given),
  rmsNormResidual: () => void ops.rmsNormResidual(x, y, operands),
  layerNorm: () => void ops.layerNorm(x, operands),
  layerNormResidual: () => void ops.layerNormResidual(x, y, operands),
  groupNorm: () => void ops.groupNorm(images[0], 2, groups),
  softmax: () => void ops.softmax(x, given),
  logSoftmax: () => void ops.logSoftmax(x, given),
  cumsum: () => void ops.cumsum(x, given),
  tril: () => void ops.tril(x, given),
  rope: () => void ops.rope(images[0] as Floats, table, groups),
};

for (const [name, call] of Object.entries(entries)) {
  Deno.test(
    `${name}() into a given result takes nothing of the heap`,
    withoutLeaks(() => {
      const bytes = bytesOf(call);
      assert(bytes < 40, `${bytes} bytes a call`);
    }),
  );
}

// Not under withoutLeaks nor in debug mode, which remember where each tensor is made.
Deno.test({
  name: "a tensor takes at most 80 bytes of the heap, and its end nothing",
  ignore: debugMode(),
  fn() {
    const bytes = bytesOf(() => Tensor.empty(x.shape).dispose());
    assert(bytes < 81, `${bytes} bytes`);
  },
});

Deno.test("the operands of these tests are disposed of", () => {
  dispose([x, y, out, weight, ...images, table.cosines, table.sines]);
});
