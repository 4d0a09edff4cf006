/**
 * Sizes in bytes, as people write and read them.
 *
 * Options such as a memory budget take a number of bytes or a string such as
 * `"512MiB"`; messages and tables show sizes with a unit. Binary units (KiB,
 * MiB, …) are powers of 1024, decimal ones (kB, MB, …) powers of 1000. A bare
 * K, M, G or T is binary, as in `ulimit`, `java -Xmx` and container limits.
 *
 * @module
 */

const UNIT_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  "b": 1,
  "k": 1024,
  "kb": 1000,
  "kib": 1024,
  "m": 1024 ** 2,
  "mb": 1000 ** 2,
  "mib": 1024 ** 2,
  "g": 1024 ** 3,
  "gb": 1000 ** 3,
  "gib": 1024 ** 3,
  "t": 1024 ** 4,
  "tb": 1000 ** 4,
  "tib": 1024 ** 4,
};

/**
 * Reads a size in bytes. Fractions are allowed before a unit and rounded down
 * to a whole byte.
 *
 * @param size a number of bytes, or a text such as `"512MiB"`, `"1.5 GB"`, `"65536"`
 * @returns a whole number of bytes, 0 or more
 * @throws RangeError when it is not a size, negative, or above 2^53 - 1
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(parseSize("512MiB"), 536870912);
 * ```
 */
export function parseSize(size: string | number): number {
  const bytes = typeof size === "number" ? size : parseText(size);
  if (!Number.isFinite(bytes) || bytes < 0 || bytes > Number.MAX_SAFE_INTEGER) {
    throw notASize(size);
  }
  if (typeof size === "number" && !Number.isInteger(size)) throw notASize(size);
  return Math.floor(bytes);
}

function parseText(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)\s*$/i.exec(text);
  const unit = match === null ? undefined : UNIT_BYTES[match[2].toLowerCase()];
  if (match === null || unit === undefined) throw notASize(text);
  if (unit === 1 && match[1].includes(".")) throw notASize(text);
  return Number(match[1]) * unit;
}

function notASize(size: string | number): RangeError {
  const shown = typeof size === "number" ? String(size) : JSON.stringify(size);
  return new RangeError(
    `${shown} is not a size in bytes; write a whole number of bytes or for example "512MiB" or "2GB"`,
  );
}

const SHOWN_UNITS = ["KiB", "MiB", "GiB", "TiB"] as const;

/**
 * Writes a number of bytes for people, with three significant digits or more
 * and a binary unit.
 *
 * @param bytes the number of bytes
 * @returns for example `"640 B"`, `"88.6 MiB"`, `"1.50 GiB"`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(formatBytes(92871040), "88.6 MiB");
 * ```
 */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  if (value < 1024) return `${bytes} B`;
  let unit = -1;
  while (unit < SHOWN_UNITS.length - 1 && (unit < 0 || value >= 1023.5)) {
    value /= 1024;
    unit++;
  }
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${bytes < 0 ? "-" : ""}${value.toFixed(digits)} ${SHOWN_UNITS[unit]}`;
}
