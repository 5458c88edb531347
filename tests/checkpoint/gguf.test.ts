import * as fs from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { blobSource, type ByteSource } from "../../src/platform/byte-source.ts";
import { openFile } from "../../src/platform/platform-file.ts";
import { openGguf, partPaths } from "../../src/checkpoint/gguf.ts";
import { ggufFile, type MetadataEntry, openBytes, type TensorEntry } from "./gguf-builder.ts";
import { assertRefused } from "../llama/refused.ts";

const F32 = (name: string, values: number[], more: Partial<TensorEntry> = {}): TensorEntry => ({
  name,
  shape: [values.length],
  type: "F32",
  bytes: new Uint8Array(new Float32Array(values).buffer),
  ...more,
});
const TENSOR = F32("a", [1, 2, 3, 4, 5, 6, 7, 8]);

/** A source in memory that counts the bytes that are read and the calls of close(). */
function countingSource(bytes: Uint8Array<ArrayBuffer>, name = "test.gguf") {
  const counts = { bytesRead: 0, closed: 0 };
  const blob = blobSource(new Blob([bytes]), name);
  const source: ByteSource = {
    ...blob,
    read(offset, length) {
      counts.bytesRead += length;
      return blob.read(offset, length);
    },
    async close() {
      counts.closed++;
    },
  };
  return { source, counts };
}

const plain = (value: unknown) => typeof value === "bigint" ? Number(value) : value;

for (const version of [2, 3]) {
  test(`metadata of all types, GGUF version ${version}`, async () => {
    const entries: MetadataEntry[] = [
      ["u8", "u8", 255],
      ["i8", "i8", -128],
      ["u16", "u16", 65535],
      ["i16", "i16", -32768],
      ["u32", "u32", 4294967295],
      ["i32", "i32", -2147483648],
      ["f32", "f32", -0.5],
      ["yes", "bool", true],
      ["no", "bool", false],
      ["string", "string", "größer 🦙"],
      ["u64", "u64", 2n ** 53n],
      ["i64", "i64", -(2n ** 40n)],
      ["f64", "f64", 0.1],
      ["u8s", "u8[]", [1, 255]],
      ["i8s", "i8[]", [-1, 127]],
      ["u16s", "u16[]", [1, 65535]],
      ["i16s", "i16[]", [-1, 32767]],
      ["u32s", "u32[]", [1, 4294967295]],
      ["i32s", "i32[]", [-1, 2147483647]],
      ["f32s", "f32[]", [0.25, -3]],
      ["bools", "bool[]", [1, 0]],
      ["strings", "string[]", ["", "\ufeff", "Ġa", "a\0b"]],
      ["u64s", "u64[]", [5n, 2n ** 40n]],
      ["i64s", "i64[]", [-5n, 2n ** 40n]],
      ["f64s", "f64[]", [0.1, 1e300]],
      ["none", "f32[]", []],
      ["no strings", "string[]", []],
    ];
    const { metadata } = await openBytes(ggufFile(entries, [], { version }));
    assert.equal([...metadata.keys()], entries.map(([key]) => key));
    for (const [key, type, value] of entries) {
      const got = metadata.get(key)!;
      if (type.endsWith("[]")) assert.equal([...got as Iterable<unknown>], [...value as unknown[]].map(plain), key);
      else assert.is(got, plain(value), key);
    }
  });
}

test("tensors: type, shape, place and bytes; another alignment", async () => {
  for (const alignment of [32, 64, 4096]) {
    const metadata: MetadataEntry[] = [["general.alignment", "u32", alignment]];
    const blocks = Uint8Array.from({ length: 36 }, (_, i) => i);
    const file = ggufFile(metadata, [F32("b", [1, 2, 3]), { name: "q", shape: [32, 2], type: "Q4_0", bytes: blocks }], {
      alignment,
    });
    const { tensors } = await openBytes(file);
    assert.equal([...tensors.keys()], ["b", "q"]);
    const { type, shape, source, offset, bytes } = tensors.get("q")!;
    assert.equal([type, shape, bytes, offset % alignment], ["Q4_0", [32, 2], 36, 0]);
    assert.equal(await source.read(offset, bytes), blocks);
    assert.is(offset + bytes, file.length);
    const b = tensors.get("b")!;
    assert.equal([...new Float32Array((await source.read(b.offset, b.bytes)).buffer)], [1, 2, 3]);
  }
});

