// Makes dist/, what the npm package holds: mod.ts and cli.ts bundled for Node 20, and the types of the public API.
//
// Run it by `deno task build` or `npm pack`. Its two tools are named here and not in package.json, and it runs without
// the project's configuration and lock file, because Deno installs all that those name at the first command of a user,
// who needs neither tool.

import { build, stop } from "npm:esbuild@0.28.2";
import ts from "npm:typescript@6.0.3";

Deno.chdir(new URL("./", import.meta.url));
await Deno.remove("dist", { recursive: true }).catch(() => {});

await build({
  entryPoints: ["mod.ts", "cli.ts"],
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  logLevel: "warning",
});
await stop();

const cli = await Deno.readTextFile("dist/cli.js");
await Deno.writeTextFile("dist/cli.js", `#!/usr/bin/env node\n${cli.replace(/^#!.*\n/, "")}`);

// `deno check` judges the types; here they are only written down.
const options: ts.CompilerOptions = {
  declaration: true,
  emitDeclarationOnly: true,
  noCheck: true,
  strict: true,
  allowImportingTsExtensions: true,
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  rootDir: ".",
  outDir: "dist/types",
};
const host = ts.createCompilerHost(options);
const { diagnostics } = ts.createProgram(["mod.ts"], options, host).emit();
if (diagnostics.length) throw new TypeError(ts.formatDiagnostics(diagnostics, host));
