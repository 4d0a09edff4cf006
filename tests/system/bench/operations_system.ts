import { assertEquals } from "@std/assert";
import * as ops from "../../../lib/ops/mod.ts";
import { unaryFunctions } from "../../ops/unary_functions.ts";

const BENCH = new URL("../../../bench/operations_bench.ts", import.meta.url);

Deno.test("bench/operations_bench.ts measures every operation", async () => {
  const source = await Deno.readTextFile(BENCH);
  const code = source.replace(/^import \{[^}]*\} from .*$/gm, "").replace(/\/\*.*?\*\//gs, "");
  const names = Object.entries(ops).filter(([, value]) => typeof value === "function")
    .map(([name]) => name);
  const isMeasured = (name: string) => new RegExp(`\\b${name}\\b(?=[(,\\s}])`).test(code);
  assertEquals(code.includes("unaryFunctions"), true);
  const missing = names.filter((name) => !(name in unaryFunctions) && !isMeasured(name));
  assertEquals(missing, []);
});
