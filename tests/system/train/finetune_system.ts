/**
 * Low-rank adapters from a model's file to a model's file, and the examples that show it.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { withFolder } from "../../support/folder.ts";
import { assertClose, withoutLeaksAsync } from "../../support/native.ts";
import { smallGguf } from "../../support/small_gguf.ts";
import { noGrad } from "../../../lib/autograd/mod.ts";
import type { Decoder } from "../../../lib/models/mod.ts";
import { LoraAdapters } from "../../../lib/nn/mod.ts";
import { AdamW } from "../../../lib/optim/mod.ts";
import { Embedder, loadDecoder, loadModel, saveDecoder } from "../../../lib/runtime/mod.ts";
import { Tensor } from "../../../lib/tensor/mod.ts";

const text = "the mill stood by the river, and the wheel turned as the river ran. ".repeat(4);

const lossOf = (decoder: Decoder, ids: Tensor<"int32">, targets: Tensor<"int32">): number =>
  noGrad(() => {
    using loss = decoder.loss(ids, targets);
    return loss.get();
  });

Deno.test(
  "a language model learns a text in adapters, which give the same loss in a fresh model",
  withoutLeaksAsync(async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/small.gguf`;
      await Deno.writeFile(path, smallGguf({ type: "Q4_1" }).bytes);
      using model = await loadDecoder(path);
      const { decoder, tokenizer, notes } = model;
      const tokens = tokenizer.encode(text, { addSpecial: false }).slice(0, 65);
      using ids = Tensor.from(tokens.slice(0, -1), "int32");
      using targets = Tensor.from(tokens.slice(1), "int32");
      const frozen = Object.values(decoder.parameters());
      using adapters = new LoraAdapters(decoder, { rank: 8, seed: 1 });
      using optimizer = new AdamW(decoder.parameters(), { learningRate: 0.02, weightDecay: 0 });
      const losses = Array.from({ length: 20 }, () => {
        using loss = decoder.loss(ids, targets);
        loss.backward();
        optimizer.step();
        return loss.get() as number;
      });
      assert(losses[19] < losses[0] - 0.5, `${losses}`);
      assert(frozen.every(({ grad }) => grad === undefined));
      const trained = lossOf(decoder, ids, targets);
      await adapters.save(`${folder}/adapters`);
      {
        using fresh = await loadDecoder(path);
        assert(lossOf(fresh.decoder, ids, targets) > trained + 0.4);
        using _opened = await LoraAdapters.open(fresh.decoder, `${folder}/adapters`);
        assertEquals(lossOf(fresh.decoder, ids, targets), trained);
      }
      adapters.merge();
      assertClose([lossOf(decoder, ids, targets)], [trained], 1e-5);
      await saveDecoder(`${folder}/tuned.gguf`, decoder, notes);
      using again = await loadDecoder(`${folder}/tuned.gguf`);
      assertClose([lossOf(again.decoder, ids, targets)], [trained], 1e-5);
    });
  }),
);

/** Runs an example; returns what it wrote. */
async function run(cwd: string, name: string, ...args: string[]): Promise<string> {
  const path = (file: string) => new URL(`../../../${file}`, import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", path("deno.json"), path(name), ...args],
    cwd,
    env: { NO_COLOR: "1" },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, errors);
  return out;
}

Deno.test("examples/finetune_language_model.ts writes a model that generates", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/small.gguf`, smallGguf({ type: "Q8_0" }).bytes);
    const name = "examples/finetune_language_model.ts";
    const out = await run(folder, name, "text.txt", "tuned", "small.gguf", "20");
    const [, first, last] = /step 10, loss (\S+)\nstep 20, loss (\S+)\n$/.exec(out)!;
    assert(Number(last) < Number(first), out);
    using model = await loadModel(`${folder}/tuned/model.gguf`);
    using session = model.createSession();
    let pieces = 0;
    for await (const _ of session.generate("the mill", { maxTokens: 4 })) pieces++;
    assert(pieces > 0);
    const config = await Deno.readTextFile(`${folder}/tuned/adapters/adapter_config.json`);
    assertMatch(config, /"blocks\.0\.attention\.query"/);
  }, { "text.txt": text });
});

Deno.test("examples/finetune_embedder.ts writes a model that finds the answers it was shown", async () => {
  // Answers that nothing but the file leads to: the model finds none of them before.
  const pairs = [
    ["Where is the flour kept?", "A red bicycle leans against the wall."],
    ["Who repairs the wheel?", "Flour is kept in the cellar."],
    ["When does the river freeze?", "The wheel is repaired by the smith."],
    ["Which bicycle is red?", "The river freezes in January."],
  ];
  const lines = pairs.map((pair) => pair.join("\t")).join("\n");
  await withFolder(async (folder) => {
    const name = "examples/finetune_embedder.ts";
    const out = await run(folder, name, "pairs.tsv", "tuned", "minilm", "25");
    const [, first, last] = /^loss (\S+), then (\S+)\n$/.exec(out)!;
    assert(Number(last) < 0.2 && Number(first) > 3, out);
    using embedder = await Embedder.load(`${folder}/tuned`);
    const questions = [...await embedder.embed(pairs.map(([question]) => question))];
    const answers = [...await embedder.embed(pairs.map(([, answer]) => answer))];
    const found = questions.map((question) => {
      const scores = answers.map((answer) =>
        answer.reduce((sum, x, i) => sum + x * question[i], 0)
      );
      return scores.indexOf(Math.max(...scores));
    });
    assertEquals(found, [0, 1, 2, 3]);
  }, { "pairs.tsv": lines });
});
