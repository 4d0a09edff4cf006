/**
 * The weights of a model, as an architecture asks for them: by name, with the shape
 * that the hyperparameters call for. Every file format implements `StoredTensors`.
 */
import type { DType } from "../core/dtype.ts";
import { formatShape, sameShape, type Shape } from "../core/shape.ts";
import { keep } from "../memory/mod.ts";
import { cast, dequantize } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** The tensors of a file, not yet made. */
export interface StoredTensors {
  /** The file's name, for errors. */
  readonly name: string;
  /** The shape of a tensor; undefined when there is none of that name. */
  shape(name: string): Shape | undefined;
  /**
   * Makes a tensor over the file.
   *
   * @throws {RangeError} When its type is not supported.
   */
  open(name: string): Tensor<DType>;
}

/** Finds weights, checks their shapes, and owns the tensors that it made. */
export class Weights implements Disposable {
  readonly #stored: StoredTensors;
  readonly #made: Tensor[] = [];

  /**
   * Makes no tensor yet.
   *
   * @param stored The file.
   */
  constructor(stored: StoredTensors) {
    this.#stored = stored;
  }

  /**
   * Whether there is a tensor.
   *
   * @param name Its name.
   * @returns True when there is.
   */
  has(name: string): boolean {
    return this.#stored.shape(name) !== undefined;
  }

  /**
   * The number of rows of a tensor, without making it.
   *
   * @param name Its name.
   * @returns The extent of its first axis; 0 when there is no such tensor.
   */
  rows(name: string): number {
    return this.#stored.shape(name)?.[0] ?? 0;
  }

  /**
   * A weight, over the file.
   *
   * @param name Its name.
   * @param shape What its shape must be.
   * @returns A tensor that lives as long as this object.
   * @throws {SyntaxError} When it is missing or has another shape.
   * @throws {RangeError} When its type is not supported.
   */
  tensor(name: string, shape: Shape): Tensor<DType> {
    const { name: file } = this.#stored;
    const stored = this.#stored.shape(name);
    if (stored === undefined) throw new SyntaxError(`${file}: tensor ${name} is missing`);
    if (!sameShape(stored, shape)) {
      throw new SyntaxError(
        `${file}: tensor ${name} is ${formatShape(stored)}, ` +
          `expected ${formatShape(shape)} from the metadata`,
      );
    }
    return this.own(this.#stored.open(name));
  }

  /**
   * A weight that must be stored in float32.
   *
   * @param name Its name.
   * @param shape What its shape must be.
   * @returns A tensor that lives as long as this object.
   * @throws {RangeError} When it is stored in another type.
   */
  float32(name: string, shape: Shape): Tensor<"float32"> {
    const tensor = this.tensor(name, shape);
    if (isFloat32(tensor)) return tensor;
    throw new RangeError(
      `${this.#stored.name}: tensor ${name} is stored as ${tensor.dtype}, expected float32`,
    );
  }

  /**
   * A weight in float32: over the file where it is stored so, else widened.
   *
   * @param name Its name.
   * @param shape What its shape must be.
   * @returns A tensor that lives as long as this object.
   * @throws {OutOfMemoryError} When there is no memory to widen it.
   */
  widened(name: string, shape: Shape): Tensor<"float32"> {
    const tensor = this.tensor(name, shape);
    if (isFloat32(tensor)) return tensor;
    return this.own(
      tensor.dtype.startsWith("q") ? dequantize(tensor) : cast(tensor, "float32"),
    );
  }

  /**
   * Takes a tensor over, to be disposed of with the weights.
   *
   * @param tensor The tensor.
   * @returns The same.
   */
  own<D extends DType>(tensor: Tensor<D>): Tensor<D> {
    // The model owns its weights: a scope that it is loaded in must not dispose of them.
    this.#made.push(keep(tensor));
    return tensor;
  }

  /** Disposes of all tensors that were made. */
  [Symbol.dispose](): void {
    for (const tensor of this.#made) tensor.dispose();
    this.#made.length = 0;
  }
}

function isFloat32(tensor: Tensor): tensor is Tensor<"float32"> {
  return tensor.dtype === "float32";
}
