import { test } from "uvu";
import * as assert from "uvu/assert";
import { describeShaderErrors, layoutEntries, shaderText } from "../../src/gpu/shader-text.ts";

test("constants are typed by their values", () => {
  const text = shaderText({ ROWS: 3, BIG: 2 ** 32 - 1, EPSILON: 1e-5, HALF: 0.5, SCALED: true }, ["// a", "// b"]);
  assert.is(
    text,
    "const ROWS = 3u;\nconst BIG = 4294967295u;\nconst EPSILON = 0.00001f;\nconst HALF = 0.5f;\n" +
      "const SCALED = true;\n// a\n// b",
  );
});

test("subgroups are enabled, at the head, where a part calls one of their functions", () => {
  const calls = shaderText({ N: 1 }, ["", "let x = subgroupShuffle(y, 1u);"]);
  assert.is(calls.split("\n")[0], "enable subgroups;");
  for (const part of ["// no subgroups, and no subgroup size", "let subgroups = 1;"]) {
    assert.not.match(shaderText({ N: 1 }, [part]), "enable");
  }
});

test("the layout is what the text declares, in the order of its bindings", () => {
  const code = `
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<uniform> step: Step;
var<workgroup> tree: array<f32, 64>;
@group(0) @binding(3) var weights: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(1) var out: texture_storage_2d<rgba32float, write>;
@group(0) @binding(10) var<storage, read> x: array<vec4f>;
const BIAS_BINDING = 11u;
@group(0) @binding(BIAS_BINDING) var<storage, read> bias: array<vec4f>;`;
  assert.equal(layoutEntries(code).map(({ binding, buffer, storageTexture }) => [binding, buffer ?? storageTexture]), [
    [0, { type: "uniform" }],
    [1, { format: "rgba32float", access: "write-only" }],
    [2, { type: "storage" }],
    [3, { format: "rgba32uint", access: "read-only" }],
    [10, { type: "read-only-storage" }],
    [11, { type: "read-only-storage" }],
  ]);
  assert.ok(layoutEntries(code).every(({ visibility }) => visibility === 4));
  assert.equal(layoutEntries("fn main() {}"), []);
});

test("errors come with their line", () => {
  const message = (type: string, lineNum: number, linePos: number, text: string) =>
    ({ type, lineNum, linePos, message: text, offset: 0, length: 0 }) as GPUCompilationMessage;
  const info = {
    messages: [
      message("warning", 1, 1, "unused"),
      message("error", 2, 5, "unresolved value 'b'"),
      message("error", 9, 1, "missing '}'"),
    ],
  } as unknown as GPUCompilationInfo;
  assert.is(
    describeShaderErrors("first\n  a = b;", info),
    "2:5 unresolved value 'b' in \"a = b;\"; 9:1 missing '}' in \"\"",
  );
  assert.is(describeShaderErrors("", { messages: [] } as unknown as GPUCompilationInfo), "");
});

test.run();
