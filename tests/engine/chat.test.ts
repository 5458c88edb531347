// What becomes of a conversation's turns, by answers that are played; tests/engine/engine.test.ts has real ones.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Chat, type Turn } from "../../src/engine/chat.ts";
import type { Generation } from "../../src/engine/generation.ts";
import type { GenerationRun } from "../../src/engine/generation-run.ts";
import type { ChatMessage } from "../../src/tokenizer/chat-template.ts";

/** A chat that keeps what it asked for, so that a test can answer. */
function chatOf(...messages: ChatMessage[]) {
  const asked: { messages: readonly ChatMessage[]; turn: Turn }[] = [];
  const chat = new Chat(messages, (messages, _, turn) => {
    asked.push({ messages, turn });
    return {} as Generation;
  });
  const answer = (i: number, text: string, failed = false) => {
    asked[i]!.turn.begin();
    asked[i]!.turn.end({ record: { text } } as GenerationRun, failed);
  };
  return { chat, asked, answer };
}

const system = { role: "system", content: "Be brief" };
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

test("question and answer join as the answer ends, and the next turn is asked with them", () => {
  const { chat, asked, answer } = chatOf(system);
  chat.send("Hello");
  assert.equal(chat.messages, [system]);
  assert.equal(asked[0]!.messages, [system, user("Hello")]);
  answer(0, "Hi");
  chat.send("And?");
  assert.equal(asked[1]!.messages, [system, user("Hello"), assistant("Hi"), user("And?")]);
});

test("of an answer that failed nothing joins, and the same can be sent again", () => {
  const { chat, answer } = chatOf();
  chat.send("Hello");
  answer(0, "Hi th", true);
  assert.equal(chat.messages, []);
  chat.send("Hello");
  answer(1, "Hi there");
  assert.equal(chat.messages, [user("Hello"), assistant("Hi there")]);
});

test("what nobody asked an answer for is not said", () => {
  const { chat, answer } = chatOf();
  chat.send("Never mind");
  chat.send("Hello");
  answer(1, "Hi");
  assert.equal(chat.messages, [user("Hello"), assistant("Hi")]);
});

test("of two sent at once the second to begin is refused: it doesn't know the first one's answer", () => {
  const { chat, answer } = chatOf();
  chat.send("One");
  chat.send("Two");
  answer(0, "1");
  assert.throws(
    () => answer(1, "2"),
    /^Cannot answer: the conversation has gone on since this was sent; send it anew$/,
  );
  assert.equal(chat.messages, [user("One"), assistant("1")]);
});

test.run();
