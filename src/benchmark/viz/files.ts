import type { Results } from "../results.ts";
import { standaloneSvg } from "./draw.ts";
import { renderPage } from "./page.ts";
import { drawPictures, PICTURE_NAMES } from "./pictures.ts";
import { renderPng } from "./png.ts";

/** How the names of the files of `drawFiles` end, in its order. */
export const FILE_ENDINGS: readonly string[] = [
  ...PICTURE_NAMES.flatMap((name) => [`-${name}.svg`, `-${name}.png`]),
  ".html",
];

/** A benchmark's pictures, each as SVG and PNG, and the page with all of them: what is to be written. */
export async function drawFiles(results: Results): Promise<(string | Uint8Array)[]> {
  const pictures = await drawPictures(results);
  const images: (string | Uint8Array)[] = [];
  for (const picture of pictures) {
    const svg = standaloneSvg(picture.svg);
    images.push(svg, await renderPng(svg));
  }
  return [...images, renderPage(results, pictures)];
}
