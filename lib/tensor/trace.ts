/**
 * What a tensor knows of gradients: that it has a trace, which says how it was made. What
 * a trace does is in `lib/autograd`, above this folder, which puts its recorder in here
 * when it is loaded, as observers of memory do.
 *
 * While no tensor of the program requires a gradient, `tracing` is false, and that is all
 * that an operation looks at.
 */
import type { Tensor } from "./tensor.ts";

/** Options of {@linkcode Tensor.backward}. */
export interface BackwardOptions {
  /**
   * The gradient to begin with, in the shape and dtype of the tensor; 1 when left out, for
   * which the tensor must be of one element.
   */
  gradient?: Tensor;
  /**
   * Whether what the operations kept stays, so that the same tensor can be walked from again;
   * false when left out: it goes back to the pool on the way.
   */
  retain?: boolean;
}

/** How the gradient of a view becomes that of what it is a view of: a new tensor, or itself. */
export type ViewGradient = (gradient: Tensor) => Tensor;

/** What a tensor's handle holds of the recorded operations. */
export interface Trace {
  /** Whether gradients stop here, and are kept. */
  readonly isLeaf: boolean;
  /** Whether gradients lead on from here. */
  readonly requiresGrad: boolean;
  /** What was summed up of a leaf's gradients. */
  readonly gradient: Tensor | undefined;
  /** Gives the leaf's gradient back. */
  dropGradient(): void;
  /**
   * Walks the operations that led to the tensor.
   *
   * @param tensor The tensor.
   * @param options What to begin with.
   */
  backward(tensor: Tensor, options: BackwardOptions): void;
  /**
   * An operation is about to write to the tensor.
   *
   * @param operation Its name.
   * @throws {Error} When the tensor is a leaf, outside of `noGrad`.
   */
  wrote(operation: string): void;
  /** The tensor was disposed of. */
  ended(): void;
}

/** What records operations. */
export interface Recorder {
  /**
   * Makes a leaf of a tensor.
   *
   * @param tensor One without a trace.
   * @returns Its trace.
   */
  leaf(tensor: Tensor): Trace;
  /**
   * Records a new view or copy.
   *
   * @param source What has a trace.
   * @param result What was made of it.
   * @param operation The method's name.
   * @param gradient How gradients come back.
   */
  derived(source: Tensor, result: Tensor, operation: string, gradient: ViewGradient): void;
  /**
   * Records that a tensor was overwritten with another's elements.
   *
   * @param source What has a trace.
   * @param target What was overwritten.
   * @param operation The method's name.
   * @param gradient How gradients come back.
   */
  copied(source: Tensor, target: Tensor, operation: string, gradient: ViewGradient): void;
}

/** What gradients know of memory. Apart from it, so that what has none stays small. */
interface MemoryNotes {
  /** The operation that wrote last. */
  writer: string;
  /** How many of the tensors that show it are held for gradients alone. */
  held: number;
}

const notes = new WeakMap<object, MemoryNotes>();

/**
 * What gradients know of memory.
 *
 * @param memory What tensors hold.
 * @returns Notes that may be changed.
 */
export function memoryNotes(memory: object): MemoryNotes {
  let found = notes.get(memory);
  if (found === undefined) notes.set(memory, found = { writer: "an operation", held: 0 });
  return found;
}

/** Whether a tensor of the program was ever required to have a gradient. */
export let tracing = false;

/** What records operations, once `lib/autograd` was loaded. */
let installed: Recorder | undefined;

/**
 * Says what records operations from now on.
 *
 * @param added The one recorder.
 */
export function installRecorder(added: Recorder): void {
  installed = added;
}

/**
 * The recorder.
 *
 * @returns What `lib/autograd` installed.
 */
export function recorder(): Recorder {
  if (installed === undefined) throw new Error("Gradients need lib/autograd to be loaded");
  return installed;
}

/** Notes that there is a tensor with a trace. */
export function beginTracing(): void {
  tracing = true;
}
