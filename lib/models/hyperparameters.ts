/**
 * The sizes and constants that a model's file states: the metadata of a GGUF file, or
 * the object in a `config.json`.
 */

/** Reads values by name; what is missing or makes no sense is an error that names the file. */
export class Hyperparameters {
  /** The file's name, for errors. */
  readonly name: string;
  readonly #lookup: (key: string) => unknown;

  /**
   * Reads one file's values.
   *
   * @param name The file's name, for errors.
   * @param lookup Gives the value of a key; undefined or null when there is none.
   */
  constructor(name: string, lookup: (key: string) => unknown) {
    this.name = name;
    this.#lookup = lookup;
  }

  /**
   * A number.
   *
   * @param key Its key.
   * @param fallback What it is when the file does not say; an error when left out.
   * @returns The number.
   * @throws {SyntaxError} When it is missing or not a number.
   */
  number(key: string, fallback?: number): number {
    const value = this.#lookup(key) ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw new SyntaxError(
        `${this.name}: metadata ${key} is ${
          value === undefined ? "missing" : "not a number"
        }; the model cannot be built without it`,
      );
    }
    return value;
  }

  /**
   * A size.
   *
   * @param key Its key.
   * @param fallback What it is when the file does not say; an error when left out.
   * @returns An integer from 1 to 2^31 - 1.
   * @throws {SyntaxError} When it is missing or not such an integer.
   */
  size(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (!Number.isInteger(value) || value < 1 || value > 0x7fffffff) {
      throw new SyntaxError(`${this.name}: metadata ${key} is ${value}, expected a positive size`);
    }
    return value;
  }

  /**
   * A number above zero.
   *
   * @param key Its key.
   * @param fallback What it is when the file does not say; an error when left out.
   * @returns The number.
   * @throws {SyntaxError} When it is missing or not such a number.
   */
  positive(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (value <= 0) this.malformed(`metadata ${key} is ${value}, not above 0`);
    return value;
  }

  /**
   * What a norm adds to a variance.
   *
   * @param key Its key.
   * @param fallback What it is when the file does not say; an error when left out.
   * @returns A number from 0 to 1.
   * @throws {SyntaxError} When it is missing or not such a number.
   */
  epsilon(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (value < 0 || value > 1) this.malformed(`metadata ${key} is ${value}, not from 0 to 1`);
    return value;
  }

  /**
   * A text.
   *
   * @param key Its key.
   * @returns The text; undefined when it is missing.
   */
  text(key: string): string | undefined {
    const value = this.#lookup(key);
    return typeof value === "string" ? value : undefined;
  }

  /**
   * Yes or no.
   *
   * @param key Its key.
   * @param fallback What it is when the file does not say.
   * @returns The value.
   */
  flag(key: string, fallback: boolean): boolean {
    const value = this.#lookup(key);
    return typeof value === "boolean" ? value : fallback;
  }

  /**
   * Values by name.
   *
   * @param key Its key.
   * @returns The object; an empty one when it is missing or something else.
   */
  object(key: string): Readonly<Record<string, unknown>> {
    const value = this.#lookup(key);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  }

  /**
   * Says that the file contradicts itself.
   *
   * @param what How, for the message.
   * @throws {SyntaxError} Always.
   */
  malformed(what: string): never {
    throw new SyntaxError(`${this.name}: ${what}`);
  }

  /**
   * Says that the file describes something that is not supported.
   *
   * @param what What it is, for the message.
   * @throws {RangeError} Always.
   */
  unsupported(what: string): never {
    throw new RangeError(`${this.name}: ${what} is not supported`);
  }
}
