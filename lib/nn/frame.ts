/**
 * Where a pass puts what it makes on the way to its result.
 *
 * Where gradients are recorded, each is a tensor of its own, which the graph holds for as
 * long as it needs it. Elsewhere each has a place in a workspace, by the depth of the pass and
 * a name: what lies there is dead when the pass returns, so passes of the same depth share.
 */
import type { DType } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor, Workspace } from "../tensor/mod.ts";

/** What lies in a workspace, and so is not disposed of with the pass. */
const placed = new WeakSet<Tensor>();

/** The places of one pass. */
export class Frame {
  readonly #workspace: Workspace | undefined;
  readonly #prefix: string;
  readonly #owned: Tensor[] = [];

  /**
   * A frame.
   *
   * @param workspace Where results on the way go; none where gradients are recorded.
   * @param prefix What tells its names from those of other depths.
   */
  constructor(workspace?: Workspace, prefix = "") {
    this.#workspace = workspace;
    this.#prefix = prefix;
  }

  /** Whether gradients are recorded. */
  get recording(): boolean {
    return this.#workspace === undefined;
  }

  /**
   * Where an operation is to write a result that the pass needs itself: its `out`.
   *
   * @param name Different for results that are needed at the same time.
   * @param shape The result's shape.
   * @param dtype The result's dtype.
   * @returns A borrowed tensor; nothing where operations are to make their own.
   */
  room<D extends DType>(name: string, shape: Shape, dtype: D): Tensor<D> | undefined {
    const place = this.#workspace?.get(this.#prefix + name, shape, dtype);
    if (place !== undefined) placed.add(place);
    return place;
  }

  /**
   * Gives a result on the way into the care of the frame, until the pass ends.
   *
   * @param result What an operation gave, whether it was called with `room` or not.
   * @returns The same tensor.
   */
  own<T extends Tensor>(result: T): T {
    if (!placed.has(result)) this.#owned.push(result);
    return result;
  }

  /** Ends the pass: disposes of what it owns. */
  end(): void {
    for (const result of this.#owned) result.dispose();
    this.#owned.length = 0;
  }
}
