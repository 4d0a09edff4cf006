/**
 * What `deno task bench:peers` found, and the file in which it is kept: JSON lines, the first
 * about the machine, then one for each case and number of threads. A run of some cases
 * replaces their lines and leaves the others, as long as the machine is the same.
 *
 * @module
 */

import { median } from "../../lib/cli/bench/rows.ts";
import type { Samples } from "./alternation.ts";
import { type BenchCase, caseId, CASES, familyOf } from "./cases.ts";
import { isAlike, QUERN } from "./contenders.ts";

/** Where it was measured, and with what. */
export interface Machine {
  readonly processor: string;
  readonly system: string;
  /** Versions by contender. */
  readonly versions: Readonly<Record<string, string>>;
}

/** One contender at one case. */
export interface Timing {
  /** The median, of one operation. */
  readonly seconds: number;
  /**
   * How many times as long a peer takes as each of ours that it is like, by variant ("" where
   * there is one): the median of the ratios within a round. Above 1 Quern is ahead.
   */
  readonly ratios?: Readonly<Record<string, number>>;
  /** The most bytes in memory, of cases that have processes of their own. */
  readonly peak?: number;
}

/** One case with one number of threads. */
export interface CaseResult {
  /** {@linkcode caseId}. */
  readonly id: string;
  readonly threads: number;
  readonly rounds: number;
  /** The day, as in 2026-11-21. */
  readonly date: string;
  /** Ours, by variant. */
  readonly ours: Readonly<Record<string, Timing>>;
  /** Peers, by name. */
  readonly peers: Readonly<Record<string, Timing>>;
}

/** All that is known. */
export interface Results {
  readonly machine: Machine;
  readonly cases: readonly CaseResult[];
}

/** Reduces what was measured of a case. */
export function summarise(
  one: BenchCase,
  threads: number,
  date: string,
  samples: readonly Samples[],
): CaseResult {
  const ours = samples.filter(({ isOurs }) => isOurs);
  const variant = (name: string) => name.slice(QUERN.length + 1);
  const { isAlone } = familyOf(one.family);
  const timing = ({ seconds, peak }: Samples) => ({
    seconds: digits(median(seconds)),
    ...isAlone && peak !== undefined && { peak },
  });
  const ratios = (peer: Samples) =>
    ours.filter(({ name }) => isAlike(variant(name), peer.name)).map(({ name, seconds }) => [
      variant(name),
      digits(median(seconds.map((own, round) => peer.seconds[round] / own))),
    ]);
  return {
    id: caseId(one),
    threads,
    rounds: samples[0].seconds.length,
    date,
    ours: Object.fromEntries(ours.map((sample) => [variant(sample.name), timing(sample)])),
    peers: Object.fromEntries(
      samples.filter(({ isOurs }) => !isOurs).map((sample) => [
        sample.name,
        { ...timing(sample), ratios: Object.fromEntries(ratios(sample)) },
      ]),
    ),
  };
}

/** Four digits are more than a measurement is worth. */
function digits(value: number): number {
  return Number(value.toPrecision(4));
}

/** Puts new results in the place of old ones of the same case; in the order of the list. */
export function mergeResults(old: Results | undefined, fresh: Results): Results {
  const isSame = old?.machine.processor === fresh.machine.processor &&
    old.machine.system === fresh.machine.system;
  if (old === undefined || !isSame) return fresh;
  const key = ({ id, threads }: CaseResult) => `${id} ${threads}`;
  const all = new Map([...old.cases, ...fresh.cases].map((one) => [key(one), one]));
  const order = new Map(CASES.map((one, index) => [caseId(one), index]));
  return {
    machine: {
      ...fresh.machine,
      versions: { ...old.machine.versions, ...fresh.machine.versions },
    },
    // What is no longer in the list of cases is no longer shown.
    cases: [...all.values()].filter(({ id }) => order.has(id)).sort((a, b) =>
      order.get(a.id)! - order.get(b.id)! || a.threads - b.threads
    ),
  };
}

/** The text of the file. */
export function formatResults({ machine, cases }: Results): string {
  return [machine, ...cases].map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** Reads such a text. */
export function parseResults(text: string): Results {
  const [machine, ...cases] = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  return { machine, cases };
}
