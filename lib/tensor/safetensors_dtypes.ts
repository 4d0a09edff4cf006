/**
 * The dtypes that tensors and safetensors files have in common.
 */
import type { PlainDType } from "../core/dtype.ts";

const storedNames: Readonly<Record<PlainDType, string>> = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  float64: "F64",
  int32: "I32",
  int64: "I64",
  uint8: "U8",
  bool: "BOOL",
};

const dtypes = new Map(Object.entries(storedNames).map(([dtype, stored]) => [stored, dtype]));

/**
 * The name that a file gives a dtype.
 *
 * @param dtype The dtype of a tensor.
 * @returns For example `F32`; undefined where files have no such dtype.
 */
export function storedDType(dtype: string): string | undefined {
  return Object.hasOwn(storedNames, dtype) ? storedNames[dtype as PlainDType] : undefined;
}

/**
 * The dtype that a file's name stands for.
 *
 * @param stored The name in the file, for example `F32`.
 * @returns The dtype; undefined where tensors have no such dtype.
 */
export function dtypeOfStored(stored: string): PlainDType | undefined {
  return dtypes.get(stored) as PlainDType | undefined;
}

/** The names that tensors have a dtype for, for messages. */
export const storedDTypes: string = [...dtypes.keys()].join(", ");
