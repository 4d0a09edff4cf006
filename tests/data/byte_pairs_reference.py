"""Which merges Hugging Face's BpeTrainer chooses for small texts, and the ids it then gives.

    python byte_pairs_reference.py

Writes byte_pairs_reference.json beside itself. Needs tokenizers 0.23.3. The prose was written for
this file; the other texts come from a seeded generator. In one of them a merge spells a special
token. `tokens` leaves out the special tokens and the 256 bytes that come first.
"""
import json
import pathlib
import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

PROSE = [
    "The mill by the river ground rye and barley, and sometimes, when the water was high, oats. "
    "Nobody remembered who had built it; the miller's grandmother said that her grandmother "
    "hadn't known either. \"They've ground here since there were stones,\" she said.\n\n"
    "In 1843 the river left its bed. It came back in 1844, and it's stayed there. The miller'll "
    "tell you that it was the quern's doing: the hand mill, the old one, in the attic.",
    "Die Mühle am Fluß mahlte Roggen und Gerste; manchmal, wenn das Wasser hoch stand, auch Hafer. "
    "Мельница у реки молола рожь и ячмень. 川のそばの水車小屋はライ麦と大麦を挽いた。 "
    "그 방앗간은 호밀과 보리를 빻았다. 🌾🌾 → 🍞, 👩‍🌾👨🏽‍🌾!",
    "    if (flow > 0.5) {\n\t\treturn grain * 2;  // twice\n    }\n\n\n\nfor (;;) mill(++n);\r\n",
]
HARD = [
    "",
    " ",
    "the mill",
    "The miller's mills'll mill; they've milled 1843 times.",
    "  two  three   four    \n\n \n\t\t x  ",
    " " * 70 + "x" + "\n" * 9,
    "naïve Fluß Мельница 水車小屋 방앗간 \u0915\u094d\u0937",
    "🌾👩‍🌾👨🏽‍🌾🏳️‍🌈 e\u0301 \U0010ffff",
    "".join(chr(code) for code in range(0x180)),
    "\u00a0\u0085\u1680\u2003\u2028\u202f\u3000\ufeff\u200b.",
    "<|endoftext|>the<|endoftext|> <|endoftext|",
    "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbb0000000000000000",
    "'S'T'RE's't're don’t",
]


def words_of(letters, count, longest, seed):
    generator = random.Random(seed)
    word = lambda: "".join(generator.choice(letters) for _ in range(generator.randint(1, longest)))
    return [" ".join(word() for _ in range(count)) for _ in range(2)]


def case(title, texts, size, min_frequency, special, hard=HARD):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return {
        "title": title,
        "texts": texts,
        "vocabularySize": size,
        "minFrequency": min_frequency,
        "specialTokens": special,
        "tokens": tokens[len(special) + 256:],
        "merges": [" ".join(pair) for pair in model["merges"]],
        "encoded": [[text, tokenizer.encode(text).ids] for text in hard],
    }


CASES = [
    case("prose of several languages", PROSE, 420, 2, ["<|endoftext|>", "<|pad|>"]),
    case("prose until no pair is left", PROSE, 4000, 3, ["<|endoftext|>"], HARD[3:6]),
    case("a special token in the words", words_of("abc", 60, 20, 1), 330, 0, ["<e>", "ab"], HARD[2:4]),
    case("long words of two letters", words_of("ab", 12, 60, 3), 340, 2, ["<|endoftext|>"], HARD[-2:]),
    case("runs of one letter", ["a" * 300 + " " + "a" * 7, "aaa " * 9], 300, 1, [], HARD[-2:]),
]

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"cases": CASES}, ensure_ascii=True, indent=None) + "\n")
