/**
 * The families of operations that `quern bench` measures, by name.
 *
 * @module
 */

import { attentionFamily } from "./attention_cases.ts";
import { blockFamily } from "./block_cases.ts";
import { copyFamily } from "./copy_cases.ts";
import { geluFamily } from "./gelu_cases.ts";
import { matmulFamily } from "./matmul_cases.ts";
import type { OperationFamily } from "./operation_family.ts";
import { reduceFamily } from "./reduce_cases.ts";
import { normFamily, softmaxFamily } from "./row_cases.ts";
import { trainFamily } from "./train_cases.ts";

/** All of them. */
export const FAMILIES: Readonly<Record<string, OperationFamily>> = {
  matmul: matmulFamily,
  gelu: geluFamily,
  layernorm: normFamily,
  softmax: softmaxFamily,
  reduce: reduceFamily,
  copy: copyFamily,
  attention: attentionFamily,
  block: blockFamily,
  train: trainFamily,
};
