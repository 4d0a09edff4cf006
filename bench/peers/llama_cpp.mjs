/**
 * llama.cpp as a peer of the benchmarks, through the prebuilt binary of
 * node-llama-cpp. Runs under Node, in a folder where that package is installed;
 * `quern bench --peer` installs it there and talks to this program.
 *
 * Protocol: the arguments are the package's entry, the model file and the number of
 * threads. Then a line of JSON `{ prompt, tokens }` on standard input, `prompt` being token
 * ids and `tokens` how many to generate greedily, is answered with a line
 * `{ tokens, prefillNs, decodeNs }`: the time to the first token, and from there to
 * the last. The first line out is `{ version, threads }`.
 *
 * @module
 */

import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import process from "node:process";

const [packageFolder, modelPath, threadsText] = process.argv.slice(2);
const threads = Number(threadsText);
const { version, exports } = JSON.parse(readFileSync(`${packageFolder}/package.json`, "utf8"));
const entry = pathToFileURL(`${packageFolder}/${exports["."].import}`).href;
const { getLlama, LlamaLogLevel } = await import(entry);

const llama = await getLlama({
  gpu: false,
  build: "never",
  progressLogs: false,
  logLevel: LlamaLogLevel.error,
  maxThreads: threads,
});
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 2048, batchSize: 512, threads });
const sequence = context.getSequence();

/** Milliseconds to nanoseconds. */
const NS = 1e6;

async function run({ prompt, tokens }) {
  await sequence.clearHistory();
  const started = performance.now();
  let first = started;
  let count = 0;
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    if (++count === 1) first = performance.now();
    if (count >= tokens) break;
  }
  const ended = performance.now();
  return { tokens: count, prefillNs: (first - started) * NS, decodeNs: (ended - first) * NS };
}

const write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
write({ version, threads });
for await (const line of createInterface({ input: process.stdin })) {
  write(await run(JSON.parse(line)));
}
process.exit(0);
