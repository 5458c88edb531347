"""Makes log-likelihoods.json: `pip install gguf==0.19.0 numpy`, then `python3 tests/goldens/log-likelihoods.py`.

What the embedded verify model thinks of texts, in double precision, by a forward pass that has nothing in common with
this program: weights as the gguf package dequantises them, the whole text at once, no cache. For each text its tokens,
how many of them are the context, the sum of the log-probabilities of the others, and whether each was the likeliest.
"""

import json
import pathlib

import gguf
import numpy

FOLDER = pathlib.Path(__file__).parent
MODEL = FOLDER.parents[1] / "models" / "smollm2-135m-instruct-q4_1.gguf"

reader = gguf.GGUFReader(MODEL)
field = lambda name: reader.get_field(name).contents()
HEADS, KV_HEADS = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
EPSILON, BASE = field("llama.attention.layer_norm_rms_epsilon"), field("llama.rope.freq_base")
weights = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(numpy.float64) for t in reader.tensors}


def norm(x, name):
    return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * weights[name + ".weight"]


def product(x, name):
    return x @ weights[name + ".weight"].T


def rotate(x):
    """Neighbours are rotated as a pair, as GGUF's llama has them; x is [position, head, dimension]."""
    positions, _, size = x.shape
    angles = numpy.arange(positions)[:, None] * BASE ** (-numpy.arange(0, size, 2) / size)
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * numpy.exp(1j * angles)[:, None, :]
    return numpy.stack([turned.real, turned.imag], -1).reshape(x.shape)


def logits_of(tokens):
    x = weights["token_embd.weight"][tokens]
    rows = len(tokens)
    future = numpy.triu(numpy.full((rows, rows), -numpy.inf), 1)
    for layer in range(field("llama.block_count")):
        block = f"blk.{layer}."
        h = norm(x, block + "attn_norm")
        q = rotate(product(h, block + "attn_q").reshape(rows, HEADS, -1))
        k = rotate(product(h, block + "attn_k").reshape(rows, KV_HEADS, -1)).repeat(HEADS // KV_HEADS, 1)
        v = product(h, block + "attn_v").reshape(rows, KV_HEADS, -1).repeat(HEADS // KV_HEADS, 1)
        scores = numpy.einsum("qhd,khd->hqk", q, k) / numpy.sqrt(q.shape[-1]) + future
        shares = numpy.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        x = x + product(numpy.einsum("hqk,khd->qhd", shares, v).reshape(rows, -1), block + "attn_output")
        h = norm(x, block + "ffn_norm")
        gate = product(h, block + "ffn_gate")
        x = x + product(gate / (1 + numpy.exp(-gate)) * product(h, block + "ffn_up"), block + "ffn_down")
    return norm(x, "output_norm") @ weights["token_embd.weight"].T


# By the name of a case of verify.json: how many tokens of its prompt and of its answer, how many of all those are the
# context, and whether every third token is another one, so that unlikely ones are among them.
PLAN = {
    "HumanEval/0": (96, 0, 1, True),
    "HumanEval/5": (95, 8, 95, False),
    "mt_bench/81": (53, 20, 40, False),
    "unicode": (47, 16, 1, False),
    "long": (160, 0, 150, True),
}

cases = []
for golden in json.loads((FOLDER / "verify.json").read_text()):
    if golden["name"] not in PLAN:
        continue
    prompt, answer, context, is_altered = PLAN[golden["name"]]
    tokens = golden["promptTokens"][:prompt] + golden["tokens"][:answer]
    if is_altered:
        tokens[2::3] = [(token * 7 + 11) % 40000 + 100 for token in tokens[2::3]]
    logits = logits_of(tokens)
    top = logits.max(-1, keepdims=True)
    logs = logits - top - numpy.log(numpy.exp(logits - top).sum(-1, keepdims=True))
    own = logs[numpy.arange(context - 1, len(tokens) - 1), tokens[context:]]
    cases.append({
        "name": golden["name"],
        "contextTokens": context,
        "tokens": tokens,
        "logLikelihood": round(float(own.sum()), 6),
        "isGreedy": bool((logs[context - 1 : -1].argmax(-1) == tokens[context:]).all()),
    })
golden = {"provenance": "numpy, float64. Made by log-likelihoods.py.", "cases": cases}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, separators=(",", ":")).replace("},{", "},\n{") + "\n")
