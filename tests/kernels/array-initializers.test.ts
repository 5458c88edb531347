import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { listFiles } from "../../src/platform/platform.ts";
import { createKernel, encodeKernel } from "../../src/kernels/kernel.ts";
import { withDevice } from "../with-device.ts";

// Dawn (webgpu 0.6.2; seen on lavapipe) does not set `var a: array<T, N>;` to zero again in each turn of a loop,
// although WGSL wants it to. So every variable in a function has an initializer; the last test here says when that may
// go.

const KERNELS = new URL("../../src/kernels/", import.meta.url);
const ARRAY = /^[ \t]+.*\bvar(<function>)? \w+\s*:\s*\w+[^=;]*;/gm;

test("every variable in a function has an initializer", async () => {
  const files = (await listFiles(fileURLToPath(KERNELS))).filter((file) => file.endsWith(".wgsl"));
  for (const file of files) {
    const found = (await Deno.readTextFile(file)).match(ARRAY);
    assert.is(found, null, `${file}: ${found?.join(" ").trim()}`);
  }
  assert.ok(files.length > 40, `${files}`);
});

test("the search finds what it is for, and no more", () => {
  for (const line of ["  var a: array<f32, 4>;", "  if (x) { var words : Words; }", "  var<function> v: vec4f;"]) {
    assert.ok(line.match(ARRAY), line);
  }
  for (const line of ["  var a = array<f32, 4>();", "var<workgroup> tree: array<f32, 4>;", "  var a: f32 = 1.0;"]) {
    assert.not.ok(line.match(ARRAY), line);
  }
});

await withDevice("an array with an initializer is new in each turn of a loop", async (device) => {
  const sumsWith = async (declaration: string) => {
    const [y, turns] = [device.storage("y", 16), device.upload("turns", new Uint32Array([3]))];
    const code = `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read> turns: array<u32>;
@compute @workgroup_size(1) fn main() {
  for (var i = 0u; i < turns[0]; i++) {
    ${declaration}
    for (var j = 0u; j < 2u; j++) { a[j] += 1.0; }
    y[i] = a[0];
  }
}`;
    const kernel = await createKernel(device, "loop", [code], [y, turns], 1);
    const encoder = device.encoder();
    const pass = encoder.beginComputePass();
    encodeKernel(pass, kernel, 1);
    pass.end();
    device.queue.submit([encoder.finish()]);
    return [...new Float32Array(await device.read(y))].slice(0, 3);
  };
  assert.equal(await sumsWith("var a = array<f32, 2>();"), [1, 1, 1]);
  const without = await sumsWith("var a: array<f32, 2>;");
  if (without.join() === "1,1,1") {
    console.log("Dawn sets arrays to zero by itself here: the initializers may go where this holds on every adapter");
  } else assert.equal(without, [1, 2, 3]);
});

test.run();
