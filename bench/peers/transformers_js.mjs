/**
 * Transformers.js, on onnxruntime-node, as a contender of `quern bench embed`:
 *
 *     node transformers_js.mjs PACKAGE MODELS THREADS
 *
 * PACKAGE is the package's folder, MODELS one with a folder `model`, in the form that
 * models have on the hub. What is asked and answered stands in
 * `lib/cli/bench/embed_worker.ts`.
 *
 * @module
 */

const started = performance.now();
const { readFileSync } = await import("node:fs");
const { default: process } = await import("node:process");
const { pathToFileURL } = await import("node:url");
const [folder, models, threads] = process.argv.slice(2);
const { version, exports } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
const entry = pathToFileURL(`${folder}/${exports.node.import.default}`).href;
const { env, pipeline } = await import(entry);

env.allowRemoteModels = false;
env.localModelPath = `${models}/`;
const extract = await pipeline("feature-extraction", "model", {
  dtype: "fp32",
  device: "cpu",
  session_options: { intraOpNumThreads: Number(threads), interOpNumThreads: 1 },
});
const HOW = { pooling: "mean", normalize: true };
await extract(["The mill stood by the river."], HOW);
const firstNs = (performance.now() - started) * 1e6;

/** The vectors of all texts, a batch at a time; only the first text's is returned. */
async function embed(texts, batch) {
  let first;
  for (let i = 0; i < texts.length; i += batch) {
    const { data, dims } = await extract(texts.slice(i, i + batch), HOW);
    first ??= data.slice(0, dims[1]);
  }
  return first;
}

const write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
write({ version, firstNs });
const { createInterface } = await import("node:readline");
for await (const line of createInterface({ input: process.stdin })) {
  const { texts, batch, repeat } = JSON.parse(line);
  const began = performance.now();
  let first;
  for (let i = 0; i < repeat; i++) first = await embed(texts, batch);
  const ns = (performance.now() - began) * 1e6 / repeat;
  write({ ns, sample: Array.from(first) });
}
