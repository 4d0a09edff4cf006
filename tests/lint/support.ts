/** Runs the lint plugin over sources, and applies its fixes. */
import plugin from "@quern/quern/lint";

/** What the sources of tests begin with. */
export const imports =
  `import { add, addInPlace, keep, linear, pool, ropeTable, scope, softmax, Tensor, Workspace } from "@quern/quern";
import { loadModel } from "@quern/quern/models";
`;

/** What the plugin says of a source. */
export function lint(source: string): Deno.lint.Diagnostic[] {
  return Deno.lint.runPlugin(plugin, "main.ts", source);
}

/** The pieces of a source that the plugin reports, in their order. */
export function reported(source: string): string[] {
  return lint(source).map(({ range: [start, end] }) => source.slice(start, end));
}

/** A source with all fixes applied, as `deno lint --fix` does. */
export function fixed(source: string): string {
  const fixes = lint(source).flatMap(({ fix }) => fix ?? []);
  fixes.sort((a, b) => b.range[0] - a.range[0]);
  return fixes.reduce(
    (text, { range: [start, end], text: inserted = "" }) =>
      text.slice(0, start) + inserted + text.slice(end),
    source,
  );
}
