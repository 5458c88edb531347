"""Makes tokenizer-steps.json: `pip install tokenizers==0.23.3`, then `python3 tests/goldens/tokenizer-steps.py`.

With a count and a file (`... tokenizer-steps.py 4000 FILE`) it makes as many texts for tests/tokenizer/tokenizer-steps.test.ts.

The vocabularies are trained on the awkward texts themselves, with no cut at all. So merges lead over each place at which
a pre-tokenizer may cut, and a cut that is missing or too many shows in the ids. The steps are those of published models'
tokenizer.json (patterns letter for letter), and others that Hugging Face's tokenizers have.
"""

import json
import pathlib
import random
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

LETTERS = [
    "a", "B", "é", "ß", " ", " ", "  ", "    ", "\n", "\n\n", "\r\n", "\t", "1", "23", "456", "1234567", "'", "'s", "'LL", "'ſ",
    "’", ".", ",", "!?", "_", "-", "{", "}", "//", "\u00a0", "\u3000", "\u200d", "👩‍👩‍👧", "🏽", "日", "本", "か", "カ", "ي", "हि", "한",
    "\u0301", "e\u0301", "\u0085", "\u2028", "\ufeff", "½", "²", "Ⅷ", "٣", "१", "\x00", "\x1f", "𝒳", "𐐀", "ǅ", "ﬁ", "µ", "$",
    "+", "^", "<", ">", "|", "`", "~", "=", "#", "@", "the ", " and", "ing", "THE", "Word", "don't", "x", "y", "İ", "Σ", "…", "«",
    "。", "、", "！", "(x+y)", "▁", "Ġ", "K", "ſ",
]


def texts(count, more=(), seed=7):
    r = random.Random(seed)
    out = ["", " ", "\n", "a\r\nb", "don't DON'T Don’T don'ſx it'S", "x" * 300, " " * 100 + "x", "\n" * 60, "ab " * 60, "'" * 20]
    letters = LETTERS + list(more) * 3
    while len(out) < count:
        if len(out) % 5:
            out.append("".join(r.choice(letters) for _ in range(r.randint(1, 14))))
        else:
            ranges = [(1, 0x2FF), (0x300, 0x2FFF), (0x3000, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF)]
            out.append("".join(chr(r.randint(*r.choice(ranges))) for _ in range(r.randint(1, 6))))
    return out


def split(pattern, behavior="Isolated", invert=False):
    pattern = pattern if isinstance(pattern, dict) else {"Regex": pattern}
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def digits(individual):
    return {"type": "Digits", "individual_digits": individual}


def sequence(kind, steps):
    return steps[0] if len(steps) == 1 else {"type": "Sequence", kind: steps}


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4O = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK_V3 = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+".replace('\\"', '"')
DEEPSEEK_LETTERS = "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"
DEEPSEEK_MARKS = "\\s?[!-/:-~！-／：-～‘-‟　-。]+"
CHINESE = "[一-龥ࠀ-一가-퟿]+"
SEED_CODER = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
BAILING = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
BLOOM = " ?[^(\\s|.,!?…。，、।۔،)]+"
KIMI = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
EXAONE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
JAIS2 = LLAMA3.replace(r"\s+(?!\S)|\s+", "".join(r"\s{%s}(?!\S)|" % n for n in (512, 256, 128, 64, 32, 16, 8, 4, "1,2")) + r"\s{1}")

