/**
 * Hyperparameters and weights of a GGUF file, as an architecture asks for them.
 * Weights are views of the mapped file and are never copied.
 */
import type { DType } from "../core/dtype.ts";
import { formatShape, sameShape, type Shape } from "../core/shape.ts";
import type { Gguf } from "../formats/mod.ts";
import { keep, type Storage } from "../memory/mod.ts";
import { Tensor } from "../tensor/mod.ts";

const dtypeOfGgmlType: Readonly<Record<string, DType>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  Q8_0: "q8_0",
  Q4_0: "q4_0",
  Q4_1: "q4_1",
};

/** Reads one GGUF file for an architecture, and owns the tensors that it made. */
export class GgufWeights implements Disposable {
  readonly #gguf: Gguf;
  readonly #storage: Storage;
  readonly #name: string;
  readonly #made: Tensor[] = [];

  /**
   * Reads one file; no tensor is made yet.
   *
   * @param gguf The parsed file.
   * @param storage The mapped file.
   * @param name The file's name, for errors.
   */
  constructor(gguf: Gguf, storage: Storage, name: string) {
    this.#gguf = gguf;
    this.#storage = storage;
    this.#name = name;
  }

  /**
   * A number of the metadata.
   *
   * @param key Its key.
   * @param fallback What it is when the file does not say; an error when left out.
   * @returns The number.
   * @throws {SyntaxError} When it is missing or not a number.
   */
  number(key: string, fallback?: number): number {
    const value = this.#gguf.metadata.get(key) ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw new SyntaxError(
        `${this.#name}: metadata ${key} is ${
          value === undefined ? "missing" : "not a number"
        }; the model cannot be built without it`,
      );
    }
    return value;
  }

  /**
   * A size of the metadata.
   *
   * @param key Its key.
   * @param fallback What it is when the file does not say; an error when left out.
   * @returns An integer from 1 to 2^31 - 1.
   * @throws {SyntaxError} When it is missing or not such an integer.
   */
  size(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (!Number.isInteger(value) || value < 1 || value > 0x7fffffff) {
      throw new SyntaxError(`${this.#name}: metadata ${key} is ${value}, expected a positive size`);
    }
    return value;
  }

  /**
   * A text of the metadata.
   *
   * @param key Its key.
   * @returns The text; undefined when it is missing.
   */
  text(key: string): string | undefined {
    const value = this.#gguf.metadata.get(key);
    return typeof value === "string" ? value : undefined;
  }

  /**
   * Says that the file contradicts itself.
   *
   * @param what How, for the message.
   * @throws {SyntaxError} Always.
   */
  malformed(what: string): never {
    throw new SyntaxError(`${this.#name}: ${what}`);
  }

  /**
   * Says that the file describes something that is not supported.
   *
   * @param what What it is, for the message.
   * @throws {RangeError} Always.
   */
  unsupported(what: string): never {
    throw new RangeError(`${this.#name}: ${what} is not supported`);
  }

  /**
   * Whether the file has a tensor.
   *
   * @param name Its name.
   * @returns True when it does.
   */
  has(name: string): boolean {
    return this.#gguf.tensors.has(name);
  }

  /**
   * The number of rows of a tensor, without making it.
   *
   * @param name Its name.
   * @returns The extent of its first axis; 0 when there is no such tensor.
   */
  rows(name: string): number {
    return this.#gguf.tensors.get(name)?.shape[0] ?? 0;
  }

  /**
   * A weight, as a view of the file.
   *
   * @param name Its name.
   * @param shape What its shape must be.
   * @returns A tensor that lives as long as this object.
   * @throws {SyntaxError} When it is missing or has another shape.
   * @throws {RangeError} When its type is not supported.
   */
  tensor(name: string, shape: Shape): Tensor<DType> {
    const entry = this.#gguf.tensors.get(name);
    if (entry === undefined) {
      throw new SyntaxError(`${this.#name}: tensor ${name} is missing`);
    }
    if (!sameShape(entry.shape, shape)) {
      throw new SyntaxError(
        `${this.#name}: tensor ${name} is ${formatShape(entry.shape)}, ` +
          `expected ${formatShape(shape)} from the metadata`,
      );
    }
    const dtype = dtypeOfGgmlType[entry.type];
    if (dtype === undefined) {
      throw new RangeError(
        `${this.#name}: tensor ${name} is stored as ${entry.type}, which is not supported; ` +
          `use a file with ${Object.keys(dtypeOfGgmlType).join(", ")}`,
      );
    }
    this.#storage.retain();
    // The model owns its weights: a scope that it is loaded in must not dispose of them.
    const tensor = keep(new Tensor(this.#storage, entry.offset, entry.shape, dtype));
    this.#made.push(tensor);
    return tensor;
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
    if (tensor.dtype !== "float32") {
      throw new RangeError(
        `${this.#name}: tensor ${name} is stored as ${tensor.dtype}, expected float32`,
      );
    }
    return tensor as Tensor<"float32">;
  }

  /** Disposes of all tensors that were made. */
  [Symbol.dispose](): void {
    for (const tensor of this.#made) tensor.dispose();
    this.#made.length = 0;
  }
}
