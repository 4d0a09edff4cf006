/**
 * The operations that `bench pool` measures: taking memory and giving it back, in
 * each of the ways that the module has, and in the ways that people use without it.
 *
 * Nothing is written into the memory: what is measured is the pool, not the caches
 * of the processor. `new Float32Array` clears its memory, because it always does.
 *
 * Every case leaves nothing behind when its loop ends. An operation is one block
 * or tensor taken and given back; in a batch, one of the batch's.
 *
 * @module
 */

import { pool } from "../../memory/mod.ts";
import { Tensor, Workspace } from "../../tensor/mod.ts";
import type { Loop } from "./measure.ts";
import { openPoolPeers, type PoolPeers } from "./pool_peers.ts";

/** One operation at one size. */
export interface PoolCase {
  readonly name: string;
  /** Elements of float32; 0 where there is no memory. */
  readonly length: number;
  /** Operations come in multiples of this. */
  readonly multiple: number;
  /** Whether the memory is the pool's, whose statistics then say something. */
  readonly ours: boolean;
  readonly loop: Loop;
}

/** Blocks of a batch, and handles that are held at the same time. */
const MANY = 64;

/**
 * The cases, in the order of the report.
 *
 * @param lengths numbers of float32 elements
 * @param peers where the peers are, if they are to be measured
 */
export async function openPoolCases(
  lengths: readonly number[],
  peers: PoolPeers | undefined,
): Promise<PoolCase[]> {
  const peersOf = peers === undefined ? () => [] : await openPoolPeers(peers);
  const cases: PoolCase[] = [];
  for (const length of lengths) {
    for (const one of ownCases(length)) cases.push({ multiple: 1, ours: true, ...one, length });
    for (const one of [float32Array(length), ...peersOf(length)]) {
      cases.push({ ...one, multiple: 1, ours: false, length });
    }
  }
  cases.push({ name: "using", length: 0, multiple: 1, ours: false, loop: usingLoop });
  return cases;
}

interface NamedLoop {
  readonly name: string;
  readonly multiple?: number;
  readonly loop: Loop;
}

function ownCases(length: number): NamedLoop[] {
  return [
    ...rawCases(length),
    ...safeCases(length),
    ...batchCases(length),
    ...tensorCases(length),
    ...workspaceCases(length),
  ];
}

function rawCases(length: number): NamedLoop[] {
  const bytes = length * 4;
  return [{
    name: `acquire ${length}`,
    loop(count) {
      for (let i = 0; i < count; i++) pool.release(pool.acquire(bytes));
    },
  }];
}

function safeCases(length: number): NamedLoop[] {
  return [{
    name: `rent ${length}`,
    loop(count) {
      for (let i = 0; i < count; i++) pool.rent(length, "float32").dispose();
    },
  }, {
    name: `rent ${length} using`,
    loop(count) {
      for (let i = 0; i < count; i++) {
        using _buffer = pool.rent(length, "float32");
      }
    },
  }, {
    name: `rent ${length}, ${MANY} held`,
    loop: heldLoop(() => pool.rent(length, "float32")),
  }];
}

/** Something to dispose of by hand. */
interface Held {
  dispose(): void;
}

/**
 * Gives up each handle only 64 operations later: it leaves the function that made it,
 * so V8 cannot do without the object.
 */
function heldLoop(make: () => Held): Loop {
  return (count) => {
    const ring: (Held | undefined)[] = new Array(MANY).fill(undefined);
    for (let i = 0; i < count; i++) {
      const place = i & (MANY - 1);
      ring[place]?.dispose();
      ring[place] = make();
    }
    for (const held of ring) held?.dispose();
  };
}

function batchCases(length: number): NamedLoop[] {
  const bytes = length * 4;
  return [{
    name: `batch ${length} × ${MANY} raw`,
    multiple: MANY,
    loop(count) {
      const blocks = pool.acquireBatch(bytes, MANY);
      pool.releaseBatch(blocks);
      for (let i = MANY; i < count; i += MANY) {
        pool.releaseBatch(pool.acquireBatch(bytes, MANY, blocks));
      }
    },
  }, {
    name: `batch ${length} × ${MANY}`,
    multiple: MANY,
    loop(count) {
      for (let i = 0; i < count; i += MANY) pool.rentBatch(MANY, length, "float32").dispose();
    },
  }, {
    name: `batch ${length} × ${MANY} using`,
    multiple: MANY,
    loop(count) {
      for (let i = 0; i < count; i += MANY) {
        using _batch = pool.rentBatch(MANY, length, "float32");
      }
    },
  }];
}

function tensorCases(length: number): NamedLoop[] {
  const shape = [length];
  return [{
    name: `tensor ${length}`,
    loop(count) {
      for (let i = 0; i < count; i++) Tensor.empty(shape).dispose();
    },
  }, {
    name: `tensor ${length} using`,
    loop(count) {
      for (let i = 0; i < count; i++) {
        using _tensor = Tensor.empty(shape);
      }
    },
  }, {
    name: `tensor ${length}, ${MANY} held`,
    loop: heldLoop(() => Tensor.empty(shape)),
  }];
}

/** A model's step asks for several keys in turn; so do these. */
const KEYS = ["queries", "keys", "values", "scores"];

function workspaceCases(length: number): NamedLoop[] {
  const shape = [length];
  return [{
    name: `workspace ${length}`,
    loop(count) {
      using workspace = new Workspace();
      for (let i = 0; i < count; i++) workspace.get(KEYS[i % KEYS.length], shape);
    },
  }];
}

function float32Array(length: number): NamedLoop {
  return {
    name: `new Float32Array ${length}`,
    loop(count) {
      let array: Float32Array | undefined;
      for (let i = 0; i < count; i++) array = new Float32Array(length);
      if (array?.length !== length) throw new Error("no array was made");
    },
  };
}

const empty: Disposable = { [Symbol.dispose]() {} };

/** What the declaration itself costs. */
function usingLoop(count: number): void {
  for (let i = 0; i < count; i++) {
    using _nothing = empty;
  }
}
