/**
 * Downloads a file over HTTP so that an interrupted transfer can go on later.
 *
 * The bytes grow in `<target>.part`, and `<target>.part.json` holds what they
 * are a part of: the address, the server's validator (a strong ETag, or the
 * date of the last change) and the length. A later attempt asks for the rest
 * with Range and If-Range (RFC 9110, 13.1.5 and 14), so a file that changed in
 * between starts again from nothing and is never mixed from two versions.
 *
 * Redirects are followed here and not by `fetch`: hubs tell the SHA-256 of a
 * file in the header of the redirect, and credentials must not go to another host.
 *
 * @module
 */

import { delay } from "../core/delay.ts";
import { cacheError, firstLine, flushFile, isThere } from "./cache.ts";
import { hashMismatch, sha256OfFile, type WorkOptions } from "./hash.ts";
import { basename } from "./paths.ts";
import { writeAll } from "./zip.ts";

/** What to download and where to. */
export interface Download extends WorkOptions {
  readonly url: string;
  /** The finished file; its folder exists. */
  readonly target: string;
  /** The expected SHA-256, where it is known in advance. */
  readonly sha256?: string;
  /** Sent to the host of `url` and to no other. */
  readonly authorization?: string;
  /** How often a broken connection is taken up again at once; 3 unless told. */
  readonly retries?: number;
}

/** What was downloaded. */
export interface Downloaded {
  readonly bytes: number;
  readonly sha256: string;
  /** Whether the SHA-256 was compared with one that the source told. */
  readonly checked: boolean;
}

interface PartState {
  readonly url: string;
  readonly validator: string | undefined;
  readonly total: number | undefined;
  readonly sha256: string | undefined;
}

const MAX_REDIRECTS = 10;
const FIRST_RETRY_MS = 300;

/** A failure that another attempt may get over: the network, a busy server. */
class TransientError extends Error {
  override readonly name = "TransientError";
}

/** The file where a download's bytes grow. */
export function partPath(target: string): string {
  return `${target}.part`;
}

/**
 * Downloads a file, going on where an earlier attempt stopped, and checks it.
 * The target is flushed to the disk; an abort keeps what has arrived.
 *
 * @throws Error with one line that names the address and what to do
 */
export async function downloadFile(download: Download): Promise<Downloaded> {
  const retries = download.retries ?? 3;
  for (let attempt = 0;; attempt++) {
    try {
      const state = await transfer(download);
      return await finish(download, state);
    } catch (error) {
      download.signal?.throwIfAborted();
      if (!(error instanceof TransientError)) {
        throw await storageFailure(download.target, error);
      }
      if (attempt >= retries) {
        throw new Error(
          `${error.message}; what has arrived is kept, run the command again to go on`,
          {
            cause: error,
          },
        );
      }
      await delay(FIRST_RETRY_MS * 2 ** attempt, download.signal);
    }
  }
}

/** Bytes that cannot be stored are removed: on a full disk they would be what fills it. */
async function storageFailure(target: string, error: unknown): Promise<unknown> {
  const described = cacheError(`cannot store ${target}`, error);
  if (described !== error) await removeParts(target).catch(() => {});
  return described;
}

async function transfer(download: Download): Promise<PartState> {
  const earlier = await readState(download);
  const have = earlier === undefined ? 0 : (await Deno.stat(partPath(download.target))).size;
  if (earlier !== undefined && have === earlier.total) return earlier;
  const headers = new Headers({ "accept-encoding": "identity" });
  if (have > 0 && earlier?.validator !== undefined) {
    headers.set("range", `bytes=${have}-`);
    headers.set("if-range", earlier.validator);
  }
  const { response, sha256 } = await request(download, headers);
  const resumed = response.status === 206 && continuesAt(response, have);
  if (response.status === 416 || (response.status === 206 && !resumed)) {
    await response.body?.cancel();
    await removeParts(download.target);
    throw new TransientError(`${download.url}: the server refused to go on at byte ${have}`);
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw statusError(download.url, response);
  }
  const start = resumed ? have : 0;
  const state: PartState = {
    url: download.url,
    validator: validatorOf(response),
    total: totalOf(response, start),
    sha256: download.sha256 ?? sha256,
  };
  await Deno.writeTextFile(`${partPath(download.target)}.json`, JSON.stringify(state));
  await receive(download, response, start, state);
  return state;
}

async function readState(download: Download): Promise<PartState | undefined> {
  const path = partPath(download.target);
  try {
    const state: PartState = JSON.parse(await Deno.readTextFile(`${path}.json`));
    // Without a validator nobody can tell whether the rest belongs to these bytes.
    if (state.url === download.url && state.validator && await isThere(path)) return state;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof SyntaxError)) throw error;
  }
  await removeParts(download.target);
  return undefined;
}

