/**
 * The shape of a progress report.
 *
 * Long work (downloads, loading, training, measuring) reports how far it is
 * through an `onProgress` callback and never prints by itself. The type lives
 * at the bottom of the layers so that everything above can report alike.
 *
 * @module
 */

/**
 * How far some long work is. Reports of one stage never go back, and a stage
 * with a known total ends with `completed === total`.
 */
export interface Progress {
  /** What is being done, as a short phrase for people: `"downloading smollm2"`. */
  stage: string;
  /** How many units are done. */
  completed: number;
  /** How many units there are, or `undefined` while nobody knows. */
  total: number | undefined;
  /** What is counted. */
  unit: "bytes" | "tokens" | "texts" | "files" | "steps";
}
