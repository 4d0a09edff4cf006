/**
 * Helpers for tests of programs that use Quern: leaks of tensors and buffers
 * are found, with the line that made them.
 *
 * @example
 * ```ts
 * import { linear, Tensor } from "@quern/quern";
 * import { assertNoLeaks } from "@quern/quern/testing";
 *
 * assertNoLeaks(() => {
 *   using x = Tensor.ones([2, 8]);
 *   using y = linear(x, x);
 *   console.log(y.shape); // [2, 2]
 * });
 * ```
 *
 * @module
 */
export { assertNoLeaks, type Leak, LeakError, withoutLeaks } from "./lib/memory/leaks.ts";
