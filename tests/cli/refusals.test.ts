// The messages and exit codes of all commands for what they can't do.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomModel, TRAINED_CONTEXT, VOCABULARY } from "../random-models.ts";
import { at, MODELS, VERIFY, verifyPath, write } from "./fixture.ts";
import { amusd, assertRefused } from "./host.ts";

test("what can't be done is one line on stderr and a code that says whose fault it is", async () => {
  const bytes = Deno.readFileSync(verifyPath);
  const magic = write("magic.gguf", bytes.with(0, 65));
  const cut = write("cut.gguf", bytes.slice(0, -9));
  const header = write("header.gguf", bytes.slice(0, 300));
  const empty = write("empty.gguf", "");
  const other = write("other.gguf", randomModel({ metadata: [["general.architecture", "string", "mamba"]] }));
  const mute = write("mute.gguf", randomModel({ metadata: [["tokenizer.chat_template", "u32", 1]] }));
  const tokens = Array.from({ length: VOCABULARY }, (_, i) => `${i}`);
  const strange = write(
    "strange.gguf",
    randomModel({
      metadata: [["tokenizer.ggml.tokens", "string[]", tokens], ["tokenizer.ggml.merges", "string[]", []]],
    }),
  );
  const one = write("one.jsonl", '{"question_id":81,"turns":["first"]}\n');
  const latin = write("latin.txt", new Uint8Array([0x63, 0x61, 0x66, 0xe9, 0x21]));
  Deno.mkdirSync(at("a folder"));
  Deno.writeFileSync(at("kept.json"), new TextEncoder().encode("kept"));
  const missing = at("none/such");
  const long = "x".repeat(TRAINED_CONTEXT);
  const model = (path: string) => ["--verify-model-path", path];
  const cases: [string[], number, RegExp][] = [
    [["--max-token", "3"], 2, /--max-token, did you mean --max-tokens\?\n/],
    [["generat"], 2, /generat/],
    [["--strategy", "fast"], 2, /fast.*greedy.*sd.*amusd/],
    [["--max-tokens", "0"], 2, /"0" for max-tokens: a whole number of 1 or more is wanted/],
    [["--max-tokens", "many"], 2, /many/],
    [["--lookahead", "16"], 2, /"16".*1 to 15/],
    [["--temperature", "-1"], 2, /^Failed to parse "-1" for temperature: a number of 0 or more is wanted\n/],
    [["--temperature", "hot"], 2, /hot/],
    [["--top-k", "0.5"], 2, /"0\.5" for top-k: a whole number from 0 to 4294967295 is wanted/],
    [["--top-p", "0"], 2, /"0" for top-p: a number above 0, of at most 1 is wanted/],
    [["--min-p", "1"], 2, /"1" for min-p: a number of 0 or more, below 1 is wanted/],
    [["--seed", "4294967296"], 2, /"4294967296" for seed: a whole number from 0 to 4294967295 is wanted/],
    [["--top-p", "0.9"], 2, /^Cannot use --top-p where nothing is drawn at random: give a --temperature above 0\n/],
    [["--temperature", "0", "--min-p", "0.1"], 2, /^Cannot use --min-p where nothing is drawn at random: /],
    [["--stop", ""], 2, /^Failed to parse "" for stop: it is empty/],
    [["--prompt", "a", "--dataset", one], 2, /^Cannot take several prompts: /],
    [["--sample-index", "1"], 2, /^Cannot take --sample-index by itself: give --dataset too\n/],
    [["--turns", "last"], 2, /^Cannot take --turns by itself: give --dataset too\n/],
    [["--prompt-file", latin], 1, /^Cannot read the prompt ".*latin\.txt": byte 3 \(0xe9\) is no UTF-8; save it as /],
    [["stats", latin], 1, /^Cannot read ".*latin\.txt": byte 3 \(0xe9\) is no UTF-8; save it as UTF-8\n/],
    [
      [...VERIFY, "--strategy", "sd"],
      2,
      /^Cannot decode by "sd" without a draft model: give --draft-model-path, or --drafter ngram\n/,
    ],
    [
      ["--strategy", "amusd", "--drafter", "none"],
      2,
      /^Cannot decode by "amusd" with --drafter none: give another drafter, or greedy\n/,
    ],
    [["plan", "--acceptance", "1.5"], 2, /"1\.5" for acceptance: a number between 0 and 1 is wanted/],
    [
      ["plan", "--verify-hardware", "abacus"],
      2,
      /^Cannot plan with hardware "abacus": there is no such file, .* rtx-4090/,
    ],
    [["plan", "--draft-model", "gpt-2"], 2, /^Cannot plan with model "gpt-2": .* llama-3\.1-8b/],
    [["plan", "--record", one], 1, /^Cannot take chances from ".*one\.jsonl": it has no traces; give what /],
    [
      ["--launch", "fixed:16"],
      2,
      /"fixed:16" is no launch rule: adaptive, published and fixed:1 to fixed:15 are there/,
    ],
    [model(missing), 1, /^Cannot open ".*such": there is no such file; check the path\n/],
    [model(at("a folder")), 1, /^Cannot open ".*a folder": it is a folder/],
    [model(empty), 1, /^Cannot open ".*empty\.gguf": the file is empty/],
    [model(magic), 1, /magic\.gguf.*GGUF/],
    [model(cut), 1, /cut\.gguf": it is cut short or damaged/],
    [model(header), 1, /header\.gguf": it is cut short or damaged/],
    [model(other), 1, /other\.gguf.*"mamba", wanted one of "llama", /],
    [model(mute), 1, /^Cannot render a chat: .*; give the prompt as it is with --raw\n/],
    [[...VERIFY, "--draft-model-path", missing], 1, /^Cannot open ".*such"/],
    [
      [...VERIFY, "--draft-model-path", strange],
      1,
      /^Cannot draft with ".*strange\.gguf": it has 3 % of the verify model's 287 tokens of text, wanted 50 % /,
    ],
    [
      [...VERIFY, "--prompt", long],
      1,
      /^Cannot generate after a prompt of 2\d\d tokens: the context has 256 positions/,
    ],
    [
      [...VERIFY, "--context", "257"],
      1,
      /^Cannot use a context of 257: the model was trained for 256; give 2 to 256\n/,
    ],
    [[...VERIFY, "--prompt", "", "--raw"], 1, /^Cannot generate after an empty prompt/],
    [[...VERIFY, "--prompt-file", missing], 1, /^Cannot read the prompt ".*such": /],
    [[...VERIFY, "--dataset", missing], 1, /^Cannot read dataset ".*such": there is no such file/],
    [
      [...VERIFY, "--dataset", one, "--sample-index", "1"],
      1,
      /^Cannot take sample 1: the dataset has 1, wanted 0 to 0\n/,
    ],
    [[...VERIFY, "--verify-device", "none such"], 1, /^Cannot use device "none such": .*; there is 0 "/],
    [
      [...MODELS, "--middle-model-path", one, "--drafter", "ngram"],
      2,
      /^Cannot use --middle-model-path with --drafter /,
    ],
    [[...VERIFY, "--middle-model-path", one], 2, /^Cannot use --middle-model-path alone: give --draft-model-path too/],
    [[...MODELS, "--draft-device", "99"], 1, /^Cannot use device "99": .*; there is 0 "/],
    [[...VERIFY, "--output-file", `${at("kept.json")}/a/b`], 1, /^Cannot write ".*b": on the way ".*" is no folder; /],
    [[...VERIFY, "--trace", `${at("kept.json")}/such`], 1, /^Cannot write ".*such": on the way ".*" is no folder; /],
    [
      [...VERIFY, "--output-file", at("kept.json")],
      2,
      /^Cannot write ".*kept\.json": it is there already; give --force /,
    ],
    [[...VERIFY, "--trace", at("kept.json")], 2, /^Cannot write ".*kept\.json": it is there already; give --force /],
    [[...VERIFY, "--output-file", at("a folder")], 1, /^Cannot write ".*a folder": it is a folder/],
  ];
  // One at a time would take twice as long, all at once as many gigabytes.
  const waiting = [...cases];
  const work = async () => {
    for (let next; (next = waiting.shift());) assertRefused(await amusd(...next[0]), next[1], next[2]);
  };
  await Promise.all([work(), work()]);
  assert.equal([...Deno.readDirSync(at("a folder"))], []);
});

test.run();
