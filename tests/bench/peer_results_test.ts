import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { Samples } from "../../bench/peers/alternation.ts";
import { caseId, CASES } from "../../bench/peers/cases.ts";
import { PEERS } from "../../bench/peers/contenders.ts";
import { plotOf } from "../../bench/peers/plot.ts";
import {
  type CaseResult,
  formatResults,
  type Machine,
  mergeResults,
  parseResults,
  type Results,
  summarise,
} from "../../bench/peers/results.ts";
import { replaceSection, sectionOf, tablesOf, threeDigits } from "../../bench/peers/tables.ts";

const machine: Machine = { processor: "a", system: "b", versions: { Quern: "1" } };
const [first, second] = CASES;

function samplesOf(name: string, seconds: number[], isOurs = false): Samples {
  return { name, isOurs, seconds, idle: 0 };
}

/** A result in which Quern takes a second and each named peer as long as it is given. */
function resultOf(id: string, threads: number, peers: Record<string, number>): CaseResult {
  const variants = id.startsWith("gemm") ? ["linear", "matmul"] : [""];
  const each = <T>(value: T) => Object.fromEntries(variants.map((name) => [name, value]));
  const timed = Object.entries(peers).map(([name, ratio]) =>
    [name, { seconds: ratio, ratios: each(ratio) }] as const
  );
  return {
    id,
    threads,
    rounds: 3,
    date: "2026-01-02",
    ours: each({ seconds: 1 }),
    peers: Object.fromEntries(timed),
  };
}

Deno.test("summarise() takes the median of each round's ratio, not the ratio of medians", () => {
  const result = summarise(first, 2, "2026-01-02", [
    samplesOf("Quern linear", [1, 2, 4], true),
    samplesOf("Quern matmul", [2, 2, 2], true),
    samplesOf("torch", [3, 2, 8]),
    // Packs its weights, which `matmul` does not.
    samplesOf("onnxruntime", [1, 2, 4]),
  ]);
  assertEquals(result, {
    id: caseId(first),
    threads: 2,
    rounds: 3,
    date: "2026-01-02",
    ours: { linear: { seconds: 2 }, matmul: { seconds: 2 } },
    // 3, 1, 2 times linear; 1.5, 1, 4 times matmul.
    peers: {
      torch: { seconds: 3, ratios: { linear: 2, matmul: 1.5 } },
      onnxruntime: { seconds: 2, ratios: { linear: 1 } },
    },
  });
});

Deno.test("summarise() keeps an operation's only variant under the empty name", () => {
  const softmax = CASES.find(({ family }) => family === "softmax")!;
  const { ours, peers } = summarise(softmax, 1, "2026-01-02", [
    samplesOf("Quern", [1e-6], true),
    samplesOf("numpy", [3.33333e-6]),
  ]);
  assertEquals(ours, { "": { seconds: 1e-6 } });
  assertEquals(peers, { numpy: { seconds: 3.333e-6, ratios: { "": 3.333 } } });
});

Deno.test("summarise() keeps the peaks of cases that have processes of their own", () => {
  const samples = [
    { ...samplesOf("Quern", [1], true), peak: 5e6 },
    { ...samplesOf("torch", [2]), peak: 20e6 },
    samplesOf("numpy", [3]),
  ];
  const training = CASES.find(({ family }) => family === "train")!;
  const { ours, peers } = summarise(training, 1, "2026-01-02", samples);
  assertEquals([ours[""].peak, peers.torch.peak, peers.numpy.peak], [5e6, 20e6, undefined]);
  const softmax = CASES.find(({ family }) => family === "softmax")!;
  assertEquals(summarise(softmax, 1, "2026-01-02", samples).ours[""].peak, undefined);
});

Deno.test("mergeResults() replaces a case's line and keeps the others, in the list's order", () => {
  const old: Results = {
    machine: { ...machine, versions: { Quern: "1", torch: "2" } },
    cases: [
      resultOf(caseId(second), 1, { torch: 1 }),
      resultOf(caseId(first), 2, { torch: 1 }),
      resultOf("a case that is gone", 1, {}),
    ],
  };
  const fresh: Results = {
    machine: { ...machine, versions: { Quern: "3" } },
    cases: [resultOf(caseId(second), 1, { torch: 9 }), resultOf(caseId(first), 1, {})],
  };
  const { machine: { versions }, cases } = mergeResults(old, fresh);
  assertEquals(versions, { Quern: "3", torch: "2" });
  assertEquals(cases.map(({ id, threads }) => [id, threads]), [
    [caseId(first), 1],
    [caseId(first), 2],
    [caseId(second), 1],
  ]);
  assertEquals(cases[2].peers.torch.seconds, 9);
});

Deno.test("mergeResults() begins anew on another machine", () => {
  const fresh = { machine, cases: [resultOf(caseId(first), 1, {})] };
  const old = {
    machine: { ...machine, processor: "c" },
    cases: [resultOf(caseId(second), 1, {})],
  };
  assertEquals(mergeResults(old, fresh), fresh);
  assertEquals(mergeResults(undefined, fresh), fresh);
});

Deno.test("formatResults() writes a line for each case, which parseResults() reads", () => {
  const results = { machine, cases: [resultOf(caseId(first), 1, { numpy: 2 })] };
  const text = formatResults(results);
  assertEquals(text.split("\n").length, 3);
  assertEquals(parseResults(text), results);
});

Deno.test("threeDigits() shows three digits, and no exponent", () => {
  assertEquals([0.00123, 0.986, 1.015, 45.67, 234.5, 12345].map(threeDigits), [
    "0.00123",
    "0.986",
    "1.01",
    "45.7",
    "235",
    "12345",
  ]);
});

