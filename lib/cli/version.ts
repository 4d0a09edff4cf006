/**
 * The version of the package, the same as in `deno.json`; a test compares the two.
 *
 * @module
 */

/** The version of this package. */
export const VERSION = "0.1.0";
