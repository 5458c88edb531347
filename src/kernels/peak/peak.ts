import type { Device } from "../../gpu/device.ts";
import { timePasses } from "../../gpu/pass-times.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import { createKernel, encodeKernel, type Kernel } from "../kernel.ts";
import { createWords, type KernelVariant, placeWeights, TEXTURE_WIDTH } from "../kernel-variant.ts";
import peakFma from "./peak-fma.wgsl" with { type: "text" };
import peakRead from "./peak-read.wgsl" with { type: "text" };

/** What a device reaches where it does nothing else: no kernel can do much better. */
export interface Peak {
  readonly bytesPerMs: number;
  readonly multiplyAddsPerMs: number;
}

const GROUP = 64;
const WORDS = 64;
/** More than caches hold. */
const READ_BYTES = { hardware: 256 * 2 ** 20, software: 64 * 2 ** 20 };
const FMA = { hardware: { eights: 1024, groups: 4096 }, software: { eights: 128, groups: 64 } };
const ROUNDS = 5;

/** Measures by two kernels: reading memory of the kind that weights lie in, and multiplying and adding. The best of some runs. */
export async function measurePeak(device: Device, variant: KernelVariant): Promise<Peak> {
  const kind = device.software ? "software" : "hardware";
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const chunk = 16 * Math.max(TEXTURE_WIDTH, GROUP * WORDS);
  const most = Math.min(READ_BYTES[kind], maxBufferSize, maxStorageBufferBindingSize);
  const bytes = Math.floor(most / chunk) * chunk;
  const weights = placeWeights(device, variant, createWords(device, variant, "peak words", bytes));
  const readGroups = bytes / (16 * GROUP * WORDS);
  const { eights, groups } = FMA[kind];
  const sink = device.storage("peak sink", 16 * GROUP * Math.max(readGroups, groups));
  try {
    const read = shaderText({ WORDS, TEXTURE_WIDTH }, [variant.memory.weights, peakRead]);
    const readKernel = await createKernel(device, "peak read", [read], [sink, weights], readGroups);
    const fma = shaderText({ EIGHTS: eights }, [peakFma]);
    const fmaKernel = await createKernel(device, "peak fma", [fma], [sink], groups);
    return {
      bytesPerMs: bytes / await leastMs(device, readKernel),
      multiplyAddsPerMs: groups * GROUP * eights * 8 * 12 / await leastMs(device, fmaKernel),
    };
  } finally {
    device.free([weights, sink]);
  }
}

async function leastMs(device: Device, kernel: Kernel): Promise<number> {
  const times: number[] = [];
  // The first run compiles.
  for (let round = 0; round <= ROUNDS; round++) {
    const { passMs, wallMs } = await timePasses(device, [(pass) => encodeKernel(pass, kernel, 1)]);
    if (round > 0) times.push(passMs?.[0] || wallMs);
  }
  return Math.min(...times);
}
