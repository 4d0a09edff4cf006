/**
 * Trains a language model further on a text of yours, with low-rank adapters:
 *
 *     deno run -A examples/finetune_language_model.ts book.txt tuned
 *     deno task quern generate --model tuned/model.gguf --prompt "…"
 *
 * The model's own weights stay as they are while it learns, so their gradients and the
 * optimiser's memory of them are never there.
 */
import { loadDecoder, saveDecoder } from "../models.ts";
import { LoraAdapters } from "../nn.ts";
import { AdamW, cosineSchedule } from "../optim.ts";
import { type TokenBatch, TokenWindows, train } from "../train.ts";

const [file = "book.txt", folder = "tuned", source = "smollm2", steps = "100"] = Deno.args;

using model = await loadDecoder(source);
const { decoder, tokenizer, notes } = model;
const ids = tokenizer.encode(await Deno.readTextFile(file), { addSpecial: false });
const length = Math.min(256, decoder.contextLength, ids.length - 1);

using adapters = new LoraAdapters(decoder, { rank: 8, targets: ["query", "value"], seed: 1 });
using optimizer = new AdamW(decoder.parameters(), { weightDecay: 0 });
await train<TokenBatch>({
  parameters: decoder.parameters(),
  optimizer,
  data: new TokenWindows(ids, { length, batch: 1, seed: 1 }),
  loss: ({ ids, targets }) => decoder.loss(ids, targets),
  steps: Number(steps),
  schedule: cosineSchedule({ peak: 1e-3, steps: Number(steps), warmup: 5 }),
  clip: 1,
  onProgress: ({ completed, loss }) => {
    if (completed % 10 === 0) console.log(`step ${completed}, loss ${loss?.toFixed(3)}`);
  },
});

await adapters.save(`${folder}/adapters`);
adapters.merge();
await saveDecoder(`${folder}/model.gguf`, decoder, notes);
