/**
 * Tickets: how a tensor goes to another isolate (a worker) of the process. Only
 * the ticket is sent; the elements stay where they are, and are shared.
 */
import { type DType, dtypes } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { type SharedMemory, Storage } from "../memory/mod.ts";
import { checkTensorShape } from "./layout.ts";

/** Names a tensor that was shared: a plain object, for `postMessage`. */
export interface SharedTensor {
  /** Where the memory begins. */
  readonly address: bigint;
  /** Tells the memory from what will be there once it was given back. */
  readonly generation: number;
  /** Where the first element is in the memory. */
  readonly byteOffset: number;
  /** The bytes that the elements take. */
  readonly byteLength: number;
  /** The sizes of the axes. */
  readonly shape: number[];
  /** Elements between neighbours along each axis. */
  readonly strides: number[];
  /** The element type. */
  readonly dtype: DType;
}

/** How a tensor is shared. */
export interface ShareOptions {
  /** How often the ticket may be claimed; 1 when left out. */
  receivers?: number;
}

/** What a ticket says of a tensor. */
interface Shared {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly dtype: DType;
  readonly byteLength: number;
}

/**
 * The ticket of a tensor.
 *
 * @param memory What the storage's `share` returned.
 * @param byteOffset Where the tensor begins in the storage.
 * @param tensor The tensor.
 * @returns A plain object.
 */
export function ticketOf(memory: SharedMemory, byteOffset: number, tensor: Shared): SharedTensor {
  return {
    address: memory.address,
    generation: memory.generation,
    byteOffset: memory.byteOffset + byteOffset,
    byteLength: tensor.byteLength,
    shape: [...tensor.shape],
    strides: [...tensor.strides],
    dtype: tensor.dtype,
  };
}

/**
 * Makes a tensor of what a ticket names.
 *
 * @param ticket What `share` returned, perhaps after a journey.
 * @param build Makes the tensor; it takes over a reference of the storage.
 * @returns What `build` returned.
 * @throws {TypeError} When it is not a ticket.
 * @throws {Error} When it was claimed as often as it was shared for, or is stale.
 */
export function claimTicket<T>(
  ticket: SharedTensor,
  build: (storage: Storage, ticket: SharedTensor) => T,
): T {
  checkTicket(ticket);
  const storage = Storage.claim(ticket, "Tensor.fromShared");
  try {
    return build(storage, ticket);
  } catch (error) {
    storage.release();
    throw error;
  }
}

function checkTicket(ticket: SharedTensor): void {
  const { address, generation, byteOffset, shape, strides, dtype } = ticket ?? {};
  const isTicket = typeof address === "bigint" && Number.isSafeInteger(generation) &&
    Number.isSafeInteger(byteOffset) && Array.isArray(shape) && Array.isArray(strides) &&
    shape.length === strides.length && dtypes.includes(dtype) &&
    strides.every((stride) => Number.isSafeInteger(stride) && stride >= 0);
  if (!isTicket) {
    throw new TypeError(
      "Tensor.fromShared: the ticket is not an object that share() returned, as it was",
    );
  }
  checkTensorShape(shape, "Tensor.fromShared");
}
