/**
 * Runs the cases of `bench pool` in this isolate, or in several workers at once.
 *
 * Workers wait for each other before every batch, at a barrier in shared memory, so
 * that they work at the same time:
 *
 *     main ── {job} ──▶ each worker ── barrier ── batch ──▶ {answer} ── main
 *
 * @module
 */

import { countHeap, type HeapFigures, timeLoop } from "./measure.ts";
import type { PoolCase } from "./pool_cases.ts";
import type { PoolPeers } from "./pool_peers.ts";

/** What is asked of an isolate, about the case with a number. */
export interface Job {
  readonly what: "time" | "count";
  readonly index: number;
  readonly operations: number;
}

/** What a worker is told first. */
export interface WorkerStart {
  readonly lengths: readonly number[];
  readonly peers: PoolPeers | undefined;
  /** `[waiting, round]` */
  readonly barrier: Int32Array;
  readonly workers: number;
}

/** What a worker answers to a job; the first message is an answer of nothing, when it is ready. */
export type Answer = { readonly value: number | HeapFigures } | { readonly error: string };

/** Several isolates, or one, that measure the same case at the same time. */
export interface PoolRunner extends Disposable {
  /** 0: this isolate. */
  readonly workers: number;
  /** Nanoseconds of an operation, one for each isolate. */
  time(index: number, operations: number): Promise<number[]>;
  /** What V8 allocated, for each isolate. */
  count(index: number, operations: number): Promise<HeapFigures[]>;
}

/** Does a job in this isolate. */
export function doJob(cases: readonly PoolCase[], job: Job): number | HeapFigures {
  const { loop } = cases[job.index];
  return job.what === "time" ? timeLoop(loop, job.operations) : countHeap(loop, job.operations);
}

/** Measures in this isolate. */
export class LocalRunner implements PoolRunner {
  readonly workers = 0;
  readonly #cases: readonly PoolCase[];

  /** With the cases that jobs name by number. */
  constructor(cases: readonly PoolCase[]) {
    this.#cases = cases;
  }

  time(index: number, operations: number): Promise<number[]> {
    return Promise.resolve([timeLoop(this.#cases[index].loop, operations)]);
  }

  count(index: number, operations: number): Promise<HeapFigures[]> {
    return Promise.resolve([countHeap(this.#cases[index].loop, operations)]);
  }

  [Symbol.dispose](): void {}
}

/** Measures in workers. */
export class WorkerRunner implements PoolRunner {
  readonly workers: number;
  readonly #all: BenchWorker[];

  private constructor(all: BenchWorker[]) {
    this.workers = all.length;
    this.#all = all;
  }

  /** Starts workers and waits until each has its cases. */
  static async start(
    workers: number,
    lengths: readonly number[],
    peers: PoolPeers | undefined,
  ): Promise<WorkerRunner> {
    const barrier = new Int32Array(new SharedArrayBuffer(8));
    const start = { lengths, peers, barrier, workers };
    const all = Array.from({ length: workers }, () => new BenchWorker(start));
    const runner = new WorkerRunner(all);
    try {
      await Promise.all(all.map((worker) => worker.answer()));
    } catch (error) {
      runner[Symbol.dispose]();
      throw error;
    }
    return runner;
  }

  time(index: number, operations: number): Promise<number[]> {
    return this.#ask<number>({ what: "time", index, operations });
  }

  count(index: number, operations: number): Promise<HeapFigures[]> {
    return this.#ask<HeapFigures>({ what: "count", index, operations });
  }

  async #ask<T extends number | HeapFigures>(job: Job): Promise<T[]> {
    return await Promise.all(this.#all.map((worker) => worker.ask(job))) as T[];
  }

  [Symbol.dispose](): void {
    for (const worker of this.#all) worker.end();
  }
}

/** One worker, asked one thing at a time. */
class BenchWorker {
  readonly #worker: Worker;
  #answered: Promise<Answer>;
  #settle: (answer: Answer) => void = () => {};

  constructor(start: WorkerStart) {
    this.#answered = this.#next();
    this.#worker = new Worker(new URL("./pool_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#settle(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#settle({ error: event.message });
    };
    this.#worker.postMessage(start);
  }

  ask(job: Job): Promise<number | HeapFigures> {
    this.#answered = this.#next();
    this.#worker.postMessage(job);
    return this.answer();
  }

  async answer(): Promise<number | HeapFigures> {
    const answer = await this.#answered;
    if ("error" in answer) throw new Error(`a worker failed: ${answer.error}`);
    return answer.value;
  }

  end(): void {
    this.#worker.terminate();
  }

  #next(): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#settle = resolve;
    return promise;
  }
}
