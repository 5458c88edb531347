import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type DatasetSample, lastPrompt, plainText, sampleOf, userTurns } from "../../src/benchmark/conversation.ts";

const Q = "Name one ferry port.";
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const call = {
  role: "assistant",
  tool_calls: [{ id: "c1", type: "function", function: { name: "ports", arguments: '{"sea": 1}' } }],
};
const tool = { role: "tool", tool_call_id: "c1", content: '["Calais"]' };
const system = (content: string) => ({ role: "system", content });

function read(row: unknown, column?: string): DatasetSample {
  const sample = sampleOf(row, 5, column);
  if (typeof sample === "string") throw new Error(sample);
  return sample;
}
const messagesOf = (row: unknown, column?: string) => read(row, column).messages;

test("the shapes of public datasets give the conversation that they mean", () => {
  const shapes: [string, unknown, unknown[]][] = [
    ["GSM8K", { question: Q, answer: "x" }, [user(Q)]],
    ["Alpaca", { instruction: Q, input: "", output: "x" }, [user(Q)]],
    ["Alpaca with an input", { instruction: "Add.", input: "1, 2", output: "3" }, [user("Add.\n1, 2")]],
    ["Dolly", { instruction: Q, context: "Norway", response: "x" }, [user(`${Q}\nNorway`)]],
    ["OpenOrca", { id: "niv.1", system_prompt: "Be short.", question: Q, response: "x" }, [
      system("Be short."),
      user(Q),
    ]],
    ["UltraChat", { id: "1", data: [Q, "Bergen.", "Another?", "Oslo."] }, [
      user(Q),
      assistant("Bergen."),
      user("Another?"),
      assistant("Oslo."),
    ]],
    ["LIMA", { conversations: [Q, "Bergen."], source: "x" }, [user(Q), assistant("Bergen.")]],
    ["UltraFeedback", { prompt: Q, chosen: [user(Q), assistant("a")], rejected: [] }, [user(Q)]],
    ["a prompt of messages", { prompt: [system("s"), user(Q)] }, [system("s"), user(Q)]],
    ["SpecBench", { question_id: 81, category: "writing", turns: [Q, "Again."] }, [user(Q), user("Again.")]],
    ["LMSYS-Chat-1M", { conversation_id: "c", turn: 1, conversation: [user(Q), assistant("x")] }, [
      user(Q),
      assistant("x"),
    ]],
    ["Chatbot Arena", { conversation_a: [user(Q), assistant("x")], conversation_b: [] }, [user(Q), assistant("x")]],
    ["a batch of OpenAI's", { custom_id: "r1", body: { model: "m", messages: [user(Q)] } }, [user(Q)]],
    ["OpenAI's evals", { input: [system("s"), user(Q)], ideal: "x" }, [system("s"), user(Q)]],
    ["ShareGPT", {
      id: "a_0",
      conversations: [
        { from: "system", value: "s" },
        { from: "human", value: Q },
        { from: "bing", value: "Bergen" },
        { from: "Human", value: "Another?", markdown: null, text: null },
        { from: "chatgpt", value: "Oslo" },
      ],
    }, [system("s"), user(Q), assistant("Bergen"), user("Another?"), assistant("Oslo")]],
    ["ShareGPT that begins with an answer", {
      items: [{ from: "gpt", value: "left over" }, { from: "human", value: Q }, { from: "bard", value: "x" }],
    }, [user(Q), assistant("x")]],
    ["LLaMA-Factory's system text", { system: "s", conversations: [{ from: "human", value: Q }] }, [
      system("s"),
      user(Q),
    ]],
    ["one speaker twice", { messages: [user("a"), user("b"), assistant("c"), assistant("d")] }, [
      user("a"),
      user("b"),
      assistant("c"),
      assistant("d"),
    ]],
    ["parts", {
      messages: [{
        role: "user",
        content: [{ type: "text", text: "Name one " }, { type: "text", text: "ferry port." }],
      }],
    }, [
      user(Q),
    ]],
    ["an image beside a text", {
      messages: [{
        role: "user",
        content: [{ type: "image_url", image_url: { url: "data:," } }, { type: "text", text: Q }],
      }],
    }, [user(Q)]],
    ["a newer model's system message", { messages: [{ role: "developer", content: "s" }, user(Q)] }, [
      system("s"),
      user(Q),
    ]],
    ["blank messages", { messages: [system(" "), user(""), user(Q), assistant("")] }, [user(Q), assistant("")]],
    ["tool calls, as OpenAI's API has them", {
      messages: [user(Q), { ...call, content: null, audio: null }, { ...tool, name: null }, assistant("Calais")],
    }, [user(Q), { ...call, content: null }, tool, assistant("Calais")]],
    ["tool calls without the key of a content, or with a text", {
      messages: [user(Q), call, tool, { ...call, content: "So?" }],
    }, [user(Q), { ...call, content: null }, tool, { ...call, content: "So?" }]],
    ["a turn of nothing", { messages: [user(Q), { role: "assistant", content: null }] }, [user(Q), assistant("")]],
    ["names", { messages: [{ ...user(Q), name: "Ann" }] }, [{ ...user(Q), name: "Ann" }]],
    ["a count in a column of turns", { turns: 3, conversation: [user(Q)] }, [user(Q)]],
  ];
  for (const [name, row, messages] of shapes) assert.equal(messagesOf(row), messages, name);
});

