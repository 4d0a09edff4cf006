/**
 * A folder of checkpoints, one file each, of which the last few stay.
 *
 *     step-00000100.safetensors       whole, or not there: written beside, then renamed
 *     step-00000200.safetensors
 *     step-00000300.safetensors.….tmp what a process left that ended while it wrote
 *
 * A file is removed only when a newer one is on the disk, and a file counts only when the
 * digest of its elements is right.
 */
import { saveTensors } from "../tensor/mod.ts";
import { Pacer } from "../core/pacer.ts";
import { type Snapshot, verifySnapshot } from "./snapshot.ts";

const NAME = /^step-(\d{8,15})\.safetensors$/;
const UNFINISHED = /^step-\d{8,15}\.safetensors\..*\.tmp$/;

/** A file that is no whole checkpoint. */
export interface DamagedCheckpoint {
  /** The file. */
  path: string;
  /** What is wrong with it. */
  reason: string;
}

/** What a folder holds. */
export interface LatestCheckpoint {
  /** The newest whole checkpoint; undefined when there is none. */
  path: string | undefined;
  /** How many steps had been taken; 0 when there is none. */
  step: number;
  /** Newer files that are damaged, and files that were never finished. */
  damaged: readonly DamagedCheckpoint[];
}

/**
 * Finds the newest whole checkpoint of a folder. Damaged files are passed over, and reported.
 *
 * @param folder The folder; it need not exist.
 * @returns What was found.
 *
 * @example
 * ```ts
 * import { latestCheckpoint } from "@quern/quern/train";
 *
 * async function inspect(folder: string) {
 *   const { path, step, damaged } = await latestCheckpoint(folder);
 *   for (const { path, reason } of damaged) console.warn(`${path}: ${reason}`);
 *   console.log(path === undefined ? "none yet" : `${step} steps, in ${path}`);
 * }
 * console.log(typeof inspect); // function
 * ```
 */
export async function latestCheckpoint(folder: string): Promise<LatestCheckpoint> {
  const pacer = new Pacer();
  const { steps, unfinished } = await list(folder);
  const damaged: DamagedCheckpoint[] = unfinished.map((name) => ({
    path: `${folder}/${name}`,
    reason: "it was not finished",
  }));
  for (const step of steps.toReversed()) {
    const path = pathOf(folder, step);
    try {
      return { path, step: await verifySnapshot(path, () => pacer.pause()), damaged };
    } catch (error) {
      damaged.push({ path, reason: messageOf(error) });
    }
  }
  return { path: undefined, step: 0, damaged };
}

/**
 * Makes a folder for checkpoints, and tries whether files can be written there.
 *
 * @param folder The folder.
 * @throws {Error} When they cannot.
 */
export async function prepareFolder(folder: string): Promise<void> {
  const probe = `${folder}/step-00000000.safetensors.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeFile(probe, new Uint8Array(1));
    await Deno.remove(probe);
  } catch (error) {
    // On a full disk there is the file, without its byte.
    await Deno.remove(probe).catch(() => {});
    throw new Error(`train: checkpoints cannot be written to ${folder}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Writes a checkpoint, and removes the oldest ones and unfinished files once it is on the disk.
 *
 * @param folder The folder.
 * @param step How many steps were taken.
 * @param snapshot What to write.
 * @param keep How many stay.
 * @throws {Error} When it could not be written: those before it are still there then.
 */
export async function writeCheckpoint(
  folder: string,
  step: number,
  { tensors, metadata }: Snapshot,
  keep: number,
): Promise<void> {
  const path = pathOf(folder, step);
  try {
    await saveTensors(path, tensors, { metadata });
  } catch (error) {
    throw new Error(
      `train: the checkpoint ${path} was not written: ${messageOf(error)}; those before it stay`,
      { cause: error },
    );
  }
  await syncFolder(folder);
  const { steps, unfinished } = await list(folder);
  // What is newer than this one is of a future that a damaged file cut off.
  const old = steps.filter((each) => each <= step).slice(0, -keep);
  const useless = [
    ...old.map((each) => pathOf(folder, each)),
    ...unfinished.map((name) => `${folder}/${name}`),
  ];
  for (const each of useless) await Deno.remove(each).catch(() => {});
}

/** Without this a renamed file may be gone after a power failure; not every system has it. */
async function syncFolder(folder: string): Promise<void> {
  try {
    using handle = await Deno.open(folder, { read: true });
    await handle.sync();
  } catch (_) {
    // The file itself is on the disk; its name follows when the system writes it.
  }
}

async function list(folder: string): Promise<{ steps: number[]; unfinished: string[] }> {
  const steps: number[] = [];
  const unfinished: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const step = name.match(NAME)?.[1];
      if (step !== undefined) steps.push(Number(step));
      else if (UNFINISHED.test(name)) unfinished.push(name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return { steps: steps.sort((a, b) => a - b), unfinished };
}

function pathOf(folder: string, step: number): string {
  return `${folder}/step-${String(step).padStart(8, "0")}.safetensors`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.split("\n")[0] : String(error);
}
