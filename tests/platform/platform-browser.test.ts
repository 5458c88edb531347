import { test } from "uvu";
import * as assert from "uvu/assert";
import * as platform from "../../src/platform/platform.ts";
import * as browser from "../../src/platform/platform-browser.ts";

test("a browser bundle has all that the platform file exports", () => {
  assert.equal(Object.keys(browser).sort(), Object.keys(platform).sort());
});

test("a function that a page has no means for says so", () => {
  assert.equal([browser.isBrowser, browser.getEnv("HOME")], [true, undefined]);
  browser.collectGarbage();
  assert.throws(
    () => browser.openFile("a.gguf"),
    /^Cannot do "openFile": a browser has no such thing; run under Deno or Node$/,
  );
});

test.run();
