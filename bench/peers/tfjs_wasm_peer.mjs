/**
 * tfjs with its WebAssembly backend as a contender of `deno task bench:peers`:
 *
 *     node tfjs_wasm_peer.mjs THREADS FOLDER
 *
 * FOLDER is that of the backend's package. It has one thread in Node, whatever THREADS says
 * (WASM_HAS_MULTITHREAD_SUPPORT is off there). Every operation makes a new tensor, which is
 * disposed of at once.
 *
 * @module
 */

import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import process from "node:process";
import { fill, serve } from "./worker.mjs";

const folder = process.argv[3];
const require = createRequire(`${folder}/package.json`);
const tf = require("@tensorflow/tfjs-core");
const wasm = require(folder);

const FAMILIES = {
  gemm({ shape: [rows, cols, inner], layout }, make) {
    const isTurned = layout === "NT";
    const a = make([rows, inner], 1);
    const b = make(isTurned ? [cols, inner] : [inner, cols], 2);
    return () => tf.matMul(a, b, false, isTurned);
  },
  layer_norm({ shape }, make, keep) {
    const cols = shape.slice(-1);
    const [x, centred, bias] = [make(shape, 1), make(cols, 2), make(cols, 3)];
    const weight = keep(tf.add(centred, 1));
    return () =>
      tf.tidy(() => {
        const apart = tf.sub(x, tf.mean(x, -1, true));
        const variance = tf.mean(tf.square(apart), -1, true);
        const scaled = tf.mul(apart, tf.rsqrt(tf.add(variance, 1e-5)));
        return tf.add(tf.mul(scaled, weight), bias);
      });
  },
  softmax({ shape }, make) {
    const x = make(shape, 1);
    return () => tf.softmax(x, -1);
  },
  gelu({ shape, approximate }, make) {
    const x = make(shape, 1, 4);
    const root = Math.sqrt(2 / Math.PI);
    const inside = approximate === "tanh"
      ? () => tf.tanh(tf.mul(x, tf.add(tf.mul(tf.square(x), 0.044715 * root), root)))
      : () => tf.erf(tf.mul(x, Math.SQRT1_2));
    return () => tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(inside(), 1)));
  },
  add({ shape }, make) {
    const [x, y] = [make(shape, 1), make(shape, 2)];
    return () => tf.add(x, y);
  },
};

function prepare(request) {
  const family = FAMILIES[request.case.family];
  if (family === undefined) return undefined;
  const made = [];
  const keep = (tensor) => {
    made.push(tensor);
    return tensor;
  };
  const make = (shape, seed, scale) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return keep(tf.tensor(fill(size, seed, scale), shape));
  };
  const run = family(request.case, make, keep);
  return {
    run: () => run().dispose(),
    result() {
      const result = run();
      const values = result.dataSync();
      result.dispose();
      return values;
    },
    close: () => tf.dispose(made),
  };
}

wasm.setWasmPaths(dirname(require.resolve(folder)) + sep);
await tf.setBackend("wasm");
await tf.ready();
await serve(wasm.version_wasm, prepare);