async function removeParts(target: string): Promise<void> {
  for (const path of [partPath(target), `${partPath(target)}.json`]) {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

async function request(
  download: Download,
  headers: Headers,
): Promise<{ response: Response; sha256: string | undefined }> {
  let url = new URL(download.url);
  const origin = url.origin;
  let sha256: string | undefined;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    if (download.authorization !== undefined && url.origin === origin) {
      headers.set("authorization", download.authorization);
    } else headers.delete("authorization");
    const response = await send(url, headers, download.signal);
    sha256 ??= linkedHash(response.headers);
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) {
      return { response, sha256 };
    }
    await response.body?.cancel();
    const next = new URL(location, url);
    if (url.protocol === "https:" && next.protocol !== "https:") {
      throw new Error(`${url} redirects to ${next}, which is not encrypted; it was not followed`);
    }
    url = next;
  }
  throw new Error(`${download.url}: more than ${MAX_REDIRECTS} redirects; the address is wrong`);
}

async function send(url: URL, headers: Headers, signal?: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { headers, signal, redirect: "manual" });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Deno.errors.NotCapable) {
      throw new Error(
        `${url}: network access is not allowed; allow it with --allow-net=${url.host}`,
        {
          cause: error,
        },
      );
    }
    throw new TransientError(`${url}: ${reason(error)}; check the network and the address`, {
      cause: error,
    });
  }
}

/** Hugging Face tells the SHA-256 of a large file so; of others the header is shorter. */
function linkedHash(headers: Headers): string | undefined {
  const value = headers.get("x-linked-etag")?.replace(/^(W\/)?"|"$/g, "");
  return value !== undefined && /^[0-9a-f]{64}$/.test(value) ? value : undefined;
}

function continuesAt(response: Response, start: number): boolean {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  return match !== null && Number(match[1]) === start;
}

function totalOf(response: Response, start: number): number | undefined {
  const range = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  if (range !== null) return Number(range[1]);
  const length = response.headers.get("content-length");
  return length === null ? undefined : start + Number(length);
}

function validatorOf(response: Response): string | undefined {
  const etag = response.headers.get("etag");
  if (etag !== null && !etag.startsWith("W/")) return etag;
  return response.headers.get("last-modified") ?? undefined;
}

function statusError(url: string, response: Response): Error {
  const what = `${url}: the server answered ${response.status} ${response.statusText}`.trim();
  switch (response.status) {
    case 401:
    case 403:
      return new Error(`${what}; the file needs permission, for Hugging Face set HF_TOKEN`);
    case 404:
    case 410:
      return new Error(`${what}; there is no such file, check the address`);
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return new TransientError(`${what}; the server is busy or broken`);
    default:
      return new Error(`${what}; check the address`);
  }
}

async function receive(
  download: Download,
  response: Response,
  start: number,
  state: PartState,
): Promise<void> {
  using file = await Deno.open(partPath(download.target), {
    create: true,
    write: true,
    truncate: start === 0,
  });
  await file.seek(start, Deno.SeekMode.Start);
  const stage = `downloading ${basename(download.target)}`;
  let completed = start;
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { value, done } = await nextChunk(reader, download, completed);
    if (done) break;
    await writeOrCancel(file, value, reader);
    completed += value.length;
    download.onProgress?.({ stage, completed, total: state.total, unit: "bytes" });
  }
  if (state.total !== undefined && completed !== state.total) {
    throw new TransientError(
      `${download.url}: the connection ended after ${completed} of ${state.total} bytes`,
    );
  }
}

async function nextChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  download: Download,
  completed: number,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch (error) {
    download.signal?.throwIfAborted();
    throw new TransientError(
      `${download.url}: the connection broke after ${completed} bytes (${reason(error)})`,
      { cause: error },
    );
  }
}

async function writeOrCancel(
  file: Deno.FsFile,
  bytes: Uint8Array,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<void> {
  try {
    await writeAll(file, bytes);
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error;
  }
}

async function finish(download: Download, state: PartState): Promise<Downloaded> {
  const part = partPath(download.target);
  const { size } = await Deno.stat(part);
  const sha256 = await sha256OfFile(part, {
    signal: download.signal,
    onProgress: download.onProgress,
    name: basename(download.target),
  });
  if (state.sha256 !== undefined && state.sha256 !== sha256) {
    await removeParts(download.target);
    throw hashMismatch(download.url, sha256, state.sha256);
  }
  await flushFile(part);
  await Deno.rename(part, download.target);
  await Deno.remove(`${part}.json`);
  return { bytes: size, sha256, checked: state.sha256 !== undefined };
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return firstLine(`${error.message}${cause}`);
}
