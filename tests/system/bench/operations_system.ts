import { assertEquals } from "@std/assert";
import * as ops from "../../../lib/ops/mod.ts";

const BENCH = new URL("../../../bench/operations_bench.ts", import.meta.url);

Deno.test("bench/operations_bench.ts measures every operation", async () => {
  const source = await Deno.readTextFile(BENCH);
  const code = source.replace(/^import \{[^}]*\} from .*$/gm, "").replace(/\/\*.*?\*\//gs, "");
  const names = Object.entries(ops).filter(([, value]) => typeof value === "function")
    .map(([name]) => name);
  const missing = names.filter((name) => !new RegExp(`\\b${name}\\b(?=[(,\\s}])`).test(code));
  assertEquals(missing, []);
});
