import type { Budget } from "./budget.ts";
import { Undefined, type Value } from "./values.ts";

/** The variables of a template's part, within those of the part around it. */
export class Scope {
  readonly #values = new Map<string, Value>();

  constructor(readonly parent: Scope | undefined, readonly budget: Budget) {}

  get(name: string): Value {
    const value = this.#values.get(name);
    if (value !== undefined) return value;
    this.budget.spend(1);
    if (this.parent) return this.parent.get(name);
    return new Undefined(name, "");
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }
}