# By the name that tokenizer.ggml.pre has for them. Only "default" is llama.cpp's own.
FAMILIES = {
    "gpt-2": [byte_level(regex=True)],
    "smollm": [digits(True), byte_level(regex=True)],
    "llama-bpe": [split(LLAMA3), byte_level()],
    "dbrx": [split(LLAMA3), byte_level()],
    "qwen2": [split(QWEN2), byte_level()],
    "qwen35": [split(QWEN35), byte_level()],
    "tekken": [split(TEKKEN), byte_level()],
    "gpt-4o": [split(GPT4O), byte_level()],
    "deepseek-llm": [split("[\r\n]"), split(DEEPSEEK_LETTERS), split(DEEPSEEK_MARKS), split("\\s+$"), split(CHINESE), split("\\p{N}+"), byte_level()],
    "deepseek-coder": [split("[\r\n]"), split("\\s?\\p{L}+"), split("\\s?\\p{P}+"), split(CHINESE), digits(True), byte_level()],
    "deepseek-v3": [split("\\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK_V3.replace("\\r\\n", "\r\n")), byte_level()],
    "seed-coder": [split(SEED_CODER), byte_level()],
    "falcon": [{"type": "Punctuation", "behavior": "Contiguous"}, byte_level(regex=True), digits(False), split("[0-9][0-9][0-9]")],
    "bailingmoe": [split(BAILING), byte_level()],
    "minicpm5": [split("\\p{N}{1,3}"), split(LLAMA3.replace("{1,3}", "+")), byte_level()],
    "jais-2": [split(JAIS2), byte_level()],
    "viking": [split(BLOOM), digits(True), byte_level()],
    "laguna": [split("[^\\n]+|[\\n]+"), split(QWEN2), byte_level()],
    "default": [split("[\\p{P}\\$\\+<=>\\^~\\|]+"), split(GPT2), split("\\p{N}+"), split("[0-9][0-9][0-9]"), byte_level()],
}
IGNORES_MERGES = {"llama-bpe", "tekken", "minicpm5"}

STEPS = {
    "cl100k, possessive": [split(CL100K), byte_level()],
    "kimi-k2": [split(KIMI), byte_level()],
    "exaone-moe": [split(EXAONE), byte_level()],
    "tiny-aya digits": [split("\\d{1,3}(?=(?:\\d{3})*\\b)"), split(GPT4O), byte_level()],
    "superbpe": [split("\\p{N}+"), split("(?=(\\d{3})+(?!\\d))"), byte_level()],
    "prefix": [byte_level(prefix=True, regex=True)],
    "prefix for each piece": [split("[,.]", "MergedWithPrevious"), byte_level(prefix=True)],
    "digits in a row": [digits(False), byte_level(regex=True)],
    "white space": [{"type": "Whitespace"}, byte_level()],
    "white space split": [{"type": "WhitespaceSplit"}, byte_level(prefix=True)],
    "bert": [{"type": "BertPreTokenizer"}, byte_level()],
    "delimiter": [{"type": "CharDelimiterSplit", "delimiter": "e"}, byte_level()],
    "space as text": [split({"String": " "}, "MergedWithNext"), byte_level()],
    "look-arounds": [split("(?<=a) |(?<!\\s)\\d|\\b[[:punct:]]|(?>a|the) "), byte_level()],
}
for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
    STEPS[f"split, {behavior}"] = [split("[aeiou]|\\s+|'", behavior), byte_level()]
    STEPS[f"split, {behavior}, inverted"] = [split("\\p{L}+|\\s", behavior, True), byte_level()]
    STEPS[f"punctuation, {behavior.lower()}"] = [{"type": "Punctuation", "behavior": behavior}, byte_level()]

NORMALIZERS = {
    "nfc": [{"type": "NFC"}],
    "nfd": [{"type": "NFD"}],
    "nfkc": [{"type": "NFKC"}],
    "nfkd, no accents, lower case": [{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}],
    "strip": [{"type": "Strip", "strip_left": True, "strip_right": True}],
    "replace": [
        {"type": "Replace", "pattern": {"Regex": " {2,}|[aeiou]+"}, "content": " "},
        {"type": "Replace", "pattern": {"String": "t"}, "content": "the"},
        {"type": "Prepend", "prepend": "x"},
    ],
}


def metaspace(scheme, cut):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
SENTENCE_PIECES = {
    "llama 2 of before": ([{"type": "Prepend", "prepend": "▁"}, SPACES], []),
    "spaces alone": ([SPACES], []),
    "gemma's split": ([SPACES], [split({"String": " "}, "MergedWithPrevious")]),
    "metaspace of 2023": ([], [{"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}]),
}
for scheme in ("first", "always", "never"):
    for cut in (True, False):
        SENTENCE_PIECES[f"metaspace, {scheme}{', split' if cut else ''}"] = ([], [metaspace(scheme, cut)])


def added(content, id, **flags):
    default = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": id, "content": content, **default, **flags}


CONTENTS = [
    "<|a|>", "<|a|>b", "|>b ", "  ", "    ", "\n\n\n", "[INST]", "(x+y)*", "👩‍👩‍👧", "the", " the ", "e\u0301", "1234", "<|a", "\\d+", "É",
    "é", "▁the", "X",
]


def added_tokens(seed, first, known):
    r = random.Random(seed)
    tokens = []
    for content in CONTENTS:
        flags = {flag: r.random() < 0.3 for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        if seed == 0:
            flags = {"special": len(tokens) % 3 == 0}
        elif content in known:
            # Merges lead tokenizers to a control token, too; here they never do.
            flags["special"] = False
        id = known[content] if content in known else first + sum(token["id"] >= first for token in tokens)
        tokens.append(added(content, id, **flags))
    return tokens


def trained(corpus):
    """A vocabulary by merges over each place, of the letters of bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    return {"vocab": model["vocab"], "merges": model["merges"]}


def trained_sentence_piece(corpus):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=["<unk>", "<s>", "</s>", *bytes_], limit_alphabet=90, show_progress=False)
    tokenizer.train_from_iterator([text.replace(" ", "▁") for text in corpus], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return {"vocab": model["vocab"], "merges": model["merges"]}


def hash_of(tokenizer, text):
    """FNV-1a over the ids' decimal digits and commas, folded to 16 bits; "----" where tokenizers panic."""
    try:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return "----"
    value = 0x811C9DC5
    for byte in ",".join(map(str, ids)).encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{(value >> 16 ^ value) & 0xFFFF:04x}"


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    corpus = texts(2000, seed=1) * 2
    bases = {"bytes": trained(corpus), "pieces": trained_sentence_piece(corpus)}
    lists = {"texts": texts(count), "added": texts(count, CONTENTS + ["<s>", "</s>"], 8)}
    cases = {}

    def case(name, base, normalizers, steps, tokens=(), ignore_merges=False, pre=None, **model):
        unknown = {"unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True} if base == "pieces" else {}
        file = {
            "added_tokens": list(tokens),
            "normalizer": sequence("normalizers", normalizers) if normalizers else None,
            "pre_tokenizer": sequence("pretokenizers", steps) if steps else None,
            "model": {"type": "BPE", "ignore_merges": ignore_merges, **unknown, **model},
        }
        whole = {"version": "1.0", "truncation": None, "padding": None, "post_processor": None, "decoder": None, **file}
        tokenizer = Tokenizer.from_str(json.dumps({**whole, "model": {**file["model"], **bases[base]}}))
        which = "added" if tokens else "texts"
        hashes = "".join(hash_of(tokenizer, text) for text in lists[which])
        cases[name] = {"base": base, "texts": which, **({"pre": pre} if pre else {}), "file": file, "hashes": hashes}

    for name, steps in FAMILIES.items():
        case(name, "bytes", [], steps, ignore_merges=name in IGNORES_MERGES, pre=name)
    for name, steps in STEPS.items():
        case(name, "bytes", [], steps)
    for name, normalizers in NORMALIZERS.items():
        case(name, "bytes", normalizers, FAMILIES["qwen2"])
    special = [added(content, id, special=True) for id, content in enumerate(("<unk>", "<s>", "</s>"))]
    for name, (normalizers, steps) in SENTENCE_PIECES.items():
        case(name, "pieces", normalizers, steps, special)
    case("no bytes", "pieces", [SPACES], [], special, byte_fallback=False)
    case("unknown ones apart", "pieces", [SPACES], [], special, byte_fallback=False, fuse_unk=False)
    for seed in range(6):
        known = bases["bytes"]["vocab"]
        normalizers = [[], [{"type": "NFC"}], [{"type": "Lowercase"}]][seed % 3]
        case(f"added tokens {seed}", "bytes", normalizers, FAMILIES["llama-bpe"], added_tokens(seed, len(known), known))
        known = bases["pieces"]["vocab"]
        name = ["llama 2 of before", "metaspace, first", "metaspace, always, split"][seed % 3]
        tokens = special + added_tokens(seed, len(known), known)
        case(f"added tokens {seed}, {name}", "pieces", *SENTENCE_PIECES[name], tokens)

    bases = {name: {"vocab": list(base["vocab"]), "merges": base["merges"]} for name, base in bases.items()}
    write = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    lines = ",\n".join(f"{write(name)}:{write(one)}" for name, one in cases.items())
    head = {"provenance": __doc__.split("\n")[0], "lists": lists, "bases": bases}
    path = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).with_suffix(".json"))
    path.write_text(write(head)[:-1] + f',\n"cases":{{\n{lines}\n}}}}\n')


main()