test("tensors may share bytes", async () => {
  const { tensors } = await openBytes(ggufFile([], [TENSOR, { ...TENSOR, name: "b", offset: 0 }]));
  assert.is(tensors.get("b")!.offset, tensors.get("a")!.offset);
});

test("opening reads no further than a window beyond the header", async () => {
  const file = ggufFile([], [{ name: "a", shape: [2 ** 23], type: "F32", bytes: new Uint8Array(2 ** 25) }]);
  const { source, counts } = countingSource(file);
  const checkpoint = await openGguf(source);
  assert.ok(counts.bytesRead <= 2 ** 20, `${counts.bytesRead} bytes were read`);
  assert.is(counts.closed, 0);
  await checkpoint.close();
  assert.is(counts.closed, 1);
});

test("a file cut at any byte is told to be cut", async () => {
  const file = ggufFile([["general.name", "string", "x"], ["list", "string[]", ["a", "b"]]], [
    TENSOR,
    F32("b", [1, 2, 3]),
  ]);
  await openBytes(file);
  for (let size = 0; size < file.length; size++) {
    await assertRefused(
      () => openBytes(file.slice(0, size)),
      /^Cannot read model "test.gguf": it is cut short or damaged/,
    );
  }
});

const F32_AT = (shape: (number | bigint)[], offset: number | bigint = 0): TensorEntry => ({
  ...TENSOR,
  shape: shape as number[],
  offset: offset as number,
});
/** Writes `count` as 8 bytes at byte `at` of a file. */
function patched(file: Uint8Array<ArrayBuffer>, at: number, count: bigint): Uint8Array<ArrayBuffer> {
  new DataView(file.buffer).setBigUint64(at, count, true);
  return file;
}
const ENDLESS = 2n ** 63n;
/** The offset of the first key's type, after the head of 24 bytes and the key "k". */
const VALUE_AT = 24 + 9;

