/**
 * Gradients: what is recorded of operations, and the walk back through it. It imports no
 * operation; each says in its own file how it is differentiated.
 */
export { checkpoint } from "./checkpoint.ts";
export { draw } from "./draws.ts";
export { grad, type ScalarFunction, valueAndGrad, type ValueAndGradients } from "./grad.ts";
export { isRecording, noGrad, recorded, unrecorded } from "./mode.ts";
export type { Call, Differentiable, Gradients } from "./node.ts";
export {
  checkTraced,
  differentiable,
  isAnyTracked,
  isTracked,
  type Notes,
  record,
  RESULT,
  wants,
  withoutGradient,
} from "./record.ts";
