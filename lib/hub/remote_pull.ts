/**
 * Pulls models over HTTPS: a file at an address, a file of a Hugging Face
 * repository, or the repository's whole model.
 *
 * Beside each finished file stands `<file>.origin.json` with where it came
 * from, its size and its SHA-256; it is written last and makes the file count as
 * there. A pulled repository has a `.files.json` with the list of its files.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { environment } from "../ffi/environment.ts";
import { cacheError, ensureFolder, firstLine, moveIntoPlace } from "./cache.ts";
import { downloadFile } from "./download.ts";
import { hashMismatch, sha256OfFile, type WorkOptions } from "./hash.ts";
import { dirname, join } from "./paths.ts";
import { type HubSource, urlFileName, type UrlSource } from "./sources.ts";

/** Where a finished file came from and what it must be. */
interface Origin {
  readonly url: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Whether the source itself told the SHA-256. */
  readonly checked: boolean;
}

/** A remote model: its path in the cache, relative to `models/`, and how to get it. */
export interface RemoteModel {
  readonly path: string;
  /** The model's files that are there, or `undefined` when it is not complete. */
  present(cache: string): Promise<readonly string[] | undefined>;
  fetch(cache: string, options: WorkOptions): Promise<void>;
}

const HUB_ADDRESS = "https://huggingface.co";

/** The model at an address. */
export function urlModel(source: UrlSource): RemoteModel {
  const { url } = source;
  const hash = createHash("sha256").update(url.href).digest("hex").slice(0, 16);
  const host = url.host.replaceAll(/[^\w.-]/g, "_");
  return singleFile(`https/${host}/${hash}/${urlFileName(url)}`, url.href, undefined);
}

/** The file or folder that a Hugging Face source means, which may need the hub's list of files. */
export async function hubModel(
  cache: string,
  source: HubSource,
  options: WorkOptions,
): Promise<RemoteModel> {
  const folder = `hf/${source.owner}/${source.repo}/${source.revision}`;
  if (source.file !== undefined) return hubFile(folder, source, source.file);
  const listed = await readJson<{ main: string; files: string[] }>(listPath(cache, folder));
  const chosen = listed ?? chooseFiles(source, await listHubFiles(source, options));
  if (chosen.main !== "") return hubFile(folder, source, chosen.main, chosen);
  return hubFolder(folder, source, chosen);
}

interface Chosen {
  /** The one GGUF file that is the model, or `""` when the folder is. */
  readonly main: string;
  readonly files: readonly string[];
}

function hubFile(folder: string, source: HubSource, file: string, chosen?: Chosen): RemoteModel {
  const single = singleFile(`${folder}/${file}`, hubUrl(source, file), hubAuthorization());
  if (chosen === undefined) return single;
  return {
    ...single,
    async fetch(cache, options) {
      await single.fetch(cache, options);
      await writeJson(listPath(cache, folder), chosen);
    },
  };
}

function hubFolder(folder: string, source: HubSource, chosen: Chosen): RemoteModel {
  const parts = chosen.files.map((file) =>
    singleFile(`${folder}/${file}`, hubUrl(source, file), hubAuthorization())
  );
  return {
    path: folder,
    async present(cache) {
      const found = await Promise.all(parts.map((part) => part.present(cache)));
      return found.includes(undefined) ? undefined : found.flatMap((files) => files ?? []);
    },
    async fetch(cache, options) {
      for (const part of parts) {
        if (await part.present(cache) === undefined) await part.fetch(cache, options);
      }
      await writeJson(listPath(cache, folder), chosen);
    },
  };
}

function singleFile(path: string, url: string, authorization: string | undefined): RemoteModel {
  return {
    path,
    async present(cache) {
      const target = join(cache, "models", path);
      const origin = await readJson<Origin>(`${target}.origin.json`);
      if (origin === undefined) return undefined;
      const size = await sizeOf(target);
      return size === origin.bytes ? [target] : undefined;
    },
    async fetch(cache, options) {
      const partial = join(cache, "partial", path);
      const target = join(cache, "models", path);
      await ensureFolder(dirname(partial));
      const done = await downloadFile({ ...options, url, target: partial, authorization });
      await moveIntoPlace(partial, target);
      const origin: Origin = { url, ...done };
      await writeJson(`${target}.origin.json`, origin);
    },
  };
}

