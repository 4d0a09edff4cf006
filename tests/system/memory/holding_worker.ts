/**
 * A worker that takes memory in every way there is, says so, and keeps it: whoever
 * started it ends it in the middle of that.
 *
 * It is told the path of a file to map; its answer is the number of things it holds.
 */
import { MappedStorage, pool } from "../../../lib/memory/mod.ts";
import { Tensor, Workspace } from "../../../lib/tensor/mod.ts";

/** What a worker has that a page has not. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<string>) => void) | null;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as WorkerScope & { held?: unknown[] };

scope.onmessage = ({ data: path }) => {
  const workspace = new Workspace();
  const tensor = Tensor.ones([16, 64]);
  const held: unknown[] = [
    tensor,
    tensor.slice(0, 8),
    Tensor.ones([512, 1024]),
    workspace,
    workspace.get("scores", [64, 64]),
    pool.acquire(1000),
    pool.acquire(3 << 20),
    pool.rent(4096, "float32"),
    pool.rentBatch(8, 512, "float32"),
    MappedStorage.map(path),
  ];
  // What is on the shelves, and in the caches of the thread, comes on top.
  for (let bytes = 300; bytes < 200_000; bytes *= 2) pool.release(pool.acquire(bytes));
  scope.held = held;
  scope.postMessage(held.length);
};
