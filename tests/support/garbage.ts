/**
 * Garbage collections on demand, for tests of what happens to objects that
 * nobody holds any more.
 */
import { collectGarbage as collect } from "../../lib/cli/garbage.ts";

/** Collects all garbage, and lets the callbacks of finalisation registries run. */
export async function collectGarbage(): Promise<void> {
  collect();
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Collects until something holds, at most ten times; says whether it does. */
export async function collectUntil(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 10 && !holds(); i++) await collectGarbage();
  return holds();
}
