import type { Resource } from "../../gpu/device.ts";
import { TEXTURE_WIDTH } from "../kernel-context.ts";

/** A cache of positions, and the bytes that one takes in it. */
export interface SlottedCache {
  readonly cache: Resource;
  readonly slotBytes: number;
}

/** Copies `bytes` bytes of a cache, from byte `from` on, to byte `offset` of a buffer. */
export function encodeCopyOut(
  encoder: GPUCommandEncoder,
  cache: Resource,
  from: number,
  bytes: number,
  buffer: GPUBuffer,
  offset: number,
): void {
  copyRun(cache, from, bytes, (at, size, origin) => {
    const place = offset + at - from;
    if ("mapState" in cache) encoder.copyBufferToBuffer(cache, at, buffer, place, size);
    else encoder.copyTextureToBuffer({ texture: cache, origin }, { buffer, offset: place }, [size / 16, 1]);
  });
}

/** Copies `bytes` bytes of a buffer, from byte `offset` on, to byte `to` of a cache. */
export function encodeCopyIn(
  encoder: GPUCommandEncoder,
  cache: Resource,
  to: number,
  bytes: number,
  buffer: GPUBuffer,
  offset: number,
): void {
  copyRun(cache, to, bytes, (at, size, origin) => {
    const place = offset + at - to;
    if ("mapState" in cache) encoder.copyBufferToBuffer(buffer, place, cache, at, size);
    else encoder.copyBufferToTexture({ buffer, offset: place }, { texture: cache, origin }, [size / 16, 1]);
  });
}

/** Calls `copy` for each part of `bytes` bytes at `from` that lies in one texel row of a texture; once for a buffer. */
function copyRun(
  cache: Resource,
  from: number,
  bytes: number,
  copy: (at: number, size: number, origin: [x: number, y: number]) => void,
): void {
  const rowBytes = "mapState" in cache ? Infinity : 16 * TEXTURE_WIDTH;
  for (let at = from; at < from + bytes;) {
    const size = Math.min(from + bytes - at, rowBytes - at % rowBytes);
    copy(at, size, [at % rowBytes / 16, Math.floor(at / rowBytes)]);
    at += size;
  }
}
