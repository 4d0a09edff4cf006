/**
 * llama.cpp beside us: installs node-llama-cpp's prebuilt binary into the cache
 * with npm, and runs it in a child process under Node.
 *
 * It is never a dependency of the module: nothing of it is imported here, and
 * without `--peer` nothing is downloaded.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { LineProcess } from "./line_process.ts";
import { installPackage, peerFile } from "./peer_files.ts";

const PACKAGE = "node-llama-cpp";
const PEER_VERSION = "3.22.1";

/** One measured run of the peer. */
export interface PeerRun {
  readonly tokens: number;
  readonly prefillNs: number;
  readonly decodeNs: number;
}

/** The peer's process; disposing of it ends it. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  run(prompt: ArrayLike<number>, tokens: number): Promise<PeerRun>;
}

/**
 * Starts llama.cpp with a model.
 *
 * @param model the GGUF file
 * @param threads how many threads it uses
 * @param signal ends the installation and the process
 */
export async function startPeer(
  model: string,
  threads: number,
  signal: AbortSignal,
): Promise<Peer> {
  const script = fileURLToPath(peerFile("llama_cpp.mjs"));
  // Only this platform's processor binary is fetched, not the much larger ones for graphics cards.
  const binary = `@${PACKAGE}/${binaryName()}@${PEER_VERSION}`;
  const folder = await installPackage(PACKAGE, PEER_VERSION, [binary], signal);
  const command = ["node", script, folder, model, `${threads}`];
  return await connect(LineProcess.start("llama.cpp", command, { signal }));
}

async function connect(lines: LineProcess): Promise<Peer> {
  const { version } = await lines.next() as { version: string };
  return {
    name: `llama.cpp (${PACKAGE} ${version})`,
    async run(prompt, tokens) {
      return await lines.ask({ prompt: Array.from(prompt), tokens }) as PeerRun;
    },
    [Symbol.asyncDispose]: () => lines[Symbol.asyncDispose](),
  };
}

function binaryName(): string {
  const arm = Deno.build.arch === "aarch64";
  switch (Deno.build.os) {
    case "windows":
      return arm ? "win-arm64" : "win-x64";
    case "darwin":
      return arm ? "mac-arm64-metal" : "mac-x64";
    default:
      return arm ? "linux-arm64" : "linux-x64";
  }
}
