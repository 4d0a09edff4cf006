/**
 * A worker that shares tensors: it does what it is told, one order at a time, and
 * answers each. What it claims or makes it holds, until it is told to let go.
 */
import { MappedStorage } from "../../../lib/memory/mod.ts";
import { Tensor } from "../../../lib/tensor/mod.ts";
import type { NestedNumbers, SharedTensor } from "../../../lib/tensor/mod.ts";

/** What the worker can be told. */
export type Order =
  | { kind: "claim"; ticket: SharedTensor }
  | { kind: "negate" }
  | { kind: "make"; values: number[]; receivers: number }
  | { kind: "hold"; elements: number; path: string }
  | { kind: "pass"; receivers: number }
  | { kind: "let go" };

/** What it answers. */
export interface Answer {
  values?: NestedNumbers;
  ticket?: SharedTensor;
  error?: string;
}

const held: Tensor[] = [];

function obey(order: Order): Answer {
  switch (order.kind) {
    case "claim": {
      const tensor = Tensor.fromShared(order.ticket);
      held.push(tensor);
      return { values: (tensor as Tensor<"float32">).toArray() };
    }
    case "negate": {
      const tensor = held[held.length - 1] as Tensor<"float32">;
      const { data } = tensor;
      for (let i = 0; i < data.length; i++) data[i] = -data[i];
      return { values: tensor.toArray() };
    }
    case "make": {
      const tensor = Tensor.from(order.values);
      held.push(tensor);
      return { ticket: tensor.share({ receivers: order.receivers }) };
    }
    case "hold": {
      const mapped = MappedStorage.map(order.path);
      const weights = new Tensor(mapped, 0, [mapped.byteLength / 4], "float32");
      const tensor = Tensor.ones([order.elements]);
      held.push(tensor, tensor.slice(0, 1), Tensor.ones([4]), weights);
      return {};
    }
    case "pass":
      return { ticket: held[held.length - 1].share({ receivers: order.receivers }) };
    case "let go":
      for (const tensor of held.splice(0)) tensor.dispose();
      return {};
  }
}

/** What a worker has that a page has not. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(message: Answer): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) => {
  try {
    scope.postMessage(obey(data));
  } catch (error) {
    scope.postMessage({ error: String(error) });
  }
};
