import { test } from "uvu";
import * as assert from "uvu/assert";
import { readElf } from "../../src/gpu/elf.ts";
import { elfLibrary } from "./elf-builder.ts";

test("a library's name and needs are read", () => {
  const bytes = elfLibrary("libdriver.so.1", ["libz.so.1", "libm.so.6"]);
  assert.equal(readElf(bytes), { soname: "libdriver.so.1", needed: ["libz.so.1", "libm.so.6"] });
});

const isLinux = Deno.build.os === "linux";
if (!isLinux) console.log("skipped: only Linux has ELF libraries to compare with");
(isLinux ? test : test.skip)("the C library of this machine names itself", () => {
  const maps = Deno.readTextFileSync("/proc/self/maps");
  const libc = /\S+\/libc\.so\.6$/m.exec(maps)![0];
  const { soname, needed } = readElf(Deno.readFileSync(libc));
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