Deno.test("tablesOf() gives each variant a table with both numbers of threads and the least", () => {
  const [linear, matmul, ...others] = tablesOf({
    machine,
    cases: [
      resultOf("gemm 512×512×512", 1, { numpy: 1.5, torch: 2 }),
      resultOf("gemm 512×512×512", 2, { numpy: 1.25 }),
      resultOf("gemm 8×768×768", 1, { numpy: 4 }),
    ],
  });
  assertEquals(linear.rows, [
    ["", "`linear`, GFLOP/s", "numpy", "torch", "least"],
    ["512×512×512", "0.268 / 0.268", "1.50 / 1.25", "2.00 / –", "1.50 / 1.25"],
    ["8×768×768", "0.00944 / –", "4.00 / –", "", "4.00 / –"],
  ]);
  assertEquals([matmul.title, others], ["Matrix products, `matmul`", []]);
});

Deno.test("tablesOf() shows peaks of memory in a table of their own, the peers' by Quern's", () => {
  const training = CASES.find(({ family }) => family === "train")!;
  const result = summarise(training, 2, "2026-01-02", [
    { ...samplesOf("Quern", [1], true), peak: 5e6 },
    { ...samplesOf("torch", [2]), peak: 20e6 },
  ]);
  const [times, peaks] = tablesOf({ machine, cases: [result] });
  assertEquals(times.rows[1], [training.label, "1000", "2.00", "2.00"]);
  assertEquals(peaks.title, "Training steps, peak memory");
  assertEquals(peaks.rows, [["", "Quern, MB", "torch"], [training.label, "5.00", "4.00"]]);
});

Deno.test("replaceSection() replaces what is between the marks and nothing else", () => {
  const begin = "<!-- bench:peers begins: written by the task, not by hand -->";
  const end = "<!-- bench:peers ends -->";
  const document = `# A\n\n${begin}\n\nold\n\n${end}\n\n# B\n`;
  const replaced = `# A\n\n${begin}\n\nnew\n\n${end}\n\n# B\n`;
  assertEquals(replaceSection(document, "new"), replaced);
  assertEquals(replaceSection(replaced, "new"), replaced);
  assertThrows(() => replaceSection("# A\n", "new"), Error, "has no lines");
  assertThrows(() => replaceSection(`${end}\n${begin}\n`, "new"), Error, "has no lines");
});

Deno.test("sectionOf() names the machine, the versions, and links to the picture", () => {
  const cases = [1, 2].map((threads) => resultOf("softmax 128×128", threads, { numpy: 2 }));
  const section = sectionOf({ machine, cases }, "picture.svg");
  assertMatch(section, /on 2026-01-02 on a, b; medians of 3 rounds\. Quern 1\./);
  assertMatch(section, /\]\(picture\.svg\)/);
  assertMatch(
    section,
    /\n### Softmax\n\n.*\n\n\| {2}\| Quern, G elements\/s \| numpy \| least \|\n/,
  );
});

/** Where a peer's mark stands, by its title. */
function markOf(plot: string, title: string): { x: number; y: number } {
  const [, x, y] = plot.match(
    new RegExp(`translate\\(([\\d.]+) ([\\d.]+)\\)"[^>]*><title>[^<]*${title}`),
  )!;
  return { x: Number(x), y: Number(y) };
}

Deno.test("plotOf() puts marks where the logarithm of the ratio is, and far ones at the end", () => {
  const ratios = [0.1, 0.5, 1, 2, 16, 300];
  const peers = Object.fromEntries(PEERS.map((name, index) => [name, ratios[index]]));
  const plot = plotOf({ machine, cases: [resultOf("softmax 128×128", 1, peers)] });
  const places = PEERS.map((name) => markOf(plot, `${name}: `));
  const [beyond, half, one, two, sixteen, far] = places.map(({ x }) => x);
  assertEquals([beyond, far], [half, sixteen]);
  assert(Math.abs((one - half) - (two - one)) < 0.2 && one > half);
  assert(Math.abs((sixteen - one) - 4 * (two - one)) < 0.2);
  assertEquals(new Set(places.map(({ y }) => y)).size, 1);
});

Deno.test("plotOf() has a panel for each number of threads, and all inside the picture", () => {
  const cases = CASES.flatMap((one) =>
    [1, 2].map((threads) => resultOf(caseId(one), threads, { torch: 20 }))
  );
  const plot = plotOf({ machine, cases });
  const [, width, height] = plot.match(/viewBox="0 0 (\d+) (\d+)"/)!.map(Number);
  assertMatch(plot, />1 thread: .*>2 threads: /s);
  const marks = [...plot.matchAll(/translate\(([\d.]+) ([\d.]+)\)/g)];
  const gemms = CASES.filter(({ family }) => family === "gemm").length;
  assertEquals(marks.length, PEERS.length + 2 * (CASES.length + gemms));
  for (const [, x, y] of marks) assert(Number(x) < width && Number(y) < height);
});

Deno.test("plotOf() is well-formed: every element is closed", () => {
  const plot = plotOf({ machine, cases: [resultOf("add 1M", 1, { numpy: 1 })] });
  const open: string[] = [];
  for (const [, slash, name, empty] of plot.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (slash === "/") assertEquals(open.pop(), name);
    else if (empty !== "/") open.push(name);
  }
  assertEquals(open, []);
  assert(!plot.includes("NaN") && !plot.includes("undefined"));
});
