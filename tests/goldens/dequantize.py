"""Makes dequantize.json: `pip install gguf==0.19.0 numpy`, then `python3 tests/goldens/dequantize.py`.

Each case is random blocks of a format, and their values by the gguf package, which is llama.cpp's own. A new format
gets a line in HALVES.
"""

import base64
import json
import pathlib

import gguf
import numpy

# By format, the places of its block's 16-bit floats. They are made finite, and small in every second block.
HALVES = {
    "F32": [], "F16": [], "BF16": [], "Q4_0": [0], "Q4_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
    "Q6_K": [208], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}


def case(name):
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = 24 if elements == 1 else 7 if name == "MXFP4" else 3 if elements == 32 else 2
    random = numpy.random.default_rng(list(name.encode()))
    blocks = random.integers(0, 256, (count, size), dtype=numpy.uint8)
    for i, block in enumerate(blocks):
        for at in HALVES[name]:
            # Exponents 8 to 15; with a zero exponent the number is subnormal.
            block[at + 1] = (block[at + 1] & 0x83) | (0x20 + 4 * int(random.integers(8)) if i % 2 == 0 else 0)
    if name == "MXFP4":
        # The scales of all sizes: subnormal values, and infinite ones.
        blocks[:, 0] = [0, 1, 2, 125, 130, 253, 255]
    if name == "F16":
        halves = blocks.reshape(-1).view(numpy.uint16)
        halves[(halves & 0x7C00) == 0x7C00] &= 0xBFFF
        halves[::2] &= 0x83FF
    values = gguf.quants.dequantize(blocks.reshape(1, -1) if elements > 1 else blocks.reshape(-1).view(
        {"F32": numpy.float32, "F16": numpy.float16, "BF16": numpy.uint8}[name]), kind)
    text = lambda array: base64.b64encode(numpy.ascontiguousarray(array).tobytes()).decode()
    return {"bytes": text(blocks), "float32": text(values.astype(numpy.float32))}


provenance = (
    "Random blocks (every second scale subnormal) and their values by gguf.quants.dequantize of the PyPI package gguf "
    "0.19.0, as little-endian float32; all base64. Made by dequantize.py."
)
golden = {"provenance": provenance, "cases": {name: case(name) for name in HALVES}}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=1) + "\n")
