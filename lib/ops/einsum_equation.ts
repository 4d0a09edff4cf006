/**
 * Equations of Einstein's sum convention: read from text, and fitted to operands. No tensor
 * is touched here; axes of the ellipsis get names of their own, `.1` being the last of them.
 */
import { formatShape, type Shape } from "../core/shape.ts";

/** The names of the axes of each operand and of the result, the ellipsis being one name. */
export interface Equation {
  /** The equation as it was written. */
  readonly text: string;
  /** For each operand its names. */
  readonly inputs: readonly (readonly string[])[];
  /** The result's names; undefined where the equation has no `->`. */
  readonly output: readonly string[] | undefined;
}

/** An equation with a name for each axis of each operand. */
export interface Fitted {
  /** For each operand the names of its axes. */
  readonly inputs: readonly (readonly string[])[];
  /** The names of the result's axes, each once. */
  readonly output: readonly string[];
  /** The size that each name stands for. */
  readonly sizes: ReadonlyMap<string, number>;
}

const ELLIPSIS = "...";

/**
 * Reads an equation.
 *
 * @param text For example `"ij,jk->ik"`.
 * @returns Its names.
 * @throws {SyntaxError} When it is none.
 */
export function parseEquation(text: string): Equation {
  const [left, right, more] = String(text).replaceAll(/\s/g, "").split("->");
  if (more !== undefined) throw syntax(text, "has more than one ->");
  const inputs = left.split(",").map((term) => lettersOf(text, term));
  const output = right === undefined ? undefined : lettersOf(text, right);
  if (output !== undefined && new Set(output).size !== output.length) {
    throw syntax(text, "names an axis of the result twice");
  }
  const unknown = output?.find((name) => !inputs.some((names) => names.includes(name)));
  if (unknown !== undefined) throw syntax(text, `has ${unknown} in the result alone`);
  return { text, inputs, output };
}

/**
 * Fits an equation to operands.
 *
 * @param equation The equation.
 * @param shapes The shape of each operand, as many as the equation has terms.
 * @returns A name for each axis, and the size of each name.
 * @throws {RangeError} When they do not fit.
 * @throws {SyntaxError} When the result lacks an ellipsis that the operands need.
 */
export function fitEquation(equation: Equation, shapes: readonly Shape[]): Fitted {
  const inputs = equation.inputs.map((names, index) => named(equation, names, shapes[index]));
  return { inputs, output: outputNames(equation, inputs), sizes: sizesOf(inputs, shapes) };
}

/**
 * An error about an equation.
 *
 * @param text The equation.
 * @param problem What it has or is.
 * @returns The error, to be thrown.
 */
export function syntax(text: string, problem: string): SyntaxError {
  return new SyntaxError(`einsum: ${JSON.stringify(text)} ${problem}`);
}

function lettersOf(text: string, term: string): string[] {
  const names = term.match(/\.\.\.|[^]/g) ?? [];
  const odd = names.find((name) => !/^(?:[A-Za-z]|\.\.\.)$/.test(name));
  if (odd !== undefined) throw syntax(text, `has ${JSON.stringify(odd)}`);
  if (names.filter((name) => name === ELLIPSIS).length > 1) {
    throw syntax(text, "has two ellipses in one term");
  }
  return names;
}

/** The names of an operand's axes; those of the ellipsis are counted from its end. */
function named({ text }: Equation, names: readonly string[], shape: Shape): string[] {
  const at = names.indexOf(ELLIPSIS);
  const hidden = shape.length - names.length + (at < 0 ? 0 : 1);
  if (at < 0 ? hidden !== 0 : hidden < 0) {
    throw new RangeError(
      `einsum: "${names.join("")}" of ${JSON.stringify(text)} does not fit an operand ` +
        formatShape(shape),
    );
  }
  if (at < 0) return [...names];
  const own = Array.from({ length: hidden }, (_, index) => `.${hidden - index}`);
  return names.toSpliced(at, 1, ...own);
}

function outputNames(
  { text, output }: Equation,
  inputs: readonly (readonly string[])[],
): string[] {
  const all = inputs.flat();
  const hidden = [...new Set(all.filter((name) => name.startsWith(".")))]
    .sort((a, b) => Number(b.slice(1)) - Number(a.slice(1)));
  if (output !== undefined) {
    if (hidden.length > 0 && !output.includes(ELLIPSIS)) {
      throw syntax(text, "lacks the ellipsis in the result");
    }
    return output.flatMap((name) => name === ELLIPSIS ? hidden : name);
  }
  const once = all.filter((name) => {
    return !name.startsWith(".") && all.indexOf(name) === all.lastIndexOf(name);
  });
  return [...hidden, ...once.sort()];
}

/** The size of each name; 1 gives way to another. */
function sizesOf(
  inputs: readonly (readonly string[])[],
  shapes: readonly Shape[],
): Map<string, number> {
  const sizes = new Map<string, number>();
  inputs.forEach((names, index) =>
    names.forEach((name, axis) => {
      const own = shapes[index][axis];
      const size = sizes.get(name) ?? 1;
      if (size !== 1 && own !== 1 && own !== size) {
        const what = name.startsWith(".") ? "an axis of the ellipsis" : `subscript ${name}`;
        throw new RangeError(`einsum: ${what} stands for both ${size} and ${own} elements`);
      }
      sizes.set(name, size === 1 ? own : size);
    })
  );
  return sizes;
}
