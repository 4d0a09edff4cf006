/**
 * The `--precision` option.
 *
 * @module
 */

import type { ParsedOptions } from "./options.ts";

/** The precision that was asked for; fast when nothing was said. */
export function precisionOf(options: ParsedOptions): "exact" | "fast" {
  return options.text("precision") === "exact" ? "exact" : "fast";
}
