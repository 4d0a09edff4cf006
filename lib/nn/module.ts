/**
 * What all layers share: parameters and buffers by name, layers within layers, the way of
 * both into a file and back, and the passes through them.
 *
 *     model.forward(x) ─▶ pass "model" ─▶ pass "model.blocks.0" ─▶ pass "model.blocks.0.mlp"
 *                         the root: its workspace serves all, and paths in errors begin here
 *
 * Invariants: parameters are leaves that no scope takes; they and the buffers live as long
 * as their module. A pass is synchronous, and what it makes on the way is given back, or
 * stays in the root's workspace, before it returns.
 */
import { isRecording, unrecorded, wants } from "../autograd/mod.ts";
import { isFloating } from "../core/dtype.ts";
import { DisposedError, OutOfMemoryError } from "../core/errors.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { formatBytes } from "../core/sizes.ts";
import { keep } from "../memory/mod.ts";
import { cast, type Floating } from "../ops/mod.ts";
import { type NamedTensors, type Tensor, Workspace } from "../tensor/mod.ts";
import { Frame } from "./frame.ts";

/** Options of {@linkcode Module.load}. */
export interface LoadOptions {
  /** Whether missing and unknown names are errors; true when left out. */
  strict?: boolean;
}

/** The outermost pass that is under way, and how deep in it the innermost is. */
let running: { readonly root: Module; readonly depth: number } | undefined;

/** Errors whose message already tells where. */
const placed = new WeakSet<object>();

/** Classes of errors that are made anew with the path in front. */
const errorClasses = new Set<unknown>([
  Error,
  TypeError,
  RangeError,
  DisposedError,
  OutOfMemoryError,
]);

/**
 * Base of layers and models. Modules in public fields, and in arrays there, are parts of it;
 * so are those that were passed to `child`. A scope does not take modules: whoever makes one
 * disposes of it, and with it of all its parts.
 *
 * In training, which is the state of a new module, a pass is recorded for gradients. After
 * `eval()`, and inside of `noGrad`, it is not, unless after `eval()` an input requires a
 * gradient; then what it makes on the way lies in a workspace, and from the second pass of
 * the same shapes on nothing is rented but the result.
 *
 * @example
 * ```ts
 * import { relu, Tensor } from "@quern/quern";
 * import { Linear, Module } from "@quern/quern/nn";
 *
 * class Net extends Module {
 *   readonly first = new Linear(4, 8, { seed: 1 });
 *   readonly last = new Linear(8, 2, { seed: 2 });
 *
 *   forward(x: Tensor<"float32">): Tensor<"float32"> {
 *     return this.pass([x], () => {
 *       using hidden = this.first.forward(x);
 *       using active = relu(hidden);
 *       return this.last.forward(active);
 *     });
 *   }
 * }
 * using net = new Net();
 * using x = Tensor.ones([3, 4]);
 * using y = net.forward(x);
 * console.log(y.shape, Object.keys(net.parameters())); // [3, 2] ["first.weight", …]
 * ```
 */
export abstract class Module implements Disposable {
  readonly #parameters: Map<string, Tensor> = new Map();
  readonly #buffers: Map<string, Tensor> = new Map();
  readonly #children: Map<string, Module> = new Map();
  #frames: Frame[] = [];
  #workspace: Workspace | undefined;
  #training = true;
  #disposed = false;

  /** Whether the module is being trained, as a new one is: set by `train` and `eval`. */
  get training(): boolean {
    return this.#training;
  }

  /** Whether the module was disposed of. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * The parameters of this module and its parts that are trained, those that require
   * gradients: all but what `freeze` left as it is. One that is found twice has its first
   * name.
   *
   * @returns Borrowed tensors by name, with dots, such as `blocks.0.mlp.up.weight`.
   */
  parameters(): Record<string, Tensor> {
    const found: Record<string, Tensor> = {};
    for (const [path, module] of this.#all()) {
      for (const [name, tensor] of module.#parameters) {
        if (tensor.requiresGrad) found[join(path, name)] = tensor;
      }
    }
    return found;
  }

