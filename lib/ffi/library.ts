/**
 * Opens the native library, once an isolate, on first use, and binds each function when it is
 * first called: Deno compiles the way to it, which takes a tenth of a millisecond or two.
 *
 * It is looked for in this order: the path in QUERN_LIBRARY; the file that
 * `deno task build` leaves beside the module. A library built from another
 * version of `quern.h` is refused, since its functions would be called with the
 * wrong arguments.
 */
import { headerHash, symbols } from "./symbols.ts";
import { environment } from "./environment.ts";

/** The native functions, by name. */
export type NativeSymbols = Deno.StaticForeignLibraryInterface<typeof symbols>;

/** The opened library. */
export interface NativeLibrary {
  /** Where it was found. */
  readonly path: string;
  /** Its functions. */
  readonly symbols: NativeSymbols;
}

let opened: NativeLibrary | undefined;

/**
 * The native library; opened by the first call.
 *
 * @returns The library's functions and path.
 * @throws {Error} When no library is found, or it does not fit this version.
 */
export function native(): NativeLibrary {
  return opened ??= open();
}

/** The native library cannot be found or does not fit. */
export class NativeLibraryError extends Error {
  /** The name that stack traces and logs show. */
  override readonly name = "NativeLibraryError";
}

/**
 * The file name of the library on this platform.
 *
 * @returns For example `libquern.so`.
 */
export function libraryFileName(): string {
  switch (Deno.build.os) {
    case "windows":
      return "quern.dll";
    case "darwin":
      return "libquern.dylib";
    default:
      return "libquern.so";
  }
}

function candidates(): (string | URL)[] {
  const explicit = environment("QUERN_LIBRARY");
  if (explicit !== undefined) return [explicit];
  const beside = new URL(`../../zig-out/lib/${libraryFileName()}`, import.meta.url);
  return beside.protocol === "file:" ? [beside] : [];
}

function open(): NativeLibrary {
  const tried: string[] = [];
  for (const candidate of candidates()) {
    const path = String(candidate);
    try {
      const functions = bindLate(candidate);
      checkVersion(functions, path);
      selectRequestedIsa(functions);
      return { path, symbols: functions };
    } catch (error) {
      if (error instanceof NativeLibraryError || error instanceof RangeError) throw error;
      if (error instanceof Deno.errors.NotCapable) {
        throw new NativeLibraryError(
          `Quern needs permission to load its native library: run with --allow-ffi`,
          { cause: error },
        );
      }
      tried.push(`${path} (${(error as Error).message})`);
    }
  }
  throw new NativeLibraryError(
    `Quern's native library could not be loaded. Tried: ${tried.join("; ") || "nothing"}. ` +
      `In a checkout, run \`deno task build\`; elsewhere, set QUERN_LIBRARY to the library's path`,
  );
}

/**
 * The functions of a library, each an accessor until it is first read. The system finds a library
 * that is open by its path, also where another file has taken that path since.
 */
function bindLate(candidate: string | URL): NativeSymbols {
  const functions = {};
  for (const name of Object.keys(symbols) as (keyof typeof symbols)[]) {
    Object.defineProperty(functions, name, {
      configurable: true,
      enumerable: true,
      get() {
        const { [name]: value } = Deno.dlopen(candidate, { [name]: symbols[name] }).symbols;
        Object.defineProperty(functions, name, { value });
        return value;
      },
    });
  }
  return functions as NativeSymbols;
}

function checkVersion(symbols: NativeSymbols, path: string): void {
  const built = symbols.qn_header_hash();
  if (built !== headerHash) {
    throw new NativeLibraryError(
      `${path} was built from another version of quern.h ` +
        `(${built.toString(16)}, expected ${headerHash.toString(16)}): run \`deno task build\``,
    );
  }
}

function selectRequestedIsa(symbols: NativeSymbols): void {
  const name = environment("QUERN_ISA");
  if (name !== undefined) selectIsaIn(symbols, name);
}

/**
 * Chooses the instruction set of all kernels in this process.
 *
 * @param symbols The native functions.
 * @param name Its name, or undefined for the best that this processor has.
 * @throws {RangeError} When there is no such instruction set, or the processor lacks it.
 */
export function selectIsaIn(symbols: NativeSymbols, name: string | undefined): void {
  const text = name === undefined ? null : new TextEncoder().encode(name + "\0");
  if (symbols.qn_isa_select(text) === 0) return;
  const supported = listIsas(symbols).filter((isa) => isa.supported).map((isa) => isa.name);
  throw new RangeError(
    `The instruction set ${JSON.stringify(name)} is unknown or not supported by this processor; ` +
      `QUERN_ISA may be ${supported.join(", ")}`,
  );
}

/** An instruction set that the library was built for. */
export interface InstructionSet {
  /** Its name, as QUERN_ISA takes it. */
  readonly name: string;
  /** Whether this processor has it. */
  readonly supported: boolean;
  /** Whether the kernels use it. */
  readonly selected: boolean;
}

/**
 * The instruction sets that the library was built for, worst first.
 *
 * @param symbols The native functions.
 * @returns One entry an instruction set.
 */
export function listIsas(symbols: NativeSymbols): InstructionSet[] {
  const selected = symbols.qn_isa_selected();
  return Array.from({ length: symbols.qn_isa_count() }, (_, index) => ({
    name: cString(symbols.qn_isa_name(index)),
    supported: symbols.qn_isa_supported(index) !== 0,
    selected: index === selected,
  }));
}

/**
 * Reads a constant string that the library returned.
 *
 * @param pointer Its address, or null.
 * @returns The text; empty for null.
 */
export function cString(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : Deno.UnsafePointerView.getCString(pointer);
}
