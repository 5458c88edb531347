/** The most bytes of a file's head that `describeFile` looks at. */
export const HEAD_BYTES = 512;

/** What files of other kinds begin with, a letter a byte, and what to do with them. The first that fits counts. */
const KINDS: readonly (readonly [head: RegExp, state: string, remedy: string])[] = [
  [/^GGUF/, "it is a GGUF file", "give its own path as the model"],
  [/^.{4}\0{4}\s*\{/s, "it is a safetensors file", "give the folder that has it beside config.json and tokenizer.json"],
  [/^PK\x03\x04.*\bdata\.pkl/s, "it is a PyTorch checkpoint", "get the model as safetensors or GGUF"],
  [/^\x80[\x02-\x05]/, "it is a Python pickle (an old PyTorch checkpoint)", "get the model as safetensors or GGUF"],
  [/^(lmgg|fmgg|tjgg|algg)/, "it is in the GGML format that GGUF replaced in 2023", "get the model as GGUF"],
  [
    /^\x08[\x01-\x0c]\x12.{0,20}(pytorch|onnx|optimum|tf2)/is,
    "it is an ONNX model",
    "get the model as safetensors or GGUF",
  ],
  [/^PK(\x03\x04|\x05\x06)/, "it is a zip archive", "unpack it first"],
  [/^\x1f\x8b/, "it is packed by gzip", "unpack it first (gunzip)"],
  [/^BZh\d/, "it is packed by bzip2", "unpack it first (bunzip2)"],
  [/^\xfd7zXZ/, "it is packed by xz", "unpack it first (unxz)"],
  [/^\x28\xb5\x2f\xfd/, "it is packed by zstd", "unpack it first (unzstd)"],
  [/^7z\xbc\xaf/, "it is a 7z archive", "unpack it first"],
  [/^Rar!/, "it is a RAR archive", "unpack it first"],
  [/^.{257}ustar/s, "it is a tar archive", "unpack it first (tar -xf)"],
  [/^PAR1/, "it is a parquet file", "give it as a dataset"],
  [/^\x7fELF|^MZ/, "it is a program", "give another path"],
  [/^%PDF/, "it is a PDF", "give another path"],
  [/^\0{16}/, "it begins with zeros, as a download that isn't finished does", "download it again"],
];

/**
 * What a file is that was given for one of another kind, and what to do: "it is a zip archive; unpack it first". `head`
 * has its first HEAD_BYTES bytes, or all where it is shorter. `null` where nothing is known about it.
 */
export function describeFile(head: Uint8Array): string | null {
  // What TextDecoder calls Latin-1 is Windows-1252, in which some bytes are other letters.
  const text = String.fromCharCode(...head.subarray(0, HEAD_BYTES));
  const size = /^version https:\/\/git-lfs\.github\.com\/spec\/[\s\S]*\nsize (\d+)/.exec(text)?.[1];
  if (text.startsWith("version https://git-lfs")) {
    const of = size === undefined ? "" : ` of ${size} bytes`;
    return `it is a git-lfs pointer to a file${of}; run "git lfs pull" in its repository, or download the file itself`;
  }
  const known = KINDS.find(([pattern]) => pattern.test(text));
  if (known) return `${known[1]}; ${known[2]}`;
  const words = new TextDecoder().decode(head.subarray(0, HEAD_BYTES)).replace(/^\ufeff/, "").trimStart();
  if (/^<(!doctype|html|head|\?xml|!--)/i.test(words)) {
    return "it is a web page; download the file itself (on a hub, by the address with /resolve/ in place of /blob/)";
  }
  const refusal =
    /^(?:entry not found|not found|404|repository not found|invalid (?:user|cred)|access (?:to|denied)).*/i;
  const said = refusal.exec(words)?.[0].slice(0, 40);
  return said === undefined ? null : `it is a server's refusal (${JSON.stringify(said)}); download the file again`;
}
