/**
 * The protocol that contenders of `deno task bench:peers` speak, for JavaScript: Node and
 * Deno. `worker.py` is the same for Python.
 *
 * A contender is a process that answers each line of JSON on standard input with one on
 * standard output, until its input ends:
 *
 *     out                                   { version }, once it has started
 *     { prepare: ID, case, … }              { sample } of the result, or { unsupported: true }
 *     { run: ID, warmup, window }           { seconds, operations, cpu, idle, peak }
 *     { release: ID }                       {}
 *     whatever failed                       { error }
 *
 * `run` repeats the operation for about `warmup` seconds, which wakes its threads and fills
 * the caches, then for `window` seconds that are timed. `seconds` is that of one operation,
 * `cpu` the processor time of all that was asked for, and `idle` what the process used
 * between its last answer and this request: what a thread that waits by spinning takes from
 * the contender whose turn it was. `peak` is the most bytes that the process had in memory so
 * far, where the system tells.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import process from "node:process";

/**
 * @typedef {object} Prepared What a contender made of a case.
 * @property {() => unknown} run The operation; a promise is awaited.
 * @property {() => ArrayLike<number> | Promise<ArrayLike<number>>} result All that it last made.
 * @property {() => unknown} close Gives everything back.
 */

/** Elements of a result that are compared. */
const SAMPLED = 16;

/**
 * Numbers from −scale to scale that look random and are the same in every language.
 *
 * @param {number} length how many
 * @param {number} seed which operand
 * @param {number} [scale]
 * @returns {Float32Array<ArrayBuffer>}
 */
export function fill(length, seed, scale = 1) {
  const values = new Float32Array(length);
  const start = Math.imul(seed, 0x9e3779b9);
  for (let i = 0; i < length; i++) {
    let hash = Math.imul(i + start, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    values[i] = (((hash ^ (hash >>> 16)) >>> 8) / 2 ** 23 - 1) * scale;
  }
  return values;
}

/**
 * Elements at equal distances, the first and the last among them.
 *
 * @param {ArrayLike<number>} values
 * @returns {number[]}
 */
export function sampleOf(values) {
  const last = values.length - 1;
  return Array.from({ length: SAMPLED }, (_, i) => values[Math.floor(i * last / (SAMPLED - 1))]);
}

/**
 * Answers requests until standard input ends.
 *
 * @param {string} version the contender's
 * @param {(request: any) => Prepared | undefined | Promise<Prepared | undefined>} prepare
 *   makes a case ready, or nothing when the contender has no such operation
 */
export async function serve(version, prepare) {
  const cases = new Map();
  let used = cpuSeconds();
  const answers = {
    async prepare(request) {
      const prepared = await prepare(request);
      if (prepared === undefined) return { unsupported: true };
      await prepared.run();
      // Taken of the first run: an operation in place changes its operand with each.
      const sample = sampleOf(await prepared.result());
      cases.set(request.prepare, { prepared, seconds: await estimate(prepared) });
      return { sample };
    },
    async run(request) {
      const started = cpuSeconds();
      const idle = started - used;
      const { prepared, seconds } = cases.get(request.run);
      await repeat(prepared, Math.floor(request.warmup / seconds));
      const operations = Math.max(1, Math.ceil(request.window / seconds));
      const taken = await repeat(prepared, operations) / operations;
      cases.set(request.run, { prepared, seconds: taken });
      return { seconds: taken, operations, cpu: cpuSeconds() - started, idle, peak: peakBytes() };
    },
    async release(request) {
      await cases.get(request.release)?.prepared.close();
      cases.delete(request.release);
      return {};
    },
  };
  answer({ version });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    const kind = Object.keys(answers).find((name) => name in request);
    try {
      answer(await answers[kind](request));
    } catch (error) {
      answer({ error: String(error) });
    }
    used = cpuSeconds();
  }
}

/** The seconds of an operation, by more and more of them until they take 10 ms. */
async function estimate(prepared) {
  for (let operations = 1;; operations *= 4) {
    const seconds = await repeat(prepared, operations);
    if (seconds >= 0.01) return seconds / operations;
  }
}

/** Runs the operation so many times; returns the seconds of all. */
async function repeat({ run }, operations) {
  const started = performance.now();
  for (let i = 0; i < operations; i++) {
    const pending = run();
    // Waiting for what is no promise would give way to other tasks for nothing.
    if (pending instanceof Promise) await pending;
  }
  return (performance.now() - started) / 1e3;
}

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** @returns {number | undefined} */
function peakBytes() {
  if (process.platform !== "linux") return undefined;
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
