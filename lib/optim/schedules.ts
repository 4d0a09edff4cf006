/**
 * Schedules: functions from the number of a step, counted from 0, to its learning rate.
 *
 *     optimizer.learningRate = schedule(step);
 */

/** The learning rate of each step. */
export type Schedule = (step: number) => number;

/** Options of {@linkcode cosineSchedule} and {@linkcode linearSchedule}. */
export interface DecayOptions {
  /** The highest rate. */
  peak: number;
  /** After how many steps the rate has come down; it stays there. */
  steps: number;
  /** Over how many of them it rises to the peak first, in a line from near 0; 0 when left out. */
  warmup?: number;
  /** The last rate; 0 when left out. */
  floor?: number;
}

/**
 * Down along half a cosine (Loshchilov and Hutter, 2017), after a warm-up.
 *
 * @param options The rates, and when.
 * @returns The schedule.
 * @throws {RangeError} When a number is out of range.
 *
 * @example
 * ```ts
 * import { cosineSchedule } from "@quern/quern/optim";
 *
 * const schedule = cosineSchedule({ peak: 1, steps: 12, warmup: 2 });
 * console.log([0, 1, 2, 7, 12].map(schedule)); // [0.5, 1, 1, 0.5, 0]
 * ```
 */
export function cosineSchedule(options: DecayOptions): Schedule {
  return decay("cosineSchedule", options, (part) => (1 + Math.cos(Math.PI * part)) / 2);
}

/**
 * Down in a line, after a warm-up.
 *
 * @param options The rates, and when.
 * @returns The schedule.
 * @throws {RangeError} When a number is out of range.
 */
export function linearSchedule(options: DecayOptions): Schedule {
  return decay("linearSchedule", options, (part) => 1 - part);
}

/** Options of {@linkcode oneCycleSchedule}. */
export interface OneCycleOptions {
  /** The highest rate. */
  peak: number;
  /** How many steps the cycle has. */
  steps: number;
  /** The share of the steps in which the rate rises; 0.3 when left out. */
  rising?: number;
  /** The peak divided by the first rate; 25 when left out. */
  startDivisor?: number;
  /** The first rate divided by the last; 10000 when left out. */
  endDivisor?: number;
}

/**
 * Up and far down again along halves of a cosine (Smith and Topin, 2018), as PyTorch's
 * `OneCycleLR`.
 *
 * @param options The rates, and when.
 * @returns The schedule.
 * @throws {RangeError} When a number is out of range.
 */
export function oneCycleSchedule(options: OneCycleOptions): Schedule {
  const { peak, steps, rising = 0.3, startDivisor = 25, endDivisor = 1e4 } = options;
  const name = "oneCycleSchedule";
  checkCount(name, "steps", steps, 2);
  for (const [what, value] of Object.entries({ peak, startDivisor, endDivisor })) {
    if (!(value > 0)) throw new RangeError(`${name}: ${what} is ${value}, expected more than 0`);
  }
  if (!(rising > 0 && rising < 1)) {
    throw new RangeError(`${name}: rising is ${rising}, expected a share between 0 and 1`);
  }
  const first = peak / startDivisor;
  const top = rising * steps - 1;
  return (step) => {
    if (step <= top) return between(first, peak, step / top);
    return between(peak, first / endDivisor, Math.min((step - top) / (steps - 1 - top), 1));
  };
}

function between(from: number, to: number, part: number): number {
  return to + (from - to) * (1 + Math.cos(Math.PI * part)) / 2;
}

function decay(name: string, options: DecayOptions, share: (part: number) => number): Schedule {
  const { peak, steps, warmup = 0, floor = 0 } = options;
  checkCount(name, "steps", steps, 1);
  checkCount(name, "warmup", warmup, 0);
  if (warmup >= steps) throw new RangeError(`${name}: warmup ${warmup} leaves no step of ${steps}`);
  if (!(floor >= 0 && peak >= floor && Number.isFinite(peak))) {
    throw new RangeError(`${name}: expected 0 <= floor <= peak, not floor ${floor}, peak ${peak}`);
  }
  return (step) => {
    if (step < warmup) return peak * (step + 1) / warmup;
    const part = Math.min((step - warmup) / (steps - warmup), 1);
    return floor + (peak - floor) * share(part);
  };
}

function checkCount(name: string, what: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new RangeError(`${name}: ${what} is ${value}, expected an integer of ${least} or more`);
}
