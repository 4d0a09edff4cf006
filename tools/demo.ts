/**
 * The main job from a fresh checkout, `deno task demo`: gets Zig when there is none, builds the
 * native library, pulls SmolLM2-135M-Instruct, and generates the continuation of a sentence.
 *
 * The last two steps are plain `quern` commands, shown before they run. Arguments are added to
 * the last one: `deno task demo --temperature 0.7`.
 *
 * @module
 */
import { buildLibrary } from "../lib/ffi/zig.ts";
import { ROOT } from "./files.ts";
import { interruptSignal } from "./processes.ts";

const GENERATE = [
  "generate",
  "--model",
  "smollm2",
  "--prompt",
  "The mill stood by the river",
  "--max-tokens",
  "64",
  "--temperature",
  "0",
];

/** Runs the `quern` command with the terminal of this process; returns its exit status. */
async function quern(args: string[]): Promise<number> {
  const shown = args.map((arg) => /^[\w.:/=-]+$/.test(arg) ? arg : JSON.stringify(arg));
  console.error(`\n$ deno task quern ${shown.join(" ")}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "lib/cli/main.ts", ...args],
    cwd: ROOT,
  }).spawn();
  return (await child.status).code;
}

async function demo(signal: AbortSignal): Promise<number> {
  await buildLibrary({ signal, onProgress: (line) => console.error(line) });
  for (const command of [["pull", "smollm2"], [...GENERATE, ...Deno.args]]) {
    const code = await quern(command);
    if (code !== 0) return code;
  }
  return 0;
}

if (import.meta.main) {
  const signal = interruptSignal();
  try {
    Deno.exit(await demo(signal));
  } catch (error) {
    if (signal.aborted) Deno.exit(130);
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
