import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import "../../support/native.ts";
import { withFolder } from "../../support/folder.ts";
import { pool } from "../../../lib/memory/mod.ts";
import { add, linear, mean, square, sub } from "../../../lib/ops/mod.ts";
import { AdamW, cosineSchedule } from "../../../lib/optim/mod.ts";
import { openTensors, Tensor } from "../../../lib/tensor/mod.ts";
import {
  type CheckpointOptions,
  latestCheckpoint,
  train,
  type TrainOptions,
  type TrainProgress,
} from "../../../lib/train/mod.ts";

/** Batches in an order of their own, whose place is told and found. */
class Numbers {
  #next = 0;
  /** How many were given. */
  given = 0;

  *[Symbol.iterator]() {
    while (this.#next < 7) {
      this.given++;
      yield this.#next++;
    }
    this.#next = 0;
  }

  state() {
    return { next: this.#next };
  }

  load(place: unknown) {
    this.#next = (place as { next: number }).next;
  }
}

/** What a run leaves: everything that decides the steps to come. */
interface Outcome {
  weight: unknown;
  average: unknown;
  state: unknown;
  history: unknown;
  best: number | undefined;
}

/** Runs a small training with noise, accumulated batches, a schedule and validation. */
async function run(
  checkpoint: CheckpointOptions | undefined,
  more: Partial<TrainOptions<number>> = {},
): Promise<Outcome> {
  using weight = Tensor.zeros([2, 3]);
  using average = Tensor.zeros([1]);
  using teacher = Tensor.from([[1, -2, 3], [0.5, 1, -1]]);
  using optimizer = new AdamW({ "layer.weight": weight }, { learningRate: 0.1 });
  const { history, bestValidationLoss } = await train<number>({
    parameters: { "layer.weight": weight },
    optimizer,
    data: [0, 1, 2, 3, 4, 5, 6],
    loss: (batch, { seed, training }) => {
      const x = Tensor.randn([4, 3], { seed: batch });
      const noise = Tensor.randn([4, 2], { seed, deviation: training ? 0.1 : 0 });
      if (training) average.data[0] += batch;
      return mean(square(sub(linear(x, weight), add(linear(x, teacher), noise))));
    },
    steps: 10,
    schedule: cosineSchedule({ peak: 0.2, steps: 10, warmup: 2 }),
    accumulate: 2,
    clip: 1,
    validation: { data: [10, 11], every: 5 },
    earlyStopping: { patience: 5 },
    seed: 7,
    ...more,
    ...checkpoint !== undefined && { checkpoint: { ...checkpoint, state: { average, weight } } },
  });
  const state = Object.entries(optimizer.state()).map(([name, tensor]) => [name, tensor.toArray()]);
  return {
    weight: weight.toArray(),
    average: average.toArray(),
    state,
    history,
    best: bestValidationLoss,
  };
}

/** An abort after so many steps. */
function abortAfter(steps: number): Partial<TrainOptions<number>> {
  const controller = new AbortController();
  const onProgress = ({ completed }: TrainProgress) => {
    if (completed === steps) controller.abort(new Error("enough"));
  };
  return { signal: controller.signal, onProgress };
}

/** The names of a folder's files. */
function filesOf(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
}

Deno.test("a training that was aborted and resumed has the bits of one that never stopped", async () => {
  const before = pool.stats().liveBytes;
  const whole = await run(undefined);
  // Step 5 is where validation is due, which the abort cuts off; 3 leaves an epoch open.
  for (const steps of [5, 3, 9]) {
    await withFolder(async (folder) => {
      await assertRejects(() => run({ folder }, abortAfter(steps)), Error, "enough");
      assertEquals((await latestCheckpoint(folder)).step, steps);
      assertEquals(await run({ folder, resume: true }), whole, `after ${steps}`);
      // What is over stays so.
      assertEquals(await run({ folder, resume: true }), whole);
    });
  }
  assertEquals(pool.stats().liveBytes, before);
});

Deno.test("a training of 5 steps goes on to 10, also of data that knows its place", async () => {
  const whole = await run(undefined, { data: new Numbers() });
  await withFolder(async (folder) => {
    await run({ folder }, { data: new Numbers(), steps: 5 });
    const data = new Numbers();
    assertEquals(await run({ folder, resume: true }, { data, seed: undefined }), whole);
    assertEquals(data.given, 10);
  });
});

Deno.test("the last checkpoints stay, and open as the weights of a model", async () => {
  await withFolder(async (folder) => {
    const { weight } = await run({ folder, every: 2, keep: 3 });
    const names = ["06", "08", "10"].map((step) => `step-000000${step}.safetensors`);
    assertEquals(filesOf(folder), names);
    using file = openTensors(`${folder}/${names[2]}`);
    using saved = file.open("layer.weight");
    assertEquals(saved.toArray(), weight);
    assertEquals(file.names.filter((name) => name.includes("/state/")), ["training/state/average"]);
  });
});

Deno.test("damaged and unfinished files are passed over, reported, and replaced", async () => {
  const whole = await run(undefined);
  await withFolder(async (folder) => {
    await run({ folder, every: 2, keep: 3 });
    const [sixth, eighth, tenth] = filesOf(folder).map((name) => `${folder}/${name}`);
    await Deno.truncate(tenth, (await Deno.stat(tenth)).size - 3);
    const bytes = await Deno.readFile(eighth);
    bytes[bytes.length - 5] ^= 1;
    await Deno.writeFile(eighth, bytes);
    await Deno.writeFile(`${tenth}.0.tmp`, bytes.subarray(0, 100));
    const { path, step, damaged } = await latestCheckpoint(folder);
    assertEquals([path, step], [sixth, 6]);
    assertEquals(damaged.map(({ path }) => path), [`${tenth}.0.tmp`, tenth, eighth]);
    assert(damaged[2].reason.includes("not those that were written"));
    const problems: string[] = [];
    const onProgress = ({ problem }: TrainProgress) => {
      if (problem !== undefined) problems.push(problem);
    };
    assertEquals(await run({ folder, keep: 1, resume: true }, { onProgress }), whole);
    assertEquals(problems.length, 3);
    assertEquals(filesOf(folder), ["step-00000010.safetensors"]);
    assertEquals((await latestCheckpoint(folder)).step, 10);
  });
});

Deno.test("a folder of another training, or of another model, is refused and stays", async () => {
  await withFolder(async (folder) => {
    await run({ folder });
    await assertRejects(() => run({ folder }), RangeError, "pass resume: true");
    using weight = Tensor.ones([3, 3]);
    using optimizer = new AdamW({ weight });
    const options = { optimizer, data: [0], loss: () => mean(weight), steps: 20 };
    const checkpoint = { folder, resume: true };
    await assertRejects(
      () => train({ ...options, parameters: { weight }, checkpoint }),
      RangeError,
      "has no weight; it is of another model",
    );
    await assertRejects(
      () => train({ ...options, parameters: { "layer.weight": weight }, checkpoint }),
      RangeError,
      "layer.weight is float32 [2, 3]",
    );
    assertEquals([weight.toArray(), optimizer.steps], [[[1, 1, 1], [1, 1, 1], [1, 1, 1]], 0]);
    assertEquals((await latestCheckpoint(folder)).step, 10);
  });
  assertEquals(await latestCheckpoint("/not/there"), { path: undefined, step: 0, damaged: [] });
});

Deno.test("a folder that cannot be written to is told in one line before the first step", async () => {
  await withFolder(async (folder) => {
    const controller = new AbortController();
    const error = await assertRejects(
      () =>
        run({ folder: `${folder}/file/inside` }, {
          signal: controller.signal,
          loss: () => {
            throw new Error("a step was taken");
          },
        }),
      Error,
      "train: checkpoints cannot be written to",
    );
    assertEquals(error.message.includes("\n"), false);
  }, { file: "" });
});

Deno.test("a checkpoint that cannot be written leaves the one before, and training goes on", async () => {
  const whole = await run(undefined);
  await withFolder(async (folder) => {
    const problems: string[] = [];
    // A folder that stands where the file should go.
    const blocked = `${folder}/step-00000004.safetensors`;
    const outcome = await run({ folder, every: 2, keep: 9 }, {
      onProgress: ({ completed, problem }) => {
        if (completed === 3) Deno.mkdirSync(`${blocked}/inside`, { recursive: true });
        if (problem !== undefined) problems.push(problem);
        if (completed === 6) Deno.removeSync(blocked, { recursive: true });
      },
    });
    assertEquals(outcome, whole);
    assertEquals(problems.length, 1);
    assert(problems[0].startsWith(`train: the checkpoint ${blocked} was not written: `));
    assert(problems[0].endsWith("those before it stay") && !problems[0].includes("\n"));
    assertEquals(filesOf(folder).length, 4);
    await assertRejects(
      () =>
        run({ folder, resume: true }, {
          steps: 12,
          onProgress: ({ completed }) => {
            if (completed === 11) Deno.mkdirSync(`${folder}/step-00000012.safetensors`);
          },
        }),
      Error,
      "those before it stay",
    );
    assertEquals((await latestCheckpoint(folder)).step, 10);
  });
});

/** Starts a program of this folder. */
function start(program: string, args: string[], around: Around = {}): Deno.ChildProcess {
  const { prefix = [], permissions = [] } = around;
  const path = fileURLToPath(new URL(program, import.meta.url));
  const deno = [Deno.execPath(), "run", "--no-check", "-A", ...permissions, path];
  const command = [...prefix, ...deno, ...args];
  return new Deno.Command(command[0], {
    args: command.slice(1),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Under what a program runs. */
interface Around {
  prefix?: string[];
  permissions?: string[];
}

/** Runs the program that saves without end. */
function startSaving(folder: string, around?: Around): Deno.ChildProcess {
  return start("saving_program.ts", [folder, "20000"], around);
}

/** The step of the newest checkpoint, whose elements must all be right. */
async function checkedStep(folder: string, interrupted?: Set<string>): Promise<number> {
  const { path, step, damaged } = await latestCheckpoint(folder);
  for (const { path, reason } of damaged) {
    assertEquals(reason, "it was not finished");
    interrupted?.add(path);
  }
  if (path === undefined) return 0;
  using file = openTensors(path);
  using weight = file.open("weight") as Tensor<"float32">;
  assert(weight.data.every((element) => element === -step), `the weight of step ${step}`);
  return step;
}

/** Kills a training again and again in a folder of its own; says how often while it wrote. */
async function killOften(times: number): Promise<number> {
  const interrupted = new Set<string>();
  await withFolder(async (folder) => {
    let step = 0;
    for (let i = 0; i < times; i++) {
      const child = startSaving(folder);
      let taken = 0;
      for await (const bytes of child.stdout) {
        if (taken === 0) setTimeout(() => child.kill("SIGKILL"), Math.random() ** 2 * 80);
        taken += bytes.length;
      }
      await child.stderr.cancel();
      await child.status;
      const now = await checkedStep(folder, interrupted);
      // A step is told after the checkpoint of the one before was written, and before its own.
      const told = step + taken;
      assert(now === told || now === told - 1, `step ${now} after ${step} and ${taken} more`);
      step = now;
    }
    assert(step > 0, "no checkpoint was ever written");
  });
  return interrupted.size;
}

Deno.test("100 kills at any moment leave the old checkpoint or the new one", async () => {
  const interrupted = await Promise.all(Array.from({ length: 4 }, () => killOften(25)));
  // Else no kill would have met a file that was being written.
  assert(interrupted.some((count) => count > 0), `${interrupted}`);
});

/** Trains to the end, killed after some milliseconds again and again; gives the last file. */
async function trainKilled(folder: string, steps: number, kills: number): Promise<Uint8Array> {
  for (let run = 0;; run++) {
    const child = start("dropout_program.ts", [folder, `${steps}`]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    for await (const _ of child.stdout) {
      if (run < kills) timer ??= setTimeout(() => child.kill("SIGKILL"), Math.random() * 150);
    }
    // It may have come to its end before.
    clearTimeout(timer);
    const [{ success, signal }, text] = await Promise.all([
      child.status,
      new Response(child.stderr).text(),
    ]);
    if (success) break;
    assert(run < kills && signal === "SIGKILL", text);
  }
  const { path, step } = await latestCheckpoint(folder);
  assertEquals(step, steps);
  return await Deno.readFile(path!);
}

Deno.test("a training that is killed again and again ends with the bits of one that was not", async () => {
  const files: Uint8Array[] = [];
  for (const kills of [0, 12]) {
    await withFolder(async (folder) => {
      files.push(await trainKilled(folder, 400, kills));
    });
  }
  assertEquals(files[1], files[0]);
});

Deno.test({
  name: "a full disk is told in one line, and the checkpoint before stays",
  ignore: Deno.build.os === "windows",
  async fn() {
    await withFolder(async (folder) => {
      // Blocks of 512 bytes: the first files fit, until the losses make them larger.
      const limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f 158; exec "$@"', "sh"];
      const child = startSaving(folder, { prefix: limited });
      const [{ success }, , text] = await Promise.all([
        child.status,
        new Response(child.stdout).arrayBuffer(),
        new Response(child.stderr).text(),
      ]);
      assertEquals(success, false);
      assert(/train: the checkpoint .* was not written: .*; those before it stay/.test(text), text);
      assert(await checkedStep(folder) > 0);
      assertEquals(filesOf(folder).filter((name) => name.endsWith(".tmp")), []);
    });
  },
});

Deno.test("a folder that may no longer be written to is told in one line, and stays as it is", async () => {
  await withFolder(async (folder) => {
    const child = startSaving(folder);
    for await (const _ of child.stdout) if (filesOf(folder).length > 1) child.kill("SIGKILL");
    await Promise.all([child.status, child.stderr.cancel()]);
    const before = filesOf(folder);
    const step = await checkedStep(folder);
    // Of root and on Windows a mode is no barrier.
    const isFree = Deno.build.os === "windows" || Deno.uid() === 0;
    if (!isFree) await Deno.chmod(folder, 0o555);
    const permissions = isFree ? [`--deny-write=${folder}`] : [];
    const refused = startSaving(folder, { permissions });
    const [{ success }, output, text] = await Promise.all([
      refused.status,
      new Response(refused.stdout).text(),
      new Response(refused.stderr).text(),
    ]);
    if (!isFree) await Deno.chmod(folder, 0o755);
    assertEquals([success, output], [false, ""]);
    assert(/Error: train: checkpoints cannot be written to .*: .*\n/.test(text), text);
    assertEquals([filesOf(folder), await checkedStep(folder)], [before, step]);
  });
});
