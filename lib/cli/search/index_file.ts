/**
 * The index of what is searched: a store of vectors whose ids begin with the names of files,
 * and whose metadata says in which state those files were.
 *
 * @module
 */
import type { Progress } from "../../core/progress.ts";
import { type Embedder, type VectorDType, VectorStore } from "../../runtime/mod.ts";
import { ID_SEPARATOR, readPassages, type SourceFile, type SourcePassage } from "./sources.ts";

/** What an index is made for; one that was made for something else is made anew. */
export interface IndexOptions {
  readonly model: string;
  readonly dtype: VectorDType;
  readonly field: string;
}

/** How an index is brought up to date. */
export interface UpdateOptions extends IndexOptions {
  readonly embedder: Embedder;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** What an update did. */
export interface Update {
  /** Files that were read. */
  readonly read: number;
  /** Files that are gone. */
  readonly removed: number;
}

/** Passages that are embedded, and then added, together. */
const together = 512;

/**
 * Opens an index.
 *
 * @param path Its file.
 * @param options What it must have been made for.
 * @returns The index; undefined when there is none, or another or a damaged one.
 */
export async function openIndex(
  path: string,
  { model, dtype, field }: IndexOptions,
): Promise<VectorStore | undefined> {
  let store: VectorStore;
  try {
    store = await VectorStore.load(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { metadata } = store;
  const fits = metadata.get("model") === model && store.dtype === dtype &&
    metadata.get("field") === field && metadata.has("files");
  if (fits) return store;
  store[Symbol.dispose]();
  return undefined;
}

/**
 * Makes an index without passages.
 *
 * @param dimensions Elements of a vector.
 * @param options What it is made for.
 */
export function emptyIndex(dimensions: number, options: IndexOptions): VectorStore {
  const store = new VectorStore({ dimensions, dtype: options.dtype });
  store.metadata.set("model", options.model);
  store.metadata.set("field", options.field);
  store.metadata.set("files", "{}");
  return store;
}

/**
 * Brings an index up to date with the files: those that changed are read again, those that are
 * gone are forgotten.
 *
 * @param store The index.
 * @param files All files that there are now.
 * @param options The model, and how to follow and end the work.
 * @returns How many files were read, and how many are gone; nothing changed when both are 0.
 */
export async function updateIndex(
  store: VectorStore,
  files: readonly SourceFile[],
  options: UpdateOptions,
): Promise<Update> {
  const before = readStates(store);
  const changed = files.filter(({ name, state }) => before.get(name) !== state);
  const now = new Set(files.map(({ name }) => name));
  const gone = [...before.keys()].filter((name) => !now.has(name));
  if (changed.length === 0 && gone.length === 0) return { read: 0, removed: 0 };
  const stale = new Set([...gone, ...changed.map(({ name }) => name)]);
  const rows: number[] = [];
  for (let row = 0; row < store.size; row++) {
    if (stale.has(fileOf(store.id(row) ?? ""))) rows.push(row);
  }
  store.remove(rows);
  await addFiles(store, changed, options);
  const states = Object.fromEntries(files.map(({ name, state }) => [name, state]));
  store.metadata.set("files", JSON.stringify(states));
  return { read: changed.length, removed: gone.length };
}

/** The name of the file that an id belongs to. */
export function fileOf(id: string): string {
  return id.slice(0, id.indexOf(ID_SEPARATOR));
}

/** The line of the file that an id belongs to. */
export function lineOf(id: string): number {
  return Number(id.slice(id.indexOf(ID_SEPARATOR) + 1));
}

function readStates(store: VectorStore): Map<string, unknown> {
  try {
    return new Map(Object.entries(JSON.parse(store.metadata.get("files") ?? "{}")));
  } catch {
    return new Map();
  }
}

async function addFiles(
  store: VectorStore,
  files: readonly SourceFile[],
  { embedder, field, signal, onProgress }: UpdateOptions,
): Promise<void> {
  let passages: SourcePassage[] = [];
  const { prompts } = embedder.config;
  const prompt = ["document", "passage"].find((name) => Object.hasOwn(prompts, name));
  const add = async () => {
    const texts = passages.map(({ text }) => text);
    const vectors = await embedder.embed(texts, { prompt, signal });
    store.add(vectors, { ids: passages.map(({ id }) => id), texts });
    passages = [];
  };
  for (const [i, file] of files.entries()) {
    signal.throwIfAborted();
    onProgress({ stage: "indexing", completed: i, total: files.length, unit: "files" });
    for (const passage of await readPassages(file, field)) {
      passages.push(passage);
      if (passages.length === together) await add();
    }
  }
  if (passages.length > 0) await add();
  onProgress({ stage: "indexing", completed: files.length, total: files.length, unit: "files" });
}
