import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { readNpy, writeNpz, writeSafetensors } from "../../../lib/formats/mod.ts";
import { smallGguf } from "../../support/small_gguf.ts";
import { smallTokenizer } from "../../tokenizers/small_tokenizer.ts";
import { quern, withSmallModel } from "./run_command.ts";

Deno.test("tokenize turns exact standard input into ids and back", async () => {
  await withSmallModel(async (model) => {
    const text = "  the\u00a0 caf\u00e9\r\n\t\u{1f980} end\n\n";
    const { code, stdout, stderr } = await quern(["tokenize", "--model", model], { input: text });
    assertEquals([code, stderr], [0, ""]);
    assert(/^\[[\d,]+\]\n$/.test(stdout), stdout);
    const back = await quern(["tokenize", "--model", model, "--decode"], { input: stdout });
    assertEquals(back.stdout, text);
    assertEquals((await quern(["tokenize", "--model", model], { input: "" })).stdout, "[]\n");
  });
});

Deno.test("tokenize works with a file that holds a vocabulary and no tensors", async () => {
  const tensors = Object.fromEntries(
    [...smallGguf().weights.keys()].map((name) => [name, undefined]),
  );
  await withSmallModel(async (model) => {
    const added = await quern(["tokenize", "--model", model], { input: "the" });
    const plain = await quern(["tokenize", "--model", model, "--no-special"], { input: "the" });
    assertEquals(JSON.parse(added.stdout), [1, ...JSON.parse(plain.stdout)]);
    const env = { QUERN_LIBRARY: "/nonexistent/libquern.so" };
    const bare = await quern(["tokenize", "--model", model], { input: "the", env });
    assertEquals(bare.stdout, added.stdout);
  }, { tensors, metadata: { "tokenizer.ggml.add_bos_token": true } });
});