for (
  const [what, file, message] of [
    [
      "another format",
      ggufFile([], [], { magic: "\x01\x02\x03\x04" }),
      /it begins with "\\u0001\\u0002\\u0003\\u0004", wanted "GGUF"; give a/,
    ],
    ["version 1", ggufFile([], [], { version: 1 }), /it has GGUF version 1, wanted version 2 or 3, little-endian; get/],
    ["version 4", ggufFile([], [], { version: 4 }), /it has GGUF version 4, wanted version 2 or 3/],
    ["version 0", ggufFile([], [], { version: 0 }), /it has GGUF version 0/],
    ["big endian", ggufFile([], [], { bigEndian: true }), /it is big-endian, wanted version 2 or 3, little-endian/],
    [
      "many tensors",
      patched(ggufFile([], []), 8, ENDLESS),
      /it has 9223372036854776000 tensors, at most 65536 are read; the/,
    ],
    [
      "tensors that are not there",
      patched(ggufFile([], []), 8, 2n),
      /within its first bytes: 66 bytes are to follow byte 24, the/,
    ],
    ["many keys", patched(ggufFile([], []), 16, 4097n), /it has 4097 keys of metadata, at most 4096/],
    ["keys that are not there", patched(ggufFile([], []), 16, 4096n), /within its first bytes/],
    ["a long key", ggufFile([["k".repeat(65_536), "u8", 1]], []), /it has 65536 bytes of a key, at most 65535/],
    [
      "a key twice",
      ggufFile([["k\n", "u8", 1], ["k\n", "u8", 2]], []),
      /it has metadata "k\\n" twice; the file is damaged/,
    ],
    [
      "a value's type",
      patched(ggufFile([["k", "u32", 0]], []), VALUE_AT, 13n),
      /"k" has values of the unknown type 13/,
    ],
    ["an element's type", patched(ggufFile([["k", "u8[]", [1]]], []), VALUE_AT, 9n + (99n << 32n)), /unknown type 99/],
    [
      "nested arrays",
      patched(ggufFile([["k", "u8[]", [1]]], []), VALUE_AT, 9n + (9n << 32n)),
      /"k" is an array of arrays/,
    ],
    [
      "an endless array",
      patched(ggufFile([["k", "u8[]", [1]]], []), VALUE_AT + 8, ENDLESS),
      /000 elements of "k", at most 1048576/,
    ],
    [
      "a long array",
      patched(ggufFile([["k", "u8[]", [1]]], []), VALUE_AT + 8, 2n),
      /its metadata: 2 bytes are to follow byte 49/,
    ],
    [
      "an endless string",
      patched(ggufFile([["k", "string", "x"]], []), VALUE_AT + 4, ENDLESS),
      /its metadata: 9223372036854776000 bytes are to follow byte 45, the file has 46/,
    ],
    [
      "a long string",
      patched(ggufFile([["k", "string", "x"]], []), VALUE_AT + 4, 2n),
      /2 bytes are to follow byte 45, the file has 46/,
    ],
    [
      "a long element",
      ggufFile([["k", "string[]", ["a", "b".repeat(4097)]]], []),
      /it has 4097 bytes of an element of "k", at most 4096/,
    ],
    [
      "many strings",
      patched(ggufFile([["k", "string[]", [""]]], []), VALUE_AT + 8, 2n),
      /16 bytes are to follow byte 49/,
    ],
    [
      "alignment 0",
      ggufFile([["general.alignment", "u32", 0]], []),
      /its alignment is "0", wanted a power of two up to 65536/,
    ],
    ["alignment 48", ggufFile([["general.alignment", "u32", 48]], []), /its alignment is "48", wanted a power/],
    [
      "alignment 2^17",
      ggufFile([["general.alignment", "u32", 131072]], []),
      /its alignment is "131072", wanted a power/,
    ],
    ["alignment 1/2", ggufFile([["general.alignment", "f32", 0.5]], []), /its alignment is "0.5", wanted a power/],
    [
      "alignment of a wrong type",
      ggufFile([["general.alignment", "u8[]", [1]]], []),
      /its alignment is an array, wanted a/,
    ],
    ["a long name", ggufFile([], [F32("n".repeat(65), [1])]), /it has 65 bytes of a tensor's name, at most 64/],
    ["a tensor twice", ggufFile([], [TENSOR, TENSOR]), /it has tensor "a" twice/],
    ["no dimensions", ggufFile([], [F32_AT([])]), /tensor "a" has 0 dimensions, wanted 1 to 4/],
    ["five dimensions", ggufFile([], [F32_AT([8, 1, 1, 1, 1])]), /tensor "a" has 5 dimensions, wanted 1 to 4/],
    ["no rows", ggufFile([], [F32_AT([8, 0])]), /tensor "a" has shape \[8,0\], wanted no zero in it/],
    [
      "too many rows",
      ggufFile([], [F32_AT([8, 2])]),
      /cut short or damaged: tensor "a" ends at byte 160, the file has 128/,
    ],
    [
      "endless rows",
      ggufFile([], [F32_AT([ENDLESS, ENDLESS, ENDLESS, ENDLESS])]),
      /tensor "a" ends at byte 2\.8\d+e\+76/,
    ],
    [
      "a cut block",
      ggufFile([], [{ ...TENSOR, type: "Q4_0", shape: [48] }]),
      /"a" has rows of 48 elements, wanted a multiple of 32/,
    ],
    [
      "a type",
      ggufFile([], [{ ...TENSOR, type: 17 }]),
      /tensor "a" is of type IQ2_XS \(17\), supported are F32, F16, .*Q6_K.*; get/,
    ],
    ["an unknown type", ggufFile([], [{ ...TENSOR, type: 1000 }]), /tensor "a" is of type unknown \(1000\)/],
    ["an offset outside", ggufFile([], [F32_AT([8], 32)]), /"a" ends at byte 128, the file has 96 bytes; download/],
    ["a far offset", ggufFile([], [F32_AT([8], ENDLESS)]), /tensor "a" ends at byte 9223372036854776000/],
    [
      "an odd offset",
      ggufFile([], [F32_AT([7], 4)]),
      /tensor "a" is at 4, wanted a multiple of 32; the file is damaged/,
    ],
  ] as const
) test(`refused: ${what}`, () => assertRefused(() => openBytes(file), message));

for (
  const [content, message] of [
    [
      "version https://git-lfs.github.com/spec/v1\nsize 9\n",
      /: it is a git-lfs pointer to a file of 9 bytes; run "git lfs/,
    ],
    ["<!doctype html><html></html>", /: it is a web page; download the file itself/],
    [
      '{"architectures": ["LlamaForCausalLM"]}',
      /: it is JSON; give the folder of a model that it is in, or a GGUF file$/,
    ],
    ["\x10\0\0\0\0\0\0\0{}              ", /: it is a safetensors file; give the folder that has it beside config/],
  ] as const
) {
  test(`told as what it is: ${content.slice(0, 10).trim()}`, () =>
    assertRefused(() => openBytes(new TextEncoder().encode(content)), message));
}

test("a file cut short under the name of an unfinished download", async () => {
  const file = ggufFile([["general.name", "string", "x"]], [TENSOR]);
  for (const name of ["m.gguf.part", "m.gguf.incomplete", "m.gguf.crdownload"]) {
    await openBytes(file, name);
    for (const size of [40, file.length - 1]) {
      await assertRefused(
        () => openBytes(file.slice(0, size), name),
        /; by its name its download isn't finished: finish/,
      );
    }
  }
});

test("not refused: the same at the limit", async () => {
  const entries = Array.from(
    { length: 4096 },
    (_, i): MetadataEntry => [i === 0 ? "k".repeat(65_535) : `${i}`, "u8", 1],
  );
  const file = ggufFile([...entries.slice(1), entries[0]!], [
    F32("n".repeat(64), [1]),
    { ...TENSOR, shape: [2, 2, 2, 1] },
    { ...TENSOR, name: "q", type: "Q4_0", shape: [32], bytes: new Uint8Array(18) },
  ]);
  const { metadata, tensors } = await openBytes(file);
  assert.is(metadata.size, 4096);
  assert.is(tensors.size, 3);
  const aligned: MetadataEntry[] = [["general.alignment", "u32", 65536]];
  assert.is((await openBytes(ggufFile(aligned, [TENSOR], { alignment: 65536 }))).tensors.get("a")!.offset, 65536);
});

const part = (number: number, count: number, tensors: TensorEntry[], total?: number) => {
  const metadata: MetadataEntry[] = [["split.no", "u16", number], ["split.count", "u16", count], [
    "who",
    "u16",
    number,
  ]];
  if (total !== undefined) metadata.push(["split.tensors.count", "i32", total]);
  return countingSource(ggufFile(metadata, tensors), `part ${number}`);
};

test("the parts of a split model make one", async () => {
  const parts = [part(0, 3, [], 2), part(1, 3, [TENSOR]), part(2, 3, [F32("b", [1])])];
  const checkpoint = await openGguf(parts.map(({ source }) => source));
  assert.is(checkpoint.number("who"), 0);
  assert.is(checkpoint.name, "part 0");
  assert.equal([...checkpoint.tensors.values()].map(({ name, source }) => [name, source.name]), [["a", "part 1"], [
    "b",
    "part 2",
  ]]);
  await checkpoint.close();
  assert.equal(parts.map(({ counts }) => counts.closed), [1, 1, 1]);
});

test("a model merged from parts is one file", async () => {
  const { source } = part(0, 0, [TENSOR]);
  assert.is((await openGguf(source)).tensors.size, 1);
});

for (
  const [what, parts, message] of [
    ["no part", [], /^Cannot read a model: there is no file/],
    [
      "the first only",
      [part(0, 2, [])],
      /"part 0": it is part 1 of 2, wanted part 1 of 1; put all parts into one folder/,
    ],
    ["the last missing", [part(0, 3, []), part(1, 3, [])], /"part 0": it is part 1 of 3, wanted part 1 of 2/],
    ["another order", [part(1, 2, []), part(0, 2, [])], /"part 1": it is part 2 of 2, wanted part 1 of 2/],
    ["one twice", [part(0, 2, []), part(0, 2, [])], /"part 0": it is part 1 of 2, wanted part 2 of 2/],
    [
      "one that is no part",
      [part(0, 2, []), countingSource(ggufFile([], []), "x")],
      /"x": it is part 1 of 1, wanted part 2 of 2/,
    ],
    ["a tensor twice", [part(0, 2, [TENSOR]), part(1, 2, [TENSOR])], /"part 1": two parts have tensor "a"/],
    ["a tensor missing", [part(0, 2, [TENSOR], 2), part(1, 2, [])], /"part 0": its parts have 1 tensors, wanted 2/],
    ["a damaged one", [part(0, 2, []), countingSource(new Uint8Array(3), "x")], /"x": it is cut short or damaged/],
  ] as const
) {
  test(`parts refused, and closed: ${what}`, async () => {
    await assertRefused(() => openGguf(parts.map(({ source }) => source)), message);
    assert.equal(parts.map(({ counts }) => counts.closed), parts.map(() => 1));
  });
}

test("partPaths() names all parts", () => {
  for (
    const paths of [
      ["/a/m-00001-of-00003.gguf", "/a/m-00002-of-00003.gguf", "/a/m-00003-of-00003.gguf"],
      ["m-1-of-2.gguf", "m-2-of-2.gguf"],
      ["m-00001-of-000002.gguf", "m-00002-of-000002.gguf"],
      ["01-of-02.GGUF", "02-of-02.GGUF"],
      Array.from({ length: 11 }, (_, i) => `m-${i + 1}-of-11.gguf`),
    ]
  ) {
    assert.equal(partPaths(paths[0]!), paths);
  }
  assert.is(partPaths("/a/m-00002-of-00003.gguf")[0], "/a/m-00001-of-00003.gguf");
  const others = ["m.gguf", "m-00001-of-00003.bin", "m-00001-of-00000.gguf", "m-1-of-99999999.gguf", "m1-of-2.gguf"];
  for (const path of others) assert.equal(partPaths(path), [path]);
});

test("a tensor beyond 4 GiB", async () => {
  const path = await Deno.makeTempFile();
  try {
    const far = 5 * 2 ** 30;
    const head = ggufFile([], [{ ...TENSOR, offset: far }, {
      ...TENSOR,
      name: "big",
      shape: [2 ** 30 + 8],
      offset: 0,
    }]);
    const dataStart = head.length - 64;
    // The file is sparse, so it takes a few blocks of the disk only.
    const handle = await fs.open(path, "w");
    await handle.write(head.subarray(0, dataStart));
    await handle.write(TENSOR.bytes, 0, 32, dataStart + far);
    await handle.close();
    const checkpoint = await openGguf(await openFile(path));
    const { source, offset, bytes } = checkpoint.tensors.get("a")!;
    assert.is(offset, dataStart + far);
    assert.equal(await source.read(offset, bytes), TENSOR.bytes);
    assert.is(checkpoint.tensors.get("big")!.bytes, 2 ** 32 + 32);
    await checkpoint.close();
    await Deno.truncate(path, dataStart + far + 31);
    await assertRefused(async () => openGguf(await openFile(path)), /tensor "a" ends at byte 5368709/);
  } finally {
    await Deno.remove(path);
  }
});

test("tokens without a row in the embedding are left out, and special tokens with ids that no token has", async () => {
  const keys: MetadataEntry[] = [
    ["tokenizer.ggml.tokens", "string[]", ["a", "b", "<pad>"]],
    ["tokenizer.ggml.scores", "f32[]", [1, 2, 3]],
    ["tokenizer.ggml.token_type", "i32[]", [1, 1, 3]],
    ["tokenizer.ggml.merges", "string[]", ["a b", "b a", "a a"]],
    ["tokenizer.ggml.padding_token_id", "u32", 2],
    ["tokenizer.ggml.eos_token_id", "u32", 1],
    ["tokenizer.ggml.eot_token_id", "u32", 2 ** 32 - 1],
    ["tokenizer.ggml.bos_token_id", "i32", -1],
    ["tokenizer.ggml.unknown_token_id", "string", "x"],
  ];
  const read = async (rows: number) => {
    const bytes = new Uint8Array(4 * rows);
    const { metadata } = await openBytes(
      ggufFile(keys, [{ ...TENSOR, name: "token_embd.weight", shape: [1, rows], bytes }]),
    );
    return Object.fromEntries(
      [...metadata].map((
        [key, value],
      ) => [key.slice("tokenizer.ggml.".length), typeof value === "object" ? [...value] : value]),
    );
  };
  const merges = ["a b", "b a", "a a"];
  const whole = {
    tokens: ["a", "b", "<pad>"],
    scores: [1, 2, 3],
    token_type: [1, 1, 3],
    merges,
    padding_token_id: 2,
    eos_token_id: 1,
    unknown_token_id: "x",
  };
  for (const rows of [3, 4]) assert.equal(await read(rows), whole);
  const { padding_token_id: _, ...rest } = whole;
  assert.equal(await read(2), { ...rest, tokens: ["a", "b"], scores: [1, 2], token_type: [1, 1] });
});

test.run();
