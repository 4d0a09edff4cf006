/**
 * `deno task bench:peers`: Quern and its peers on the same cases, in turns, in one run. Writes
 * the results, and from them the tables and the picture of `docs/benchmarks.md`.
 *
 *     deno task bench:peers                              everything, with 1 and 2 threads
 *     deno task bench:peers --only softmax,block --threads 1 --rounds 21
 *     deno task bench:peers --only gemm --peers numpy --json
 *
 * Some of the cases replace their own lines in the results; some of the peers write nothing.
 *
 * @module
 */

import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { optionLines } from "../../lib/cli/command.ts";
import { ExitStatus, exitStatusOf, oneLine, UsageError } from "../../lib/cli/errors.ts";
import { listenForInterrupt } from "../../lib/cli/interrupt.ts";
import { type OptionTable, type ParsedOptions, parseOptions } from "../../lib/cli/options.ts";
import { formatTable, writeJson, writeLog, writeOut } from "../../lib/cli/output.ts";
import { ProgressDisplay } from "../../lib/cli/progress.ts";
import { delay } from "../../lib/core/delay.ts";
import { runProgram } from "../../lib/ffi/process.ts";
import { measureCase, type Measured, type Plan } from "./alternation.ts";
import { type BenchCase, caseId, chooseCases, familyOf } from "./cases.ts";
import { PEERS, QUERN, startContenders, type Started } from "./contenders.ts";
import { plotOf } from "./plot.ts";
import {
  type CaseResult,
  formatResults,
  mergeResults,
  parseResults,
  type Results,
  summarise,
} from "./results.ts";
import { NUMERIC, replaceSection, sectionOf, tablesOf, threeDigits } from "./tables.ts";

const OPTIONS: OptionTable = {
  only: {
    type: "text",
    value: "TEXT,…",
    help: "cases whose name has one of these: a family, a shape (all)",
  },
  peers: { type: "text", value: "NAME,…", help: `${PEERS.join(", ")} (all); writes no files` },
  threads: { type: "text", value: "N,…", help: "numbers of threads, in turn (1,2)" },
  rounds: { type: "integer", value: "N", min: 1, max: 1000, help: "turns of each (11)" },
  window: { type: "integer", value: "MS", min: 1, max: 60_000, help: "timed in a turn (60)" },
  python: { type: "text", value: "FILE", help: "a Python that has the packages already" },
  "no-write": { type: "flag", help: "write no files" },
  json: { type: "flag", help: "print the results as JSON" },
  help: { type: "flag", help: "show this help" },
};

/** Seconds before the timed ones; see `alternation.ts`. */
const WARMUP = 0.02;

/**
 * Milliseconds before a turn. Measured of the peers at the versions of `contenders.ts`: torch
 * spins for 8 ms after its work, onnxruntime for 40, OpenBLAS for 90; with one thread none does.
 */
function pauseOf(threads: number): number {
  return threads === 1 ? 5 : 120;
}

const RESULTS = new URL("results.jsonl", import.meta.url);
const DOCUMENT = new URL("../../docs/benchmarks.md", import.meta.url);
const PICTURE = new URL("../../docs/benchmarks.svg", import.meta.url);

/** What was asked for. */
interface Wish {
  readonly cases: readonly BenchCase[];
  readonly peers: readonly string[];
  readonly threads: readonly number[];
  readonly rounds: number;
  readonly window: number;
  readonly python?: string;
  readonly writes: boolean;
}

function readWish(options: ParsedOptions): Wish {
  const list = (name: string) => options.text(name)?.split(",").map((text) => text.trim());
  const cases = chooseCases(list("only") ?? []);
  if (cases.length === 0) {
    throw new UsageError("--only names no case; a family is one of its words");
  }
  const peers = list("peers") ?? PEERS;
  const unknown = peers.find((name) => name !== "" && !PEERS.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`there is no peer ${unknown}: ${PEERS.join(", ")}`);
  }
  const threads = (list("threads") ?? ["1", "2"]).map(Number);
  if (!threads.every((count) => Number.isInteger(count) && count > 0)) {
    throw new UsageError("--threads is a list of whole numbers from 1");
  }
  return {
    cases,
    peers,
    threads,
    rounds: options.number("rounds") ?? 11,
    window: (options.number("window") ?? 60) / 1e3,
    python: options.text("python"),
    writes: options.text("peers") === undefined && !options.flag("no-write"),
  };
}

/** Where results go as they come. */
type Take = (results: Results) => Promise<void>;

