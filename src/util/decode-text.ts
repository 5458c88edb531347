/** How a text's bytes are to be read. */
export interface TextEncoding {
  readonly name: "utf-8" | "utf-16le" | "utf-16be";
  /** The bytes of the byte order mark, which is no part of the text. */
  readonly markBytes: number;
}

/**
 * The encoding of a text whose first four bytes, or all that it has, are `head`: as a byte order mark says, or else
 * UTF-16 where the first two characters are plainly ASCII in 16 bits each (RFC 4627, section 3), or else UTF-8.
 */
export function encodingOf(head: Uint8Array): TextEncoding {
  const [a, b, c, d] = head;
  if (a === 0xef && b === 0xbb && c === 0xbf) return { name: "utf-8", markBytes: 3 };
  if (a === 0xff && b === 0xfe) return { name: "utf-16le", markBytes: 2 };
  if (a === 0xfe && b === 0xff) return { name: "utf-16be", markBytes: 2 };
  if (a && b === 0 && c && d === 0) return { name: "utf-16le", markBytes: 0 };
  if (a === 0 && b && c === 0 && d) return { name: "utf-16be", markBytes: 0 };
  return { name: "utf-8", markBytes: 0 };
}

/** A decoder takes longer to make than to decode a row of a dataset. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The text in a file's bytes, in UTF-8 or UTF-16, without its byte order mark. A character that the end of the bytes
 * cuts is left out with `mayBeCut`. Throws a RangeError that says which byte is wrong and what to do, without the
 * file's name: a wrong character would reach a model as garbage that nobody sees.
 */
export function decodeText(bytes: Uint8Array, { mayBeCut = false }: { readonly mayBeCut?: boolean } = {}): string {
  const { name, markBytes } = encodingOf(bytes);
  const body = bytes.subarray(markBytes);
  let text: string;
  try {
    text = name === "utf-8" && !mayBeCut
      ? UTF8.decode(body)
      : new TextDecoder(name, { fatal: true, ignoreBOM: true }).decode(body, { stream: mayBeCut });
  } catch (cause) {
    const at = name === "utf-8" ? validBytes(body) : body.length;
    if (at === body.length && name === "utf-8") throw cause;
    const state = name === "utf-8"
      ? `byte ${markBytes + at} (0x${body[at]!.toString(16).padStart(2, "0")}) is no UTF-8`
      : "its UTF-16 is damaged or cut short";
    throw new RangeError(`${state}; save it as UTF-8`, { cause });
  }
  const nul = text.indexOf("\0");
  if (nul < 0) return text;
  const at = name === "utf-8" ? body.indexOf(0) : 2 * nul;
  throw new RangeError(`byte ${markBytes + at} is NUL, which no text has; save it as UTF-8`);
}

/** How many bytes stand before the first that is no UTF-8. */
function validBytes(bytes: Uint8Array): number {
  const prefix = (length: number) => {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        .decode(bytes.subarray(0, length), { stream: true });
    } catch {
      return null;
    }
  };
  let [low, high] = [0, bytes.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (prefix(middle) === null) high = middle - 1;
    else low = middle;
  }
  // The longest prefix that a decoder takes may end with the begin of a character.
  return new TextEncoder().encode(prefix(low)!).length;
}
