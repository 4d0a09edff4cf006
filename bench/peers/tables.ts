/**
 * The results of `deno task bench:peers` as tables, for people and for `docs/benchmarks.md`.
 *
 * @module
 */

import { markdownTable } from "../../lib/cli/output.ts";
import { type BenchCase, caseId, CASES, FAMILIES, type FamilyNote, speedOf } from "./cases.ts";
import { PEERS, QUERN, variantsOf } from "./contenders.ts";
import type { CaseResult, Results, Timing } from "./results.ts";

const BEGIN = "<!-- bench:peers begins: written by the task, not by hand -->";
const END = "<!-- bench:peers ends -->";

/** A table with what stands above it. */
export interface Table {
  readonly title: string;
  readonly note: string;
  /** The head first. */
  readonly rows: readonly (readonly string[])[];
}

/** One table for each family and variant that has results. */
export function tablesOf({ cases }: Results): Table[] {
  return FAMILIES.flatMap((family) => {
    const members = CASES.filter((one) => one.family === family.family);
    const measured = members.filter((one) => cases.some(({ id }) => id === caseId(one)));
    if (measured.length === 0) return [];
    const threads = threadsOf(cases);
    const runsOf = (one: BenchCase) =>
      threads.map((count) => cases.find((run) => run.id === caseId(one) && run.threads === count));
    const tables = variantsOf(measured[0]).map((variant) =>
      tableOf(family, variant, measured, runsOf)
    );
    return family.isAlone ? [...tables, memoryTableOf(family, measured, runsOf)] : tables;
  });
}

/** The peaks of a family whose cases have processes of their own, and the peers' by them. */
function memoryTableOf(
  { title, note }: FamilyNote,
  measured: readonly BenchCase[],
  runsOf: (one: BenchCase) => Runs,
): Table {
  const own = (run?: CaseResult) => run?.ours[""]?.peak;
  const peers = PEERS.filter((name) =>
    measured.some((one) => runsOf(one).some((run) => run?.peers[name]?.peak !== undefined))
  );
  const rows = measured.map((one) => {
    const runs = runsOf(one);
    const ratio = (name: string) => (run?: CaseResult) => {
      const [peak, least] = [run?.peers[name]?.peak, own(run)];
      return peak === undefined || least === undefined ? undefined : peak / least;
    };
    const megabytes = (run?: CaseResult) => {
      const peak = own(run);
      return peak === undefined ? undefined : peak / 1e6;
    };
    return [one.label, cell(runs, megabytes), ...peers.map((name) => cell(runs, ratio(name)))];
  });
  return { title: `${title}, peak memory`, note, rows: [["", `${QUERN}, MB`, ...peers], ...rows] };
}

/** The numbers of threads with which anything was measured. */
export function threadsOf(cases: readonly CaseResult[]): number[] {
  return [...new Set(cases.map(({ threads }) => threads))].sort((a, b) => a - b);
}

/** One case, for each number of threads. */
type Runs = readonly (CaseResult | undefined)[];

function tableOf(
  { title, unit, note }: FamilyNote,
  variant: string,
  measured: readonly BenchCase[],
  runsOf: (one: BenchCase) => Runs,
): Table {
  const ratio = (name: string) => (run?: CaseResult) => run?.peers[name]?.ratios?.[variant];
  const peers = PEERS.filter((name) =>
    measured.some((one) => runsOf(one).some((run) => ratio(name)(run) !== undefined))
  );
  const own = variant === "" ? QUERN : `\`${variant}\``;
  const rows = measured.map((one) => {
    const runs = runsOf(one);
    const speed = (timing: Timing | undefined) =>
      timing === undefined ? undefined : speedOf(one, timing.seconds);
    return [
      one.label,
      cell(runs, (run) => speed(run?.ours[variant])),
      ...peers.map((name) => cell(runs, ratio(name))),
      cell(runs, (run) => least(peers.map((name) => ratio(name)(run)))),
    ];
  });
  return {
    title: variant === "" ? title : `${title}, ${own}`,
    note,
    rows: [["", `${own}, ${unit}`, ...peers, "least"], ...rows],
  };
}

/** One number for each number of threads: `1.02 / 1.10`. */
function cell(runs: Runs, of: (run?: CaseResult) => number | undefined): string {
  const values = runs.map(of);
  if (values.every((value) => value === undefined)) return "";
  return values.map((value) => value === undefined ? "–" : threeDigits(value)).join(" / ");
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const there = values.filter((value) => value !== undefined);
  return there.length === 0 ? undefined : Math.min(...there);
}

/** At least three digits, and never an exponent. */
export function threeDigits(value: number): string {
  if (!(value > 0)) return `${value}`;
  const size = Math.floor(Math.log10(value));
  return value.toFixed(Math.max(0, Math.min(6, 2 - size)));
}

/** Columns of numbers. */
export const NUMERIC: ReadonlySet<number> = new Set(Array.from({ length: 12 }, (_, i) => i + 1));

/**
 * What stands between the marks in `docs/benchmarks.md`.
 *
 * @param results what was measured
 * @param plot the picture, as the document links to it
 */
export function sectionOf(results: Results, plot: string): string {
  const { machine, cases } = results;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const threads = threadsOf(cases);
  const rounds = [...new Set(cases.map((one) => one.rounds))].sort((a, b) => a - b);
  const dates = [...new Set(cases.map((one) => one.date))].sort();
  const parts = [
    `Measured on ${dates.join(", ")} on ${machine.processor}, ${machine.system}; medians of ` +
    `${rounds.join(" or ")} rounds. ${versions.join(", ")}.`,
    `![How many times as long as Quern each peer takes](${plot})`,
    `Numbers for ${threads.join(" and ")} threads stand beside each other. The first column is ` +
    "Quern's speed; a peer's is how many times as long it takes, above 1 where Quern is ahead; " +
    "the last is the least of them.",
  ];
  let note = "";
  for (const table of tablesOf(results)) {
    parts.push(`### ${table.title}`);
    if (table.note !== note) parts.push(table.note);
    note = table.note;
    parts.push(markdownTable(table.rows, NUMERIC));
  }
  return parts.join("\n\n");
}

/**
 * Replaces what stands between the marks.
 *
 * @throws {Error} when the document has no such marks
 */
export function replaceSection(document: string, section: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`the document has no lines "${BEGIN}" and "${END}" to write between`);
  }
  return `${document.slice(0, begin + BEGIN.length)}\n\n${section}\n\n${document.slice(end)}`;
}
