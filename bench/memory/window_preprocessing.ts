/**
 * Windows over a series, as forecasting uses them: so many values in, so many to predict,
 * each window normalised by its own mean and deviation.
 *
 *     series    0 1 2 3 4 5 6 7 8 9        length 4, horizon 2, stride 3
 *     window 0  i i i i t t                inputs i, targets t
 *     window 1        i i i i t t          2 windows; a third would need 12 values
 */
import { pool } from "../../lib/memory/mod.ts";
import type { Hold } from "./counting.ts";

/** How windows lie. All are integers, `length`, `horizon` and `stride` at least 1. */
export interface WindowPlan {
  /** Values that a window shows. */
  readonly length: number;
  /** Values after them that are to be predicted. */
  readonly horizon: number;
  /** From the beginning of one window to that of the next. */
  readonly stride: number;
}

/** What is done with a window; its arrays are valid during the call. */
export type UseWindow = (inputs: Float32Array, targets: Float32Array) => void;

/** How many windows fit into a series; none where one is longer than the series. */
export function windowCount(values: number, plan: WindowPlan): number {
  const room = values - plan.length - plan.horizon;
  return room < 0 ? 0 : Math.floor(room / plan.stride) + 1;
}

/** Shows every window in new arrays. */
export function freshWindows(
  series: Float32Array,
  plan: WindowPlan,
  use: UseWindow,
  hold: Hold,
): number {
  const count = windowCount(series.length, plan);
  for (let i = 0; i < count; i++) {
    const inputs = new Float32Array(plan.length);
    const targets = new Float32Array(plan.horizon);
    hold(inputs);
    hold(targets);
    fillWindow(series, i * plan.stride, inputs, targets);
    use(inputs, targets);
  }
  return count;
}

/** Shows every window in buffers of the pool, which go back before the next is made. */
export function pooledWindows(series: Float32Array, plan: WindowPlan, use: UseWindow): number {
  const count = windowCount(series.length, plan);
  for (let i = 0; i < count; i++) {
    const inputs = pool.rent(plan.length, "float32");
    const targets = pool.rent(plan.horizon, "float32");
    try {
      fillWindow(series, i * plan.stride, inputs.data, targets.data);
      use(inputs.data, targets.data);
    } finally {
      inputs.dispose();
      targets.dispose();
    }
  }
  return count;
}

/** Copies a window and normalises it; targets are scaled by what the inputs gave. */
function fillWindow(
  series: Float32Array,
  start: number,
  inputs: Float32Array,
  targets: Float32Array,
): void {
  let sum = 0;
  for (let i = 0; i < inputs.length; i++) sum += series[start + i];
  const mean = sum / inputs.length;
  let squares = 0;
  for (let i = 0; i < inputs.length; i++) squares += (series[start + i] - mean) ** 2;
  // A constant window has no deviation: it becomes zeros, not NaN.
  const scale = squares > 0 ? Math.sqrt(inputs.length / squares) : 0;
  for (let i = 0; i < inputs.length; i++) inputs[i] = (series[start + i] - mean) * scale;
  const next = start + inputs.length;
  for (let i = 0; i < targets.length; i++) targets[i] = (series[next + i] - mean) * scale;
}
