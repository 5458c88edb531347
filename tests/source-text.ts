/** What a source file imports, by the text that it writes. */
export interface Import {
  readonly target: string;
  /** Nothing of it is there at run time. */
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

/** The text without its comments; a `//` inside a string has no space before it. */
export const codeOf = (text: string): string => text.replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");

/** All imports in a file's text without its comments, those on demand and of workers too. */
export function importsOf(code: string): Import[] {
  return IMPORTS.flatMap((pattern) =>
    [...code.matchAll(pattern)].map(([all, names, target]) => ({
      target: target!,
      isType: /^\s*type\b/.test(names!),
      isOnDemand: /^import\(/.test(all),
    }))
  );
}
