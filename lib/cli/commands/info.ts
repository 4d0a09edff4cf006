/**
 * `quern info`: what this installation is and what it runs on.
 *
 * Works without the native library and says then what is wrong with it.
 *
 * @module
 */

import { formatBytes } from "../../core/sizes.ts";
import { cacheSizes, instructionSets, native, threads } from "../../ffi/mod.ts";
import { cacheFolder, knownModels } from "../../hub/mod.ts";
import { pool } from "../../memory/mod.ts";
import { type Command, SHARED_OPTIONS } from "../command.ts";
import { oneLine } from "../errors.ts";
import { nativeProblem, prepareNative } from "../native_library.ts";
import type { ParsedOptions } from "../options.ts";
import { formatTable, writeJson, writeOut } from "../output.ts";
import { VERSION } from "../version.ts";

/** The command. */
export const command: Command = {
  name: "info",
  summary: "show versions, instruction sets, threads and the pool",
  usage: "[--json]",
  positionals: { min: 0, max: 0 },
  options: { json: SHARED_OPTIONS.json },
  examples: ["quern info", "quern info --json"],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  const problem = nativeProblem();
  if (problem === undefined) await prepareNative(options, new AbortController().signal);
  const facts = {
    version: VERSION,
    deno: Deno.version.deno,
    platform: {
      os: Deno.build.os,
      arch: Deno.build.arch,
      processors: navigator.hardwareConcurrency,
    },
    cache: cacheOrProblem(),
    models: knownModels().map((model) => model.name),
    library: problem === undefined ? native().path : null,
    problem: problem === undefined ? null : oneLine(problem.message),
    instructionSets: problem === undefined ? instructionSets() : [],
    threads: problem === undefined ? threads() : null,
    caches: problem === undefined ? cacheSizes() : [],
    pool: problem === undefined ? poolFacts() : null,
  };
  if (options.flag("json")) writeJson(facts);
  else writeOut(`${describe(facts)}\n`);
}

type Facts = ReturnType<typeof poolFacts>;

/** JSON has no Infinity: no budget is null. */
function poolFacts() {
  const { budgetBytes, ...stats } = pool.stats();
  return { ...stats, budgetBytes: Number.isFinite(budgetBytes) ? budgetBytes : null };
}

function cacheOrProblem(): string | null {
  try {
    return cacheFolder();
  } catch {
    return null;
  }
}

function describe(facts: {
  version: string;
  deno: string;
  platform: { os: string; arch: string; processors: number };
  cache: string | null;
  models: string[];
  library: string | null;
  problem: string | null;
  instructionSets: readonly { name: string; supported: boolean; selected: boolean }[];
  threads: number | null;
  caches: readonly number[];
  pool: Facts | null;
}): string {
  const { platform, pool } = facts;
  const sets = facts.instructionSets.map(({ name, supported, selected }) =>
    selected ? `${name} (chosen)` : supported ? name : `${name} (not on this processor)`
  );
  const rows = [
    ["quern", facts.version],
    ["deno", facts.deno],
    ["platform", `${platform.os} ${platform.arch}, ${platform.processors} processors`],
    ["library", facts.library ?? `missing: ${facts.problem}`],
  ];
  if (facts.library !== null) {
    rows.push(
      ["instruction sets", sets.join(", ")],
      ["threads", `${facts.threads}`],
      ["data caches", facts.caches.map(formatBytes).join(", ")],
    );
  }
  if (pool !== null) {
    const budget = pool.budgetBytes === null ? "none" : formatBytes(pool.budgetBytes);
    rows.push([
      "pool",
      `live ${formatBytes(pool.liveBytes)}, cached ${formatBytes(pool.cachedBytes)}, ` +
      `reserved ${formatBytes(pool.reservedBytes)}, peak ${formatBytes(pool.peakBytes)}, ` +
      `budget ${budget}, ${pool.rents} rents, hit rate ${pool.hitRate.toFixed(2)}`,
    ]);
  }
  rows.push(["cache", facts.cache ?? "unknown: set QUERN_CACHE"]);
  rows.push(["known models", facts.models.join(", ")]);
  return formatTable(rows);
}
