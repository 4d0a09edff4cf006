/**
 * Architectures, one a file, and the table that finds them by the name a GGUF
 * file gives.
 */
import type { GgufArchitecture } from "./causal_model.ts";
import { llamaFromGguf } from "./llama.ts";

export type {
  CacheShape,
  CausalModel,
  ForwardOptions,
  GgufArchitecture,
  KeyValueCache,
  WantedLogits,
  Workspace,
} from "./causal_model.ts";
export { Llama } from "./llama.ts";
export type { LlamaConfig } from "./llama_config.ts";

const architectures: ReadonlyMap<string, GgufArchitecture> = new Map([
  ["llama", llamaFromGguf],
]);

/**
 * The architecture of a GGUF file.
 *
 * @param architecture The value of `general.architecture`.
 * @param name The file's name, for the error.
 * @returns A function that makes the model.
 * @throws {RangeError} When the architecture is not supported.
 */
export function ggufArchitecture(architecture: unknown, name: string): GgufArchitecture {
  const found = architectures.get(String(architecture));
  if (found === undefined) {
    throw new RangeError(
      `${name}: the architecture ${JSON.stringify(architecture ?? "(none)")} is not supported; ` +
        `Quern runs ${[...architectures.keys()].join(", ")}`,
    );
  }
  return found;
}
