/**
 * The only place with native calls' declarations: the library, its functions
 * and the meaning of what they return.
 */
import { type InstructionSet, listIsas, native, selectIsaIn } from "./library.ts";
import { check } from "./status.ts";

export { type InstructionSet, libraryFileName, native, NativeLibraryError } from "./library.ts";
export type { NativeLibrary, NativeSymbols } from "./library.ts";
export { dtypeCodes } from "./dtype_codes.ts";
export { check, statusError } from "./status.ts";
export { Words } from "./words.ts";
export { environment } from "./environment.ts";
export {
  Activation as NativeActivation,
  AttentionField,
  ChainField,
  ChainKind,
  GemmField,
  NativeDType,
  PadMode,
  Precision as NativePrecision,
  RopeLayout,
  Status,
  TableField,
  UnaryOp,
} from "./symbols.ts";

/**
 * The instruction sets that the kernels were compiled for.
 *
 * @returns One entry an instruction set, worst first; one is selected.
 *
 * @example
 * ```ts
 * import { instructionSets } from "@quern/quern";
 *
 * console.log(instructionSets().find((isa) => isa.selected)?.name);
 * ```
 */
export function instructionSets(): InstructionSet[] {
  return listIsas(native().symbols);
}

/**
 * Chooses the instruction set of all kernels in this process.
 *
 * @param name Its name, or undefined for the best that this processor has.
 * @throws {RangeError} When there is no such instruction set, or the processor lacks it.
 */
export function selectInstructionSet(name?: string): void {
  selectIsaIn(native().symbols, name);
}

/**
 * The bytes of the processor's data caches, as the kernels take them to be.
 *
 * @returns The first and second of a core, and the last one.
 */
export function cacheSizes(): number[] {
  return [1, 2, 3].map((level) => Number(native().symbols.qn_cache_bytes(level)));
}

/**
 * The number of threads that kernels use.
 *
 * @returns At least 1, the calling thread included.
 */
export function threads(): number {
  return native().symbols.qn_threads();
}

/**
 * Sets the number of threads that kernels use. Results have the same bits for
 * any number.
 *
 * @param count From 1 to 256, the calling thread included.
 * @throws {RangeError} When the count is not such an integer.
 */
export function setThreads(count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > 256) {
    throw new RangeError(`setThreads: the count is an integer from 1 to 256, not ${count}`);
  }
  check(native().symbols.qn_threads_set(count), "setThreads", `count ${count}`);
}
