import type { TokenLogprobs } from "../util/sampling.ts";
/**
 * Who wrote a committed token: a verification of drafted tokens (`accepted`, `correction`, `bonus`), or the verify lane
 * alone.
 */
export type Origin = "accepted" | "correction" | "bonus" | "verify";

/** A token that will not change, and where it came from. */
export interface CommittedToken {
  /** The token's id in the vocabulary. */
  readonly token: number;
  /** The token's place in the text, counted from 0 at the prompt's first token. */
  readonly position: number;
  /** Who wrote the token. */
  readonly origin: Origin;
  /** Its log-probabilities by the verify model, where they were asked for. */
  readonly logprobs?: TokenLogprobs;
}

/** How sure the draft model was of a token that it chose, and its second choice; see LaneResult. */
export interface Draft {
  readonly confidence: number;
  readonly runnerUp: number;
  /** Whether no model drafted it: it followed in the text before. Then it has no second choice. */
  readonly lookedUp?: boolean;
}

/** A token in its place after its parent. Equal tokens on one parent are one node, so a path of nodes is a text. */
export interface TokenNode {
  readonly token: number;
  readonly position: number;
  /** None for a token that nobody drafted; the first draft's, if the token was drafted twice. */
  readonly draft: Draft | undefined;
}

interface Node extends TokenNode {
  /** None once the token is committed, so that a long text leaves no chain of nodes behind. */
  parent: Node | undefined;
  /** The oldest first. A committed node with a committed one behind it has that one alone. */
  children: Node[];
}

/**
 * The one truth about the text. Committed tokens never change; pending ones are the draft's, and each hangs on its
 * parent. A node is live while it stands in the committed text or hangs below its end; a node that a commit contradicts
 * is dead, and so is all that hangs on it, whether drafted before or after.
 */
export class TokenLog {
  readonly #tokens: number[] = [];
  #end: Node;
  readonly promptLength: number;

  /** Throws a RangeError on an empty prompt: the first verification feeds its last token. */
  constructor(prompt: readonly number[]) {
    if (prompt.length === 0) {
      throw new RangeError("Cannot start a token log: the prompt has 0 tokens, wanted 1 or more");
    }
    for (const token of prompt) this.#tokens.push(token);
    this.promptLength = prompt.length;
    this.#end = {
      token: this.#tokens.at(-1)!,
      position: prompt.length - 1,
      draft: undefined,
      parent: undefined,
      children: [],
    };
  }

  /** The committed tokens, the prompt's first: a view that grows. */
  get committed(): readonly number[] {
    return this.#tokens;
  }

  /** How many tokens are committed. */
  get length(): number {
    return this.#tokens.length;
  }

  /** The last committed token. */
  get end(): TokenNode {
    return this.#end;
  }

  /**
   * The pending tokens from the committed end on; where the draft has branched, along the favoured branch, else the
   * oldest.
   */
  pending(): TokenNode[] {
    const nodes: TokenNode[] = [];
    for (let node = this.#end.children[0]; node; node = node.children[0]) nodes.push(node);
    return nodes;
  }

  /** The pending tokens from the committed end to this one, which is live. */
  path(tip: TokenNode): TokenNode[] {
    const nodes: TokenNode[] = [];
    for (let node = tip as Node; node.position >= this.length; node = node.parent!) nodes.push(node);
    return nodes.reverse();
  }

  /**
   * Puts a drafted token after `parent` (a node of this log). On a dead parent the new node is dead as well: `isLive`
   * tells. After a committed token before the end, the node is the committed one if it is equal, and else dead.
   */
  draft(parent: TokenNode, token: number, draft?: Draft): TokenNode {
    return this.#child(parent as Node, token, draft);
  }

  /** Makes this node's branch the one that `pending` goes along. No verification of another one may be in flight. */
  favour(node: TokenNode): void {
    const siblings = (node as Node).parent?.children ?? [];
    const at = siblings.indexOf(node as Node);
    if (at > 0) siblings.unshift(...siblings.splice(at, 1));
  }

  /** Whether the node is committed, or pending on the committed end. */
  isLive(node: TokenNode): boolean {
    return this.liveAncestor(node) === node;
  }

  /** The nearest live node at or above this one, where its path and the log's text part. */
  liveAncestor(node: TokenNode): TokenNode {
    let above = node as Node;
    while (above.parent) above = above.parent;
    return above === this.#end ? node : above;
  }

  /**
   * Commits a verification's answer: `chosen[i]` is the token chosen after the last committed token and
   * `drafted[0..i-1]`. Drafted tokens are accepted as long as they equal the chosen ones; the next chosen token, a
   * correction or a bonus, is committed with them. `chosen` may be cut short where the run ends. Returns the committed
   * tokens. Throws a RangeError where there are more chosen tokens than rows, or none.
   */
  commit(drafted: readonly number[], chosen: readonly number[]): CommittedToken[] {
    if (chosen.length < 1 || chosen.length > drafted.length + 1) {
      throw new RangeError(
        `Cannot commit a verification of ${drafted.length} drafted tokens: ${chosen.length} chosen tokens, ` +
          `wanted 1 to ${drafted.length + 1}`,
      );
    }
    const batch: CommittedToken[] = [];
    for (const [i, token] of chosen.entries()) {
      const origin = originOf(drafted[i], token, drafted.length);
      batch.push({ token, position: this.length, origin });
      this.#append(token);
      if (origin === "correction") break;
    }
    return batch;
  }

  #append(token: number): void {
    const next = this.#child(this.#end, token, undefined);
    this.#end.children = [next];
    next.parent = undefined;
    this.#end = next;
    this.#tokens.push(token);
  }

  /** The parent's child with that token, found or made. A dead node on a committed token is nobody's child. */
  #child(parent: Node, token: number, draft: Draft | undefined): Node {
    const twin = parent.children.find((node) => node.token === token);
    if (twin) return twin;
    const node: Node = { token, position: parent.position + 1, draft, parent, children: [] };
    if (parent.parent || parent === this.#end) parent.children.push(node);
    return node;
  }
}

function originOf(drafted: number | undefined, chosen: number, count: number): Origin {
  if (drafted === undefined) return count === 0 ? "verify" : "bonus";
  return drafted === chosen ? "accepted" : "correction";
}
