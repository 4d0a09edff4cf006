/**
 * Runs the `quern` command as a subprocess, as people do.
 *
 * @module
 */
import { withFolder } from "../../support/folder.ts";
import { smallGguf, type SmallGgufOptions } from "../../support/small_gguf.ts";

/** The command's entry. */
export const MAIN = new URL("../../../lib/cli/main.ts", import.meta.url);

/** How a run ended. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** What a run is given. */
export interface RunOptions {
  /** Standard input; closed at once when left out. */
  input?: string | Uint8Array<ArrayBuffer>;
  env?: Record<string, string>;
  cwd?: string;
}

/** Starts the command with its output piped. */
export function startQuern(args: string[], options: RunOptions = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "-A", MAIN.href, ...args],
    env: { QUERN_DEBUG: "", ...options.env },
    cwd: options.cwd,
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs the command to its end. */
export async function quern(args: string[], options: RunOptions = {}): Promise<Outcome> {
  const child = startQuern(args, options);
  if (options.input !== undefined) {
    const writer = child.stdin.getWriter();
    const { input } = options;
    // A command that does not read its input closes it; that is not what is tested.
    await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input)
      .then(() => writer.close()).catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  const decode = (bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** Runs a body with a folder that holds a small model, and removes it afterwards. */
export async function withSmallModel(
  body: (model: string, folder: string) => Promise<void>,
  options: SmallGgufOptions = {},
): Promise<void> {
  await withFolder(async (folder) => {
    const path = `${folder}/small.gguf`;
    await Deno.writeFile(path, smallGguf(options).bytes);
    await body(path, folder);
  });
}
