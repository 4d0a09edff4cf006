/**
 * numpy-ts as a contender of `deno task bench:peers`:
 *
 *     node numpy_ts_peer.mjs THREADS FOLDER
 *
 * FOLDER is that of the package. It has one thread, whatever THREADS says. What it has no
 * operation for is composed of those that it has; arrays that it makes are disposed of.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import process from "node:process";
import { fill, serve } from "./worker.mjs";

const folder = process.argv[3];
const { version, exports } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
const np = await import(pathToFileURL(`${folder}/${exports["."].import}`).href);

/** Runs a composition of operations and disposes of all that it made but the last. */
function composed(steps) {
  return () => {
    const made = [];
    const keep = (array) => {
      made.push(array);
      return array;
    };
    const result = steps(keep);
    for (const array of made) if (array !== result) array.dispose();
    return result;
  };
}

const FAMILIES = {
  gemm({ shape: [rows, cols, inner], layout }, make, keep) {
    const a = make([rows, inner], 1);
    const b = layout === "NT" ? keep(np.transpose(make([cols, inner], 2))) : make([inner, cols], 2);
    return () => np.matmul(a, b);
  },
  layer_norm({ shape }, make, keep) {
    const cols = shape.slice(-1);
    const [x, centred, bias] = [make(shape, 1), make(cols, 2), make(cols, 3)];
    const weight = keep(np.add(centred, 1));
    return composed((keep) => {
      const apart = keep(np.subtract(x, keep(np.mean(x, -1, true))));
      const variance = keep(np.mean(keep(np.multiply(apart, apart)), -1, true));
      const scaled = keep(np.divide(apart, keep(np.sqrt(keep(np.add(variance, 1e-5))))));
      return keep(np.add(keep(np.multiply(scaled, weight)), bias));
    });
  },
  softmax({ shape }, make) {
    const x = make(shape, 1);
    return composed((keep) => {
      const powers = keep(np.exp(keep(np.subtract(x, keep(np.max(x, -1, true))))));
      return keep(np.divide(powers, keep(np.sum(powers, -1, true))));
    });
  },
  gelu({ shape, approximate }, make) {
    if (approximate !== "tanh") return undefined;
    const x = make(shape, 1, 4);
    const root = Math.sqrt(2 / Math.PI);
    return composed((keep) => {
      const square = keep(np.multiply(keep(np.multiply(x, x)), 0.044715 * root));
      const inside = keep(np.tanh(keep(np.multiply(x, keep(np.add(square, root))))));
      return keep(np.multiply(keep(np.multiply(x, 0.5)), keep(np.add(inside, 1))));
    });
  },
  add({ shape }, make) {
    const [x, y] = [make(shape, 1), make(shape, 2)];
    return () => np.add(x, y);
  },
};

function prepare(request) {
  const made = [];
  const keep = (array) => {
    made.push(array);
    return array;
  };
  const make = (shape, seed, scale) => {
    const array = keep(np.zeros(shape, "float32"));
    array.data.set(fill(array.data.length, seed, scale));
    return array;
  };
  const run = FAMILIES[request.case.family]?.(request.case, make, keep);
  if (run === undefined) return undefined;
  return {
    run: () => run().dispose(),
    result() {
      const array = run();
      const values = np.array(array).data.slice();
      array.dispose();
      return values;
    },
    close: () => made.forEach((array) => array.dispose()),
  };
}

await serve(version, prepare);
