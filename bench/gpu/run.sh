#!/bin/sh
# Measures this machine's GPU with the kit's own Deno, without network: ./run.sh [--scale tiny] [--minutes 12]
# [--parts NAME,NAME] [--out FOLDER]. It writes results.json and results.txt into FOLDER (default: results).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -e "$here/amusd" ]; then
  gunzip -f "$here/deno.gz"
  chmod +x "$here/deno"
  "$here/deno" eval 'import { createBrotliDecompress } from "node:zlib"; import { createReadStream } from "node:fs";
    import { pipeline } from "node:stream/promises"; import process from "node:process";
    await pipeline(createReadStream(process.argv[2]), createBrotliDecompress(), process.stdout);' \
    "$here/kit.tar.br" | tar -C "$here" -x
fi
# The machine's own Vulkan loader comes first, if it has one.
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/lib"
export DENO_DIR="$here/deno-cache" DENO_NO_UPDATE_CHECK=1
# Some images keep NVIDIA's driver where the loader does not look for it.
if [ -z "${VK_DRIVER_FILES:-}" ]; then
  for manifest in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json; do
    if [ -e "$manifest" ]; then export VK_DRIVER_FILES="$manifest"; fi
  done
fi
# The models come in pieces beside the kit.
for first in "$here"/../models/*.gguf.0; do
  whole=${first%.0}
  if [ -e "$first" ] && [ ! -e "$whole" ]; then cat "$whole".? > "$whole.part" && mv "$whole.part" "$whole"; fi
done
exec "$here/deno" run -A "$here/amusd/bench/gpu/run.ts" --out "${AMUSD_OUT:-$PWD/results}" "$@"
