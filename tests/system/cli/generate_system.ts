import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { quern, startQuern, withSmallModel } from "./run_command.ts";

/** Greedily, the small model repeats itself and never comes to an end. */
const ENDLESS = ["--temperature", "0", "--max-tokens", "60000"];

Deno.test("generate --json prints one object with text, ids, timings and memory", async () => {
  await withSmallModel(async (model) => {
    const args = ["generate", "--model", model, "--prompt", "the", "--json", "--max-tokens", "24"];
    const { code, stdout, stderr } = await quern([...args, "--temperature", "0"]);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^\{[^\n]*\}\n$/);
    const result = JSON.parse(stdout);
    const keys = ["text", "ids", "promptTokens", "stopReason", "seed", "timings", "memory"];
    assertEquals(Object.keys(result), keys);
    assertEquals(Object.keys(result.timings), [
      "loadMs",
      "firstTokenMs",
      "promptTokensPerSecond",
      "decodeTokensPerSecond",
    ]);
    assertEquals(Object.keys(result.memory), [
      "poolPeakBytes",
      "poolLiveBytes",
      "steadyStateNativeAllocations",
      "heapGrowthBytes",
    ]);
    assertEquals(result.stopReason, result.ids.length < 24 ? "end" : "length");
    assertEquals(result.memory.poolLiveBytes, 0);
    assertEquals(result.memory.steadyStateNativeAllocations, 0);
    assert(result.memory.poolPeakBytes > 0);
    assert(Number.isInteger(result.memory.heapGrowthBytes));
  });
});

Deno.test("generate streams the same text that --json reports, and ends it with a line break", async () => {
  await withSmallModel(async (model) => {
    const args = ["generate", "--model", model, "--prompt", "the", "--seed", "7"];
    const json = JSON.parse((await quern([...args, "--max-tokens", "40", "--json"])).stdout);
    const { stdout, stderr } = await quern([...args, "--max-tokens", "40"]);
    const ended = json.text.endsWith("\n") || json.text === "" ? json.text : `${json.text}\n`;
    assertEquals(stdout, ended);
    assertEquals(stderr, "");
    const verbose = await quern([...args, "--max-tokens", "40", "--verbose"]);
    assertMatch(verbose.stderr, /^\[\d+ tokens at .* seed 7, .*\]\n$/);
  });
});

Deno.test("a random model's broken UTF-8 never reaches standard output broken", async () => {
  // The small model draws bytes at random; quern() decodes its output with errors on.
  await withSmallModel(async (model) => {
    for (const seed of ["1", "2", "3"]) {
      const args = ["generate", "--model", model, "--prompt", "é€", "--temperature", "100"];
      const { code } = await quern([...args, "--top-p", "1", "--top-k", "0", "--seed", seed]);
      assertEquals(code, 0);
    }
  });
});

Deno.test("the prompt comes from --prompt, from - or from standard input, exactly", async () => {
  await withSmallModel(async (model) => {
    const common = ["generate", "--model", model, "--json", "--max-tokens", "1"];
    const tokens = async (args: string[], input?: string) =>
      JSON.parse((await quern([...common, ...args], { input })).stdout).promptTokens;
    const text = "the\n\n";
    const expected = await tokens(["--prompt", text]);
    assertEquals(await tokens(["--prompt", "-"], text), expected);
    assertEquals(await tokens(["-"], text), expected);
    assertEquals(await tokens([], text), expected);
    assertEquals(await tokens(["--prompt", "the"]) < expected, true);
    assertEquals(await tokens(["--ids", "5, 6,7"]), 3);
    assertEquals(await tokens(["--ids", "[5,6]"]), 2);
    assertEquals(await tokens(["--prompt", "- the"]), await tokens([], "- the"));
  });
});

