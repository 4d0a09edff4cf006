/**
 * Blocks from and to the native pool: what happens when a shelf is empty or
 * full. Several blocks cross in one call.
 */
import { check, native } from "../ffi/mod.ts";
import { IsolateField, PoolSize, Status } from "../ffi/symbols.ts";
import { Block, type BlockOwner } from "./block.ts";
import { isolate } from "./isolate.ts";

const values = PoolSize.BLOCK_VALUES;
/** Where one block is described; calls do not overlap. */
const mailbox = new BigUint64Array(values);

/**
 * Rents a block.
 *
 * @param owner The pool that it will go back to.
 * @param bytes How many are needed.
 * @param alignment A power of two from 1 to 4096.
 * @returns The block, handed out; or the status of a failure.
 */
export function rentNative(
  owner: BlockOwner,
  bytes: number,
  alignment: number,
): Block | number {
  const account = isolate();
  const status = native().symbols
    .qn_pool_rent(mailbox, BigInt(bytes), alignment, account.number);
  return status === Status.OK ? readBlock(owner, mailbox, 0, bytes) : status;
}

/**
 * Rents blocks of one size: all, or none.
 *
 * @param owner The pool that they will go back to.
 * @param bytes How many are needed in each.
 * @param into Where the blocks go.
 * @param start The first position there.
 * @param count How many.
 * @returns A status; OK when there are `count` more blocks in `into`.
 */
export function rentNativeBatch(
  owner: BlockOwner,
  bytes: number,
  into: Block[],
  start: number,
  count: number,
): number {
  const account = isolate();
  const box = new BigUint64Array(count * values);
  const status = native().symbols
    .qn_pool_rent_batch(box, BigInt(bytes), count, account.number);
  if (status !== Status.OK) return status;
  for (let i = 0; i < count; i++) into[start + i] = readBlock(owner, box, i * values, bytes);
  return status;
}

/**
 * Describes a block that this isolate now holds.
 *
 * @param owner The pool that it will go back to.
 * @param box Values as the native pool writes them.
 * @param at The position of the first.
 * @param bytes What was asked for.
 * @returns The block, handed out.
 */
export function readBlock(
  owner: BlockOwner,
  box: BigUint64Array,
  at: number,
  bytes: number,
): Block {
  const block = new Block(owner, {
    address: box[at],
    byteLength: Number(box[at + 1]),
    segmentAddress: box[at + 2],
    segmentBytes: Number(box[at + 3]),
    generation: Number(box[at + 4]),
  });
  block.held = true;
  block.requested = bytes;
  block.recorded = bytes;
  return block;
}

/**
 * Returns blocks. What they were asked for is no longer counted here.
 *
 * @param blocks The blocks, off all shelves.
 * @param operation Named in an error.
 */
export function returnNative(blocks: readonly Block[], operation: string): void {
  if (blocks.length === 0) return;
  const { number, fields } = isolate();
  for (const block of blocks) {
    fields[IsolateField.REQUESTED] -= block.requested - block.recorded;
    block.requested = 0;
    block.recorded = 0;
  }
  const { symbols } = native();
  if (blocks.length === 1) {
    const { address, generation } = blocks[0];
    check(symbols.qn_pool_return(address, generation, number), operation);
    return;
  }
  const box = new BigUint64Array(blocks.length * values);
  for (let i = 0; i < blocks.length; i++) {
    box[i * values] = blocks[i].address;
    box[i * values + 4] = BigInt(blocks[i].generation);
  }
  check(symbols.qn_pool_return_batch(box, blocks.length, number), operation);
}
