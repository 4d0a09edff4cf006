/**
 * What the native library calls each dtype.
 */
import type { DType } from "../core/dtype.ts";
import { NativeDType } from "./symbols.ts";

/** The native code of each dtype. */
export const dtypeCodes: Readonly<Record<DType, number>> = {
  float32: NativeDType.F32,
  float16: NativeDType.F16,
  bfloat16: NativeDType.BF16,
  float64: NativeDType.F64,
  int32: NativeDType.I32,
  int64: NativeDType.I64,
  uint8: NativeDType.U8,
  bool: NativeDType.BOOL,
  q8_0: NativeDType.Q8_0,
  q4_0: NativeDType.Q4_0,
  q4_1: NativeDType.Q4_1,
};
