/**
 * Encoders whose `config.json` says nonsense: an error that names the file or a tensor, or a model
 * that works.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { encoderReferences, encoderRows, smallEncoder } from "../support/small_encoder.ts";

const nonsense: readonly unknown[] = [
  0,
  -1,
  -2,
  1.5,
  3,
  1000,
  2 ** 31,
  2 ** 53,
  1e300,
  NaN,
  Infinity,
  "16",
  "",
  "__proto__",
  null,
  true,
  [],
  [16],
  {},
];

/** What becomes of a model with a changed value: the error's message, or that there was none. */
function outcomeOf(name: string, key: string, value: unknown): string {
  const entry = encoderReferences[name];
  try {
    using encoder = smallEncoder({ ...entry, config: { ...entry.config, [key]: value } });
    const rows = encoderRows(encoder, [[3, 5, 9]]);
    assertEquals(rows.length, 3 * 16);
    assert(rows.every(Number.isFinite), "rows that are not finite");
    return "works";
  } catch (error) {
    const kind = [SyntaxError, RangeError].find((kind) => error instanceof kind);
    assertInstanceOf(error, kind ?? SyntaxError);
    assert(/^config\.json: .|^formula: .|tensor/.test(error.message), error.message);
    return error.message;
  }
}

for (const [name, { config }] of Object.entries(encoderReferences)) {
  Deno.test(
    `${name} with nonsense in its config.json is refused, or works`,
    withoutLeaks(() => {
      for (const key of Object.keys(config)) {
        for (const value of nonsense) {
          try {
            outcomeOf(name, key, value);
          } catch (error) {
            throw new Error(`${key} = ${JSON.stringify(value)}: ${error}`, { cause: error });
          }
        }
      }
    }),
  );
}

Deno.test("sizes that contradict the weights, or each other, are refused by name", () => {
  const cases: [name: string, key: string, value: unknown, message: RegExp][] = [
    ["bert", "hidden_size", 32, /tensor .*word_embeddings\.weight is \[40, 16\]/],
    ["bert", "num_attention_heads", 5, /config\.json: .*heads/],
    ["bert", "num_hidden_layers", 3, /tensor .*layer\.2\..* is missing/],
    ["bert", "num_hidden_layers", 2 ** 31 - 1, /tensor .*layer\.2\..* is missing/],
    ["bert", "vocab_size", 41, /tensor .*word_embeddings\.weight is \[40, 16\]/],
    ["bert", "hidden_act", "sine", /config\.json: .*sine.* not supported/],
    ["bert", "position_embedding_type", "relative_key", /relative_key.* not supported/],
    ["roberta", "pad_token_id", 40, /leaves no position/],
    ["distilbert", "n_layers", "two", /config\.json: metadata n_layers is not a number/],
    ["nomic_bert", "prenorm", true, /a norm before each sublayer is not supported/],
    ["bert", "model_type", "mamba", /"?mamba"? is not supported/],
  ];
  for (const [name, key, value, message] of cases) {
    const outcome = outcomeOf(name, key, value);
    assert(message.test(outcome), `${name}, ${key}: ${outcome}`);
  }
});
