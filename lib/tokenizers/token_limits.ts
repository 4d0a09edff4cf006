/**
 * What callers may ask of a tokenizer, checked in one place.
 *
 * @module
 */

/**
 * Checks the option `maxTokens`.
 * @param value What the caller gave.
 * @returns The same.
 * @throws {RangeError} Where it is neither an integer of 1 or more nor Infinity.
 */
export function checkMaxTokens(value: number): number {
  if (value >= 1 && (Number.isInteger(value) || value === Infinity)) return value;
  throw new RangeError(`encode(): maxTokens is an integer of 1 or more, not ${value}`);
}

/**
 * Checks a token id.
 * @param id What the caller gave.
 * @param vocabularySize The first id that there is not.
 * @throws {RangeError} Where it is not an id of the vocabulary.
 */
export function checkId(id: number, vocabularySize: number): void {
  if (Number.isInteger(id) && id >= 0 && id < vocabularySize) return;
  throw new RangeError(
    `token id ${id} is outside the vocabulary (0 to ${vocabularySize - 1})`,
  );
}