Deno.test("tokenize reads the tokenizer of a folder, without weights or native library", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const env = { QUERN_LIBRARY: "/nonexistent/libquern.so" };
    const args = ["tokenize", "--model", folder];
    const missing = await quern(args, { input: "the mill", env });
    assertEquals([missing.code, missing.stdout], [1, ""]);
    assertStringIncludes(missing.stderr, "tokenizer.json: no such file");
    await Deno.writeTextFile(`${folder}/tokenizer.json`, JSON.stringify(smallTokenizer()));
    assertEquals((await quern(args, { input: "the mill", env })).stdout, "[2,4,5,3]\n");
    const plain = await quern([...args, "--no-special"], { input: "the mill", env });
    assertEquals(plain.stdout, "[4,5]\n");
    const text = await quern([...args, "--decode"], { input: "[4,5]", env });
    assertEquals(text.stdout, "the mill");
    await Deno.writeTextFile(`${folder}/tokenizer.json`, "{");
    const damaged = await quern(args, { input: "the mill", env });
    assertEquals([damaged.code, damaged.stderr.split("\n").length], [1, 2]);
    assertStringIncludes(damaged.stderr, "tokenizer.json is not valid JSON");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("tokenize --decode refuses what is not an array of this model's ids", async () => {
  await withSmallModel(async (model) => {
    for (const input of ["", "x", "{}", "[1.5]", "[-1]", "[300]", "[null]", '["1"]']) {
      const { code, stdout } = await quern(["tokenize", "--model", model, "--decode"], { input });
      assertEquals([code, stdout], [2, ""], input);
    }
  });
});

Deno.test("inspect shows metadata and tensors, as a table and as JSON", async () => {
  await withSmallModel(async (model, folder) => {
    const { code, stdout } = await quern(["inspect", model]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "general.architecture");
    assertStringIncludes(stdout, "blk.1.attn_q.weight");
    const json = JSON.parse((await quern(["inspect", model, "--json"])).stdout);
    assertEquals(json.format, "gguf");
    assertEquals(json.metadata["llama.block_count"], 2);
    assertEquals(json.totals.fileBytes, (await Deno.stat(model)).size);
    assertEquals((await quern(["inspect", folder])).code, 0);
  });
});

Deno.test("inspect shows npz files, and each file of a model in several", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const npz = writeNpz([["x", { data: new Float32Array(6), shape: [2, 3] }]], { deflate: true });
    await Deno.writeFile(`${folder}/a.npz`, npz);
    const tensors = ["first", "second"].map((name) => (
      { name, dtype: "BF16", shape: [2], data: new Uint8Array(4) }
    ));
    const names = ["m-1.safetensors", "m-2.safetensors"];
    for (const [i, name] of names.entries()) {
      await Deno.writeFile(`${folder}/${name}`, writeSafetensors([tensors[i]]));
    }
    const index = `${folder}/model.safetensors.index.json`;
    await Deno.writeTextFile(index, '{"weight_map":{"first":"m-1.safetensors"}}');
    const described = JSON.parse((await quern(["inspect", "--json", `${folder}/a.npz`])).stdout);
    assertEquals([described.format, described.tensors[0].shape], ["npz", [2, 3]]);
    const whole = await quern(["inspect", "--json", folder]);
    const files = whole.stdout.trim().split("\n").map((line) => JSON.parse(line).tensors[0].name);
    assertEquals(files, ["first", "second"]);
    const indexed = await quern(["inspect", "--json", index]);
    assertEquals(JSON.parse(indexed.stdout).file, `${folder}/m-1.safetensors`);
    await Deno.writeTextFile(index, '{"weight_map":{"first":"../m-1.safetensors"}}');
    const outside = await quern(["inspect", index]);
    assertEquals(outside.code, 1);
    assertStringIncludes(outside.stderr, "not a .safetensors file beside the index");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("logits writes float32 numbers that agree with the greedy next token", async () => {
  await withSmallModel(async (model, folder) => {
    const out = `${folder}/l.npy`;
    const common = ["--model", model, "--ids", "10,20,30", "--precision", "exact"];
    const { code, stdout, stderr } = await quern(["logits", ...common, "--out", out]);
    assertEquals([code, stdout, stderr], [0, "", ""]);
    const { dtype, shape, data } = readNpy(await Deno.readFile(out), { name: "l.npy" });
    assertEquals([dtype, shape], ["float32", [300]]);
    const values = Array.from(data, Number);
    const best = values.indexOf(Math.max(...values));
    const next = await quern([
      "generate",
      ...common,
      ...["--temperature", "0", "--max-tokens", "1", "--json"],
    ]);
    assertEquals(JSON.parse(next.stdout).ids, [best]);
    assertEquals([...Deno.readDirSync(folder)].length, 2, "no temporary file is left");
  });
});

Deno.test("perplexity agrees with the logits of each position", async () => {
  await withSmallModel(async (model, folder) => {
    const common = ["--model", model, "--precision", "exact"];
    let nll = 0;
    for (const [ids, next] of [["40", 41], ["40,41", 42]] as const) {
      const out = `${folder}/l.npy`;
      await quern(["logits", ...common, "--ids", ids, "--out", out]);
      const values = Array.from(readNpy(await Deno.readFile(out)).data, Number);
      nll -= values[next] - Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
    }
    const { stdout } = await quern(["perplexity", ...common, "--ids", "40,41,42", "--json"]);
    const result = JSON.parse(stdout);
    assertEquals(Object.keys(result), ["tokens", "meanNll", "perplexity"]);
    assertEquals(result.tokens, 2);
    assertAlmostEquals(result.meanNll, nll / 2, 1e-5);
    assertAlmostEquals(result.perplexity, Math.exp(nll / 2), 1e-3);
    await Deno.writeTextFile(`${folder}/t.txt`, "the end of the end");
    const text = await quern(["perplexity", ...common, "--file", `${folder}/t.txt`]);
    assert(/^perplexity \d+\.\d+, .* over \d+ tokens\n$/.test(text.stdout), text.stdout);
  });
});

Deno.test("info works with and without the native library", async () => {
  const { code, stdout } = await quern(["info", "--json", "--threads", "3"]);
  assertEquals(code, 0);
  const facts = JSON.parse(stdout);
  assertEquals(facts.threads, 3);
  assertEquals(
    facts.instructionSets.filter((set: { selected: boolean }) => set.selected).length,
    1,
  );
  const env = { QUERN_LIBRARY: "/nonexistent/libquern.so" };
  const bare = await quern(["info", "--json"], { env });
  assertEquals(bare.code, 0);
  const { library, problem } = JSON.parse(bare.stdout);
  assertEquals(library, null);
  assertStringIncludes(problem, "could not be loaded. Tried: /nonexistent/libquern.so");
  const text = await quern(["info"], { env });
  assertStringIncludes(text.stdout, "missing: ");
});

Deno.test("a chosen library that is missing is one clear line, and nothing is built", async () => {
  await withSmallModel(async (model) => {
    const env = { QUERN_LIBRARY: "/nonexistent/libquern.so" };
    const { code, stdout, stderr } = await quern(
      ["generate", "--model", model, "--prompt", "a"],
      { env },
    );
    assertEquals([code, stdout], [1, ""]);
    assert(/^quern: [^\n]*nonexistent[^\n]*\n$/.test(stderr), stderr);
  });
});

Deno.test("QUERN_ISA chooses an instruction set, and a name that does not exist fails loudly", async () => {
  const chosen = await quern(["info", "--json"], { env: { QUERN_ISA: "generic" } });
  const sets: { name: string; selected: boolean }[] = JSON.parse(chosen.stdout).instructionSets;
  assertEquals(sets.find((set) => set.selected)?.name, "generic");
  await withSmallModel(async (model) => {
    const args = ["generate", "--model", model, "--prompt", "a"];
    const { code, stderr } = await quern(args, { env: { QUERN_ISA: "avx1024" } });
    assertEquals(code, 1);
    assert(/^quern: [^\n]*avx1024[^\n]*\n$/.test(stderr), stderr);
  });
});

Deno.test("bench --json prints rows with every figure that the command promises", async () => {
  await withSmallModel(async (model) => {
    for (const what of ["decode", "prefill"]) {
      const args = ["bench", what, "--model", model, "--size", "16", "--iters", "3", "--json"];
      const { code, stdout } = await quern([...args, "--threads", "1"]);
      assertEquals(code, 0);
      const [row] = JSON.parse(stdout);
      assertEquals([row.name, row.threads, row.iterations], [what, 1, 3]);
      assert(row.minNs > 0 && row.minNs <= row.medianNs);
      assertAlmostEquals(row.itemsPerSecond * row.medianNs / 1e9, what === "decode" ? 1 : 16, 1e-6);
      assertEquals(row.nativeAllocationsPerOp, 0);
      assertEquals(typeof row.heapBytesPerOp, "number");
      assertEquals(Number.isInteger(row.garbageCollections), true);
    }
  });
});

Deno.test("pull prints the path, says when a model is there, and stores nothing where it cannot", async () => {
  const bytes = smallGguf().bytes;
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response(bytes, { headers: { etag: '"a"' } }),
  );
  const cache = await Deno.makeTempDir();
  const source = `http://127.0.0.1:${server.addr.port}/m.gguf`;
  const env = { QUERN_CACHE: cache };
  const first = await quern(["pull", source], { env });
  assertEquals(first.code, 0);
  assertEquals(await Deno.readFile(first.stdout.trim()), bytes);
  assertStringIncludes(first.stderr, `pulling ${source}`);
  const second = await quern(["pull", "--verify", source], { env });
  assertEquals(second.stderr, `${source} is there, and its SHA-256 is right\n`);
  const used = await quern(["generate", "--model", source, "--prompt", "the", "--json"], { env });
  assertEquals([used.code, used.stderr], [0, ""]);
  const inTheWay = { QUERN_CACHE: first.stdout.trim() };
  const failed = await quern(["pull", source], { env: inTheWay });
  assertEquals([failed.code, failed.stdout], [1, ""]);
  assert(/\nquern: [^\n]*QUERN_CACHE[^\n]*\n$/.test(failed.stderr), failed.stderr);
  await Deno.remove(cache, { recursive: true });
});
