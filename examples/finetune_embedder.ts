/**
 * Teaches MiniLM which of your texts belong together, with low-rank adapters:
 *
 *     deno run -A examples/finetune_embedder.ts pairs.tsv tuned
 *
 * Each line of the file is a question, a tab, and a text that answers it. `Embedder.load("tuned")`
 * then reads the model; the adapters alone are in `tuned/adapters`, as PEFT has them.
 */
import { TrainableEmbedder } from "../models.ts";
import { LoraAdapters, multipleNegativesRanking } from "../nn.ts";
import { AdamW, linearSchedule } from "../optim.ts";
import { train } from "../train.ts";

const [file = "pairs.tsv", folder = "tuned", source = "minilm", steps = "40"] = Deno.args;
const lines = (await Deno.readTextFile(file)).split("\n").filter((line) => line.includes("\t"));
const pairs = lines.map((line) => line.split("\t"));

using model = await TrainableEmbedder.load(source);
const { encoder, fileName } = model;
using adapters = new LoraAdapters(encoder, { rank: 8, dropout: 0.05, fileName, seed: 1 });
using optimizer = new AdamW(encoder.parameters());
const { history } = await train({
  parameters: encoder.parameters(),
  optimizer,
  data: { [Symbol.iterator]: batches },
  loss: (batch) => {
    using questions = model.embed(batch.map(([question]) => question));
    using answers = model.embed(batch.map(([, answer]) => answer));
    return multipleNegativesRanking(questions, answers);
  },
  steps: Number(steps),
  schedule: linearSchedule({ peak: 2e-3, steps: Number(steps), warmup: 4 }),
});
console.log(`loss ${history[0].loss.toFixed(3)}, then ${history.at(-1)?.loss.toFixed(3)}`);

await adapters.save(`${folder}/adapters`);
adapters.merge();
await model.save(folder);

/** All pairs in batches of 16, whose other pairs are each one's negatives. */
function* batches(): Generator<string[][]> {
  for (let i = 0; i < pairs.length; i += 16) yield pairs.slice(i, i + 16);
}
