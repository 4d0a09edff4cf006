/**
 * The tensors of a GGUF file: views of the mapped file, never copied.
 */
import type { DType } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import type { Gguf } from "../formats/mod.ts";
import type { Storage } from "../memory/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import type { StoredTensors } from "./weights.ts";

/** A type of GGUF files that there is a dtype for. */
export type GgmlType = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0" | "Q4_1";

const dtypeOfGgmlType = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  Q8_0: "q8_0",
  Q4_0: "q4_0",
  Q4_1: "q4_1",
} as const satisfies Readonly<Record<GgmlType, DType>>;

/** Their names. */
export const ggmlTypes = Object.keys(dtypeOfGgmlType) as GgmlType[];

/**
 * The dtype of a type.
 *
 * @param type Its name.
 * @returns The dtype; undefined where there is none.
 */
export function dtypeOfGgml<T extends string>(
  type: T,
): T extends GgmlType ? (typeof dtypeOfGgmlType)[T] : DType | undefined;
export function dtypeOfGgml(type: string): DType | undefined {
  return Object.hasOwn(dtypeOfGgmlType, type) ? dtypeOfGgmlType[type as GgmlType] : undefined;
}

/** Finds tensors by the names that the file gives them. */
export class GgufTensors implements StoredTensors {
  /** The file's name, for errors. */
  readonly name: string;
  readonly #gguf: Gguf;
  readonly #storage: Storage;

  /**
   * No tensor is made yet.
   *
   * @param gguf The parsed file.
   * @param storage The mapped file.
   * @param name The file's name, for errors.
   */
  constructor(gguf: Gguf, storage: Storage, name: string) {
    this.#gguf = gguf;
    this.#storage = storage;
    this.name = name;
  }

  /**
   * The shape of a tensor.
   *
   * @param name Its name.
   * @returns The shape; undefined when there is none of that name.
   */
  shape(name: string): Shape | undefined {
    return this.#gguf.tensors.get(name)?.shape;
  }

  /**
   * Makes a tensor over the file.
   *
   * @param name The name of one that there is.
   * @returns The tensor, the caller's to dispose of.
   * @throws {RangeError} When its type is not supported.
   */
  open(name: string): Tensor<DType> {
    const { type, offset, shape } = this.#gguf.tensors.get(name)!;
    const dtype = dtypeOfGgml(type);
    if (dtype === undefined) {
      throw new RangeError(
        `${this.name}: tensor ${name} is stored as ${type}, which is not supported; ` +
          `use a file with ${ggmlTypes.join(", ")}`,
      );
    }
    this.#storage.retain();
    return new Tensor(this.#storage, offset, shape, dtype);
  }
}
