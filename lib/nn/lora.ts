/**
 * Low-rank adaptation (Hu et al., 2021): a model is left as it is, and the products of chosen
 * linear layers get something small added to them, which is all that is trained.
 *
 *     LoraAdapters ── layers ──▶ LoraLayer "blocks.0.attention.query"
 *          │ attached               ▲ adapter
 *          ▼                        │
 *     the model ── … ──────────▶ Linear "blocks.0.attention.query"
 *
 * Attached adapters are parts of the model: its `parameters` are theirs alone, since all else
 * is frozen, and `train`, `eval` and `dispose` reach them. Merged ones are not: the model then
 * has its own names, and weights that hold what was learnt.
 */
import { formatShape, sameShape } from "../core/shape.ts";
import { type NamedTensors, openTensors, saveTensors, type Tensor } from "../tensor/mod.ts";
import { MultiHeadAttention } from "./attention.ts";
import { Linear } from "./linear.ts";
import { type LoraConfig, readLoraConfig, TENSORS_FILE, writeLoraConfig } from "./lora_config.ts";
import { LoraLayer, type LoraLayerOptions } from "./lora_layer.ts";
import type { Module } from "./module.ts";
import { type LayerDType, seeds } from "./options.ts";

/** Options of {@linkcode LoraAdapters}. */
export interface LoraOptions extends Omit<LoraLayerOptions<LayerDType>, "dtype"> {
  /**
   * Which linear layers get an adapter: the last parts of their paths, such as `"query"` or
   * `"mlp.up"`, or expressions that paths match; the products around every attention when
   * left out.
   */
  targets?: readonly (string | RegExp)[];
  /**
   * What files call the layer of a path, where they have names that differ from the model's;
   * the path itself when left out.
   */
  fileName?: (path: string) => string;
}

/** What PEFT puts before every name. */
const PREFIX = "base_model.model.";

/**
 * Adapters on linear layers of a model, all other parameters of which are frozen. Files have
 * the names and shapes of Hugging Face's PEFT.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { LoraAdapters, TransformerBlock } from "@quern/quern/nn";
 *
 * using block = new TransformerBlock({ dim: 8, heads: 2, seed: 1 });
 * using adapters = new LoraAdapters(block, { rank: 2, targets: ["query", "value"], seed: 2 });
 * console.log(Object.keys(block.parameters())); // ["attention.query.adapter.a", …]
 * console.log(Object.keys(adapters.state())); // ["base_model.model.attention.query.lora_A.weight", …]
 *
 * adapters.merge(); // The block computes the same, without them.
 * using x = Tensor.ones([3, 8]);
 * using y = block.eval().forward(x);
 * console.log(y.shape, Object.keys(block.parameters())); // [3, 8] []
 * ```
 */
export class LoraAdapters implements Disposable {
  /** The adapters by the path of the layer that each is for. */
  readonly layers: ReadonlyMap<string, LoraLayer<LayerDType>>;
  readonly #targets: ReadonlyMap<string, Linear<LayerDType>>;
  readonly #config: LoraConfig;
  readonly #fileName: (path: string) => string;
  #merged = false;
  #disposed = false;

  /**
   * Freezes a model and attaches new adapters, which add nothing yet.
   *
   * @param model A module with linear layers.
   * @param options Which layers, the rank, the scale and the seed.
   * @throws {RangeError} When a target is no linear layer's, or a number out of range.
   * @throws {Error} When a layer has an adapter already.
   */
  constructor(model: Module, options: LoraOptions = {}) {
    const { rank = 8, alpha = 2 * rank, dropout = 0, fileName = (path: string) => path } = options;
    this.#targets = findTargets(model, options.targets);
    this.#config = { rank, alpha, dropout, targets: [...this.#targets.keys()].map(fileName) };
    this.#fileName = fileName;
    const seed = seeds(options.seed);
    const layers = new Map<string, LoraLayer<LayerDType>>();
    for (const [path, { weight }] of this.#targets) {
      const [outputs, inputs] = weight.shape;
      const { dtype } = weight;
      const own = { rank, alpha, dropout, dtype, seed: seed() };
      layers.set(path, new LoraLayer<LayerDType>(inputs, outputs, own));
    }
    this.layers = layers;
    model.freeze();
    this.#attach();
  }

