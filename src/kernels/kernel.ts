import type { Device, Pipeline, Resource } from "../gpu/device.ts";

/** The least that a dispatch has to do: each byte of weights or cache read once, multiply-adds with them. */
export interface Work {
  readonly bytes: number;
  readonly multiplyAdds: number;
}

/** The work over `rows` rows of the pass, from `position` on. */
export type WorkOf = (position: number, rows: number) => Work;

/** A dispatch that is ready to be encoded: pipelines compiled, buffers bound. */
export interface Kernel {
  readonly label: string;
  /** pipelines[r - 1] takes r rows of the pass in a workgroup. */
  readonly pipelines: readonly Pipeline[];
  readonly group: GPUBindGroup;
  /** Workgroups in x; y covers the rows. */
  readonly width: number;
  readonly workOf: WorkOf;
}

/**
 * Compiles a kernel's pipelines, one for each of `codes`, which differ in nothing that is bound, and binds `resources`
 * to bindings 0, 1 and so on. Throws a RangeError for more workgroups than the device can dispatch.
 */
export async function createKernel(
  device: Device,
  label: string,
  codes: readonly string[],
  resources: readonly Resource[],
  width: number,
  workOf: WorkOf = () => ({ bytes: 0, multiplyAdds: 0 }),
): Promise<Kernel> {
  const limit = device.limits.maxComputeWorkgroupsPerDimension;
  if (width > limit) {
    throw new RangeError(`Cannot run "${label}" on the ${device.label} device: ${width} workgroups, at most ${limit}`);
  }
  const pipelines = await Promise.all(codes.map((code) => device.pipeline(label, code)));
  return { label, pipelines, group: device.bind(pipelines[0]!, resources), width, workOf };
}

/**
 * Encodes one dispatch over `rows` rows: as few workgroups in y as the pipeline of the most rows allows, each with the
 * fewest rows.
 */
export function encodeKernel(pass: GPUComputePassEncoder, kernel: Kernel, rows: number): void {
  const groups = Math.ceil(rows / kernel.pipelines.length);
  pass.setPipeline(kernel.pipelines[Math.ceil(rows / groups) - 1]!.gpu);
  pass.setBindGroup(0, kernel.group);
  pass.dispatchWorkgroups(kernel.width, groups);
}

/** Runs every pipeline on one workgroup: some drivers (llvmpipe) compile at the first dispatch only. */
export function encodeWarmUp(pass: GPUComputePassEncoder, kernel: Kernel): void {
  for (const pipeline of kernel.pipelines) {
    pass.setPipeline(pipeline.gpu);
    pass.setBindGroup(0, kernel.group);
    pass.dispatchWorkgroups(1);
  }
}
