import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** Pixels of the image for each pixel of the drawing: many screens have two. */
const SCALE = 2;
const FONTS = ["inter-latin-400-normal", "inter-latin-600-normal", "inter-latin-ext-400-normal"];

let loaded: Promise<Uint8Array[]> | undefined;

/** The SVG as PNG: the same on every machine, since the fonts come along. */
export async function renderPng(svg: string): Promise<Uint8Array> {
  const fontBuffers = await (loaded ??= load());
  const image = new Resvg(svg, {
    fitTo: { mode: "zoom", value: SCALE },
    font: { fontBuffers, defaultFontFamily: "Inter", sansSerifFamily: "Inter" },
  });
  try {
    return image.render().asPng();
  } finally {
    image.free();
  }
}

/** Starts the renderer, once, and returns the fonts. */
async function load(): Promise<Uint8Array[]> {
  const { resolve } = createRequire(import.meta.url);
  await initWasm(await readFile(resolve("@resvg/resvg-wasm/index_bg.wasm")));
  return await Promise.all(FONTS.map((font) => readFile(resolve(`@fontsource/inter/files/${font}.woff2`))));
}
