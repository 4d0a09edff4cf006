/**
 * The index of a model that is split over several safetensors files: which tensor is in which file.
 *
 * ```text
 * {"metadata": {"total_size": 1234}, "weight_map": {"name": "model-00001-of-00002.safetensors", …}}
 * ```
 *
 * The files stand beside the index; a name that leads anywhere else is refused.
 *
 * @module
 */
import { ByteReader, quote } from "./byte_reader.ts";
import { JsonReader } from "./json_reader.ts";
import { notThisFormat } from "./magic.ts";
import { MAX_HEADER_BYTES } from "./safetensors.ts";

/** An index. */
export interface SafetensorsIndex {
  /** The file of each tensor, by the tensor's name. */
  fileOf: Map<string, string>;
  /** The files, each once, sorted. */
  files: string[];
}

/** A file beside the index: no folder, nothing hidden, on any system. */
const FILE = /^(?!\.)[^/\\:*?"<>|\p{Cc}]+\.safetensors$/u;

/**
 * Reads a `model.safetensors.index.json`.
 *
 * @example
 * ```ts
 * import { parseSafetensorsIndex } from "@quern/quern/formats";
 *
 * const text = '{"weight_map":{"x":"a.safetensors"}}';
 * const index = parseSafetensorsIndex(new TextEncoder().encode(text));
 * console.log(index.fileOf.get("x"), index.files); // a.safetensors [ "a.safetensors" ]
 * ```
 *
 * @param bytes The whole file.
 * @param options `name`: the file's name, for messages.
 * @throws {SyntaxError} Where it is no index, or names a file that is not beside it.
 */
export function parseSafetensorsIndex(
  bytes: Uint8Array,
  options: { name?: string } = {},
): SafetensorsIndex {
  const reader = new ByteReader(bytes, options.name ?? "safetensors index");
  if (bytes.length > MAX_HEADER_BYTES) {
    throw reader.error(`the index has ${bytes.length} bytes, more than ${MAX_HEADER_BYTES}`, 0);
  }
  const json = new JsonReader(reader, 0, bytes.length, "the index");
  if (bytes.length === 0 || json.kind() !== "object") {
    throw notThisFormat(bytes, reader.name, "a safetensors index");
  }
  let fileOf: Map<string, string> | undefined;
  json.object((key, at) => {
    if (key !== "weight_map") return json.skip();
    if (fileOf !== undefined) throw reader.error("weight_map occurs twice", at);
    fileOf = readMap(reader, json, at);
  });
  json.end();
  if (fileOf === undefined) throw reader.error("the index has no weight_map", 0);
  return { fileOf, files: [...new Set(fileOf.values())].sort() };
}

function readMap(reader: ByteReader, json: JsonReader, at: number): Map<string, string> {
  if (json.kind() !== "object") throw reader.error("weight_map is not an object", at);
  const fileOf = new Map<string, string>();
  json.object((tensor, tensorAt) => {
    const file = json.kind() === "string" ? json.string() : "";
    if (!FILE.test(file)) {
      throw reader.error(
        `tensor ${quote(tensor)} is in ${quote(file)}, which is not a .safetensors file beside ` +
          "the index",
        tensorAt,
      );
    }
    fileOf.set(tensor, file);
  });
  return fileOf;
}
