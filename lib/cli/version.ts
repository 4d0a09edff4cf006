/**
 * The version, from the one place that has it.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };

/** The version of this package. */
export const VERSION: string = config.version;
