/**
 * A chain of operations on 512 floats, 250 times: with a fresh array for every result,
 * with a fresh tensor for every result, and in place.
 *
 * All do the same arithmetic: x + y, silu(x) · y, the root mean square norm, softmax.
 */
import { add, addInPlace, rmsNorm, softmax, swiglu } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import type { Hold } from "./counting.ts";

const ROUNDS = 250;
const LENGTH = 512;
const EPSILON = 1e-5;

/** What is added and multiplied with. */
function operand(): Float32Array {
  return Float32Array.from({ length: LENGTH }, (_, i) => Math.sin(i));
}

/** The chain as a program that keeps its operands, with a look at the last result. */
export interface Chain extends Disposable {
  run(hold: Hold): void;
  result(): Float32Array;
}

/** Each result a new `Float32Array`. */
export function freshArrayChain(): Chain {
  const y = operand();
  let last: Float32Array = new Float32Array(0);
  return {
    run(hold) {
      const fresh = () => {
        const array = new Float32Array(LENGTH);
        hold(array);
        return array;
      };
      let x = y;
      for (let round = 0; round < ROUNDS; round++) {
        x = addArrays(fresh(), x, y);
        x = gateArrays(fresh(), x, y);
        x = normalizeArray(fresh(), x);
        x = softmaxArray(fresh(), x);
      }
      last = x;
    },
    result: () => last,
    [Symbol.dispose]() {},
  };
}

/** Each result a new tensor, and the one before disposed of. */
export function freshTensorChain(): Chain {
  const y = Tensor.from(operand());
  let last = y.clone();
  return {
    run() {
      let x = y.clone();
      const next = (result: Tensor<"float32">) => {
        x.dispose();
        x = result;
      };
      for (let round = 0; round < ROUNDS; round++) {
        next(add(x, y));
        next(swiglu(x, y));
        next(rmsNorm(x));
        next(softmax(x));
      }
      last.dispose();
      last = x;
    },
    result: () => last.data.slice(),
    [Symbol.dispose]() {
      y.dispose();
      last.dispose();
    },
  };
}

/** Every result in the memory of the one before. */
export function inPlaceChain(): Chain {
  const y = Tensor.from(operand());
  const x = y.clone();
  const options = { out: x };
  return {
    run() {
      x.copyFrom(y);
      for (let round = 0; round < ROUNDS; round++) {
        addInPlace(x, y);
        swiglu(x, y, options);
        rmsNorm(x, undefined, options);
        softmax(x, options);
      }
    },
    result: () => x.data.slice(),
    [Symbol.dispose]() {
      y.dispose();
      x.dispose();
    },
  };
}

function addArrays(out: Float32Array, a: Float32Array, b: Float32Array): Float32Array {
  for (let i = 0; i < LENGTH; i++) out[i] = a[i] + b[i];
  return out;
}

function gateArrays(out: Float32Array, a: Float32Array, b: Float32Array): Float32Array {
  for (let i = 0; i < LENGTH; i++) out[i] = a[i] / (1 + Math.exp(-a[i])) * b[i];
  return out;
}

function normalizeArray(out: Float32Array, x: Float32Array): Float32Array {
  let squares = 0;
  for (let i = 0; i < LENGTH; i++) squares += x[i] * x[i];
  const scale = 1 / Math.sqrt(squares / LENGTH + EPSILON);
  for (let i = 0; i < LENGTH; i++) out[i] = x[i] * scale;
  return out;
}

function softmaxArray(out: Float32Array, x: Float32Array): Float32Array {
  let largest = -Infinity;
  for (let i = 0; i < LENGTH; i++) largest = Math.max(largest, x[i]);
  let sum = 0;
  for (let i = 0; i < LENGTH; i++) sum += out[i] = Math.exp(x[i] - largest);
  for (let i = 0; i < LENGTH; i++) out[i] /= sum;
  return out;
}
