/**
 * The loop of a training: batches, steps, validations, checkpoints.
 *
 *     boundary ──▶ step ──▶ boundary ──▶ step ──▶ …
 *        │           └ batches, gradients, clipping, the optimiser
 *        └ validation, early stopping, checkpoint, end, abort
 *
 * Whatever is saved is what there is at a boundary, where no batch was asked for yet, so that
 * a training that is resumed has the same bits as one that never stopped.
 */
import { Random } from "../core/random.ts";
import { noGrad } from "../autograd/mod.ts";
import { pool, scope } from "../memory/mod.ts";
import { clipGradNorm } from "../optim/mod.ts";
import { Pacer } from "../core/pacer.ts";
import { Tensor } from "../tensor/mod.ts";
import { BatchReader, iteratorOf, type Place } from "./batches.ts";
import { latestCheckpoint, prepareFolder, writeCheckpoint } from "./checkpoint_folder.ts";
import { LossHistory } from "./loss_history.ts";
import { checkOptions, type Loss, type TrainOptions, type TrainResult } from "./options.ts";
import { restoreSnapshot, type Standing, takeSnapshot } from "./snapshot.ts";

/**
 * Trains: reads batches, computes the gradients of their losses, and lets the optimiser step.
 * The event loop has a turn every 10 ms between the batches.
 *
 * With a folder for checkpoints a training can end at any moment, also by a power failure,
 * and go on later: the same call with `resume: true` gives the same bits as if it had never
 * stopped. A checkpoint that cannot be written is told as a `problem`, and tried again at the
 * next; that of the end must be written.
 *
 * @param options What to train, how, and whom to tell.
 * @returns The losses, once all steps were taken.
 * @throws The signal's reason when it is aborted, after a checkpoint was saved.
 * @throws {RangeError} When an option is out of range, or the data gives no batch.
 * @throws {Error} When a loss is no finite number, or the last checkpoint cannot be written;
 * the parameters are as after the last step then.
 *
 * @example
 * ```ts
 * import { mean, square, sub, Tensor } from "@quern/quern";
 * import { AdamW } from "@quern/quern/optim";
 * import { train } from "@quern/quern/train";
 *
 * using weight = Tensor.zeros([3]);
 * using goal = Tensor.from([1, 2, 3]);
 * using optimizer = new AdamW({ weight }, { learningRate: 0.1, weightDecay: 0 });
 * const { history } = await train({
 *   parameters: { weight },
 *   optimizer,
 *   data: [goal],
 *   loss: (goal) => mean(square(sub(weight, goal))),
 *   steps: 100,
 * });
 * console.log(history.length, history[99].loss < 0.1); // 100 true
 * ```
 */
export async function train<B>(options: TrainOptions<B>): Promise<TrainResult> {
  checkOptions(options);
  options.signal?.throwIfAborted();
  const run = new Run(options);
  try {
    return await run.toEnd();
  } finally {
    run.close();
  }
}

/** One training, from its beginning or a checkpoint to its end. */
class Run<B> {
  readonly #options: TrainOptions<B>;
  readonly #reader: BatchReader<B>;
  readonly #pacer = new Pacer();
  readonly #began = performance.now();
  #first = 0;
  #items = 0;
  #history = LossHistory.from();
  #standing: Standing;
  /** The step of the last checkpoint. */
  #saved = -1;
  #gradientNorm: number | undefined;

  constructor(options: TrainOptions<B>) {
    this.#options = options;
    this.#reader = new BatchReader(options.data);
    const { seed } = new Random(options.seed);
    const place = this.#place();
    this.#standing = { step: 0, seed, place, best: null, worse: 0, validatedAt: 0 };
  }

  close(): void {
    this.#reader.close();
  }