/** Measures all that is wished for. */
async function measure(wish: Wish, signal: AbortSignal, take: Take): Promise<void> {
  using display = await ProgressDisplay.create();
  const folder = await Deno.makeTempDir({ prefix: "quern-peers-" });
  try {
    for (const threads of wish.threads) {
      const { python } = wish;
      const onRound = progressOf(display, wish, threads);
      const plan = planOf(wish, threads, { folder, signal, onRound });
      for (const cases of sharingProcesses(wish.cases)) {
        await using started = await startContenders(wish.peers, { threads, python, signal });
        for (const { name, reason } of started.missing) writeLog(`without ${name}: ${reason}`);
        for (const one of cases) {
          const measured = await measureCase(one, started.running, plan);
          const result = summarise(one, threads, today(), measured.samples);
          display.clear();
          logCase(one, measured, result);
          await take({ machine: machineOf(started), cases: [result] });
        }
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Cases that may share processes: all but those whose peak of memory counts. */
function sharingProcesses(cases: readonly BenchCase[]): (readonly BenchCase[])[] {
  const { shared = [], alone = [] } = Object.groupBy(
    cases,
    ({ family }) => familyOf(family).isAlone ? "alone" : "shared",
  );
  return [...shared.length === 0 ? [] : [shared], ...alone.map((one) => [one])];
}

function planOf(
  { rounds, window }: Wish,
  threads: number,
  around: Pick<Plan, "folder" | "signal" | "onRound">,
): Plan {
  return { rounds, window, warmup: WARMUP, pause: pauseOf(threads), ...around };
}

function progressOf(display: ProgressDisplay, wish: Wish, threads: number): () => void {
  const total = wish.cases.length * wish.rounds;
  const stage = countOf(threads);
  let completed = 0;
  return () => display.report({ stage, completed: ++completed, total, unit: "steps" });
}

function countOf(threads: number): string {
  return `${threads} ${threads === 1 ? "thread" : "threads"}`;
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function machineOf({ running }: Started): Results["machine"] {
  const versions = Object.fromEntries(running.map(({ name, version }) => [name, version]));
  const system = `${Deno.build.os} ${Deno.build.arch}, Deno ${Deno.version.deno}`;
  return { processor: cpus()[0]?.model ?? "unknown", system, versions };
}

function logCase(one: BenchCase, measured: Measured, result: CaseResult): void {
  const { samples, skipped, disturbed } = measured;
  skipped.forEach(writeLog);
  writeLog(lineOf(result));
  if (disturbed > 0) writeLog(`  ${disturbed} turns were disturbed by other programs`);
  // A contender that spins longer than the pause takes time from the next one's turn.
  const most = (result.threads - 1) * pauseOf(result.threads) / 1e3 + 0.01;
  for (const { name, idle } of samples.filter(({ idle }) => idle > most)) {
    const ms = (idle * 1e3).toFixed(0);
    writeLog(`  ${caseId(one)}: ${name} took ${ms} ms of processor time while it waited`);
  }
}

function lineOf({ id, threads, ours, peers }: CaseResult): string {
  const own = Object.entries(ours).map(([variant, { seconds }]) =>
    `${QUERN}${variant && ` ${variant}`} ${threeDigits(seconds * 1e6)} us`
  );
  const peak = ours[""]?.peak;
  const others = Object.entries(peers).map(([name, timing]) => {
    const memory = peak && timing.peak ? `, memory ${threeDigits(timing.peak / peak)}` : "";
    return `${name} ${Object.values(timing.ratios ?? {}).map(threeDigits).join("|")}${memory}`;
  });
  return `${id}, ${countOf(threads)}: ${[...own, ...others].join(", ")}`;
}

/** Puts results into the file, and writes the document's section and picture anew. */
async function writeFiles(fresh: Results): Promise<void> {
  const old = await Deno.readTextFile(RESULTS).then(parseResults, (error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  const results = mergeResults(old, fresh);
  await Deno.writeTextFile(RESULTS, formatResults(results));
  const document = await Deno.readTextFile(DOCUMENT);
  const section = sectionOf(results, "benchmarks.svg");
  await Deno.writeTextFile(DOCUMENT, replaceSection(document, section));
  await Deno.writeTextFile(PICTURE, plotOf(results));
}

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS);
  if (options.flag("help")) {
    return writeOut(`deno task bench:peers [options]\n\n${optionLines(OPTIONS)}\n`);
  }
  const all = await run(readWish(options));
  if (options.flag("json")) return writeJson(all);
  for (const { title, rows } of tablesOf(all)) {
    writeOut(`${title}\n${formatTable(rows, NUMERIC)}\n\n`);
  }
}

/** Measures, and writes files where it is wished. */
async function run(wish: Wish): Promise<Results> {
  using interrupt = listenForInterrupt();
  let all: Results | undefined;
  const take = async (results: Results) => {
    all = mergeResults(all, results);
    // After each case, so that an interrupted run keeps what it has.
    if (wish.writes) await writeFiles(results);
  };
  try {
    await measure(wish, interrupt.signal, take);
  } catch (error) {
    // A terminal's Ctrl-C goes to the contenders too, whose end may be seen here before it.
    await delay(50, interrupt.signal);
    throw error;
  } finally {
    const written = [DOCUMENT, PICTURE].map((file) => fileURLToPath(file));
    if (wish.writes) await runProgram([Deno.execPath(), "fmt", "-q", ...written]);
  }
  return all!;
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    const status = exitStatusOf(error);
    if (status !== ExitStatus.interrupted) {
      writeLog(oneLine(error instanceof Error ? error.message : String(error)));
    }
    Deno.exit(status);
  }
}
