"""A pytest plugin by which llama.cpp's server tests (tools/server/tests) meet `amusd serve` in place of llama-server.

left-out.json says which cases are not run and why; adapted.json which of their texts and numbers stand for their test
model, and what stands there for ours. Both are by case ("test_basic.py::test_server_props", with or without "[...]"),
left-out.json by file too. An entry that fits no case is an error, so that neither list outlives what it speaks of.

A test starts a server of its own where it counts what a fresh one has done; others take over the last one, if it was
started alike.
"""

import ast
import inspect
import json
import os
import pathlib
import socket
import subprocess

import pytest
import requests
import utils

HERE = pathlib.Path(__file__).parent
LEFT_OUT = json.loads((HERE / "left-out.json").read_text())
ADAPTED = json.loads((HERE / "adapted.json").read_text())
AMUSD = json.loads(os.environ["AMUSD_COMMAND"])
START_TIMEOUT_S = 300

# Skipped by llama.cpp as "fails on linux": a cached prompt gives other text there than one that is fed anew.
UNSKIPPED = {"test_completion.py::test_cache_vs_nocache_prompt"}

# A test whose source has one of these counts from a server's start on.
COUNTS = ("prompt_n", "cached", "metrics", "server.stop()", "draft_n")


class Running:
    """The server that runs, at most one."""

    process = None
    flags = None
    port = 0
    is_for_one = False


def flags_of(server):
    slots = server.n_slots or 1
    flags = ["--quiet", "--metrics-prefix", "llamacpp:", "--host", server.server_host, "--slots", str(slots)]
    if server.n_ctx:
        # llama-server's slots share its context; here each text has the whole of it.
        flags += ["--context", str(server.n_ctx if server.kv_unified else server.n_ctx // slots)]
    if server.model_alias:
        flags += ["--alias", server.model_alias]
    if server.api_key:
        flags += ["--api-key", server.api_key]
    # The tests of speculation say of each server whether it drafts. All others do here.
    if server.model_alias == "stories15m-moe" and server.model_draft is None:
        flags += ["--drafter", "none"]
    # Every page may use llama-server unless it is told otherwise or calls tools; amusd lets in this machine's alone.
    if server.cors_origins is None and not server.server_tools:
        flags += ["--cors-origins", "*"]
    return flags


def end_running():
    if Running.process:
        Running.process.terminate()
        try:
            Running.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            Running.process.kill()
        Running.process = None


def start(self, timeout_seconds=START_TIMEOUT_S):
    flags = flags_of(self)
    alive = Running.process and Running.process.poll() is None
    if not (alive and Running.flags == flags and not Running.is_for_one):
        end_running()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            Running.port = free.getsockname()[1]
        command = [*AMUSD, "serve", *flags, "--port", str(Running.port)]
        print("starting", *command)
        Running.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        Running.flags = flags
        # The first line is the address, which is told once the server listens.
        if not Running.process.stdout.readline():
            raise RuntimeError(f"amusd serve ended with {Running.process.wait()}")
    self.server_port = Running.port
    self.process = Running.process
    utils.server_instances.add(self)


def stop(self):
    utils.server_instances.discard(self)
    self.process = None


GENERATING = ("/completion", "/completions", "/chat/completions", "/v1/completions", "/v1/chat/completions", "/responses")


def with_defaults(server, path, data):
    """Some flags of llama-server are defaults of requests (--seed, --temp, --n-predict); here the requests say them."""
    if not isinstance(data, dict) or path not in GENERATING:
        return data
    defaults = {"seed": server.seed, "temperature": server.temperature}
    limits = ("n_predict", "max_tokens", "max_completion_tokens", "max_output_tokens")
    if server.n_predict and server.n_predict > 0 and not any(name in data for name in limits):
        defaults["max_output_tokens" if path == "/responses" else "max_tokens"] = server.n_predict
    if server.spec_draft_n_max:
        defaults["launch"] = f"fixed:{min(server.spec_draft_n_max, 15)}"
    return {**defaults, **data}


make_request, make_stream_request = utils.ServerProcess.make_request, utils.ServerProcess.make_stream_request


def request(self, method, path, data=None, *args, **kwargs):
    answer = make_request(self, method, path, with_defaults(self, path, data), *args, **kwargs)
    # Names of headers have no case; the tests look for llama-server's.
    answer.headers = requests.structures.CaseInsensitiveDict(answer.headers)
    return answer


def stream_request(self, method, path, data=None, *args, **kwargs):
    return make_stream_request(self, method, path, with_defaults(self, path, data), *args, **kwargs)


def is_text(_regex, text):
    """Their expected texts are their test model's; that ours are `generate`'s is what tests/peers/python says."""
    return isinstance(text, str) and text != ""


utils.ServerProcess.start = start
utils.ServerProcess.stop = stop
utils.ServerProcess.make_request = request
utils.ServerProcess.make_stream_request = stream_request
utils.ServerPreset.load_all = staticmethod(lambda: None)
utils.match_regex = is_text
utils.download_file = lambda url, _path=None: url


def adapt(root):
    """Writes the texts of adapted.json into the checkout's tests, which are made anew from its commit before."""
    subprocess.run(["git", "checkout", "--quiet", "--", "."], cwd=root, check=True)
    for case, entry in ADAPTED.items():
        file, name = case.split("::")
        path = root / "unit" / file
        source = path.read_text()
        lines = source.splitlines(keepends=True)
        test = next((node for node in ast.parse(source).body if getattr(node, "name", None) == name), None)
        if test is None:
            raise pytest.UsageError(f'adapted.json: there is no "{case}"; the tests have changed')
        first = min([test.lineno, *(decorator.lineno for decorator in test.decorator_list)]) - 1
        body = "".join(lines[first:test.end_lineno])
        for theirs, ours in entry["replace"]:
            if theirs not in body:
                raise pytest.UsageError(f'adapted.json: "{case}" has no "{theirs}"; the tests have changed')
            body = body.replace(theirs, ours)
        path.write_text("".join(lines[:first]) + body + "".join(lines[test.end_lineno:]))


def pytest_configure(config):
    adapt(config.rootpath)


def case_of(item):
    return f"{item.path.name}::{item.name}"


def reason_of(case):
    file = case.split("::")[0]
    return next((LEFT_OUT[key] for key in (case, case.split("[")[0], file) if key in LEFT_OUT), None)


def assert_current(config, cases):
    files = {case.split("::")[0] for case in cases}
    known = {*cases, *(case.split("[")[0] for case in cases), *(path.name for path in config.rootpath.glob("unit/*.py"))}
    stale = [key for key in LEFT_OUT if key not in known and key.split("::")[0] in files]
    if stale:
        raise pytest.UsageError(f"left-out.json: {', '.join(stale)} fits no case; the tests have changed")


def pytest_collection_modifyitems(config, items):
    kept, left = [], []
    for item in items:
        (left if reason_of(case_of(item)) else kept).append(item)
        if case_of(item) in UNSKIPPED:
            item.own_markers = [mark for mark in item.own_markers if mark.name != "skip"]
    if not config.option.keyword and not any("::" in arg for arg in config.args):
        assert_current(config, [case_of(item) for item in items])
    config.hook.pytest_deselected(items=left)
    items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    source = inspect.getsource(item.function)
    is_for_one = any(text in source for text in COUNTS)
    if is_for_one or Running.is_for_one:
        end_running()
    Running.is_for_one = is_for_one


def pytest_sessionfinish():
    end_running()
