import { groupBy } from "../util/group-by.ts";

/**
 * A part's number, and how many there are: `x-00001-of-00003.gguf`. Some data sets have a hash behind it:
 * `train-00000-of-00002-b42a775f407cee45.parquet`.
 */
const PART = /^(.*[-_./])?(\d+)-of-(\d+)(?:-[0-9a-f]{16})?(\.[A-Za-z][\w.]*)$/;
/** A number alone: `train-0.jsonl`, `0001.parquet`. */
const NUMBERED = /^(.*[-_./])?(\d+)(?:-[0-9a-f]{16})?(\.[A-Za-z][\w.]*)$/;

/** Files that are one whole: the parts in their order, or one file. */
export type Shards = readonly string[];

/**
 * The files that are one whole each. Parts are told by their names: counted from 0 or 1, with any number of digits.
 * Files with a number alone are parts where `numbered` says so and none is missing. Parts of which one is missing are
 * left as they are, so that `assertWhole` finds them.
 */
export function groupShards(paths: readonly string[], { numbered = false } = {}): Shards[] {
  const groups = groupBy(paths, (path) => keyOf(path, PART)).map((group) => inOrder(group, PART));
  if (!numbered) return groups;
  const single = groups.filter(([first]) => !PART.test(first!)).flat();
  const joined = groupBy(single, (path) => keyOf(path, NUMBERED)).flatMap((group) => {
    const ordered = inOrder(group, NUMBERED);
    const isWhole = isConsecutive(ordered.map((path) => Number(NUMBERED.exec(path)?.[2])));
    return isWhole ? [ordered] : group.map((path) => [path]);
  });
  return [...groups.filter(([first]) => PART.test(first!)), ...joined];
}

/** What the parts of one file have in common; a path of its own for a file that is no part. */
function keyOf(path: string, pattern: RegExp): string {
  const groups = pattern.exec(path);
  return groups ? [groups[1] ?? "", ...groups.slice(3)].join("\0") : path;
}

/** The group that has `path`. */
export function shardsOf(path: string, paths: readonly string[]): Shards {
  return groupShards(paths).find((group) => group.includes(path)) ?? [path];
}

/** Throws an Error where a part is missing. */
export function assertWhole(shards: Shards): void {
  const [, , , count] = PART.exec(shards[0] ?? "") ?? [];
  const numbers = shards.map((path) => Number(PART.exec(path)?.[2]));
  if (count === undefined || (numbers.length === Number(count) && isConsecutive(numbers))) return;
  throw new Error(`of the ${Number(count)} parts of "${shards[0]}" only ${numbers.join(", ")} are there`);
}

function inOrder(paths: readonly string[], pattern: RegExp): string[] {
  const numberOf = (path: string) => Number(pattern.exec(path)?.[2] ?? 0);
  return paths.toSorted((a, b) => numberOf(a) - numberOf(b));
}

function isConsecutive(numbers: readonly number[]): boolean {
  return (numbers[0] === 0 || numbers[0] === 1) && numbers.every((number, i) => number === numbers[0]! + i);
}