  async toEnd(): Promise<TrainResult> {
    await this.#resume();
    this.#options.optimizer.zeroGrad();
    for (;;) {
      if (this.#isValidationDue) await this.#validate();
      const { step } = this.#standing;
      const isOver = !this.#isValidationDue &&
        (step >= this.#options.steps || this.#isStoppedEarly);
      await this.#save(isOver || this.#isAborted);
      if (isOver) return this.#result();
      this.#options.signal?.throwIfAborted();
      await this.#step();
    }
  }

  #result(): TrainResult {
    const { step, best } = this.#standing;
    return {
      step,
      history: this.#history.points(),
      bestValidationLoss: best ?? undefined,
      stoppedEarly: step < this.#options.steps,
    };
  }

  get #isAborted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  get #isStoppedEarly(): boolean {
    const { earlyStopping } = this.#options;
    return earlyStopping !== undefined && this.#standing.worse >= earlyStopping.patience;
  }

  async #resume(): Promise<void> {
    const { checkpoint, parameters, optimizer } = this.#options;
    if (checkpoint === undefined) return;
    const { folder, resume = false, state = {} } = checkpoint;
    await prepareFolder(folder);
    const { path, damaged } = await latestCheckpoint(folder);
    if (path !== undefined && !resume) {
      throw new RangeError(
        `train: ${folder} holds checkpoints of a training; pass resume: true to go on with it, or ` +
          `name another folder`,
      );
    }
    if (path !== undefined) {
      const restored = restoreSnapshot(path, { parameters, optimizer, state });
      this.#standing = restored.standing;
      this.#history = restored.history;
      await this.#reader.seek(restored.standing.place);
      this.#saved = this.#first = restored.standing.step;
    }
    for (const each of resume ? damaged : []) {
      this.#report(`the checkpoint ${each.path} was passed over: ${each.reason}`);
    }
  }

  /** Takes a step, or none where it is aborted while the data is waited for. */
  async #step(): Promise<void> {
    const { accumulate = 1, schedule, optimizer, clip, parameters } = this.#options;
    const { step } = this.#standing;
    if (schedule !== undefined) optimizer.learningRate = schedule(step);
    let total = 0;
    try {
      for (let i = 0; i < accumulate; i++) {
        const batch = await this.#nextBatch();
        if (batch === undefined) return optimizer.zeroGrad();
        total += this.#backward(batch.value, step * accumulate + i, accumulate);
        await this.#pacer.pause();
      }
    } catch (error) {
      optimizer.zeroGrad();
      throw error;
    }
    if (clip !== undefined) this.#gradientNorm = clipGradNorm(parameters, clip);
    optimizer.step();
    this.#standing = { ...this.#standing, step: step + 1, place: this.#place() };
    const { learningRate } = optimizer;
    this.#history.add(step + 1, total / accumulate, learningRate);
    this.#report();
  }

  /** Only checkpoints need the place, and asking may cost something. */
  #place(): Place {
    return this.#options.checkpoint === undefined ? { batches: 0 } : this.#reader.place;
  }

  /** The next batch; undefined once it is aborted, also while a source does not answer. */
  async #nextBatch(): Promise<{ value: B } | undefined> {
    const { signal } = this.#options;
    const next = this.#reader.next();
    if (signal === undefined) return { value: await next };
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    // A source that has its batch ready comes first: the step is finished then.
    const onAbort = () => void (timer = setTimeout(resolve, 0, undefined));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([next.then((value) => ({ value })), promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  #backward(batch: B, count: number, parts: number): number {
    const { step } = this.#standing;
    const { itemsOf } = this.#options;
    this.#items += itemsOf?.(batch) ?? 1;
    return scope(() => {
      const loss = this.#lossOf(this.#options.loss, batch, count, true);
      const value = numberOf(loss);
      if (!Number.isFinite(value)) {
        throw new Error(`train: the loss is ${value} at step ${step}; the step was not taken`);
      }
      loss.backward({ gradient: Tensor.full(loss.shape, 1 / parts, loss.dtype as "float32") });
      return value;
    });
  }

  #lossOf(loss: Loss<B>, batch: B, count: number, training: boolean): Tensor {
    const { step, seed } = this.#standing;
    const mixed = (seed + Math.imul(count + 1, 0x9e3779b1)) >>> 0;
    const result = loss(batch, { step, seed: new Random(mixed).nextUint32(), training });
    if (result instanceof Tensor && result.size === 1) return result;
    throw new TypeError("train: the loss must be a tensor of one number, not a promise or others");
  }

  get #isValidationDue(): boolean {
    const { step, validatedAt } = this.#standing;
    const every = this.#options.validation?.every;
    const isPlace = every !== undefined && (step % every === 0 || step >= this.#options.steps);
    return isPlace && step > validatedAt;
  }

  /** Computes the mean loss of the validation data; not to the end where it is aborted. */
  async #validate(): Promise<void> {
    const { data, loss = this.#options.loss } = this.#options.validation!;
    const iterator = iteratorOf(data);
    let [total, count] = [0, 0];
    try {
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) break;
        if (this.#isAborted) return;
        total += noGrad(() => scope(() => numberOf(this.#lossOf(loss, value, count, false))));
        count++;
        await this.#pacer.pause();
      }
    } finally {
      await iterator.return?.();
    }
    if (count === 0) throw new RangeError("train: the validation data gave no batch");
    const isBest = this.#noteValidation(total / count);
    if (isBest) await this.#options.validation!.onBest?.(total / count, this.#standing.step);
  }

  /** Notes a loss; returns whether it is better than all before. */
  #noteValidation(loss: number): boolean {
    const { step, best, worse } = this.#standing;
    const margin = this.#options.earlyStopping?.margin ?? 0;
    const isBetter = best === null || loss < best - margin;
    this.#standing = {
      ...this.#standing,
      best: isBetter ? loss : best,
      worse: isBetter ? 0 : worse + 1,
      validatedAt: step,
    };
    this.#history.noteValidation(loss);
    this.#report();
    return isBetter;
  }

  /**
   * Saves a checkpoint where it is time for one.
   *
   * @param isLast Whether there will be no other: then it must succeed.
   */
  async #save(isLast: boolean): Promise<void> {
    const { checkpoint, parameters, optimizer } = this.#options;
    const { step } = this.#standing;
    if (checkpoint === undefined || step === this.#saved) return;
    const { folder, every, keep = 2, state = {} } = checkpoint;
    if (!isLast && !(step > 0 && every !== undefined && step % every === 0)) return;
    using losses = this.#history.toTensor();
    const trained = { parameters, optimizer, state };
    try {
      const pause = () => this.#pacer.pause();
      const snapshot = await takeSnapshot(trained, this.#standing, losses, pause);
      await writeCheckpoint(folder, step, snapshot, keep);
      this.#saved = step;
    } catch (error) {
      if (isLast) throw error;
      this.#report(error instanceof Error ? error.message : String(error));
    }
  }

  #report(problem?: string): void {
    const { onProgress, steps, optimizer } = this.#options;
    if (onProgress === undefined) return;
    const { step } = this.#standing;
    const seconds = (performance.now() - this.#began) / 1000;
    const taken = step - this.#first;
    const { liveBytes, peakBytes } = pool.stats();
    onProgress({
      stage: "training",
      completed: step,
      total: steps,
      unit: "steps",
      loss: this.#history.loss,
      validationLoss: this.#history.validationLoss,
      learningRate: optimizer.learningRate,
      gradientNorm: this.#gradientNorm,
      itemsPerSecond: this.#items / seconds,
      secondsLeft: taken > 0 ? (steps - step) * seconds / taken : undefined,
      liveBytes,
      peakBytes,
      ...problem !== undefined && { problem },
    });
  }
}

function numberOf(loss: Tensor): number {
  using scalar = loss.detach();
  return noGrad(() => {
    using flat = scalar.reshape([]);
    return Number(flat.get());
  });
}
