/**
 * A thousand tensors of 512 floats, one after the other: made afresh, and rented and
 * given back.
 */
import { pool } from "../../lib/memory/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import type { Hold } from "./counting.ts";

const TENSORS = 1000;
const LENGTH = 512;
const SHAPE = [LENGTH];

/** Without a pool. */
export function freshArrays(hold: Hold): void {
  for (let i = 0; i < TENSORS; i++) hold(new Float32Array(LENGTH));
}

/** Blocks, whose objects are reused. */
export function rawBlocks(): void {
  for (let i = 0; i < TENSORS; i++) pool.release(pool.acquire(LENGTH * 4));
}

/** Buffers: a fresh handle each. */
export function safeBuffers(): void {
  for (let i = 0; i < TENSORS; i++) pool.rent(LENGTH, "float32").dispose();
}

/** Tensors: a fresh handle each, with a shape. */
export function tensors(): void {
  for (let i = 0; i < TENSORS; i++) Tensor.empty(SHAPE).dispose();
}