  /**
   * Attaches the adapters that a folder holds.
   *
   * @param model What they were trained on.
   * @param folder What `save`, or PEFT, wrote.
   * @param options What files call layers.
   * @returns The adapters, attached.
   * @throws {SyntaxError} When a file is missing or malformed.
   * @throws {RangeError} When the adapters are of another kind or another model.
   */
  static async open(
    model: Module,
    folder: string,
    options: Pick<LoraOptions, "fileName"> = {},
  ): Promise<LoraAdapters> {
    const config = await readLoraConfig(folder);
    const { fileName = (path: string) => path } = options;
    const names = config.targets;
    const isTarget = (path: string) => names.some((name) => endsWith(fileName(path), name));
    const targets = [...linears(model).keys()].filter(isTarget).map(exactly);
    if (targets.length === 0) {
      throw new RangeError(`${folder}: the model has no linear layer called ${names.join(", ")}`);
    }
    const adapters = new LoraAdapters(model, { ...config, targets, fileName });
    try {
      using file = openTensors(`${folder}/${TENSORS_FILE}`);
      const opened = Object.fromEntries(file.names.map((name) => [name, file.open(name)]));
      try {
        adapters.load(opened);
      } finally {
        for (const tensor of Object.values(opened)) tensor.dispose();
      }
      return adapters;
    } catch (error) {
      adapters.dispose();
      throw error;
    }
  }

  /** Whether what the adapters add is in the model's own weights now. */
  get merged(): boolean {
    return this.#merged;
  }

  /**
   * All that the adapters learn.
   *
   * @returns Borrowed tensors, by PEFT's names: `base_model.model.<layer>.lora_A.weight`, of
   * shape `[rank, inputs]`, and `lora_B`, `[outputs, rank]`.
   */
  state(): Record<string, Tensor> {
    const found: Record<string, Tensor> = {};
    for (const [path, { a, b }] of this.layers) {
      const name = PREFIX + this.#fileName(path);
      found[`${name}.lora_A.weight`] = a;
      found[`${name}.lora_B.weight`] = b;
    }
    return found;
  }

  /**
   * Copies a state into the adapters. Nothing is changed when it does not fit.
   *
   * @param state Tensors by name, as `state` gives them and PEFT's files hold them.
   * @throws {RangeError} When a tensor is missing, unknown or of another shape.
   * @throws {Error} When the adapters are merged.
   */
  load(state: NamedTensors): void {
    this.#check("load", false);
    const own = this.state();
    checkState(own, state);
    const paths = [...this.layers.keys()];
    for (const [i, layer] of [...this.layers.values()].entries()) {
      const name = PREFIX + this.#fileName(paths[i]);
      const parts = { a: state[`${name}.lora_A.weight`], b: state[`${name}.lora_B.weight`] };
      layer.load(parts, { strict: false });
    }
  }