  /**
   * This module and its parts, each once.
   *
   * @returns The modules by path, such as `blocks.0.mlp.up`; the path of this one is empty.
   */
  modules(): Map<string, Module> {
    return new Map(this.#all());
  }

  /**
   * Leaves the parameters of this module and its parts as they are: no gradient of them is
   * computed or kept, and `parameters` lacks them. They stay in the state.
   *
   * @returns The module.
   *
   * @example
   * ```ts
   * import { MLP } from "@quern/quern/nn";
   *
   * using mlp = new MLP({ dim: 4, seed: 1 });
   * mlp.freeze().down.unfreeze();
   * console.log(Object.keys(mlp.parameters())); // ["down.weight", "down.bias"]
   * ```
   */
  freeze(): this {
    return this.#require(false);
  }

  /**
   * Lets the parameters of this module and its parts be trained again.
   *
   * @returns The module.
   */
  unfreeze(): this {
    return this.#require(true);
  }

  #require(gradients: boolean): this {
    for (const [, module] of this.#all()) {
      for (const tensor of module.#parameters.values()) tensor.requiresGrad = gradients;
    }
    return this;
  }

  /**
   * All that makes the module what it is: parameters and buffers.
   *
   * @returns Borrowed tensors by name.
   *
   * @example
   * ```ts
   * import { saveTensors } from "@quern/quern";
   * import { Linear } from "@quern/quern/nn";
   *
   * async function save(path: string) {
   *   using layer = new Linear(4, 2);
   *   await saveTensors(path, layer.state());
   * }
   * console.log(typeof save); // function
   * ```
   */
  state(): Record<string, Tensor> {
    const found: Record<string, Tensor> = {};
    for (const [path, module] of this.#all()) {
      for (const [name, tensor] of module.#parameters) found[join(path, name)] = tensor;
      for (const [name, tensor] of module.#buffers) found[join(path, name)] = tensor;
    }
    return found;
  }

  /**
   * Copies a state into the module. Floating-point tensors of another dtype are converted.
   * Nothing is changed when it does not fit.
   *
   * @param state Tensors by name, as `state` gives them and files hold them.
   * @param options Whether names must be complete.
   * @throws {RangeError} When a tensor is missing, unknown or of another shape.
   * @throws {TypeError} When a dtype cannot be converted.
   */
  load(state: NamedTensors, options: LoadOptions = {}): void {
    const { strict = true } = options;
    const own = this.state();
    if (strict) checkNames(this.#name, own, state);
    const names = Object.keys(own).filter((name) => name in state);
    for (const name of names) checkFit(this.#name, name, own[name], state[name]);
    unrecorded(() => {
      for (const name of names) assign(own[name], state[name]);
    });
  }

  /**
   * Puts this module and its parts into training, in which dropout is active and passes are
   * recorded; or out of it.
   *
   * @param training False for what `eval` does.
   * @returns The module.
   */
  train(training = true): this {
    for (const [, module] of this.#all()) {
      module.#training = training;
      if (training) module.#giveUpRoom();
    }
    return this;
  }

  /**
   * Puts this module and its parts out of training.
   *
   * @returns The module.
   */
  eval(): this {
    return this.train(false);
  }

  /** Disposes of the parameters, buffers and parts. Doing so again is harmless. */
  dispose(): void {
    for (const [, module] of this.#all()) module.#end();
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    if (this.#disposed) return `${this.#name} (disposed)`;
    const parameters = Object.values(this.parameters());
    const elements = parameters.reduce((sum, { size }) => sum + size, 0);
    const bytes = parameters.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return `${this.#name} of ${elements} trained numbers in ${parameters.length} tensors, ` +
      `${formatBytes(bytes)}${this.#training ? ", in training" : ""}`;
  }

  /**
   * Takes a tensor over as a parameter, of which gradients will be wanted.
   *
   * @param name Its name, without dots.
   * @param tensor A new tensor.
   * @returns The same tensor.
   */
  protected parameter<T extends Tensor>(name: string, tensor: T): T {
    this.#parameters.set(name, keep(tensor));
    tensor.requiresGrad = true;
    return tensor;
  }

  /**
   * Takes a tensor over that belongs to the state, but is not trained.
   *
   * @param name Its name, without dots.
   * @param tensor A new tensor.
   * @returns The same tensor.
   */
  protected buffer<T extends Tensor>(name: string, tensor: T): T {
    this.#buffers.set(name, keep(tensor));
    return tensor;
  }

  /**
   * Takes over a module that no public field holds.
   *
   * @param name Its name, without dots.
   * @param module The module.
   * @returns The same module.
   */
  protected child<M extends Module>(name: string, module: M): M {
    this.#children.set(name, module);
    return module;
  }

  /**
   * Runs a pass: errors of parts get their path in front, and nothing is recorded where no
   * gradient is wanted. What `forward` does belongs in here.
   *
   * @param inputs The tensors that come from outside.
   * @param run Computes the result, synchronously; gets the frame that says where results on
   * the way go.
   * @returns What it returned.
   */
  protected pass<R>(inputs: readonly (Tensor | undefined)[], run: (frame: Frame) => R): R {
    if (this.#disposed) {
      throw new DisposedError(`${this.#name}: forward was called after disposal`);
    }
    const isRecorded = isRecording() && (this.#training || inputs.some((input) => wants(input)));
    const outer = running;
    const root = outer?.root ?? this;
    const depth = outer === undefined ? 0 : outer.depth + 1;
    const frame = isRecorded ? new Frame() : root.#frame(depth);
    running = { root, depth };
    try {
      return isRecorded ? run(frame) : unrecorded(run, frame);
    } catch (error) {
      throw placedError(error, () => root.#pathOf(this));
    } finally {
      frame.end();
      running = outer;
    }
  }

  get #name(): string {
    return this.constructor.name;
  }

  /** The frame of the passes at a depth, whose names do not meet those of others. */
  #frame(depth: number): Frame {
    this.#workspace ??= keep(new Workspace({ maxKeys: Infinity }));
    return this.#frames[depth] ??= new Frame(this.#workspace, `${depth}.`);
  }

  #giveUpRoom(): void {
    this.#workspace?.dispose();
    this.#workspace = undefined;
    this.#frames = [];
  }

  #end(): void {
    this.#disposed = true;
    this.#giveUpRoom();
    for (const tensor of this.#parameters.values()) tensor.dispose();
    for (const tensor of this.#buffers.values()) tensor.dispose();
    this.release();
  }

  /** Gives back what a subclass holds besides. */
  protected release(): void {}

  #pathOf(module: Module): string {
    for (const [path, each] of this.#all()) if (each === module) return path;
    return "";
  }

  /** This module and its parts, each once, in the order of their fields. */
  #all(path = "", found: Map<Module, string> = new Map()): [string, Module][] {
    if (!found.has(this)) {
      found.set(this, path);
      for (const [name, module] of this.#children) module.#all(join(path, name), found);
      for (const [name, value] of Object.entries(this)) {
        if (value instanceof Module) value.#all(join(path, name), found);
        else if (Array.isArray(value)) {
          value.forEach((each, index) => {
            if (each instanceof Module) each.#all(join(path, `${name}.${index}`), found);
          });
        }
      }
    }
    return Array.from(found, ([module, path]) => [path, module]);
  }
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** The same error, of the same class, with the path in front where there is one. */
function placedError(error: unknown, pathOf: () => string): unknown {
  if (!(error instanceof Error) || placed.has(error)) return error;
  if (!errorClasses.has(error.constructor)) return error;
  const path = pathOf();
  if (path === "") return error;
  const Class = error.constructor as ErrorConstructor;
  const wrapped = new Class(`${path}: ${error.message}`, { cause: error });
  placed.add(wrapped);
  return wrapped;
}

function checkNames(module: string, own: NamedTensors, state: NamedTensors): void {
  const missing = Object.keys(own).filter((name) => !(name in state));
  const unknown = Object.keys(state).filter((name) => !(name in own));
  if (missing.length + unknown.length === 0) return;
  const parts = [
    missing.length > 0 ? `${missing.join(", ")} missing` : "",
    unknown.length > 0 ? `no place for ${unknown.join(", ")}` : "",
  ].filter((part) => part !== "");
  throw new RangeError(`${module}.load: ${parts.join("; ")}`);
}

function checkFit(module: string, name: string, target: Tensor, source: Tensor): void {
  const isConverted = isFloating(source.dtype) && isFloating(target.dtype);
  if (source.disposed) throw new DisposedError(`${module}.load: ${name} was disposed of`);
  if (!sameShape(source.shape, target.shape)) {
    throw new RangeError(
      `${module}.load: ${name} is ${formatShape(source.shape)}, expected ` +
        formatShape(target.shape),
    );
  }
  if (source.dtype === target.dtype || isConverted) return;
  throw new TypeError(`${module}.load: ${name} is ${source.dtype}, expected ${target.dtype}`);
}

function assign(target: Tensor, source: Tensor): void {
  if (source.dtype === target.dtype) {
    target.copyFrom(source);
    return;
  }
  using converted = cast(source as Tensor<Floating>, target.dtype as Floating);
  target.copyFrom(converted);
}
