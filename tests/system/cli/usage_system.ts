import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import config from "../../../deno.json" with { type: "json" };
import { quern, withSmallModel } from "./run_command.ts";

const COMMANDS = [
  "generate",
  "chat",
  "pull",
  "info",
  "inspect",
  "tokenize",
  "logits",
  "perplexity",
  "quantize",
  "bench",
];

Deno.test("--help works everywhere, shows examples and writes to standard output only", async () => {
  const general = await quern(["--help"]);
  assertEquals([general.code, general.stderr], [0, ""]);
  for (const name of COMMANDS) {
    assertStringIncludes(general.stdout, `  ${name} `);
    const { code, stdout, stderr } = await quern([name, "--help"]);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, `Usage: quern ${name} `);
    assertStringIncludes(stdout, "Examples:\n  ");
    assertStringIncludes(stdout, "--memory-limit SIZE");
  }
  assertEquals((await quern(["help", "chat"])).stdout, (await quern(["chat", "-h"])).stdout);
});

Deno.test("--version prints the version that deno.json has", async () => {
  assertEquals(await quern(["--version"]), {
    code: 0,
    stdout: `quern ${config.version}\n`,
    stderr: "",
  });
});

/** Arguments, exit status and what the one line must say; MODEL stands for the small model. */
const WRONG: [string[], number, RegExp][] = [
  [["generat"], 2, /no command "generat"; did you mean generate\?/],
  [["frobnicate"], 2, /quern --help lists them/],
  [["--frobnicate"], 2, /no option --frobnicate/],
  [["--threads", "2"], 2, /a command is needed/],
  [["chat", "--prompt", "a"], 2, /--model is needed/],
  [["generate", "--model", "MODEL", "--max-tokns", "3"], 2, /did you mean --max-tokens\?/],
  [["generate", "--model", "MODEL", "--prompt"], 2, /--prompt needs a value/],
  [["generate", "--model", "--json"], 2, /--model needs a value/],
  [["generate", "--model", "MODEL", "--json=1"], 2, /--json takes no value/],
  [["generate", "--model", "MODEL", "stray"], 2, /unexpected argument "stray"; use --prompt/],
  [["generate", "--model", "MODEL", "-", "stray"], 2, /unexpected argument "stray"/],
  [["generate", "--model", "MODEL", "--prompt", "a", "--ids", "1"], 2, /exclude each other/],
  [["generate", "--model", "MODEL", "--prompt", ""], 2, /the prompt is empty/],
  [["generate", "--model", "MODEL", "--prompt", "a", "--stop", ""], 2, /--stop must not be empty/],
  [["inspect", "/dev/zero"], 1, /\/dev\/zero is a device; name a file/],
  [["generate", "--model", "MODEL", "--ids", "1,x"], 2, /list of token ids.*"x"/],
  [["generate", "--model", "MODEL", "--ids", "-1"], 2, /list of token ids/],
  [["generate", "--model", "MODEL", "--ids", "1,300"], 1, /300/],
  [
    ["generate", "--model", "MODEL", "--prompt", "a ".repeat(200)],
    1,
    /prompt has 201 tokens.*holds 128/,
  ],
  [["generate", "--model", "MODEL", "--prompt", "a", "--context-length", "999"], 1, /1 to 128/],
  ...numbers("--threads", ["0", "-1", "257", "1.5", "two", ""]),
  ...numbers("--max-tokens", ["0", "-1", "1e3", "many"]),
  ...numbers("--temperature", ["x", "-0.1", "Infinity", "NaN"]),
  ...numbers("--top-p", ["0", "2", "-1"]),
  ...numbers("--top-k", ["-1", "1.5"]),
  ...numbers("--min-p", ["1", "-1"]),
  ...numbers("--repeat-penalty", ["0"]),
  ...numbers("--seed", ["-1", "4294967296"]),
  ...numbers("--memory-limit", ["lots", "0", "-1", "5XB"]),
  [["generate", "--model", "MODEL", "--prompt", "a", "--precision", "high"], 2, /exact or fast/],
  [["generate", "--model", "MODEL", "--prompt", "a", "--memory-limit", "1KiB"], 1, /budget/],
  [["generate", "--model", "missing.gguf", "--prompt", "a"], 1, /no such file or folder/],
  [["generate", "--model", "smolm2", "--prompt", "a"], 1, /known name|did you mean/],
  [["generate", "--model", "", "--prompt", "a"], 1, /name is empty/],
  [["generate", "--model", "http://example.org/a.gguf", "--prompt", "a"], 1, /use https/],
  [["chat", "--model", "MODEL", "--json"], 2, /--json needs --prompt/],
  [["chat", "--model", "MODEL", "--prompt", ""], 2, /the prompt is empty/],
  [["pull"], 2, /an argument is missing/],
  [["pull", "nothing-known"], 1, /no model "nothing-known"/],
  [["inspect"], 2, /an argument is missing/],
  [["inspect", "a", "b"], 2, /unexpected argument "b"/],
  [["inspect", "missing.gguf"], 1, /no such file or folder/],
  [["inspect", "empty"], 1, /holds no \.safetensors or \.gguf/],
  [["tokenize", "--model", "missing"], 1, /no such file or folder/],
  [["logits", "--model", "MODEL", "--ids", "1"], 2, /--out is needed/],
  [["logits", "--model", "MODEL", "--out", "x.npy"], 2, /--ids is needed/],
  [["logits", "--model", "MODEL", "--ids", "1", "--out", "no/such/x.npy"], 1, /no such file/],
  [["logits", "--model", "MODEL", "--ids", "1,300", "--out", "x.npy"], 1, /300/],
  [["perplexity", "--model", "MODEL"], 2, /either --file FILE or --ids/],
  [["perplexity", "--model", "MODEL", "--file", "missing.txt"], 1, /missing\.txt: no such file/],
  [["perplexity", "--model", "MODEL", "--ids", "1"], 1, /fewer than two tokens/],
  [["bench"], 2, /an argument is missing/],
  [["bench", "decod"], 2, /did you mean decode\?/],
  [["bench", "decode", "--iters", "0"], 2, /--iters is a whole number from 1/],
];