Deno.test("the same seed gives the same text with any number of threads", async () => {
  await withSmallModel(async (model) => {
    const args = ["generate", "--model", model, "--prompt", "the", "--json", "--seed", "11"];
    const ids = async (more: string[]) => JSON.parse((await quern([...args, ...more])).stdout).ids;
    const expected = await ids(["--threads", "1"]);
    assertEquals(await ids(["--threads", "3"]), expected);
    assertEquals(JSON.parse((await quern(["--threads", "2", ...args])).stdout).ids, expected);
  });
});

Deno.test({
  name: "Ctrl-C ends a generation with status 130 and prints what is due",
  ignore: Deno.build.os === "windows",
  async fn() {
    await withSmallModel(async (model) => {
      const args = ["generate", "--model", model, "--prompt", "the", ...ENDLESS];
      const child = startQuern([...args, "--json"]);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      child.kill("SIGINT");
      const { code, stdout, stderr } = await child.output();
      assertEquals([code, new TextDecoder().decode(stderr)], [130, ""]);
      const result = JSON.parse(new TextDecoder().decode(stdout));
      assertEquals(result.stopReason, "aborted");
      assertEquals(result.memory.poolLiveBytes, 0);
    }, { contextLength: 65536 });
  },
});

Deno.test({
  name: "Ctrl-C ends a streamed generation with status 130 and a line break",
  ignore: Deno.build.os === "windows",
  async fn() {
    await withSmallModel(async (model) => {
      const args = ["generate", "--model", model, "--prompt", "the", ...ENDLESS];
      const child = startQuern(args);
      const reader = child.stdout.getReader();
      let text = new TextDecoder().decode((await reader.read()).value);
      child.kill("SIGINT");
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        text += new TextDecoder().decode(chunk.value);
      }
      const [status, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
      assertEquals([status.code, stderr], [130, ""]);
      assert(text.endsWith("\n"));
    }, { contextLength: 65536 });
  },
});

Deno.test("a closed standard output ends the command quietly with status 0", async () => {
  await withSmallModel(async (model) => {
    const args = ["generate", "--model", model, "--prompt", "the", ...ENDLESS];
    const child = startQuern(args);
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    const [status, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
    assertEquals([status.code, stderr], [0, ""]);
  }, { contextLength: 65536 });
});

Deno.test("NO_COLOR and pipes keep escape sequences out of the output", async () => {
  await withSmallModel(async (model) => {
    const environments: Record<string, string>[] = [{}, { NO_COLOR: "1" }, { FORCE_COLOR: "1" }];
    for (const env of environments) {
      const { stdout, stderr } = await quern(["inspect", model], { env });
      assert(!(stdout + stderr).includes("\x1b"));
    }
  });
});

Deno.test("chat answers one prompt, and each line of standard input where it is no terminal", async () => {
  await withSmallModel(async (model) => {
    const args = ["chat", "--model", model, "--seed", "3", "--max-tokens", "8"];
    const one = JSON.parse((await quern([...args, "--prompt", "the", "--json"])).stdout);
    assert(one.promptTokens > 8, "the template is around the prompt");
    const system = await quern([...args, "--prompt", "the", "--system", "a", "--json"]);
    assert(JSON.parse(system.stdout).promptTokens > one.promptTokens);
    const input = "the\n/clear\n/nonsense\nthe\n/exit\nnever\n";
    const { code, stdout, stderr } = await quern(args, { input });
    assertEquals(code, 0);
    assertStringIncludes(stderr, "there is no /nonsense");
    const answer = one.text.endsWith("\n") ? one.text : `${one.text}\n`;
    assertEquals(stdout, answer + answer);
  });
});

Deno.test("chat with a model that has no chat template says what to use instead", async () => {
  await withSmallModel(async (model) => {
    const { code, stderr } = await quern(["chat", "--model", model, "--prompt", "the"]);
    assertEquals(code, 1);
    assertMatch(stderr, /^quern: .* has no chat template; use quern generate\n$/);
  }, { metadata: { "tokenizer.chat_template": undefined } });
});
