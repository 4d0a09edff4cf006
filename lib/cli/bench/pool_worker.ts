/**
 * The worker of `bench pool`: has its own isolate, and so its own shelves in front of
 * the process's pool. The first message says which cases there are; each later one is
 * a job, done when all workers have come to the barrier.
 *
 * @module
 */

import { openPoolCases } from "./pool_cases.ts";
import { type Answer, doJob, type Job, type WorkerStart } from "./pool_runner.ts";

/** What a worker has that a page has not. */
interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as WorkerScope;
const answer = (message: Answer) => scope.postMessage(message);

scope.onmessage = async ({ data }: MessageEvent<WorkerStart>) => {
  const { lengths, peers, barrier, workers } = data;
  const cases = await openPoolCases(lengths, peers);
  scope.onmessage = ({ data: job }: MessageEvent<Job>) => {
    meet(barrier, workers);
    try {
      answer({ value: doJob(cases, job) });
    } catch (error) {
      answer({ error: error instanceof Error ? error.message : String(error) });
    }
  };
  answer({ value: 0 });
};

/** Waits until every worker has come here. */
function meet(barrier: Int32Array, workers: number): void {
  const round = Atomics.load(barrier, 1);
  if (Atomics.add(barrier, 0, 1) === workers - 1) {
    Atomics.store(barrier, 0, 0);
    Atomics.add(barrier, 1, 1);
    Atomics.notify(barrier, 1);
    return;
  }
  Atomics.wait(barrier, 1, round);
}
