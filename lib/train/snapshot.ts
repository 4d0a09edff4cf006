/**
 * What a checkpoint holds: all that decides the bits of the steps to come, as tensors and
 * texts of one safetensors file. Parameters keep their names, so that the file can be opened
 * as the weights of a model.
 *
 *     weight, bias, …             the parameters
 *     training/optimizer/…        what the optimiser remembers
 *     training/state/…            other tensors of the program
 *     training/losses             float64 [points, 4]: step, loss, rate, validation loss or NaN
 *     metadata "training"         JSON: step, seed, place in the data, best loss, SHA-256
 */
import { createHash } from "node:crypto";
import { formatShape, sameShape } from "../core/shape.ts";
import { noGrad } from "../autograd/mod.ts";
import { scope } from "../memory/mod.ts";
import type { Optimizer } from "../optim/mod.ts";
import {
  firstElements,
  type NamedTensors,
  openTensors,
  Tensor,
  type TensorFile,
} from "../tensor/mod.ts";
import type { Place } from "./batches.ts";
import { LossHistory } from "./loss_history.ts";

const PREFIX = "training/";
const OPTIMIZER = `${PREFIX}optimizer/`;
const STATE = `${PREFIX}state/`;
const LOSSES = `${PREFIX}losses`;
const METADATA = "training";
const VERSION = 1;
/** How much is hashed before the event loop gets a turn. */
const PIECE_BYTES = 1 << 22;

/** Where a training is, apart from tensors. */
export interface Standing {
  /** How many steps were taken. */
  step: number;
  /** What random numbers depend on. */
  seed: number;
  /** The place in the data. */
  place: Place;
  /** The lowest validation loss; null before the first. */
  best: number | null;
  /** How many validations in a row were no better. */
  worse: number;
  /** The step of the last validation. */
  validatedAt: number;
}

/** The tensors of a training. */
export interface TrainedTensors {
  /** What is trained. */
  parameters: NamedTensors;
  /** What trains it. */
  optimizer: Optimizer;
  /** What else changes in training. */
  state: NamedTensors;
}

/** What a checkpoint gives back. */
export interface Restored {
  /** Where the training was. */
  standing: Standing;
  /** The losses up to there. */
  history: LossHistory;
}

/** What is written to a file. */
export interface Snapshot {
  /** By name. */
  tensors: [string, Tensor][];
  /** The texts. */
  metadata: Record<string, string>;
}

/**
 * Collects what a checkpoint holds.
 *
 * @param trained The tensors, which must not change until the file was written.
 * @param standing Where the training is.
 * @param losses What `LossHistory.toTensor` gave.
 * @param pause Awaited now and then.
 * @returns What to write.
 */
export async function takeSnapshot(
  trained: TrainedTensors,
  standing: Standing,
  losses: Tensor | undefined,
  pause: () => Promise<void>,
): Promise<Snapshot> {
  const tensors = [
    ...Object.entries(trained.parameters),
    ...prefixed(OPTIMIZER, trained.optimizer.state()),
    ...stateOf(trained),
  ];
  if (losses !== undefined) tensors.push([LOSSES, losses]);
  const sha256 = await digest(tensors, pause);
  return {
    tensors,
    metadata: {
      format: "pt",
      [METADATA]: JSON.stringify({ version: VERSION, ...standing, sha256 }),
    },
  };
}

/**
 * Checks that names of parameters leave room for what else a checkpoint holds.
 *
 * @param parameters The parameters.
 * @throws {RangeError} When they do not.
 */
export function checkNames(parameters: NamedTensors): void {
  const taken = Object.keys(parameters).find((name) => name.startsWith(PREFIX));
  if (taken === undefined) return;
  throw new RangeError(`train: a parameter is called ${taken}; "${PREFIX}" is for checkpoints`);
}

function prefixed(prefix: string, tensors: NamedTensors): [string, Tensor][] {
  return Object.entries(tensors).map(([name, tensor]) => [prefix + name, tensor]);
}

/** The state that is no parameter, since a module's holds both. */
function stateOf({ parameters, state }: TrainedTensors): [string, Tensor][] {
  const trained = new Set(Object.values(parameters));
  return prefixed(STATE, state).filter(([, tensor]) => !trained.has(tensor));
}

/** One digest of all names and elements, whatever their order. */
async function digest(
  tensors: Iterable<readonly [string, Tensor]>,
  pause: () => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  const sorted = [...tensors].sort(([a], [b]) => a < b ? -1 : 1);
  for (const [name, tensor] of sorted) {
    hash.update(`${name}\n`);
    if (tensor.size === 0) continue;
    using view = tensor.detach();
    using dense = view.contiguous();
    const { buffer, byteOffset, byteLength } = firstElements(dense);
    for (let at = 0; at < byteLength; at += PIECE_BYTES) {
      const count = Math.min(PIECE_BYTES, byteLength - at);
      hash.update(new Uint8Array(buffer, byteOffset + at, count));
      await pause();
    }
  }
  return hash.digest("hex");
}

/**
 * Checks that a file holds a whole checkpoint.
 *
 * @param path The file.
 * @param pause Awaited now and then.
 * @returns How many steps were taken.
 * @throws {Error} When it does not.
 */
export async function verifySnapshot(path: string, pause: () => Promise<void>): Promise<number> {
  using file = openTensors(path);
  const { step, sha256 } = parseMetadata(file);
  const tensors = file.names.map((name): [string, Tensor] => [name, file.open(name)]);
  try {
    if (await digest(tensors, pause) === sha256) return step;
  } finally {
    for (const [, tensor] of tensors) tensor.dispose();
  }
  throw new Error("its elements are not those that were written");
}

function parseMetadata(file: TensorFile): Standing & { sha256: string } {
  const text = file.metadata.get(METADATA);
  if (text === undefined) throw new Error("it is no checkpoint of a training");
  const { version, ...standing } = JSON.parse(text);
  if (version !== VERSION) throw new Error(`it is of version ${version}, expected ${VERSION}`);
  return standing;
}

/**
 * Puts everything back to where it was. Nothing changes where something does not fit.
 *
 * @param path A file that was verified.
 * @param trained The tensors, which are written to.
 * @returns Where the training was.
 * @throws {RangeError} When the file is of another model.
 */
export function restoreSnapshot(path: string, trained: TrainedTensors): Restored {
  return scope(() => {
    using file = openTensors(path);
    const targets = [
      ...Object.entries(trained.parameters),
      ...stateOf(trained),
    ];
    const sources = targets.map(([name, target]) => fitting(file, name, target));
    const optimizer = file.names.filter((name) => name.startsWith(OPTIMIZER))
      .map((name) => [name.slice(OPTIMIZER.length), file.open(name)] as const);
    trained.optimizer.load(Object.fromEntries(optimizer));
    noGrad(() => targets.forEach(([, target], i) => target.copyFrom(sources[i])));
    const { sha256: _, ...standing } = parseMetadata(file);
    const losses = file.has(LOSSES) ? file.open(LOSSES) as Tensor<"float64"> : undefined;
    return { standing, history: LossHistory.from(losses) };
  });
}

function fitting(file: TensorFile, name: string, target: Tensor): Tensor {
  if (!file.has(name)) {
    throw new RangeError(`train: ${file.name} has no ${name}; it is of another model`);
  }
  const source = file.open(name);
  if (source.dtype === target.dtype && sameShape(source.shape, target.shape)) return source;
  throw new RangeError(
    `train: ${name} is ${source.dtype} ${formatShape(source.shape)} in ${file.name}, expected ` +
      `${target.dtype} ${formatShape(target.shape)}`,
  );
}
