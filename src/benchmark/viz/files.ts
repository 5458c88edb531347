import type { Results } from "../results.ts";
import { standaloneSvg } from "./draw.ts";
import { renderPage } from "./page.ts";
import { drawPictures, PICTURE_NAMES } from "./pictures.ts";
import { renderPng } from "./png.ts";

/** The ends of the names of `drawFiles`' files, in its order. */
export const FILE_ENDINGS: readonly string[] = [
  ...PICTURE_NAMES.flatMap((name) => [`-${name}.svg`, `-${name}.png`]),
  ".html",
];

/** The contents of a benchmark's pictures, each as SVG and as PNG, and of the page with all of them. */
export async function drawFiles(results: Results): Promise<(string | Uint8Array)[]> {
  const pictures = await drawPictures(results);
  const images: (string | Uint8Array)[] = [];
  for (const picture of pictures) {
    const svg = standaloneSvg(picture.svg);
    images.push(svg, await renderPng(svg));
  }
  return [...images, renderPage(results, pictures)];
}
