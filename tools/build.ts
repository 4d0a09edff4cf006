/**
 * Builds the native library, and gets Zig first when there is none.
 *
 *     deno task build              the library of this machine, in zig-out/lib
 *     deno task build all          all six targets, in zig-out/<target>
 *     deno task build test         builds and runs the C tests
 *
 * All arguments go to `zig build`.
 *
 * @module
 */
import { buildLibrary } from "../lib/ffi/zig.ts";
import { interruptSignal } from "./processes.ts";

if (import.meta.main) {
  const signal = interruptSignal();
  try {
    const onProgress = (line: string): void => console.error(line);
    const output = await buildLibrary({ args: Deno.args, onProgress, signal });
    if (output.trim() !== "") console.log(output.trimEnd());
  } catch (error) {
    if (signal.aborted) Deno.exit(130);
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
  Deno.exit(0);
}
