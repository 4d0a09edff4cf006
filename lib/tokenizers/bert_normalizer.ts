/**
 * BERT's text normalisation (BertNormalizer of `tokenizers`): control characters go, every kind of
 * white space becomes a space, CJK ideographs stand alone, accents and case go where asked.
 *
 * Why not the library's: it misses ideographs outside the basic plane and turns a final Σ into ς,
 * where the models were trained with σ everywhere.
 *
 * @module
 */
import { MARKS, REMOVED } from "./bert_characters.ts";

const PRINTABLE_ASCII = /^[ -~]*$/;
const IDEOGRAPH = new RegExp(
  "[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}" +
    "\u{2B920}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]",
  "gu",
);

/**
 * Normalises a text as BERT does.
 * @param text Well-formed text.
 * @param lowercase Whether letters are lower-cased.
 * @param stripAccents Whether combining marks are taken off.
 * @returns The text, its words still to be split.
 */
export function normalizeBert(text: string, lowercase: boolean, stripAccents: boolean): string {
  // Of printable ASCII only the case can change.
  if (PRINTABLE_ASCII.test(text)) return lowercase ? text.toLowerCase() : text;
  let result = text.replace(REMOVED, "").replace(/\p{White_Space}/gu, " ");
  result = result.replace(IDEOGRAPH, " $& ");
  if (stripAccents) result = result.normalize("NFD").replace(MARKS, "");
  // Letter by letter a capital sigma is always σ; only whole words know a final one.
  return lowercase ? result.replaceAll("Σ", "σ").toLowerCase() : result;
}
