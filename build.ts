// Makes dist/, which is the npm package's content: mod.ts and cli.ts bundled for Node 20, and the types of the public
// API.
//
// Run it by `deno task build` or `npm pack`. Its tools are named here and not in package.json, and it runs without the
// project's configuration and lock file: Deno would install all tools that those name at a user's first command, and a
// user needs none of them.

import { build, stop } from "npm:esbuild@0.28.2";
import { rollup } from "npm:rollup@4.62.2";
import { dts } from "npm:rollup-plugin-dts@6.5.1";
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

// The types are one file with only those that the public API reaches, so a user needs no types of WebGPU, Node or a
// browser. `deno check` judges the types; here they are only written down.
const types = await rollup({
  input: "mod.ts",
  plugins: [dts({
    compilerOptions: {
      noCheck: true,
      strict: true,
      stripInternal: true,
      allowImportingTsExtensions: true,
      target: ts.ScriptTarget.ESNext,
    },
  })],
});
// `await using` needs types that a user's target may lack.
await types.write({ file: "dist/mod.d.ts", banner: '/// <reference lib="esnext.disposable" />' });
