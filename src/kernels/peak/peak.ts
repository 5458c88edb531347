import type { Device } from "../../gpu/device.ts";
import { timePasses } from "../../gpu/pass-times.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import { createKernel, encodeKernel, type Kernel } from "../kernel.ts";
import { type KernelContext, TEXTURE_WIDTH } from "../kernel-context.ts";
import peakFma from "./peak-fma.wgsl" with { type: "text" };
import peakRead from "./peak-read.wgsl" with { type: "text" };

/** The limits that a device reaches where it does nothing else: no kernel can do much better. */
export interface Peak {
  /** Bytes that it reads in a ms. */
  readonly bytesPerMs: number;
  /** Float32 multiply-adds that it does in a ms. */
  readonly multiplyAddsPerMs: number;
}

/** Invocations of a workgroup of both kernels. */
const INVOCATIONS = 64;
/** 16-byte words that an invocation reads. */
const WORDS = 64;
/** Bytes that are read: more than caches hold. */
const READ_BYTES = { hardware: 256 * 2 ** 20, software: 64 * 2 ** 20 };
/** Work that takes long enough to be timed: `eights` turns of 12 chains of 8 fma in each of `groups` workgroups. */
const FMA = { hardware: { eights: 1024, groups: 4096 }, software: { eights: 128, groups: 64 } };
/** Timed runs of each kernel, of which the best counts. */
const ROUNDS = 5;

/** Measures by two kernels: reading memory of the kind that weights lie in, and multiplying and adding. */
export async function measurePeak(context: KernelContext): Promise<Peak> {
  const { device, variant } = context;
  const kind = device.software ? "software" : "hardware";
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const chunk = 16 * Math.max(TEXTURE_WIDTH, INVOCATIONS * WORDS);
  const most = Math.min(READ_BYTES[kind], maxBufferSize, maxStorageBufferBindingSize);
  const bytes = Math.floor(most / chunk) * chunk;
  const weights = context.placeWeights(context.createWords("peak words", bytes));
  const readGroups = bytes / (16 * INVOCATIONS * WORDS);
  const { eights, groups } = FMA[kind];
  const sink = device.storage("peak sink", 16 * INVOCATIONS * Math.max(readGroups, groups));
  try {
    const read = shaderText({ WORDS, TEXTURE_WIDTH }, [variant.memory.weights, peakRead]);
    const readKernel = await createKernel(device, "peak read", [read], [sink, weights], readGroups);
    const fma = shaderText({ EIGHTS: eights }, [peakFma]);
    const fmaKernel = await createKernel(device, "peak fma", [fma], [sink], groups);
    return {
      bytesPerMs: bytes / await leastMs(device, readKernel),
      multiplyAddsPerMs: groups * INVOCATIONS * eights * 8 * 12 / await leastMs(device, fmaKernel),
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
