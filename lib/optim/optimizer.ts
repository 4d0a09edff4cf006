/**
 * What all optimisers share: named parameters, in groups with settings of their own, what
 * is remembered of each, and its way into a file and back.
 *
 * A step changes parameters where they are, in memory that stays, and gives their gradients
 * back to the pool. What an optimiser remembers is rented at a parameter's first step.
 */
import { unrecorded } from "../autograd/mod.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { keep } from "../memory/mod.ts";
import { type NamedTensors, noteWrite, Tensor } from "../tensor/mod.ts";

/** What can be optimised: tensors by name, or a list, whose names are their positions. */
export type Parameters = NamedTensors | Iterable<Tensor>;

/** Settings that every optimiser has. */
export interface OptimizerOptions {
  /** How far a step goes. */
  learningRate?: number;
  /** What share of itself, times the learning rate, a parameter loses in a step; 0 for none. */
  weightDecay?: number;
}

/** Parameters with settings of their own. */
export interface ParameterGroup {
  /** The parameters. */
  parameters: Parameters;
  /** In place of the optimiser's. */
  weightDecay?: number;
  /** What the optimiser's learning rate is multiplied with; 1 when left out. */
  rateFactor?: number;
}

/** A parameter, and what is remembered of it. */
export interface Slot {
  /** Its name, for errors and files. */
  readonly name: string;
  /** The tensor. */
  readonly parameter: Tensor<"float32"> | Tensor<"float64">;
  /** Its weight decay. */
  readonly weightDecay: number;
  /** What the learning rate is multiplied with. */
  readonly rateFactor: number;
  /** What is remembered, by name; empty until the first step. */
  readonly memory: Record<string, Tensor>;
}

/** Base of the optimisers. */
export abstract class Optimizer implements Disposable {
  /** What it is called, for errors. */
  readonly name: string;
  readonly #slots: readonly Slot[];
  #learningRate: number;
  #steps = 0;
  #stepsTensor: Tensor<"int64"> | undefined;

  /**
   * Takes parameters, and makes leaves of those that are none.
   *
   * @param name What it is called, for errors.
   * @param parameters Tensors of float32 or float64, by name or in a list, or groups of them.
   * @param learningRate How far a step goes.
   * @param weightDecay Of the parameters of no group, and of groups that name none.
   * @throws {TypeError} When one of them is no such tensor, or not dense.
   * @throws {RangeError} When a setting is no number of 0 or more, or a name appears twice.
   */
  constructor(
    name: string,
    parameters: Parameters | readonly ParameterGroup[],
    learningRate: number,
    weightDecay: number,
  ) {
    this.name = name;
    this.#learningRate = checkSetting(name, "learningRate", learningRate);
    checkSetting(name, "weightDecay", weightDecay);
    const groups = isGroups(parameters) ? parameters : [{ parameters }];
    this.#slots = slotsOf(name, groups, weightDecay);
  }

  /** How far a step goes; a schedule sets it before each step. */
  get learningRate(): number {
    return this.#learningRate;
  }

  set learningRate(rate: number) {
    this.#learningRate = checkSetting(this.name, "learningRate", rate);
  }

