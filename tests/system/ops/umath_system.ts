/**
 * The vector functions against NumPy's own validation sets, on every instruction set
 * that this machine has.
 */
import { assert } from "@std/assert";
import { withoutLeaks } from "../../support/native.ts";
import { instructionSets, selectInstructionSet } from "../../../lib/ffi/mod.ts";
import { Tensor } from "../../../lib/tensor/mod.ts";
import { unaryFunctions } from "../../ops/unary_functions.ts";

const FOLDER = new URL("../../data/umath/", import.meta.url);
/** How far a result may be from NumPy's value, in numbers of float32. */
const LARGEST_ERROR = 2;

/** The arguments and values of one set. */
async function readSet(name: string): Promise<{ x: Float32Array; y: Float32Array }> {
  const text = await Deno.readTextFile(new URL(`umath-validation-set-${name}.csv`, FOLDER));
  const rows = text.trimEnd().split("\n").slice(1).map((row) => row.split(","));
  const bits = (column: number) => Uint32Array.from(rows, (row) => parseInt(row[column], 16));
  return { x: new Float32Array(bits(1).buffer), y: new Float32Array(bits(2).buffer) };
}

/** The number of steps from one float32 to another; 0 between two NaN. */
function distance(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : Infinity;
  return Math.abs(position(a) - position(b));
}

/** Where a float32 stands in the order of all of them. */
function position(value: number): number {
  const bits = new Int32Array(new Float32Array([value]).buffer)[0];
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

/** The functions, and what NumPy calls those that it has another name for. */
const FUNCTIONS = "exp exp2 expm1 log log2 log10 log1p sin cos tan atan tanh".split(" ");
const NUMPY_NAMES: Record<string, string> = { atan: "arctan" };

for (const name of FUNCTIONS) {
  Deno.test(`${name}() is within ${LARGEST_ERROR} ULP of NumPy's validation set`, async () => {
    const set = await readSet(NUMPY_NAMES[name] ?? name);
    assert(set.x.length > 100);
    try {
      for (const { name: isa } of instructionSets().filter(({ supported }) => supported)) {
        selectInstructionSet(isa);
        withoutLeaks(() => compare(name, isa, set))();
      }
    } finally {
      selectInstructionSet();
    }
  });
}

function compare(name: string, isa: string, set: { x: Float32Array; y: Float32Array }): void {
  using x = Tensor.from(set.x);
  using y = unaryFunctions[name].run(x);
  for (let i = 0; i < set.x.length; i++) {
    const error = distance(y.data[i], set.y[i]);
    assert(error <= LARGEST_ERROR, `${name}(${set.x[i]}) = ${y.data[i]}, not ${set.y[i]} (${isa})`);
  }
}
