import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withFolder } from "../../support/folder.ts";
import { millText } from "../../support/mill_text.ts";
import { quern, startQuern } from "./run_command.ts";

const SIZES = ["--vocabulary", "300", "--dim", "32", "--layers", "1", "--heads", "2"];
const SMALL = [...SIZES, "--context", "24", "--batch", "8", "--seed", "3"];
const text = { "mill.txt": millText(300) };

Deno.test("train makes a model that generate runs, and says how good it is", async () => {
  await withFolder(async (folder) => {
    const args = ["train", "--data", `${folder}/mill.txt`, "--out", `${folder}/mill`, ...SMALL];
    const { code, stdout, stderr } = await quern([...args, "--steps", "40", "--every", "20"]);
    assertEquals(code, 0, stderr);
    assertMatch(
      stdout,
      /^.*\/mill\/model\.gguf: \d+ parameters after 40 steps, validation loss [\d.]+ a token, .*\n$/,
    );
    assertMatch(
      stderr,
      /^step 20: loss [\d.]+, validation [\d.]+, \d+ tokens\/s, .*\nstep 40: .*\n$/,
    );
    const model = ["--model", `${folder}/mill/model.gguf`];
    const run = await quern(["generate", ...model, "--prompt", "The mill", "--max-tokens", "9"]);
    assertEquals([run.code, run.stderr], [0, ""]);
    const again = await quern(args);
    assertEquals([again.code, again.stdout], [1, ""]);
    assertMatch(again.stderr, /^quern: .*holds a training.*\n$/);
  }, text);
});

Deno.test("train --json prints one object", async () => {
  await withFolder(async (folder) => {
    const args = ["train", "--data", `${folder}/mill.txt`, "--out", `${folder}/mill`, ...SMALL];
    const { code, stdout } = await quern([...args, "--steps", "9", "--json", "--threads", "1"]);
    const result = JSON.parse(stdout);
    assertEquals([code, stdout.split("\n").length, result.steps], [0, 2, 9]);
    assertEquals(Object.keys(result), [
      ...["model", "parameters", "tokens", "steps", "trainingLoss", "validationLoss"],
      ...["bitsPerByte", "seconds", "settings", "memory"],
    ]);
    assertEquals([result.settings.dim, result.settings.seed], [32, 3]);
    assertEquals(result.memory.poolLiveBytes, 0);
  }, text);
});

Deno.test("Ctrl-C saves a checkpoint, and --resume gives the bits of an uninterrupted training", async () => {
  await withFolder(async (folder) => {
    const args = ["train", "--data", `${folder}/mill.txt`, ...SMALL, "--steps", "400"];
    const whole = await quern([...args, "--every", "10", "--out", `${folder}/a/mill`]);
    assertEquals(whole.code, 0, whole.stderr);
    const child = startQuern([...args, "--every", "10", "--out", `${folder}/b/mill`]);
    const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
    const { value: first = "" } = await reader.read();
    child.kill("SIGINT");
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) rest += part.value;
    const { code } = await child.status;
    await child.stdout.cancel();
    assertEquals(code, 130);
    assertStringIncludes(first + rest, "interrupted; a checkpoint is saved: --resume goes on");
    const data = ["--data", `${folder}/mill.txt`, "--out", `${folder}/b/mill`];
    const resumed = await quern(["train", ...data, "--resume"]);
    assertEquals(resumed.code, 0, resumed.stderr);
    assert(!resumed.stderr.includes("step 10:"), resumed.stderr);
    assertEquals(
      await Deno.readFile(`${folder}/b/mill/model.gguf`),
      await Deno.readFile(`${folder}/a/mill/model.gguf`),
    );
  }, text);
});

Deno.test("train says in one line what was wrong", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/latin.txt`, Uint8Array.of(0x66, 0xfc, 0x72));
    const out = ["--out", `${folder}/out`];
    const cases: [string[], number, string][] = [
      [["--out", "x"], 2, "--data is needed"],
      [["--data", "x"], 2, "--out is needed"],
      [["--data", `${folder}/none.txt`, ...out], 1, "none.txt: no such file or folder"],
      [["--data", `${folder}/latin.txt`, ...out], 1, "latin.txt: is no text in UTF-8"],
      [["--data", `${folder}/mill.txt`, ...out, "--dropout", "1"], 2, "--dropout"],
      [["--data", `${folder}/mill.txt`, ...out, "--context", "9999"], 1, "use a longer text"],
      [["--data", `${folder}/mill.txt`, "--out", "/dev/null/x", ...SMALL], 1, "/dev/null/x: "],
    ];
    for (const [args, status, message] of cases) {
      const { code, stdout, stderr } = await quern(["train", ...args]);
      assertEquals([code, stdout], [status, ""], stderr);
      assertMatch(stderr, /^quern: [^\n]*\n$/);
      assertStringIncludes(stderr, message);
    }
  }, text);
});
