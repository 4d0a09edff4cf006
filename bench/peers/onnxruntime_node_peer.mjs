/**
 * onnxruntime-node as a contender of `deno task bench:peers`:
 *
 *     node onnxruntime_node_peer.mjs THREADS FOLDER
 *
 * FOLDER is that of the package. As `onnxruntime_peer.py`, it is given models of one
 * operation; the result is written into a tensor that is there.
 *
 * @module
 */

import { createRequire } from "node:module";
import process from "node:process";
import { fill, serve } from "./worker.mjs";

const [threads, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { InferenceSession, Tensor } = require(folder);
const { version } = require("./package.json");

const SESSION = {
  intraOpNumThreads: Number(threads),
  interOpNumThreads: 1,
  logSeverityLevel: 3,
};

/** A tensor of float32. */
function tensorOf({ shape }, values) {
  return new Tensor("float32", values, shape);
}

function sizeOf({ shape }) {
  return shape.reduce((a, b) => a * b, 1);
}

async function prepare({ model }) {
  if (model === undefined) return undefined;
  const session = await InferenceSession.create(model.path, SESSION);
  const feeds = {};
  for (const input of model.inputs) {
    feeds[input.name] = tensorOf(input, fill(sizeOf(input), input.seed, input.scale));
  }
  const values = new Float32Array(sizeOf(model.output));
  const fetches = { [model.output.name]: tensorOf(model.output, values) };
  return {
    run: () => session.run(feeds, fetches),
    result: () => values,
    close: () => session.release(),
  };
}

await serve(version, prepare);
