/**
 * Running models: loading, sessions, generation.
 */
export {
  Generation,
  type GenerationDriver,
  type GenerationPlan,
  type GenerationSummary,
  type Piece,
  type StopReason,
} from "./generation.ts";
export { KvCache } from "./kv_cache.ts";
export { LanguageModel } from "./language_model.ts";
export { loadModel, type LoadModelOptions } from "./load_model.ts";
export { Sampler, type SamplerOptions } from "./sampler.ts";
export {
  type GenerateOptions,
  type Perplexity,
  Session,
  type SessionOptions,
  type WorkOptions,
} from "./session.ts";
export { type StopMatch, StopMatcher } from "./stop_matcher.ts";
