/**
 * The order in which the operands of a sum are multiplied: pair by pair, so that few
 * multiplications are made. It follows from the names and sizes alone.
 *
 * Up to eight operands every order is looked at, by the subsets that it makes: the best way
 * to a subset is the best of all ways to split it in two. With more of them the pair that
 * leaves the fewest elements comes first, again and again.
 */

/** A pair of factors: operands count from 0, then each pair's product has the next number. */
export type Pair = readonly [left: number, right: number];

const mostSearched = 8;

/**
 * The pairs to multiply, one after another.
 *
 * @param inputs For each operand its names.
 * @param output The names of the result.
 * @param sizes The size of each name.
 * @returns One pair fewer than there are operands; each factor occurs once.
 */
export function pairOrder(
  inputs: readonly (readonly string[])[],
  output: readonly string[],
  sizes: ReadonlyMap<string, number>,
): Pair[] {
  const contest: Contest = { inputs, output: new Set(output), sizes };
  return inputs.length <= mostSearched ? searched(contest) : greedy(contest);
}

interface Contest {
  readonly inputs: readonly (readonly string[])[];
  readonly output: ReadonlySet<string>;
  readonly sizes: ReadonlyMap<string, number>;
}

/** The names that the product of some operands keeps: those that others or the result need. */
function keptNames({ inputs, output }: Contest, isInside: (index: number) => boolean): Set<string> {
  const kept = new Set<string>();
  const outside = new Set(inputs.filter((_, index) => !isInside(index)).flat());
  inputs.forEach((names, index) => {
    if (!isInside(index)) return;
    for (const name of names) if (output.has(name) || outside.has(name)) kept.add(name);
  });
  return kept;
}

/** The elements that names stand for together. */
function sizeOf({ sizes }: Contest, names: ReadonlySet<string>): number {
  return [...names].reduce((size, name) => size * sizes.get(name)!, 1);
}

/** The multiplications of a pair, and the elements that it reads. */
function costOf(contest: Contest, a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  return sizeOf(contest, a.union(b)) + sizeOf(contest, a) + sizeOf(contest, b);
}

interface Way {
  readonly kept: ReadonlySet<string>;
  cost: number;
  /** The operands of the left factor, one bit each; 0 for an operand itself. */
  left: number;
}

function searched(contest: Contest): Pair[] {
  const count = contest.inputs.length;
  const ways: Way[] = [];
  for (let subset = 0; subset < 2 ** count; subset++) {
    const kept = keptNames(contest, (index) => (subset >> index & 1) === 1);
    const isOperand = (subset & (subset - 1)) === 0;
    ways.push({ kept, cost: isOperand ? 0 : Infinity, left: 0 });
    if (!isOperand) chooseSplit(contest, ways, subset);
  }
  const pairs: Pair[] = [];
  const visit = (subset: number): number => {
    const { left } = ways[subset];
    if (left === 0) return Math.log2(subset);
    pairs.push([visit(left), visit(subset ^ left)]);
    return count + pairs.length - 1;
  };
  visit(2 ** count - 1);
  return pairs;
}

/** Each split once: its left factor has the first operand of the subset. */
function chooseSplit(contest: Contest, ways: readonly Way[], subset: number): void {
  const way = ways[subset];
  const first = subset & -subset;
  for (let left = (subset - 1) & subset; left > 0; left = (left - 1) & subset) {
    if ((left & first) === 0) continue;
    const [a, b] = [ways[left], ways[subset ^ left]];
    const cost = a.cost + b.cost + costOf(contest, a.kept, b.kept);
    if (cost < way.cost) Object.assign(way, { cost, left });
  }
}

function greedy(contest: Contest): Pair[] {
  const { inputs } = contest;
  let factors = inputs.map((_, index) => ({
    number: index,
    operands: new Set([index]),
    kept: keptNames(contest, (other) => other === index),
  }));
  const pairs: Pair[] = [];
  while (factors.length > 1) {
    let best: Candidate | undefined;
    for (let b = 1; b < factors.length; b++) {
      for (let a = 0; a < b; a++) {
        const candidate = candidateOf(contest, factors[a], factors[b]);
        if (best === undefined || isBetter(candidate, best)) best = candidate;
      }
    }
    const { left, right, operands, kept } = best!;
    pairs.push([left.number, right.number]);
    const joined = { number: inputs.length + pairs.length - 1, operands, kept };
    factors = [...factors.filter((factor) => factor !== left && factor !== right), joined];
  }
  return pairs;
}

interface Factor {
  readonly number: number;
  readonly operands: ReadonlySet<number>;
  readonly kept: ReadonlySet<string>;
}

interface Candidate {
  readonly left: Factor;
  readonly right: Factor;
  readonly operands: Set<number>;
  readonly kept: Set<string>;
  /** The elements of the product, less those of its factors. */
  readonly growth: number;
  readonly cost: number;
}

function candidateOf(contest: Contest, left: Factor, right: Factor): Candidate {
  const operands = left.operands.union(right.operands);
  const kept = keptNames(contest, (index) => operands.has(index));
  const growth = sizeOf(contest, kept) - sizeOf(contest, left.kept) - sizeOf(contest, right.kept);
  return { left, right, operands, kept, growth, cost: costOf(contest, left.kept, right.kept) };
}

function isBetter(a: Candidate, b: Candidate): boolean {
  return a.growth < b.growth || (a.growth === b.growth && a.cost < b.cost);
}
