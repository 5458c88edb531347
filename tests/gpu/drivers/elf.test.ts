import { test } from "uvu";
import * as assert from "uvu/assert";
import { readElf } from "../../../src/gpu/drivers/elf.ts";
import { elfLibrary } from "./elf-builder.ts";

test("a library's name and needs are read", () => {
  const bytes = elfLibrary("libdriver.so.1", ["libz.so.1", "libm.so.6"]);
  assert.equal(readElf(bytes), { soname: "libdriver.so.1", needed: ["libz.so.1", "libm.so.6"] });
});

const libc = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64"].map((folder) => `${folder}/libc.so.6`)
  .find((file) => {
    try {
      return Deno.statSync(file).isFile;
    } catch {
      return false;
    }
  });
if (!libc) console.log("skipped: there is no libc.so.6 to compare with");
(libc ? test : test.skip)("the C library of this machine names itself", () => {
  const { soname, needed } = readElf(Deno.readFileSync(libc!));
  assert.is(soname, "libc.so.6");
  assert.equal(needed.filter((name) => !/^ld-linux.*\.so\.\d+$/.test(name)), []);
});

test("what is cut short, or is none, is told", () => {
  const bytes = elfLibrary("libdriver.so.1", ["libz.so.1"]);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => readElf(bytes.subarray(0, length)), (error: Error) => error instanceof RangeError);
  }
  assert.throws(() => readElf(new TextEncoder().encode("cut short".repeat(20))), /no 64-bit little-endian one/);
});

test.run();
