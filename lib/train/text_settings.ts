/**
 * The settings of a training on a text: what they are when nobody says, and how a training that
 * is resumed gets those that it began with.
 */
import { createHash } from "node:crypto";
import { Random } from "../core/random.ts";
import { writeWholeText } from "../formats/whole_file.ts";

/** What decides how a model is trained on a text. */
export interface TextSettings {
  /** Tokens of the vocabulary, the 256 bytes included. */
  vocabularySize: number;
  /** Elements of a token's vector. */
  dim: number;
  /** Blocks. */
  layers: number;
  /** Heads, which divide `dim`. */
  heads: number;
  /** Tokens that the model sees at once. */
  contextLength: number;
  /** The probability that elements are left out. */
  dropout: number;
  /** Sequences of `contextLength` tokens in a step. */
  batch: number;
  /** Steps of the whole training. */
  steps: number;
  /** The highest learning rate: reached after the first twentieth, a tenth of it at the end. */
  learningRate: number;
  /** Of matrices; vectors have none. */
  weightDecay: number;
  /** Which part of the text is kept for validation, from its end; at most 200,000 characters. */
  validationShare: number;
  /** After how many steps the model is validated, and a checkpoint saved. */
  every: number;
  /** What all random choices depend on. */
  seed: number;
}

/** What `training.json` holds. */
interface SettingsFile {
  format: "quern-training-1";
  settings: TextSettings;
  /** SHA-256 of the text. */
  text: string;
}

/** About a million parameters, for a text of about a megabyte. */
const DEFAULTS: Omit<TextSettings, "every" | "seed"> = {
  vocabularySize: 1024,
  dim: 128,
  layers: 4,
  heads: 4,
  contextLength: 128,
  dropout: 0.1,
  batch: 16,
  steps: 2000,
  learningRate: 3e-3,
  weightDecay: 0.1,
  validationShare: 0.1,
};

/** What a training that goes on may have otherwise than it began. */
const FREE: readonly (keyof TextSettings)[] = ["steps", "every"];

const FILE = "training.json";
const FORMAT = "quern-training-1";

/**
 * The settings of a training.
 *
 * @param given Those that the user gave.
 * @param resume The folder and the text of the training to go on with; undefined for a new one.
 * @returns All of them.
 * @throws {RangeError} When what was given is not what the training began with.
 * @throws {SyntaxError} When the folder's file is malformed.
 */
export async function completeSettings(
  given: Partial<TextSettings>,
  resume?: { folder: string; text: string },
): Promise<TextSettings> {
  const chosen = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as Partial<TextSettings>;
  const saved = resume && await readSettings(resume.folder);
  const began = saved?.settings;
  if (resume !== undefined && saved !== undefined) checkSame(chosen, saved, resume);
  const settings = { ...DEFAULTS, ...began, ...chosen };
  const every = chosen.every ?? began?.every ?? Math.max(1, Math.round(settings.steps / 20));
  const seed = chosen.seed ?? began?.seed ?? new Random().seed;
  return checked({ ...settings, every, seed });
}

/**
 * Saves the settings of a training.
 *
 * @param folder The training's.
 * @param settings All of them.
 * @param text What it is trained on.
 */
export async function writeSettings(
  folder: string,
  settings: TextSettings,
  text: string,
): Promise<void> {
  const content: SettingsFile = { format: FORMAT, settings, text: hashOf(text) };
  await writeWholeText(`${folder}/${FILE}`, `${JSON.stringify(content, undefined, 2)}\n`);
}

async function readSettings(folder: string): Promise<SettingsFile | undefined> {
  const path = `${folder}/${FILE}`;
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const file = parsed(text);
  if (file?.format === FORMAT && typeof file.settings === "object") return file;
  throw new SyntaxError(`${path}: is no description of a training; name another folder`);
}

function parsed(text: string): SettingsFile | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checkSame(
  chosen: Partial<TextSettings>,
  { settings, text }: SettingsFile,
  resume: { folder: string; text: string },
): void {
  const { folder } = resume;
  for (const [name, value] of Object.entries(chosen)) {
    const before = settings[name as keyof TextSettings];
    if (value === before || FREE.includes(name as keyof TextSettings)) continue;
    throw new RangeError(
      `trainOnText: ${name} is ${value}, and the training in ${folder} began with ${before}; ` +
        `leave it out, or name another folder`,
    );
  }
  if (hashOf(resume.text) === text) return;
  throw new RangeError(
    `trainOnText: the text is not the one that the training in ${folder} began with; give that ` +
      `one, or name another folder`,
  );
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function checked(settings: TextSettings): TextSettings {
  const { validationShare: share, learningRate } = settings;
  for (const name of ["contextLength", "batch", "steps", "every"] as const) {
    if (Number.isSafeInteger(settings[name]) && settings[name] >= 1) continue;
    throw new RangeError(
      `trainOnText: ${name} is ${settings[name]}, expected an integer of 1 or more`,
    );
  }
  if (!(share > 0 && share < 1)) {
    throw new RangeError(`trainOnText: validationShare is ${share}, expected a part of 1`);
  }
  if (!(learningRate > 0)) {
    throw new RangeError(`trainOnText: learningRate is ${learningRate}, expected one above 0`);
  }
  return settings;
}
