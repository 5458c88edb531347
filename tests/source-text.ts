/** An import in a source file. `target` is the text in its quotes. */
export interface Import {
  readonly target: string;
  /** Whether only types are imported, so that nothing is loaded at run time. */
  readonly isType: boolean;
  /** It is loaded when it is asked for, by `import()`. */
  readonly isOnDemand: boolean;
}

const IMPORTS = [
  /^\s*(?:import|export)\b([^;"'`]*?)\bfrom\s*["']([^"']+)["']/gm,
  /^\s*import()\s*["']([^"']+)["']/gm,
  /\bimport()\(\s*["'`]([^"'`]+)["'`]/g,
  /\bnew URL()\(\s*["'`](\.[^"'`]+)["'`],\s*import\.meta\.url/g,
];

/** The text without its comments. A `//` with no space before it stands in a string, and stays. */
export const codeOf = (text: string): string => text.replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");

/** All imports in a file's text without its comments, also those on demand and those of workers. */
export function importsOf(code: string): Import[] {
  return IMPORTS.flatMap((pattern) =>
    [...code.matchAll(pattern)].map(([all, names, target]) => ({
      target: target!,
      isType: /^\s*type\b/.test(names!),
      isOnDemand: /^import\(/.test(all),
    }))
  );
}
