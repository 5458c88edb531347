import { type AdapterInfo, isSwiftShader, type OpenedDevice } from "./adapters.ts";
import { describeShaderErrors, layoutEntries } from "./shader-text.ts";
import { unrolledText } from "./unrolled-text.ts";

/** A compute pipeline, with the layout of the bindings that its WGSL declares. */
export interface Pipeline {
  readonly label: string;
  readonly gpu: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** A resource that a kernel can have as a binding. */
export type Resource = GPUBuffer | GPUTexture;

/** Thrown when a device is gone. `message` names the device and gives the driver's reason. */
export class DeviceLostError extends Error {
  override readonly name = "DeviceLostError";
}

/**
 * A device with its buffers, textures, pipelines and bind groups. All of them are made while a model is loaded. Each
 * buffer and texture is counted, and freed by `close` at the latest. An error that the device reports late is kept, and
 * the next `check` throws it.
 */
export class Device {
  readonly queue: GPUQueue;
  readonly label: string;
  readonly adapter: AdapterInfo;
  readonly software: boolean;
  readonly isSwiftShader: boolean;
  readonly hasTimestamps: boolean;
  readonly #gpu: GPUDevice;
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #buffers = new Map<Resource, number>();
  #error: Error | undefined;
  #allocatedBytes = 0;

