import { test } from "uvu";
import * as assert from "uvu/assert";
import { unrolledText } from "../../src/gpu/unrolled-text.ts";

/** The unrolled text of a `main` with this body and of the functions `before` it, without white space. */
function unrolled(body: string, before = ""): string {
  return unrolledText(`const N = 2u;\nconst TWICE = N * 2u;\n${before}\nfn main() {${body}}`)
    .replace(/^const N = 2u;\nconst TWICE = N \* 2u;\n/, "").replace(/\s+/g, "");
}
const text = (code: string) => code.replace(/\s+/g, "");

test("a loop over constants is written out, its variable and what follows from it as numbers", () => {
  assert.is(
    unrolled("for (var i = 1u; i < TWICE - 1u; i++) { let at = (i + 1u) / N * 5u % 3u; a[at] = b.i + w[i]; }"),
    text("fn main() { { a[2u] = b.i + w[1u]; } { a[2u] = b.i + w[2u]; } }"),
  );
  assert.is(
    unrolled("for (var i = 0u; i < N; i++) { for (var k = i; k < N; k++) { f[i][k] = 0.5; } }"),
    text("fn main() {{{f[0u][0u]=0.5;}{f[0u][1u]=0.5;}}{{f[1u][1u]=0.5;}}}"),
  );
});

test("other loops stay, with those in them written out", () => {
  const stays = (head: string, body: string, inner: string) =>
    assert.is(unrolled(`${head} { ${body} }`), text(`fn main() {${head} { ${inner} }}`), head);
  const inner = "for (var k = 0u; k < N; k++) { a[k] += 1.0; }";
  const copies = "{ a[0u] += 1.0; } { a[1u] += 1.0; }";
  stays("for (var i = lane; i < N; i++)", inner, copies);
  stays("for (var i = 0u; i < step.rows; i++)", inner, copies);
  stays("for (var i = 0u; i < N; i += 2u)", inner, copies);
  stays("for (var i = 0u; i < N && x; i++)", inner, copies);
  stays("for (var i = 0u; i < N; i++)", `if (x) { break; } ${inner}`, `if (x) { break; } ${copies}`);
  // The outer loop's copies would be too long, the inner loop's are short enough.
  const long = `a[i] = ${"x + ".repeat(3000)}x;`;
  stays("for (var i = 0u; i < TWICE; i++)", inner + long, copies + long);
});

test("a function that is called with constants has a copy for them", () => {
  const before = "@group(0) @binding(0) var<uniform> s: S;\n" +
    "fn at(p: ptr<function, array<f32, 4>>, i: u32, f: f32) -> f32 { return (*p)[i] + f; }\n" +
    "fn unused(i: u32) -> u32 { return i; }";
  assert.is(
    unrolled("for (var i = 0u; i < N; i++) { y += at(&a, i + 1u, at(&a, lane, array<f32, 2>(1.0, x)[0])); }", before),
    text(`@group(0) @binding(0) var<uniform> s: S;
      fn main() {
        { y += at__1_(&a, at(&a, lane, array<f32, 2>(1.0, x)[0])); }
        { y += at__2_(&a, at(&a, lane, array<f32, 2>(1.0, x)[0])); }
      }
      fn at__1_(p: ptr<function, array<f32, 4>>, f: f32) -> f32 { return (*p)[1u] + f; }
      fn at(p: ptr<function, array<f32, 4>>, i: u32, f: f32) -> f32 { return (*p)[i] + f; }
      fn at__2_(p: ptr<function, array<f32, 4>>, f: f32) -> f32 { return (*p)[2u] + f; }`),
  );
});

test("a shuffle from a constant lane is a broadcast", () => {
  assert.is(
    unrolled(
      "for (var i = 0u; i < N; i++) { x += subgroupShuffle(v[i], i / 2u) + subgroupShuffle(v[i] >> 1u, lane ^ 1u); }",
    ),
    text(`fn main() {
      { x += subgroupBroadcast(v[0u], 0u / 2u) + subgroupShuffle(v[0u] >> 1u, lane ^ 1u); }
      { x += subgroupBroadcast(v[1u], 1u / 2u) + subgroupShuffle(v[1u] >> 1u, lane ^ 1u); } }`),
  );
});

test("attributes stay with their functions, comments go", () => {
  const main = "@compute @workgroup_size(64)\nfn main(@builtin(workgroup_id) id: vec3u) { x = 1u; }";
  assert.is(unrolledText(`// A head.\n${main} // done`).trim(), main);
  const line = "@compute @workgroup_size(1) fn main() {}";
  assert.is(unrolledText(line).trim(), line);
});

test("text that ends too soon is an error", () => {
  assert.throws(() => unrolledText("fn main() { x = (1u; }"), /Cannot read WGSL: .* has no end/);
});

test.run();
