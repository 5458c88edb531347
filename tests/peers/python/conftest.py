"""Servers and what `generate` writes, for other people's Python clients. AMUSD_COMMAND says how amusd is started."""

import functools
import json
import os
import subprocess

import pytest

AMUSD = json.loads(os.environ["AMUSD_COMMAND"])

# Some clients ask a hub or a price list otherwise; nothing here leaves this machine.
os.environ |= {
    "OPENAI_API_KEY": "none",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LANGSMITH_TRACING": "false",
}

STRATEGIES = ["greedy", "sd", "amusd"]
CONTENT = "Name three rivers."
PROMPT = "The capital of France is"
LENGTH = 16


def serving(*flags):
    process = subprocess.Popen([*AMUSD, "serve", "--port", "0", "--quiet", *flags], stdout=subprocess.PIPE, text=True)
    # The address is told once the server listens.
    address = process.stdout.readline().strip()
    try:
        assert address, f"amusd serve ended with {process.wait()}"
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(scope="session")
def base_url():
    """The address of a server as `serve` starts it without flags, with /v1."""
    yield from serving()


@pytest.fixture(scope="session")
def exact_base_url():
    """The same with keys and values in float32."""
    yield from serving("--kv-cache", "f32")


@functools.cache
def generated(prompt, *flags):
    """The record of `amusd generate` by the verify model alone."""
    command = [*AMUSD, "generate", "--prompt", prompt, "--strategy", "greedy", "--max-tokens", str(LENGTH), "--json"]
    return json.loads(subprocess.run([*command, *flags], stdout=subprocess.PIPE, check=True).stdout)
