/**
 * A small `tokenizer.json` of BERT's kind, as an object.
 *
 * @module
 */

/** The pieces; a piece's id is its place. */
const PIECES = "[PAD] [UNK] [CLS] [SEP] the mill mi ##ll ##s cafe . ! # 中 𠀀 ##cafe a ##a σ ##ς " +
  "__proto__ é";

const around = (id: string, type: number) => ({ SpecialToken: { id, type_id: type } });
const text = (id: string, type: number) => ({ Sequence: { id, type_id: type } });

/**
 * Makes the object.
 * @param changes Members to replace.
 * @param model Members of `model` to replace.
 * @returns The object, new each time.
 */
export function smallTokenizer(
  changes: Record<string, unknown> = {},
  model: Record<string, unknown> = {},
): Record<string, unknown> {
  const first = [around("[CLS]", 0), text("A", 0), around("[SEP]", 0)];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map((content, id) => (
      { id, content, special: true, normalized: false, lstrip: false, rstrip: false }
    )),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: first,
      pair: [...first, text("B", 1), around("[SEP]", 1)],
      special_tokens: {
        "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
        "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
      },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 10,
      // As in a file: `__proto__` is a key like any other.
      vocab: JSON.parse(
        `{${PIECES.split(" ").map((piece, id) => `${JSON.stringify(piece)}:${id}`)}}`,
      ),
      ...model,
    },
    ...changes,
  };
}
