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
import { oneLine } from "../errors.ts";
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
  const child = new Deno.Command("node", {
    args: [script, folder, model, `${threads}`],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal,
  }).spawn();
  return await connect(child);
}

async function connect(child: Deno.ChildProcess): Promise<Peer> {
  const stderr = new Response(child.stderr).text();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(lineSplitter());
  const reader = lines.getReader();
  const writer = child.stdin.getWriter();
  const next = async (): Promise<unknown> => {
    const { value, done } = await reader.read();
    if (!done) return JSON.parse(value);
    throw new Error(`llama.cpp ended early: ${oneLine((await stderr).slice(0, 300))}`);
  };
  const { version } = await next() as { version: string };
  return {
    name: `llama.cpp (${PACKAGE} ${version})`,
    async run(prompt, tokens) {
      const request = JSON.stringify({ prompt: Array.from(prompt), tokens });
      await writer.write(new TextEncoder().encode(`${request}\n`));
      return await next() as PeerRun;
    },
    async [Symbol.asyncDispose]() {
      // A process that was killed by the signal has closed its input already.
      await writer.close().catch(() => {});
      await reader.cancel().catch(() => {});
      await Promise.all([child.status, stderr]);
    },
  };
}

function lineSplitter(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream({
    transform(chunk, controller) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") controller.enqueue(line);
    },
  });
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
