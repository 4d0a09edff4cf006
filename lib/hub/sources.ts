/**
 * What a model's source text means: an address, a repository on the Hugging
 * Face hub, a known name, or a path. Pure: nothing is looked up here.
 *
 * @module
 */

import { type KnownModel, knownModels } from "./known.ts";

/** A file or folder on the Hugging Face hub: `hf:owner/repo[@revision][/file]`. */
export interface HubSource {
  readonly kind: "hf";
  readonly owner: string;
  readonly repo: string;
  readonly revision: string;
  /** The file inside the repository, or `undefined` for the repository's model. */
  readonly file: string | undefined;
}

/** A file at an address. */
export interface UrlSource {
  readonly kind: "url";
  readonly url: URL;
}

/** A model known by name. */
export interface KnownSource {
  readonly kind: "known";
  readonly model: KnownModel;
}

/** A file or folder on this machine. */
export interface PathSource {
  readonly kind: "path";
  readonly path: string;
}

/** What a source text can mean. */
export type Source = HubSource | UrlSource | KnownSource | PathSource;

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Reads a source text. A known name wins over a file of the same name, which
 * can be written with its folder: `./smollm2`.
 *
 * @throws TypeError when the text is empty, or an address that cannot be used
 */
export function parseSource(source: string): Source {
  if (source === "") {
    throw new TypeError("the model's name is empty; give a name, a file or a folder");
  }
  if (source.startsWith("hf:")) return parseHubSource(source);
  if (/^https?:\/\//i.test(source)) return { kind: "url", url: parseUrl(source) };
  const model = knownModels().find((known) => known.name === source);
  return model === undefined ? { kind: "path", path: source } : { kind: "known", model };
}

function parseHubSource(source: string): HubSource {
  const match = /^hf:([\w.-]+)\/([\w.-]+)(?:@([\w.-]+))?(?:\/(.+))?$/.exec(source);
  const file = match?.[4];
  const climbs = [match?.[1], match?.[2], match?.[3], ...(file ?? "x").split("/")].some((part) =>
    part === "" || part === "." || part === ".."
  );
  if (match === null || climbs || file?.includes("\\")) {
    throw new TypeError(
      `${
        JSON.stringify(source)
      } does not name a model; write hf:owner/repo or hf:owner/repo/file.gguf`,
    );
  }
  return { kind: "hf", owner: match[1], repo: match[2], revision: match[3] ?? "main", file };
}

function parseUrl(source: string): URL {
  const url = URL.parse(source);
  if (url === null || url.hostname === "") {
    throw new TypeError(`${JSON.stringify(source)} is not an address`);
  }
  if (url.protocol === "http:" && !LOOPBACK.has(url.hostname)) {
    throw new TypeError(`${source} is not encrypted; use https://`);
  }
  if (urlFileName(url) === "") {
    throw new TypeError(
      `${source} names no file; give the address of a .gguf or .safetensors file`,
    );
  }
  return url;
}

/** The file name that an address ends with, safe on every file system; `""` when there is none. */
export function urlFileName(url: URL): string {
  const last = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  let name = last;
  try {
    name = decodeURIComponent(last);
  } catch {
    // A stray percent sign: the name is used as it stands.
  }
  name = name.replaceAll(/[^\w.+-]+/g, "_").replace(/^\.+/, "");
  return name.slice(-150);
}

/** The known name that is nearest to a mistyped one, if any is near. */
export function nearestName(name: string): string | undefined {
  const names = knownModels().map((model) => model.name);
  const lower = name.toLowerCase();
  return names.find((known) =>
    lower.includes(known) || (lower.length > 3 && known.includes(lower))
  );
}