function numbers(option: string, values: string[]): [string[], number, RegExp][] {
  return values.map((value) => [
    ["generate", "--model", "MODEL", "--prompt", "a", option, value],
    2,
    new RegExp(`${option} is a .* not ${JSON.stringify(value)}`),
  ]);
}

Deno.test("every wrong use ends with one clear line and the right exit status", async (t) => {
  await withSmallModel(async (model, folder) => {
    await Deno.mkdir(`${folder}/empty`);
    for (const [args, status, line] of WRONG) {
      await t.step(args.map((arg) => arg.slice(0, 20)).join(" "), async () => {
        const actual = args.map((arg) => arg === "MODEL" ? model : arg);
        const { code, stdout, stderr } = await quern(actual, { cwd: folder });
        assertMatch(stderr, /^quern: [^\n]+\n$/);
        assertMatch(stderr, line);
        assertEquals([code, stdout], [status, ""], stderr);
      });
    }
    const left = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
    assertEquals(left, ["empty", "small.gguf"], "no temporary file is left");
  });
});

Deno.test("a damaged or foreign model file ends with one line", async () => {
  await withSmallModel(async (model, folder) => {
    const bytes = await Deno.readFile(model);
    const cases: Record<string, Uint8Array> = {
      "half.gguf": bytes.subarray(0, bytes.length >> 1),
      "empty.gguf": new Uint8Array(),
      "page.gguf": new TextEncoder().encode("<!DOCTYPE html>"),
    };
    for (const [name, content] of Object.entries(cases)) {
      await Deno.writeFile(`${folder}/${name}`, content);
      for (const args of [["generate", "--prompt", "a", "--model"], ["inspect"]]) {
        const { code, stdout, stderr } = await quern([...args, `${folder}/${name}`]);
        assertMatch(stderr, /^quern: [^\n]+\n$/);
        assertStringIncludes(stderr, name);
        assertEquals([code, stdout], [1, ""]);
      }
    }
  });
  await withSmallModel(async (model) => {
    const { code, stderr } = await quern(["generate", "--prompt", "a", "--model", model]);
    assertMatch(stderr, /^quern: [^\n]*gibberish[^\n]*\n$/);
    assertEquals(code, 1);
  }, { metadata: { "general.architecture": "gibberish" } });
});

Deno.test("QUERN_DEBUG=1 shows a stack, which is hidden otherwise", async () => {
  const args = ["inspect", "missing.gguf"];
  assertMatch((await quern(args, { env: { QUERN_DEBUG: "1" } })).stderr, /\n {4}at /);
});
