/**
 * A plugin for `deno lint` that finds tensors, buffers, models and sessions
 * that nothing disposes of.
 *
 * Name it in `deno.json`, from the registry or as a path to this file (the names
 * of an import map do not work there):
 *
 * ```json
 * { "lint": { "plugins": ["jsr:@quern/quern/lint"] } }
 * ```
 *
 * ## `quern/no-undisposed`
 *
 * A result must be taken over by something: bound with `using`, disposed of,
 * kept with `keep()`, returned, stored in a property, an array or an outer
 * variable, passed as `out` or to a function that may keep it, or made inside
 * `scope()`. These are reported:
 *
 * ```ts ignore
 * add(x, y);                              // the result is lost
 * using y = softmax(matmul(q, k));        // that of matmul() is lost
 * const z = linear(x, w);                 // never disposed of; --fix writes `using`
 * console.log(z.get(0));
 * using t = Tensor.ones([4]).reshape([2, 2]); // the tensor before reshape() is lost
 * ```
 *
 * These are not:
 *
 * ```ts ignore
 * using y = linear(x, w);
 * add(x, y, { out: y });
 * const z = linear(x, w);
 * try { use(z); } finally { z.dispose(); }
 * using top = scope(() => softmax(matmul(q, k)));
 * ```
 *
 * Imports are followed under any name, from `@quern/quern` and its entry points
 * as an import map, JSR or npm names them. The rule looks at one file and does
 * not run it: it stays silent where a file does not show what becomes of a
 * value. `assertNoLeaks()` of `@quern/quern/testing` finds what it cannot see.
 *
 * A line that is right as it is can say so: `// deno-lint-ignore quern/no-undisposed`.
 *
 * @example
 * ```ts
 * import plugin from "@quern/quern/lint";
 *
 * console.log(plugin.name, Object.keys(plugin.rules)); // quern [ "no-undisposed" ]
 * ```
 *
 * @module
 */
import { noUndisposed } from "./lib/lint/no_undisposed.ts";

/** The plugin, as `deno lint` loads it. */
const plugin: Deno.lint.Plugin = {
  name: "quern",
  rules: { "no-undisposed": noUndisposed },
};

export default plugin;
