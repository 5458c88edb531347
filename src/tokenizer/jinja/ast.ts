import type { Value } from "./values.ts";

/** The arguments of a call as they are written. */
export interface CallArguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  /** What stands behind `*` and `**`. */
  readonly rest?: Expression;
  readonly namedRest?: Expression;
}

/** An expression, by the names that Jinja2's own nodes have. */
export type Expression =
  | { readonly kind: "const"; readonly value: Value }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "list" | "tuple" | "concat"; readonly items: readonly Expression[] }
  | { readonly kind: "dict"; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: "attribute"; readonly object: Expression; readonly name: string }
  | { readonly kind: "item"; readonly object: Expression; readonly key: Expression }
  | { readonly kind: "slice"; readonly object: Expression; readonly bounds: readonly (Expression | undefined)[] }
  | { readonly kind: "call"; readonly callee: Expression; readonly args: CallArguments }
  | { readonly kind: "filter"; readonly name: string; readonly input: Expression; readonly args: CallArguments }
  | { readonly kind: "test"; readonly name: string; readonly input: Expression; readonly args: CallArguments }
  | { readonly kind: "sign"; readonly operator: string; readonly operand: Expression }
  | { readonly kind: "not"; readonly operand: Expression }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "arithmetic"; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "compare"; readonly first: Expression; readonly rest: readonly (readonly [string, Expression])[] }
  | {
    readonly kind: "if";
    readonly condition: Expression;
    readonly then: Expression;
    readonly otherwise: Expression | undefined;
  };

/** What a value is assigned to. */
export type Target =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "namespace"; readonly name: string; readonly field: string }
  | { readonly kind: "targets"; readonly targets: readonly Target[] };

export interface Parameter {
  readonly name: string;
  readonly otherwise: Expression | undefined;
}

/** What a macro is called with and does; a `call` block has one too. */
export interface MacroNode {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly body: readonly Statement[];
  /** Which of `caller`, `kwargs` and `varargs` stand in its body. */
  readonly uses: ReadonlySet<string>;
}

export interface ForNode {
  readonly kind: "for";
  readonly target: Target;
  readonly items: Expression;
  readonly condition: Expression | undefined;
  readonly isRecursive: boolean;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
}

/** A filter's name and arguments without its input, as set blocks and filter blocks have them. */
export interface FilterNode {
  readonly name: string;
  readonly args: CallArguments;
}

export type Statement =
  | { readonly kind: "data"; readonly text: string }
  | { readonly kind: "print"; readonly value: Expression }
  | ForNode
  | {
    readonly kind: "choice";
    readonly branches: readonly (readonly [Expression, readonly Statement[]])[];
    readonly otherwise: readonly Statement[];
  }
  | { readonly kind: "set"; readonly target: Target; readonly value: Expression }
  | {
    readonly kind: "setBlock";
    readonly target: Target;
    readonly filters: readonly FilterNode[];
    readonly body: readonly Statement[];
  }
  | { readonly kind: "filterBlock"; readonly filters: readonly FilterNode[]; readonly body: readonly Statement[] }
  | {
    readonly kind: "with";
    readonly variables: readonly (readonly [Target, Expression])[];
    readonly body: readonly Statement[];
  }
  | { readonly kind: "macro"; readonly macro: MacroNode }
  | {
    readonly kind: "callBlock";
    readonly callee: Expression;
    readonly args: CallArguments;
    readonly caller: MacroNode;
  }
  | { readonly kind: "break" | "continue" };