  constructor(opened: OpenedDevice) {
    this.#gpu = opened.gpu;
    this.queue = opened.gpu.queue;
    this.label = opened.label;
    this.adapter = opened.adapter;
    this.software = opened.software;
    this.isSwiftShader = isSwiftShader(opened.adapter.name);
    this.hasTimestamps = opened.gpu.features.has("timestamp-query");
    opened.gpu.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#error ??= new Error(`The ${this.label} device reports: ${event.error.message.trim()}`);
    });
    opened.gpu.lost.then(({ reason, message }) => {
      this.#error = new DeviceLostError(
        `The ${this.label} device (${this.adapter.name}) was lost: ${message || reason}`,
      );
    });
  }

  get limits(): GPUSupportedLimits {
    return this.#gpu.limits;
  }

  /** The size of the smallest subgroup that a pipeline may get, in invocations; 0 where there are no subgroups. */
  get smallestSubgroup(): number {
    return this.#gpu.features.has("subgroups") ? this.adapter.subgroupSizes?.[0] ?? 0 : 0;
  }

  /** The bytes of all buffers and textures that were made and not freed. */
  get allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  /** Throws the first error that the device reported since the last call. On a lost device each call throws. */
  check(): void {
    const error = this.#error;
    if (error && !(error instanceof DeviceLostError)) this.#error = undefined;
    if (error) throw error;
  }

  /** Makes a buffer of zeros of `size` bytes, rounded up to 16 bytes. Throws a RangeError above the device's limit. */
  buffer(label: string, size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const bytes = Math.max(16, Math.ceil(size / 16) * 16);
    const { maxBufferSize, maxStorageBufferBindingSize } = this.limits;
    const limit = usage & GPUBufferUsage.STORAGE ? Math.min(maxBufferSize, maxStorageBufferBindingSize) : maxBufferSize;
    if (bytes > limit) {
      throw new RangeError(
        `Cannot allocate "${label}" on the ${this.label} device (${this.adapter.name}): ${bytes} bytes, ` +
          `at most ${limit} in one buffer; use a smaller context or model`,
      );
    }
    const buffer = this.#gpu.createBuffer({ label, size: bytes, usage });
    return this.#keep(buffer, bytes);
  }

  /**
   * Makes a buffer of each of these sizes in bytes, as `buffer` does; null, and none is left, where the device has no
   * memory for all of them.
   */
  async tryBuffers(
    label: string,
    sizes: readonly number[],
    usage: GPUBufferUsageFlags,
  ): Promise<readonly GPUBuffer[] | null> {
    this.#gpu.pushErrorScope("out-of-memory");
    const buffers = sizes.map((size) => this.buffer(label, size, usage));
    if (!await this.#gpu.popErrorScope()) return buffers;
    this.free(buffers);
    return null;
  }

  #keep<T extends Resource>(resource: T, bytes: number): T {
    this.#buffers.set(resource, bytes);
    this.#allocatedBytes += bytes;
    return resource;
  }

  /**
   * Makes a texture of zeros for storage bindings, `width` x `height` texels of 16 bytes. Throws a RangeError above the
   * device's limit.
   */
  texture(label: string, format: "rgba32uint" | "rgba32float", width: number, height: number): GPUTexture {
    const limit = this.limits.maxTextureDimension2D;
    if (width > limit || height > limit) {
      throw new RangeError(
        `Cannot allocate "${label}" on the ${this.label} device (${this.adapter.name}): ${width} x ${height} texels, ` +
          `at most ${limit} each way; use a smaller model`,
      );
    }
    const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.COPY_SRC;
    return this.#keep(this.#gpu.createTexture({ label, format, size: [width, height], usage }), 16 * width * height);
  }

  /** Makes a storage buffer of `size` bytes that can be copied to and from. Throws as `buffer` does. */
  storage(label: string, size: number): GPUBuffer {
    return this.buffer(label, size, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
  }

  /** Makes a storage buffer that holds `data`. Throws as `buffer` does. */
  upload(label: string, data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.storage(label, data.byteLength);
    this.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  /** Destroys buffers and textures of this device; one that is freed already does no harm. */
  free(resources: Iterable<Resource>): void {
    for (const resource of resources) {
      this.#allocatedBytes -= this.#buffers.get(resource) ?? 0;
      if (this.#buffers.delete(resource)) resource.destroy();
    }
    // Dawn does not give the memory back before the next submission; an empty one is enough.
    this.queue.submit([]);
  }

  /**
   * Compiles the WGSL `code`, whose entry point is `main`; equal text is compiled once. Rejects with an Error that has
   * Dawn's own message with line and column.
   */
  pipeline(label: string, code: string): Promise<Pipeline> {
    let pipeline = this.#pipelines.get(code);
    if (!pipeline) this.#pipelines.set(code, pipeline = this.#compile(label, code));
    return pipeline;
  }

  async #compile(label: string, source: string): Promise<Pipeline> {
    const code = this.isSwiftShader ? unrolledText(source) : source;
    const layout = this.#layout(code);
    this.#gpu.pushErrorScope("validation");
    const module = this.#gpu.createShaderModule({ label, code });
    const scope = this.#gpu.popErrorScope();
    const errors = describeShaderErrors(code, await module.getCompilationInfo()) || (await scope)?.message;
    if (errors) throw new Error(`Cannot compile "${label}" for the ${this.label} device: ${errors}`);
    const gpu = await this.#gpu.createComputePipelineAsync({
      label,
      layout: this.#gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main" },
    });
    return { label, gpu, layout };
  }

  /**
   * The layout of the bindings that `code` declares. An automatic layout would leave out a binding that a variant of
   * the code doesn't use. Equal layouts are one object, so that variants can share bind groups.
   */
  #layout(code: string): GPUBindGroupLayout {
    const entries = layoutEntries(code);
    const key = JSON.stringify(entries);
    let layout = this.#layouts.get(key);
    if (!layout) this.#layouts.set(key, layout = this.#gpu.createBindGroupLayout({ entries }));
    return layout;
  }

  /** Makes a bind group with `resources` as bindings 0, 1, 2 and so on. */
  bind(pipeline: Pipeline, resources: readonly Resource[]): GPUBindGroup {
    return this.#gpu.createBindGroup({
      label: pipeline.label,
      layout: pipeline.layout,
      entries: resources.map((resource, binding) => ({
        binding,
        resource: "createView" in resource ? resource.createView() : { buffer: resource },
      })),
    });
  }

  encoder(): GPUCommandEncoder {
    return this.#gpu.createCommandEncoder();
  }

  /** Makes a set of `count` timestamp queries; gives `undefined` where the device has no timestamps. */
  timestamps(count: number): GPUQuerySet | undefined {
    return this.hasTimestamps ? this.#gpu.createQuerySet({ type: "timestamp", count }) : undefined;
  }

  /** Reads `size` bytes of a buffer from byte `offset` on. For tests and tools: each call makes a staging buffer. */
  async read(buffer: GPUBuffer, size = buffer.size, offset = 0): Promise<ArrayBuffer> {
    const staging = this.buffer("read", size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    try {
      const encoder = this.encoder();
      encoder.copyBufferToBuffer(buffer, offset, staging, 0, Math.ceil(size / 4) * 4);
      this.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      return staging.getMappedRange().slice(0, size);
    } finally {
      this.free([staging]);
    }
  }

  /** Waits until the device has done all that was submitted. Rejects with the error that `check` throws. */
  async idle(): Promise<void> {
    await this.queue.onSubmittedWorkDone();
    this.check();
  }

  /** Frees all buffers, all textures and the device. While a device is open, the process does not end by itself. */
  close(): void {
    this.free([...this.#buffers.keys()]);
    this.#gpu.destroy();
  }
}
