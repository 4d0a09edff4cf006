/**
 * Which sizes the pool grants.
 *
 * Small requests, up to 1 MiB, are rounded up to a class. There are four for
 * each doubling, from 256 bytes, so that a request above 256 bytes is granted
 * at most 25 % more than it asks for:
 *
 *     class     0    1    2    3    4    5    6    7    8   …   48
 *     bytes   256  320  384  448  512  640  768  896 1024   …   1 MiB
 *
 * The native pool has the same classes; they are repeated here so that a shelf
 * is found without a native call. All larger blocks together are class 49.
 */
import { PoolSize } from "../ffi/symbols.ts";

/** The number of classes of small blocks. */
export const smallClasses = PoolSize.CLASSES;
/** The class of all blocks that are larger. */
export const largeClass = PoolSize.CLASSES;
/** The alignment of every block, in bytes. */
export const blockAlignment = PoolSize.ALIGNMENT;

const smallestClassBytes = 256;

/**
 * The class that serves a request.
 *
 * @param bytes The bytes that are needed.
 * @returns 0 to 48, or 49 for large blocks; -1 for 2^31 bytes and more, and for what is not a size.
 */
export function sizeClassOf(bytes: number): number {
  if ((bytes | 0) !== bytes || bytes < 1) return -1;
  if (bytes <= smallestClassBytes) return 0;
  if (bytes > PoolSize.LARGEST_SMALL) return largeClass;
  const last = bytes - 1;
  const exponent = 31 - Math.clz32(last);
  return (exponent - 8) * 4 + ((last >> (exponent - 2)) & 3) + 1;
}

/**
 * The bytes that a class of small blocks grants.
 *
 * @param sizeClass 0 to 48.
 * @returns From 256 bytes to 1 MiB.
 */
export function classBytes(sizeClass: number): number {
  return (4 + sizeClass % 4) << (6 + (sizeClass >> 2));
}

/**
 * The smallest class that serves a request with blocks of a stricter alignment:
 * blocks of a class lie side by side, so its size must be a multiple of it.
 *
 * @param bytes The bytes that are needed.
 * @param alignment A power of two.
 * @returns As for `sizeClassOf`; large blocks are aligned to pages.
 */
export function alignedSizeClassOf(bytes: number, alignment: number): number {
  let sizeClass = sizeClassOf(bytes);
  if (sizeClass < 0) return sizeClass;
  while (sizeClass < smallClasses && classBytes(sizeClass) % alignment !== 0) sizeClass++;
  return sizeClass;
}
