/**
 * How often each word occurs in texts: all that the training of a vocabulary needs of them.
 *
 * Words are the pieces that a pre-tokenizer cuts, counted as they stand in the text. A counter
 * keeps each word once, so its memory grows with the vocabulary of the texts and not with their
 * length.
 *
 * @module
 */

/** Pieces between two places where the work may pause. */
const PIECES_A_STEP = 4096;
/** From this length on V8 keeps a slice as a window of its text, which then stays in memory. */
const WINDOW_LENGTH = 13;

/** Counts the words of texts. */
export class WordCounter {
  /** The words, with how often each occurred. */
  readonly counts: Map<string, number> = new Map();
  readonly #pattern: RegExp;

  /**
   * Makes a counter.
   *
   * @param expression Matches one word, as a tokenizer.json spells it: `\s` is Unicode's
   * White_Space. It has to match something at every place of a text.
   */
  constructor(expression: string) {
    const unicode = expression.replaceAll("\\s", "\\p{White_Space}")
      .replaceAll("\\S", "\\P{White_Space}");
    this.#pattern = new RegExp(unicode, "yu");
  }

  /**
   * Counts the words of a text; words do not go on from one text to the next.
   *
   * @param text The text. Lone surrogates count as U+FFFD.
   */
  *add(text: string): Generator<void, void, void> {
    const whole = text.toWellFormed();
    let pieces = 0;
    for (let at = 0; at < whole.length;) {
      const end = this.#endOfPiece(whole, at);
      this.#count(whole.slice(at, end));
      at = end;
      if (++pieces % PIECES_A_STEP === 0) yield;
    }
  }

  #endOfPiece(text: string, at: number): number {
    const pattern = this.#pattern;
    pattern.lastIndex = at;
    try {
      if (pattern.test(text)) return pattern.lastIndex;
    } catch (cause) {
      // The engine of regular expressions gives up on runs of about ten million characters.
      if (!(cause instanceof RangeError)) throw cause;
      throw new RangeError(
        `trainBytePairs(): a text of ${text.length} characters has a run without a place to ` +
          `split that is too long; give it in smaller parts`,
        { cause },
      );
    }
    throw new Error(`the pre-tokenizer ${pattern} matches nothing at character ${at} of a text`);
  }

  #count(piece: string): void {
    const known = this.counts.get(piece);
    this.counts.set(known === undefined ? ownCopy(piece) : piece, (known ?? 0) + 1);
  }
}

/** The same text, that keeps no longer one alive. */
function ownCopy(piece: string): string {
  if (piece.length < WINDOW_LENGTH) return piece;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(piece));
}