  /** How many steps were taken. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Changes every parameter that has a gradient, and gives the gradients back to the pool.
   *
   * @throws {OutOfMemoryError} When there is no memory for what is to be remembered.
   */
  step(): void {
    this.#steps++;
    unrecorded(() => this.#stepAll());
  }

  #stepAll(): void {
    for (const slot of this.#slots) {
      const { parameter } = slot;
      const gradient = parameter.grad;
      if (gradient === undefined) continue;
      noteWrite(parameter, this.name);
      this.update(slot, gradient, this.#learningRate * slot.rateFactor);
      parameter.zeroGrad();
    }
  }

  /** Gives all gradients back, unused. */
  zeroGrad(): void {
    for (const { parameter } of this.#slots) parameter.zeroGrad();
  }

  /**
   * What the optimiser remembers, for a file.
   *
   * @returns Tensors that stay the optimiser's, valid until the next step.
   *
   * @example
   * ```ts
   * import { Tensor } from "@quern/quern";
   * import { AdamW } from "@quern/quern/optim";
   *
   * using weight = Tensor.ones([2, 2]);
   * using optimizer = new AdamW({ weight });
   * console.log(Object.keys(optimizer.state())); // ["steps"], and more after a step
   * ```
   */
  state(): Record<string, Tensor> {
    this.#stepsTensor ??= keep(Tensor.zeros([], "int64"));
    this.#stepsTensor.data[0] = BigInt(this.#steps);
    const state: Record<string, Tensor> = { steps: this.#stepsTensor };
    for (const { name, memory } of this.#slots) {
      for (const [what, tensor] of Object.entries(memory)) state[`${name}.${what}`] = tensor;
    }
    return state;
  }

  /**
   * Goes on from what `state` gave, so that the next steps have the same bits.
   *
   * @param state Tensors by name, which are copied.
   * @throws {RangeError} When one is missing, of another shape, or unknown.
   */
  load(state: NamedTensors): void {
    const { steps, ...rest } = state;
    if (steps?.dtype !== "int64" || steps.size !== 1) {
      throw new RangeError(`${this.name}.load: "steps" is missing, or no int64 scalar`);
    }
    const unused = new Set(Object.keys(rest));
    for (const slot of this.#slots) {
      const known = Object.keys(rest).filter((name) => this.#isOf(slot, name));
      if (known.length === 0) continue;
      this.remember(slot);
      for (const [what, tensor] of Object.entries(slot.memory)) {
        const name = `${slot.name}.${what}`;
        copyInto(this.name, name, tensor, rest[name]);
        unused.delete(name);
      }
    }
    if (unused.size > 0) {
      throw new RangeError(`${this.name}.load: there is no place for ${[...unused].join(", ")}`);
    }
    using count = steps.reshape([]) as Tensor<"int64">;
    this.#steps = Number(count.get());
  }

  #isOf(slot: Slot, name: string): boolean {
    return name.startsWith(`${slot.name}.`) && !name.slice(slot.name.length + 1).includes(".");
  }

  /** Gives back what is remembered. The parameters stay. */
  dispose(): void {
    this.#stepsTensor?.dispose();
    this.#stepsTensor = undefined;
    for (const { memory } of this.#slots) {
      for (const name of Object.keys(memory)) {
        memory[name].dispose();
        delete memory[name];
      }
    }
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Changes one parameter. */
  protected abstract update(slot: Slot, gradient: Tensor, rate: number): void;

  /** Rents what is remembered of a parameter, of zeros. */
  protected abstract remember(slot: Slot): void;
}

/**
 * Checks a setting.
 *
 * @param optimizer Named in the error.
 * @param name The setting's name.
 * @param value Its value.
 * @returns The value.
 * @throws {RangeError} When it is not a finite number of 0 or more.
 */
export function checkSetting(optimizer: string, name: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new RangeError(`${optimizer}: ${name} is ${value}, expected a number of 0 or more`);
}

/**
 * Checks a share of what is remembered.
 *
 * @param optimizer Named in the error.
 * @param name The setting's name.
 * @param value Its value.
 * @returns The value.
 * @throws {RangeError} When it is not from 0 to below 1.
 */
export function checkShare(optimizer: string, name: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw new RangeError(`${optimizer}: ${name} is ${value}, expected 0 or more and less than 1`);
}

/**
 * Checks how much of two averages stays.
 *
 * @param optimizer Named in the error.
 * @param betas The two shares.
 * @returns The shares.
 * @throws {RangeError} When one is not from 0 to below 1.
 */
export function checkBetas(
  optimizer: string,
  [first, second]: readonly [number, number],
): readonly [number, number] {
  checkShare(optimizer, "the first beta", first);
  checkShare(optimizer, "the second beta", second);
  return [first, second];
}

/**
 * Zeros in the shape and dtype of a parameter, of no scope.
 *
 * @param slot The parameter's.
 * @param name What they are called.
 * @returns The tensor, which is made once.
 */
export function remembered(slot: Slot, name: string): Tensor {
  const { shape, dtype } = slot.parameter;
  return slot.memory[name] ??= keep(Tensor.zeros(shape, dtype));
}

/**
 * Parameters with their names.
 *
 * @param parameters By name, or a list.
 * @returns The pairs.
 */
export function namedEntries(parameters: Parameters): [string, Tensor][] {
  if (!(Symbol.iterator in parameters)) return Object.entries(parameters);
  return Array.from(parameters as Iterable<Tensor>, (tensor, index) => [String(index), tensor]);
}

function isGroups(
  parameters: Parameters | readonly ParameterGroup[],
): parameters is readonly ParameterGroup[] {
  const first: unknown = Array.isArray(parameters) ? parameters[0] : undefined;
  return typeof first === "object" && first !== null && "parameters" in first;
}

function slotsOf(
  optimizer: string,
  groups: readonly ParameterGroup[],
  weightDecay: number,
): Slot[] {
  const slots = new Map<Tensor, Slot>();
  const names = new Set<string>();
  groups.forEach((group, index) => {
    const decay = checkSetting(optimizer, "weightDecay", group.weightDecay ?? weightDecay);
    const rateFactor = checkSetting(optimizer, "rateFactor", group.rateFactor ?? 1);
    const isList = Symbol.iterator in group.parameters;
    for (const [own, parameter] of namedEntries(group.parameters)) {
      const name = isList && groups.length > 1 ? `${index}.${own}` : own;
      checkParameter(optimizer, name, parameter);
      // A weight that two layers share is one parameter.
      if (slots.has(parameter)) continue;
      if (names.has(name)) throw new RangeError(`${optimizer}: two parameters are called ${name}`);
      names.add(name);
      slots.set(parameter, { name, parameter, weightDecay: decay, rateFactor, memory: {} });
    }
  });
  return [...slots.values()];
}

function checkParameter(
  optimizer: string,
  name: string,
  tensor: Tensor,
): asserts tensor is Tensor<"float32"> | Tensor<"float64"> {
  if (!(tensor instanceof Tensor)) {
    throw new TypeError(`${optimizer}: parameter ${name} is no tensor`);
  }
  if (tensor.dtype !== "float32" && tensor.dtype !== "float64") {
    throw new TypeError(
      `${optimizer}: parameter ${name} is ${tensor.dtype}, expected float32 or float64`,
    );
  }
  if (!tensor.isContiguous) {
    throw new TypeError(`${optimizer}: parameter ${name} is a view that is not contiguous`);
  }
  if (!tensor.requiresGrad) tensor.requiresGrad = true;
}

function copyInto(optimizer: string, name: string, target: Tensor, source: Tensor): void {
  if (source === undefined) throw new RangeError(`${optimizer}.load: ${name} is missing`);
  if (source.dtype !== target.dtype || !sameShape(source.shape, target.shape)) {
    throw new RangeError(
      `${optimizer}.load: ${name} is ${source.dtype} ${formatShape(source.shape)}, expected ` +
        `${target.dtype} ${formatShape(target.shape)}`,
    );
  }
  target.copyFrom(source);
}
