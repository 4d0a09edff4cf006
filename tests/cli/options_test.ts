import { assertEquals, assertThrows } from "@std/assert";
import { nearest, type OptionTable, parseOptions } from "../../lib/cli/options.ts";
import { errorReport, exitStatusOf, oneLine, UsageError } from "../../lib/cli/errors.ts";
import { formatTable, markdownTable } from "../../lib/cli/output.ts";
import { median, rowOf, rowsTable } from "../../lib/cli/bench/rows.ts";

const TABLE: OptionTable = {
  count: { type: "integer", value: "N", min: 0, max: 10, help: "" },
  share: { type: "number", value: "P", min: 0, aboveMin: true, max: 1, help: "" },
  text: { type: "text", value: "T", help: "", multiple: true },
  kind: { type: "text", value: "K", choices: ["a", "b"], help: "" },
  ids: { type: "ids", value: "1,2", help: "" },
  size: { type: "size", value: "S", help: "" },
  loud: { type: "flag", help: "" },
};

Deno.test("parseOptions() reads every kind of option, in either spelling", () => {
  const options = parseOptions(
    ["--count", "3", "pos", "--share=.5", "--text", "a", "--text=--x", "--loud", "--ids", "1, 2,3"]
      .concat(["--size", "1KiB", "--kind", "b", "--", "--count"]),
    TABLE,
  );
  assertEquals(options.number("count"), 3);
  assertEquals(options.number("share"), 0.5);
  assertEquals(options.texts("text"), ["a", "--x"]);
  assertEquals(options.flag("loud"), true);
  assertEquals(options.ids("ids"), [1, 2, 3]);
  assertEquals(options.number("size"), 1024);
  assertEquals(options.text("kind"), "b");
  assertEquals(options.positionals, ["pos", "--count"]);
  assertEquals(options.text("absent"), undefined);
});

Deno.test("parseOptions() takes texts that begin with a dash, unless they are an option", () => {
  assertEquals(parseOptions(["--text", "- a list"], TABLE).texts("text"), ["- a list"]);
  assertEquals(parseOptions(["--text", "--unknown"], TABLE).texts("text"), ["--unknown"]);
  assertThrows(() => parseOptions(["--text", "--loud"], TABLE), UsageError, "--text needs a value");
});

Deno.test("parseOptions() explains a value that does not fit in one line", () => {
  const wrong: [string[], string][] = [
    [["--count", "-1"], '--count is a whole number from 0 to 10, not "-1"'],
    [["--count", "11"], "from 0 to 10"],
    [["--count", ""], "a whole number"],
    [["--count", "0x1"], "a whole number"],
    [["--share", "0"], '--share is a number above 0 to 1, not "0"'],
    [["--kind", "c"], '--kind is a or b, not "c"'],
    [["--ids", ""], "list of token ids"],
    [["--ids", "1,,2"], "list of token ids"],
    [["--ids", "99999999999"], "list of token ids"],
    [["--size", "0"], "a size above 0"],
    [["--cuont", "1"], "did you mean --count?"],
    [["-x"], "no option -x"],
    [["--constructor"], "no option --constructor"],
    [["--loud=yes"], "takes no value"],
    [["--text"], "--text needs a value: --text T"],
  ];
  for (const [args, message] of wrong) {
    assertThrows(() => parseOptions(args, TABLE), UsageError, message);
  }
});

Deno.test("nearest() finds what was mistyped and suggests nothing far", () => {
  const names = ["generate", "chat", "tokenize", "perplexity"];
  assertEquals(nearest("generat", names), "generate");
  assertEquals(nearest("hcat", names), "chat");
  assertEquals(nearest("tok", names), "tokenize");
  assertEquals(nearest("perplexty", names), "perplexity");
  assertEquals(nearest("frobnicate", names), undefined);
});

Deno.test("errorReport() is one line without control characters", () => {
  assertEquals(errorReport(new Error("a\nb\x1b[31m")), "quern: a; b [31m");
  assertEquals(errorReport("text"), "quern: text");
  assertEquals(oneLine("a \r\n b\n"), "a; b;");
  assertEquals(exitStatusOf(new UsageError("x")), 2);
  assertEquals(exitStatusOf(new Error("x")), 1);
});

Deno.test("tables align numbers to the right, in text and in Markdown", () => {
  const rows = [["name", "n"], ["a", "1000"], ["long name", "1"]];
  assertEquals(
    formatTable(rows, new Set([1])),
    "name          n\na          1000\nlong name     1",
  );
  assertEquals(
    markdownTable(rows.slice(0, 2), new Set([1])),
    "| name | n |\n| --- | --: |\n| a | 1000 |",
  );
});

Deno.test("a benchmark's row has the median, the least and tokens a second", () => {
  assertEquals(median([5, 1, 3]), 3);
  assertEquals(median([4, 1, 3, 2]), 2.5);
  const figures = { nativeAllocationsPerOp: 0, heapBytesPerOp: 8, garbageCollections: 0 };
  const common = { shape: "128", threads: 2, itemsPerOp: 128, ...figures };
  const row = rowOf({ ...common, name: "prefill", ns: [2e9, 1e9, 4e9] });
  assertEquals([row.medianNs, row.minNs, row.itemsPerSecond, row.iterations], [2e9, 1e9, 64, 3]);
  const peer = rowOf({ ...common, name: "peer", ns: [1e9] });
  const table = rowsTable([row, peer], "markdown");
  assertEquals(
    table.split("\n").at(2),
    "| prefill | 128 | 2 | 3 | 2000.000 | 1000.000 | 64.0 | 0.50 |",
  );
});
