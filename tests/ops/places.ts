/**
 * The indices of elements, for tests that compare an operation with its definition.
 */

/** Every place of a shape, the last axis fastest. */
export function* placesOf(shape: readonly number[]): Generator<number[]> {
  if (shape.length === 0) return yield [];
  for (let index = 0; index < shape[0]; index++) {
    for (const rest of placesOf(shape.slice(1))) yield [index, ...rest];
  }
}
