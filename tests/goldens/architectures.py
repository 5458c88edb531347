"""Makes architectures.json: what transformers says of the checkpoints of tests/checkpoint/random-checkpoint.ts.

    pip install transformers==5.24.0 torch==2.15.0 tokenizers
    deno run -A tests/checkpoint/random-checkpoint.ts FOLDER
    python3 tests/goldens/architectures.py FOLDER

For each checkpoint the logits behind some positions of a random text, every ninth of them, and the greedy continuation
with the gap between the two best logits at each step: float32, eager attention, the whole text at once, no cache.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM

LENGTH, STEPS, POSITIONS = 48, 16, [5, 31, 47]

torch.manual_seed(20)
golden = {"provenance": "transformers 5.24.0, torch 2.15.0, float32, eager. Made by architectures.py.", "cases": {}}
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokens = torch.randint(0, 256, (LENGTH,)).tolist()
    answer, margins = [], []
    with torch.inference_mode():
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0]
        for _ in range(STEPS):
            best = model(torch.tensor([tokens + answer]), use_cache=False).logits[0, -1].topk(2)
            answer.append(int(best.indices[0]))
            margins.append(round(float(best.values[0] - best.values[1]), 4))
    golden["cases"][folder.name] = {
        "tokens": tokens,
        "logits": {str(at): [round(float(value), 5) for value in logits[at, ::9]] for at in POSITIONS},
        "answer": answer,
        "margins": margins,
    }
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, separators=(",", ":")).replace('},"', '},\n"').replace(',"answer', ',\n"answer') + "\n")
