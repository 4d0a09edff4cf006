/**
 * `quern search`: asks a folder of texts, or a JSONL file, a question.
 *
 * @module
 */

import { cacheFolder } from "../../hub/mod.ts";
import {
  type SearchHit,
  TextClassifier,
  type VectorDType,
  type VectorStore,
} from "../../runtime/mod.ts";
import { type Command, SHARED_OPTIONS } from "../command.ts";
import { fileError, oneLine, UsageError } from "../errors.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { loadEmbedderWithProgress } from "../model_file.ts";
import { prepareNative } from "../native_library.ts";
import type { ParsedOptions } from "../options.ts";
import { styled, writeJson, writeLog, writeOut } from "../output.ts";
import { precisionOf } from "../precision.ts";
import { ProgressDisplay } from "../progress.ts";
import {
  emptyIndex,
  fileOf,
  type IndexOptions,
  lineOf,
  openIndex,
  updateIndex,
} from "../search/index_file.ts";
import { listSources, type SourceFile, TEXT_ENDINGS } from "../search/sources.ts";

/** The command. */
export const command: Command = {
  name: "search",
  summary: "ask a folder of texts, or a JSONL file, a question",
  usage: "PATH [QUESTION] [--model MODEL] [--top N] [--rerank MODEL]",
  positionals: { min: 1, max: 2 },
  options: {
    model: {
      type: "text",
      value: "MODEL",
      help: "an embedder: a known name, a folder, a .gguf file, hf:owner/repo (minilm)",
    },
    precision: {
      ...SHARED_OPTIONS.precision,
      help: "exact multiplies in float32, fast in bfloat16 where the processor can (fast)",
    },
    top: { type: "integer", value: "N", min: 1, max: 1 << 20, help: "how many passages (5)" },
    rerank: {
      type: "text",
      value: "MODEL",
      help: "a cross-encoder's folder or hf:owner/repo, which looks at 4 N passages again",
    },
    index: { type: "text", value: "FILE", help: "where the index is (a file in the cache)" },
    type: {
      type: "text",
      value: "TYPE",
      choices: ["float32", "float16", "int8"],
      help: "how the index stores vectors (float32)",
    },
    ending: {
      type: "text",
      value: "EXT",
      multiple: true,
      help: `a folder's files to read, by the end of their names (${TEXT_ENDINGS.join(", ")})`,
    },
    field: { type: "text", value: "NAME", help: "a JSONL object's member with its text (text)" },
    json: { type: "flag", help: "print one JSON object" },
  },
  notes: [
    "Texts are cut into passages of some paragraphs. The index is kept: the next search reads only\n" +
    "files that are new or have changed since. Without a QUESTION the index is made or brought up\n" +
    "to date, and that is all.",
  ],
  examples: [
    'quern search docs "how is memory given back?"',
    'quern search notes.jsonl "flour" --field body --top 3 --json',
  ],
  run,
};

/** A passage that was found. */
interface Found {
  readonly score: number;
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

async function run(options: ParsedOptions): Promise<void> {
  const [path, question] = options.positionals;
  if (question?.trim() === "") throw new UsageError("the question is empty");
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  const files = await findFiles(path, options);
  await prepareNative(options, signal);
  const precision = precisionOf(options);
  const model = options.text("model") ?? "minilm";
  using embedder = await loadEmbedderWithProgress(model, precision, signal);
  const made: IndexOptions = {
    model: `${embedder.name} ${precision}`,
    dtype: (options.text("type") ?? "float32") as VectorDType,
    field: options.text("field") ?? "text",
  };
  const index = options.text("index") ?? await defaultIndex(path, made);
  using store = await openIndex(index, made) ?? emptyIndex(embedder.dimensions, made);
  {
    using display = await ProgressDisplay.create();
    const onProgress = display.report;
    const update = await updateIndex(store, files, { ...made, embedder, signal, onProgress });
    if (update.read + update.removed > 0) {
      await saveIndex(store, index, signal);
      display.clear();
      writeLog(
        `${update.read} files read, ${update.removed} gone; ${store.size} passages in ${index}`,
      );
    }
  }
  if (question === undefined) {
    if (options.flag("json")) writeJson({ index, files: files.length, passages: store.size });
    return;
  }
  const prompt = Object.hasOwn(embedder.config.prompts, "query") ? "query" : undefined;
  const query = (await embedder.embed([question], { prompt, signal })).row(0);
  const top = options.number("top") ?? 5;
  const reranker = options.text("rerank");
  const topK = reranker === undefined ? top : 4 * top;
  let found = (await store.search(query, { topK, signal })).map(foundOf);
  if (reranker !== undefined) found = await rerank(reranker, question, found, top, signal);
  if (options.flag("json")) writeJson({ question, results: found });
  else for (const one of found) writeOut(`${formatFound(one)}\n`);
}

async function findFiles(path: string, options: ParsedOptions): Promise<SourceFile[]> {
  const endings = options.texts("ending").map((ending) => ending.replace(/^\./, "").toLowerCase());
  const files = await listSources(path, endings.length > 0 ? endings : TEXT_ENDINGS);
  if (files.length > 0) return files;
  throw new Error(`${path} holds no texts; name what its files end in with --ending`);
}

/** A file of the cache that only the same search uses. */
async function defaultIndex(path: string, made: IndexOptions): Promise<string> {
  const root = await Deno.realPath(path);
  const key = new TextEncoder().encode([root, made.model, made.dtype, made.field].join("\n"));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", key)).subarray(0, 12);
  const folder = `${cacheFolder()}/search`;
  await Deno.mkdir(folder, { recursive: true });
  return `${folder}/${hash.toHex()}.vectors`;
}

async function saveIndex(store: VectorStore, path: string, signal: AbortSignal): Promise<void> {
  try {
    await store.save(path, { signal });
  } catch (error) {
    throw fileError(path, error);
  }
}

function foundOf({ score, id = "", text = "" }: SearchHit): Found {
  return { score, file: fileOf(id), line: lineOf(id), text };
}

async function rerank(
  model: string,
  question: string,
  found: readonly Found[],
  topK: number,
  signal: AbortSignal,
): Promise<Found[]> {
  using classifier = await TextClassifier.load(model, { signal, onPull: writeLog });
  const texts = found.map(({ text }) => text);
  const ranked = await classifier.rank(question, texts, { topK, signal });
  return ranked.map(({ index, score }) => ({ ...found[index], score }));
}

const excerptCharacters = 300;

function formatFound({ score, file, line, text }: Found): string {
  const flat = oneLine(text.replaceAll(/\s+/g, " "));
  const excerpt = flat.length > excerptCharacters
    ? `${flat.slice(0, excerptCharacters).toWellFormed()}…`
    : flat;
  return `${styled("bold", `${oneLine(file)}:${line}`)}  ${score.toFixed(3)}\n  ${excerpt}`;
}