test("a row's own id is its sample's, else its number", () => {
  const ids: [Record<string, unknown>, string][] = [
    [{}, "5"],
    [{ id: "a_0" }, "a_0"],
    [{ question_id: 81, id: "b" }, "81"],
    [{ conversation_hash: "0f" }, "0f"],
    [{ custom_id: "r1" }, "r1"],
    [{ id: 2n ** 60n }, "1152921504606846976"],
    [{ id: null, task_id: { a: 1 } }, "5"],
  ];
  for (const [row, id] of ids) assert.is(read({ ...row, question: Q }).id, id);
});

test("HumanEval's prompt is continued, and a column is taken by its name", () => {
  assert.is(read({ task_id: "HumanEval/0", prompt: "def f():\n" }).task, "complete");
  assert.is(read({ task_id: 3, prompt: "def f():\n" }).task, "answer");
  assert.equal(messagesOf({ prompt: "a", story: "b" }, "story"), [user("b")]);
  assert.is(sampleOf({ prompt: "a" }, 0, "story"), 'has the columns "prompt"');
  assert.is(sampleOf({ prompt: "a", story: 7 }, 0, "story"), 'has no prompt in "story"');
});

test("the last prompt is the conversation up to the last answer, as the original program cuts it", () => {
  const cuts: [readonly { role: string; content: string }[], number][] = [
    [[system("s"), user("a"), assistant("b"), user("c"), assistant("d")], 4],
    [[user("a"), assistant("b")], 1],
    // Two equal answers: the later one is the last.
    [[user("a"), assistant("b"), user("c"), assistant("b")], 3],
    [[user("a"), user("b")], 2],
    [[user("a"), assistant("b"), user("c")], 3],
    [[user("a"), assistant("b"), system("s")], 1],
    [[user("a"), assistant(""), { role: "tool", content: "[]" }, assistant("c")], 3],
    [[assistant("a"), user("b"), system("s")], 3],
  ];
  for (const [messages, length] of cuts) {
    assert.equal(lastPrompt({ id: "", task: "answer", messages }), messages.slice(0, length));
  }
});

/** JSON with the keys and values that datasets have among any others. */
const likeJson = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("", " ", Q, "user", "human", "gpt", "assistant", "system", "tool", null, 7, true),
    fc.string(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.constantFrom(
        ..."turns messages conversations conversation items data body prompt instruction question text input context"
          .split(" "),
        ..."system role from content value type id task_id tool_calls name constructor __proto__ toString".split(" "),
      ),
      tie("value"),
      { maxKeys: 5 },
    ),
  ),
})).value;

test("a row of any shape has a prompt that is not blank, or is told on one line", () => {
  let prompts = 0;
  const check = (row: unknown) => {
    const sample = sampleOf(row, 0);
    if (typeof sample === "string") return assert.not.match(sample, "\n");
    prompts++;
    for (const messages of [userTurns(sample), lastPrompt(sample)]) {
      assert.ok(messages.some(({ role }) => role === "user"));
      assert.ok(messages.every(({ role, content }) => role !== "user" || content?.trim()));
      assert.ok(plainText(messages).trim() !== "");
    }
    assert.type(sample.id, "string");
  };
  fc.assert(fc.property(likeJson, check), { numRuns: 2000 });
  const message = fc.record({ role: fc.constantFrom("user", "assistant", "system", "tool"), content: likeJson });
  fc.assert(fc.property(fc.record({ messages: fc.array(message) }), check), { numRuns: 1000 });
  assert.ok(prompts > 200, `${prompts}`);
});

test.run();
