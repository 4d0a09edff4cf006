/**
 * Running models: loading, sessions, generation, vectors of texts.
 */
export {
  Embedder,
  type EmbedderConfig,
  type EmbedOptions,
  type LoadEmbedderOptions,
} from "./embedder.ts";
export { Embeddings } from "./embeddings.ts";
export type { Generation, GenerationSummary, Piece, StopReason } from "./generation.ts";
export type { LanguageModel } from "./language_model.ts";
export { loadDecoder, type LoadDecoderOptions, type LoadedDecoder } from "./load_decoder.ts";
export { loadDefaultModel, loadModel, type LoadModelOptions } from "./load_model.ts";
export type { Pooling } from "./pooling.ts";
export { type QuantizedModel, quantizeModel, type QuantizeModelOptions } from "./quantize_model.ts";
export type { SamplerOptions } from "./sampler.ts";
export type {
  GenerateOptions,
  Perplexity,
  Session,
  SessionOptions,
  WorkOptions,
} from "./session.ts";
export { saveDecoder, type SaveDecoderOptions } from "./save_decoder.ts";
export { semanticSearch, similarity, type SimilarityOptions } from "./similarity.ts";
export {
  type Classification,
  type ClassifierInput,
  type ClassifyOptions,
  type RankedDocument,
  type RankOptions,
  TextClassifier,
} from "./text_classifier.ts";
export {
  type LoadTrainableEmbedderOptions,
  TrainableEmbedder,
  type TrainableEmbedOptions,
} from "./trainable_embedder.ts";
export type { VectorDType } from "./vector_rows.ts";
export {
  type AddOptions,
  type SearchHit,
  type SearchOptions,
  VectorStore,
  type VectorStoreOptions,
} from "./vector_store.ts";
export type { Metric, Vectors } from "./vectors.ts";