  /**
   * Saves the adapters as PEFT does: `adapter_model.safetensors` and `adapter_config.json`.
   *
   * @param folder The folder, which is made where there is none.
   */
  async save(folder: string): Promise<void> {
    this.#check("save");
    await Deno.mkdir(folder, { recursive: true });
    const metadata = { format: "pt" };
    await saveTensors(`${folder}/${TENSORS_FILE}`, this.state(), { metadata });
    await writeLoraConfig(folder, this.#config);
  }

  /**
   * Adds what the adapters add to the weights themselves, and takes the adapters off: the model
   * computes the same, up to rounding, as fast as before.
   *
   * @throws {Error} When they are merged already.
   */
  merge(): void {
    this.#check("merge", false);
    for (const [path, layer] of this.layers) layer.addTo(this.#targets.get(path)!.weight);
    this.#detach();
    this.#merged = true;
  }

  /**
   * Takes from the weights what `merge` added, up to rounding, and attaches the adapters again.
   *
   * @throws {Error} When they are not merged.
   */
  unmerge(): void {
    this.#check("unmerge", true);
    for (const [path, layer] of this.layers) layer.addTo(this.#targets.get(path)!.weight, -1);
    this.#attach();
    this.#merged = false;
  }

  /** Takes the adapters off and disposes of them. The model stays, merged or as it was, frozen. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#detach();
    for (const layer of this.layers.values()) layer.dispose();
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #attach(): void {
    for (const [path, linear] of this.#targets) {
      linear.adapter = this.layers.get(path)!.train(linear.training);
    }
  }

  #detach(): void {
    for (const [path, linear] of this.#targets) {
      if (linear.adapter === this.layers.get(path)) linear.adapter = undefined;
    }
  }

  #check(method: string, merged?: boolean): void {
    const state = this.#disposed ? "disposed of" : this.#merged ? "merged" : "not merged";
    if (!this.#disposed && (merged === undefined || merged === this.#merged)) return;
    throw new Error(`LoraAdapters.${method}: the adapters are ${state}`);
  }
}

/** All linear layers of a model, but those of adapters, which have none. */
function linears(model: Module): Map<string, Linear<LayerDType>> {
  const found = new Map<string, Linear<LayerDType>>();
  for (const [path, module] of model.modules()) {
    if (module instanceof Linear) found.set(path, module);
  }
  return found;
}

/** The layers that are to get an adapter. */
function findTargets(
  model: Module,
  targets: readonly (string | RegExp)[] | undefined,
): Map<string, Linear<LayerDType>> {
  const all = linears(model);
  const name = model.constructor.name;
  const isTarget = targets === undefined
    ? ofAttention(model)
    : (path: string) => targets.some((target) => matches(path, target));
  for (const target of targets ?? []) {
    if (![...all.keys()].some((path) => matches(path, target))) {
      throw new RangeError(
        `LoraAdapters: no linear layer of ${name} is called ${target}; there are ` +
          ([...all.keys()].join(", ") || "none"),
      );
    }
  }
  const found = new Map([...all].filter(([path]) => isTarget(path)));
  if (found.size === 0) {
    throw new RangeError(
      `LoraAdapters: ${name} has no attention; name the linear layers in targets`,
    );
  }
  for (const [path, { adapter }] of found) {
    if (adapter === undefined) continue;
    throw new Error(`LoraAdapters: ${path || name} has an adapter already; dispose of that first`);
  }
  return found;
}

/** Whether a layer is a product of an attention. */
function ofAttention(model: Module): (path: string) => boolean {
  const modules = model.modules();
  return (path) => {
    const parent = path.slice(0, Math.max(path.lastIndexOf("."), 0));
    return path !== "" && modules.get(parent) instanceof MultiHeadAttention;
  };
}

function matches(path: string, target: string | RegExp): boolean {
  return typeof target === "string" ? endsWith(path, target) : new RegExp(target).test(path);
}

/** Whether a path ends with whole parts of another. */
function endsWith(path: string, end: string): boolean {
  return path === end || path.endsWith(`.${end}`);
}

/** An expression that one path matches. */
function exactly(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(".", "\\.")}$`);
}

function checkState(own: NamedTensors, state: NamedTensors): void {
  const missing = Object.keys(own).find((name) => !(name in state));
  if (missing !== undefined) throw new RangeError(`LoraAdapters.load: ${missing} is missing`);
  for (const [name, { shape }] of Object.entries(state)) {
    if (!(name in own)) throw new RangeError(`LoraAdapters.load: there is no place for ${name}`);
    if (sameShape(shape, own[name].shape)) continue;
    throw new RangeError(
      `LoraAdapters.load: ${name} is ${formatShape(shape)}, expected ` +
        formatShape(own[name].shape),
    );
  }
}