/** Compares a pulled file's SHA-256 with the one noted when it arrived; removes it when it differs. */
export async function verifyRemoteFile(path: string, options: WorkOptions): Promise<string> {
  const origin = await readJson<Origin>(`${path}.origin.json`);
  const actual = await sha256OfFile(path, options);
  if (origin !== undefined && origin.sha256 !== actual) {
    await Deno.remove(`${path}.origin.json`);
    await Deno.remove(path);
    throw hashMismatch(path, actual, origin.sha256);
  }
  return actual;
}

function hubAddress(): string {
  return (environment("HF_ENDPOINT") ?? HUB_ADDRESS).replace(/\/+$/, "");
}

function hubAuthorization(): string | undefined {
  const token = environment("HF_TOKEN");
  return token === undefined ? undefined : `Bearer ${token}`;
}

function hubUrl(source: HubSource, file: string): string {
  const path = file.split("/").map(encodeURIComponent).join("/");
  return `${hubAddress()}/${source.owner}/${source.repo}/resolve/${source.revision}/${path}`;
}

async function listHubFiles(source: HubSource, options: WorkOptions): Promise<string[]> {
  const name = `${source.owner}/${source.repo}`;
  const url = `${hubAddress()}/api/models/${name}/revision/${source.revision}`;
  const authorization = hubAuthorization();
  let response: Response;
  try {
    response = await fetch(url, {
      headers: authorization === undefined ? {} : { authorization },
      signal: options.signal,
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    const said = error instanceof Error ? firstLine(error.message) : String(error);
    throw new Error(`${url}: ${said}; check the network`, { cause: error });
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(
      `${url}: the server answered ${response.status}; check the repository's name, ` +
        "and set HF_TOKEN if it is not public",
    );
  }
  const body: { siblings?: { rfilename?: unknown }[] } = await response.json();
  return (body.siblings ?? []).map((file) => file.rfilename).filter((file) =>
    typeof file === "string" && isSafePath(file)
  ) as string[];
}

/** The list comes from outside: no name in it may lead out of the model's folder. */
function isSafePath(path: string): boolean {
  return !/[\\:]|^\//.test(path) &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

const FOLDER_FILES =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|modules|sentence_bert_config|1_Pooling\/config|chat_template)\.(json|jinja)$|^vocab\.txt$|^[^/]*\.safetensors(\.index\.json)?$/;

function chooseFiles(source: HubSource, files: readonly string[]): Chosen {
  const name = `hf:${source.owner}/${source.repo}`;
  const gguf = files.filter((file) => /\.gguf$/i.test(file));
  if (gguf.length === 1) return { main: gguf[0], files: gguf };
  if (gguf.length > 1) {
    const shown = gguf.slice(0, 12).join(", ") + (gguf.length > 12 ? ", …" : "");
    throw new Error(`${name} holds ${gguf.length} GGUF files; name one as ${name}/FILE: ${shown}`);
  }
  const wanted = files.filter((file) => FOLDER_FILES.test(file));
  if (!wanted.includes("config.json") || !wanted.some((file) => file.endsWith(".safetensors"))) {
    throw new Error(`${name} holds neither a GGUF file nor safetensors with a config.json`);
  }
  return { main: "", files: wanted };
}

function listPath(cache: string, folder: string): string {
  return join(cache, "models", folder, ".files.json");
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path)) as T;
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory || error instanceof SyntaxError;
    if (absent) return undefined;
    throw error;
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    await Deno.writeTextFile(temporary, `${JSON.stringify(value, null, 2)}\n`);
    await Deno.rename(temporary, path);
  } catch (error) {
    throw cacheError(`cannot write ${path}`, error);
  }
}
