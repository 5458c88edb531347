"""Clients of OpenAI's API, unchanged: what they get, whole and streamed, is what `generate` writes, token for token."""

import os
import subprocess
import sys

import litellm
import openai
import pytest
from conftest import CONTENT, LENGTH, PROMPT, STRATEGIES, generated
from langchain_openai import ChatOpenAI

MESSAGES = [{"role": "user", "content": CONTENT}]
# The flags of `generate`, and the fields of a request that say the same.
SAMPLINGS = {"likeliest": ([], {"temperature": 0}), "drawn": (["--temperature", "0.8", "--seed", "7"], {"temperature": 0.8, "seed": 7})}

by_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
by_sampling = pytest.mark.parametrize("flags,sampling", SAMPLINGS.values(), ids=SAMPLINGS)


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@by_strategy
@by_sampling
def test_openai_chat(base_url, strategy, flags, sampling):
    wanted = generated(CONTENT, *flags)
    client = openai.OpenAI(base_url=base_url, max_retries=0)
    extra = {"strategy": strategy, "return_tokens": True}
    asked = {"model": "any", "messages": MESSAGES, "max_tokens": LENGTH, **sampling, "extra_body": extra}
    whole = client.chat.completions.create(**asked)
    assert whole.choices[0].message.content == wanted["text"]
    assert whole.choices[0].model_extra["tokens"] == wanted["tokens"]
    assert whole.usage.completion_tokens == len(wanted["tokens"])
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert text_of(chunks) == wanted["text"]
    tokens = [chunk.choices[0].model_extra.get("tokens", []) for chunk in chunks if chunk.choices]
    assert sum(tokens, []) == wanted["tokens"]


@by_strategy
def test_openai_completions(base_url, strategy):
    wanted = generated(PROMPT, "--raw")["text"]
    client = openai.OpenAI(base_url=base_url, max_retries=0)
    asked = {"model": "any", "prompt": PROMPT, "max_tokens": LENGTH, "temperature": 0, "extra_body": {"strategy": strategy}}
    assert client.completions.create(**asked).choices[0].text == wanted
    assert "".join(chunk.choices[0].text for chunk in client.completions.create(**asked, stream=True)) == wanted


@by_strategy
def test_openai_responses(base_url, strategy):
    wanted = generated(CONTENT)["text"]
    client = openai.OpenAI(base_url=base_url, max_retries=0)
    asked = {"model": "any", "input": CONTENT, "max_output_tokens": LENGTH, "temperature": 0}
    asked["extra_body"] = {"strategy": strategy}
    assert client.responses.create(**asked).output_text == wanted
    with client.responses.stream(**{**asked, "model": "any"}) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert text == wanted


def test_openai_errors(base_url):
    client = openai.OpenAI(base_url=base_url, max_retries=0)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="any", messages=MESSAGES, temperature=-1)
    assert refused.value.param == "temperature"


@by_strategy
@by_sampling
@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
def test_litellm(base_url, strategy, flags, sampling, provider):
    wanted = generated(CONTENT, *flags)["text"]
    asked = {"model": f"{provider}/any", "api_base": base_url, "messages": MESSAGES, "max_tokens": LENGTH, **sampling}
    asked |= {"api_key": "none", "num_retries": 0, "extra_body": {"strategy": strategy}}
    assert litellm.completion(**asked).choices[0].message.content == wanted
    assert text_of(litellm.completion(**asked, stream=True)) == wanted


def test_litellm_text(base_url):
    wanted = generated(PROMPT, "--raw")["text"]
    asked = {"model": "text-completion-openai/any", "api_base": base_url, "prompt": PROMPT, "max_tokens": LENGTH}
    answer = litellm.text_completion(**asked, temperature=0, api_key="none")
    assert answer.choices[0].text == wanted


def test_litellm_knows_the_context(base_url):
    """Routers go on with a model of a longer context by this error."""
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(
            model="openai/any", api_base=base_url, api_key="none", num_retries=0,
            messages=[{"role": "user", "content": "river " * 5000}],
        )


@by_strategy
@by_sampling
def test_langchain(base_url, strategy, flags, sampling):
    wanted = generated(CONTENT, *flags)["text"]
    model = ChatOpenAI(
        model="any", base_url=base_url, api_key="none", max_tokens=LENGTH, max_retries=0,
        extra_body={"strategy": strategy}, **sampling,
    )
    assert model.invoke(CONTENT).content == wanted
    assert "".join(chunk.content for chunk in model.stream(CONTENT)) == wanted


@pytest.mark.parametrize("kind", ["chat", "completion"])
@pytest.mark.parametrize("flags", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_llm(base_url, tmp_path, kind, flags):
    """`llm` has no option for a strategy: the server's own, amusd."""
    wanted = generated(CONTENT)["text"] if kind == "chat" else generated(PROMPT, "--raw")["text"]
    is_completion = "true" if kind == "completion" else "false"
    models = f"- model_id: amusd\n  model_name: any\n  api_base: {base_url}\n  completion: {is_completion}\n"
    (tmp_path / "extra-openai-models.yaml").write_text(models)
    command = [sys.executable, "-m", "llm", "-m", "amusd", "-o", "temperature", "0", "-o", "max_tokens", str(LENGTH)]
    prompt = CONTENT if kind == "chat" else PROMPT
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path)}
    done = subprocess.run([*command, *flags, prompt], stdout=subprocess.PIPE, text=True, env=environment, check=True)
    assert done.stdout.removesuffix("\n") == wanted
