"""lm-evaluation-harness by its local-completions: tokens, texts and log-likelihoods."""

import json
import pathlib

import pytest
from conftest import LENGTH, PROMPT, STRATEGIES, generated
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

GOLDENS = pathlib.Path(__file__).parents[2] / "goldens"
CASES = json.loads((GOLDENS / "log-likelihoods.json").read_text())["cases"]


def local_completions(base_url):
    return LocalCompletionsAPI(
        model="any", base_url=f"{base_url}/completions", tokenizer_backend="remote", max_length=4096, max_gen_toks=LENGTH
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_log_likelihoods(exact_base_url, case):
    """The sum within 1e-3 of a forward pass in double precision that is not ours."""
    lm = local_completions(exact_base_url)
    context, continuation = case["tokens"][: case["contextTokens"]], case["tokens"][case["contextTokens"] :]
    [(total, is_greedy)] = lm._loglikelihood_tokens([(("", ""), context, continuation)])
    assert abs(total - case["logLikelihood"]) < 1e-3
    assert is_greedy == case["isGreedy"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_generate_until(base_url, strategy):
    lm = local_completions(base_url)
    options = {"until": ["\n\n\n"], "max_gen_toks": LENGTH, "strategy": strategy}
    asked = Instance(request_type="generate_until", doc={}, arguments=(PROMPT, options), idx=0)
    assert lm.generate_until([asked]) == [generated(PROMPT, "--raw")["text"]]


def test_tokens(base_url):
    """The harness's own tokens are those of the goldens, on which transformers and llama.cpp agree."""
    lm = local_completions(base_url)
    golden = next(case for case in json.loads((GOLDENS / "verify.json").read_text()) if case["name"] == "HumanEval/0")
    assert lm.tok_encode(golden["prompt"]) == golden["promptTokens"]
    assert lm.decode_batch([golden["promptTokens"]]) == [golden["prompt"]]
