/**
 * Trains the default model, from nothing to the file that is committed:
 *
 *     deno run -A tools/default_model/train.ts FOLDER [options of quern train]
 *
 * FOLDER gets the text (unless it is there), the training, and the model in three types, with the
 * loss of each on the part of the text that was kept for validation. The same command goes on with
 * a training that was interrupted by Ctrl-C. At the end the model in Q4_0 becomes the one that
 * comes with Quern; recipe.md beside this file says what it came to.
 *
 * @module
 */
import { ROOT } from "../files.ts";
import { interruptSignal } from "../processes.ts";
import { makeText } from "./text.ts";

/** Also the model's name in its metadata. */
const NAME = "quern-default";
const TARGET = `${ROOT}lib/runtime/default_model/model.gguf`;
/** As good as Q8_0 here, and little more than half its size. */
const TYPE = "Q4_0";
const VALIDATION_SHARE = 0.02;

// deno-fmt-ignore
const SETTINGS = [
  "--vocabulary", "2048", "--dim", "192", "--layers", "6", "--heads", "6", "--context", "256",
  "--batch", "8", "--dropout", "0", "--validation", `${VALIDATION_SHARE}`,
  "--learning-rate", "0.002", "--steps", "7500", "--every", "300", "--seed", "1",
];

/** Runs the `quern` command with the terminal of this process. */
async function quern(...args: string[]): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${ROOT}lib/cli/main.ts`, ...args],
  }).spawn();
  const { code } = await child.status;
  if (code !== 0) Deno.exit(code);
}

async function textIn(folder: string): Promise<string> {
  const path = `${folder}/text.txt`;
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const unpacked = await Deno.makeTempDir();
  try {
    const text = await makeText(unpacked);
    await Deno.writeTextFile(path, text);
    return text;
  } finally {
    await Deno.remove(unpacked, { recursive: true });
  }
}

if (import.meta.main) {
  // Ctrl-C reaches the training too, which saves a checkpoint and ends.
  interruptSignal();
  const [folder, ...options] = Deno.args;
  await Deno.mkdir(folder, { recursive: true });
  const text = await textIn(folder);
  const training = ["train", "--data", `${folder}/text.txt`, "--out", `${folder}/${NAME}`];
  await quern(...training, "--resume", ...SETTINGS, ...options);
  const kept = `${folder}/validation.txt`;
  // A little less than was kept, so that none of it was seen.
  await Deno.writeTextFile(kept, text.slice(-Math.floor(text.length * VALIDATION_SHARE * 0.99)));
  for (const type of ["F32", "Q8_0", TYPE]) {
    const file = `${folder}/${NAME}-${type}.gguf`;
    await quern("quantize", `${folder}/${NAME}/model.gguf`, file, "--type", type);
    await quern("perplexity", "--model", file, "--file", kept, "--precision", "exact");
  }
  await Deno.copyFile(`${folder}/${NAME}-${TYPE}.gguf`, TARGET);
}
