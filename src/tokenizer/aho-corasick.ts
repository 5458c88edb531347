/**
 * Finds words in texts by the automaton of Aho and Corasick (Efficient string matching, 1975), in a time that grows
 * with the text alone, however many words there are and however alike. It has the words from their ends, and reads a
 * text from its end, for then a node is the longest beginning of words at a place. A node takes some 25 bytes, and
 * there are at most as many as the words have UTF-16 units.
 */
export class AhoCorasick {
  /** The node before each, the unit that leads from there, and the node of the longest shorter beginning. */
  readonly #parents: Int32Array;
  readonly #units: Uint16Array;
  readonly #failures: Int32Array;
  /** The longest word that begins at a place with this node; -1 for none. */
  readonly #words: Int32Array;
  #nodes = 1;
  /** The nodes other than the root, 0, as a hash table by parent and unit with open addressing. */
  readonly #table: Int32Array;
  /** Drawn anew each time, so that no file can have words that all come to one place of the table. */
  readonly #salt = Math.floor(Math.random() * 2 ** 31) * 2 + 1;

  /** The first of equal words counts; an empty one is found nowhere. */
  constructor(words: readonly string[]) {
    const most = 1 + words.reduce((sum, word) => sum + word.length, 0);
    this.#parents = new Int32Array(most);
    this.#units = new Uint16Array(most);
    this.#failures = new Int32Array(most);
    this.#words = new Int32Array(most).fill(-1);
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(2 * most)));

    const nodes = new Int32Array(words.length);
    let open = [...words.keys()].filter((word) => words[word] !== "");
    // Level by level: a node's failure is of a level above it.
    for (let depth = 1; open.length > 0; depth++) {
      open = open.filter((index) => {
        const word = words[index]!;
        const node = this.#addChild(nodes[index]!, word.charCodeAt(word.length - depth));
        nodes[index] = node;
        if (depth === word.length && this.#words[node] === -1) this.#words[node] = index;
        return depth < word.length;
      });
    }
    for (let node = 1; node < this.#nodes; node++) {
      if (this.#words[node] === -1) this.#words[node] = this.#words[this.#failures[node]!]!;
    }
  }

  /** For each place of a text the index of the longest word that begins there; -1 where none does. */
  longest(text: string): Int32Array {
    const found = new Int32Array(text.length);
    let node = 0;
    for (let at = text.length - 1; at >= 0; at--) {
      node = this.#next(node, text.charCodeAt(at));
      found[at] = this.#words[node]!;
    }
    return found;
  }

  #next(node: number, unit: number): number {
    for (;;) {
      const child = this.#table[this.#slot(node, unit)]!;
      if (child !== 0 || node === 0) return child;
      node = this.#failures[node]!;
    }
  }

  #addChild(parent: number, unit: number): number {
    const slot = this.#slot(parent, unit);
    if (this.#table[slot] !== 0) return this.#table[slot]!;
    const node = this.#nodes++;
    this.#failures[node] = parent === 0 ? 0 : this.#next(this.#failures[parent]!, unit);
    this.#parents[node] = parent;
    this.#units[node] = unit;
    this.#table[slot] = node;
    return node;
  }

  /** Where in the table the child is, or would be. */
  #slot(parent: number, unit: number): number {
    const mask = this.#table.length - 1;
    const hash = Math.imul(Math.imul(parent, 0x9e3779b1) ^ Math.imul(unit + 1, this.#salt), 0x85ebca6b);
    for (let slot = (hash ^ (hash >>> 15)) & mask;; slot = (slot + 1) & mask) {
      const child = this.#table[slot]!;
      if (child === 0 || (this.#parents[child] === parent && this.#units[child] === unit)) return slot;
    }
  }
}
