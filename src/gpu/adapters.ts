import { type AdapterName, adapterNames, type AdapterRequest, prepareDawn, requestAdapter } from "./dawn.ts";
import type { Environment } from "./drivers/driver-folder.ts";
import { cpuCount, getEnv, isBrowser, pciDisplayDevices, system } from "../platform/platform.ts";
import { firstLine } from "../util/text.ts";
import { pollFor } from "./poll-shim.ts";
import { DRIVER_VARIABLE, provideSoftwareAdapter } from "./drivers/software-adapter.ts";
import { hasVulkanDriver } from "./drivers/vulkan-loader.ts";

export type AdapterKind = "discrete" | "integrated" | "software" | "unknown";

/** One GPU, or a CPU that stands in for one. All fields are plain data. */
export interface AdapterInfo {
  /** Its place in the list, strongest first. */
  readonly index: number;
  /** The driver's own name for the device. */
  readonly name: string;
  /** The driver and its version. */
  readonly driver: string;
  readonly kind: AdapterKind;
  /** "vulkan", "metal", "d3d12" or "webgpu" (a browser's). */
  readonly backend: string;
  readonly features: readonly string[];
  /** The limits that a device opened here has; sizes in bytes. */
  readonly limits: Readonly<Record<string, number>>;
  /** The smallest and the largest subgroup, or `null` where there are none. */
  readonly subgroupSizes: readonly [number, number] | null;
  /** What finds it again. */
  readonly request: AdapterRequest;
}

export interface DeviceSelection {
  readonly adapter: AdapterInfo;
  /** What the device does: "draft", "verify". It names the device in errors and traces. */
  readonly label: string;
  /** How many threads a software adapter may use; default: all. The user's LP_NUM_THREADS outranks it. */
  readonly threads?: number;
}

export interface OpenedDevice {
  readonly gpu: GPUDevice;
  readonly adapter: AdapterInfo;
  readonly label: string;
  /** True if the CPU does the work. */
  readonly software: boolean;
}

/** All of these are requested: a device otherwise gets WebGPU's defaults (128 MiB bindings, 8 storage buffers). */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxUniformBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxUniformBuffersPerShaderStage",
  "maxDynamicStorageBuffersPerPipelineLayout",
  "maxDynamicUniformBuffersPerPipelineLayout",
  "maxBindingsPerBindGroup",
  "minStorageBufferOffsetAlignment",
  "minUniformBufferOffsetAlignment",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
  "maxImmediateSize",
];
/** The optional features that kernels make use of. */
export const USED_FEATURES: readonly string[] = ["shader-f16", "subgroups", "subgroup-size-control", "timestamp-query"];

/**
 * How long, in ms after each submission, Dawn polls a GPU without pause: it is soon done, and a late look costs its time. A software adapter is not:
 * polling takes the very cores that compute.
 */
const POLL_MS = 20;

/**
 * All adapters, strongest first: discrete, integrated, software. Where Linux has no Vulkan driver that Dawn takes,
 * one for the CPU is put in place (software-adapter.ts). Throws if there is no adapter at all.
 */
export async function listAdapters(): Promise<AdapterInfo[]> {
  const adapters: AdapterInfo[] = [];
  for (const candidate of isBrowser ? browserCandidates() : await dawnCandidates()) {
    const adapter = await requestAdapter(candidate.request);
    if (!adapter) continue;
    const described = describe(adapter, candidate, adapters.length);
    // A browser gives the same adapter for both preferences if it has only one.
    if (!isBrowser || adapters.every(({ name }) => name !== described.name)) adapters.push(described);
  }
  if (adapters.length > 0) return adapters;
  const remedy = isBrowser
    ? "use a browser with WebGPU switched on"
    : system.startsWith("linux")
    ? "install a Vulkan driver (Debian and Ubuntu: apt install mesa-vulkan-drivers, 23 or later)"
    : "update the graphics driver";
  throw new Error(`Cannot find a GPU: there is no WebGPU adapter on ${system}, one is needed; ${remedy}`);
}

/**
 * The adapter that a user means by its index or by a part of its name in any case (the first that has it). Throws a
 * RangeError that lists all if there is none.
 */
export function findAdapter(adapters: readonly AdapterInfo[], selector: string): AdapterInfo {
  const wanted = selector.trim().toLowerCase();
  const byIndex = /^\d+$/.test(wanted) ? adapters[Number(wanted)] : undefined;
  const found = byIndex ?? adapters.find(({ name }) => wanted !== "" && name.toLowerCase().includes(wanted));
  if (found) return found;
  const list = adapters.map(({ index, name }) => `${index} "${name}"`).join(", ");
  throw new RangeError(`Cannot use device "${selector}": no adapter has this index or name; there is ${list}`);
}

/**
 * What the two models run on. Unless chosen, the verify model gets the strongest adapter and the draft model another
 * GPU if there is one, else a second device on the same adapter. Two devices that compute on the CPU share its cores,
 * half each.
 */
export function chooseAdapters(
  adapters: readonly AdapterInfo[],
  draftSelector?: string,
  verifySelector?: string,
): { draft: DeviceSelection; verify: DeviceSelection } {
  const verify = verifySelector === undefined ? adapters[0]! : findAdapter(adapters, verifySelector);
  const draft = draftSelector === undefined
    ? adapters.find((adapter) => adapter !== verify && adapter.kind !== "software") ?? verify
    : findAdapter(adapters, draftSelector);
  const bothSoftware = draft.kind === "software" && verify.kind === "software";
  const threads = bothSoftware ? Math.max(1, Math.floor(cpuCount() / 2)) : undefined;
  return { draft: { adapter: draft, label: "draft", threads }, verify: { adapter: verify, label: "verify", threads } };
}

/**
 * Opens a new device with all of the adapter's limits and those of its features that kernels use. Two devices on one
 * adapter know nothing of each other. Throws if the adapter gives no device.
 */
export async function openDevice(selection: DeviceSelection): Promise<OpenedDevice> {
  const { adapter: info, label, threads } = selection;
  const environment: Record<string, string> = { ...info.request.environment };
  if (threads !== undefined && getEnv("LP_NUM_THREADS") === undefined) {
    // 0: llvmpipe computes on the thread of its queue, and wakes none for each dispatch (an empty one: 0.1 us for 10 to 27).
    environment.LP_NUM_THREADS = `${threads === 1 ? 0 : threads}`;
  }
  try {
    const adapter = await requestAdapter({ ...info.request, environment });
    if (!adapter) throw new Error("it is gone");
    const gpu = await adapter.requestDevice({
      label,
      requiredFeatures: USED_FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
      requiredLimits: limitsOf(adapter),
    });
    const software = info.kind === "software";
    if (!software) pollAfterSubmit(gpu.queue);
    return { gpu, adapter: info, label, software };
  } catch (error) {
    const reason = firstLine((error as Error).message);
    throw new Error(`Cannot open "${info.name}" as ${label} device: ${reason}; choose another one`);
  }
}

function pollAfterSubmit(queue: GPUQueue): void {
  const submit = queue.submit;
  queue.submit = (buffers) => {
    pollFor(POLL_MS);
    return submit.call(queue, buffers);
  };
}

/** Whether an adapter of that name is SwiftShader, whose compiler and vectors need care of their own. */
export function isSwiftShader(name: string): boolean {
  return /swiftshader/i.test(name);
}

interface Candidate {
  readonly request: AdapterRequest;
  readonly backend: string;
  /** "unknown" if Dawn's order does not tell. */
  readonly kind: AdapterKind;
}

function browserCandidates(): Candidate[] {
  return (["high-performance", "low-power"] as const)
    .map((powerPreference) => ({ request: { powerPreference }, backend: "webgpu", kind: "unknown" }));
}

interface Driver {
  readonly environment: Environment;
  readonly names: readonly AdapterName[];
}

/** The machine's own drivers; on Linux a software adapter of the user's, where there is none or the user says so. */
async function findDriver(): Promise<Driver> {
  const choice = getEnv(DRIVER_VARIABLE) || undefined;
  const isLinux = system.startsWith("linux-");
  const asksOwn = choice === undefined || choice === "off";
  if (!isLinux || (asksOwn && await hasVulkanDriver())) {
    const names = await adapterNames("high-performance");
    if (names.length > 0 || !isLinux) return { environment: {}, names };
  }
  if (choice === "off") return { environment: {}, names: [] };
  await prepareDawn(); // Nothing is fetched for a machine that has no Dawn.
  return await provideSoftwareAdapter(async (environment) => {
    const names = await adapterNames("high-performance", environment);
    return names.length > 0 ? { environment, names } : null;
  });
}

async function dawnCandidates(): Promise<Candidate[]> {
  const { names, environment } = await findDriver();
  const kinds = kindsByOrder(names, names.length > 1 ? await adapterNames("low-power", environment) : names);
  const candidates = names.map(({ name, backend }, i) => {
    const twins = names.filter((other) => other.name === name);
    const request = {
      name,
      environment: { ...environment, ...twinEnvironment(twins.indexOf(names[i]!), twins.length) },
    };
    return { request, backend, kind: kinds[i]! };
  });
  // SwiftShader is the slowest there is: a step of the embedded model takes 8 times as long as on llvmpipe (two cores, 2026-11).
  const isSlowest = ({ request }: Candidate) => Number(isSwiftShader(request.name!));
  return candidates.sort((a, b) => isSlowest(a) - isSlowest(b));
}

/**
 * Dawn does not tell what kind of GPU an adapter is, but it sorts by it: discrete, integrated, software for high
 * performance, and integrated, discrete, software for low power. So a GPU that changes places with another one is
 * known; where all are of one kind the orders are the same and tell nothing.
 */
export function kindsByOrder(high: readonly AdapterName[], low: readonly AdapterName[]): AdapterKind[] {
  const rank = ({ name }: AdapterName) => low.findIndex((other) => other.name === name);
  return high.map((adapter, i) => {
    if (high.slice(i + 1).some((later) => rank(later) < rank(adapter))) return "discrete";
    return high.slice(0, i).some((earlier) => rank(earlier) > rank(adapter)) ? "integrated" : "unknown";
  });
}

/**
 * Which of several GPUs of one name Dawn finds, where Mesa's device-select layer is installed (it serves all
 * drivers): it moves the GPU with that PCI address to the front. Untested for want of such a machine; without the
 * layer all of them are the first one.
 */
function twinEnvironment(twin: number, twins: number): Environment {
  if (twins === 1) return {};
  const devices = pciDisplayDevices();
  const alike = devices.filter(({ model }) => devices.filter((other) => other.model === model).length === twins);
  return alike.length === twins ? { DRI_PRIME: `pci-${alike[twin]!.address.replace(/[:.]/g, "_")}` } : {};
}

function describe(adapter: GPUAdapter, { request, backend, kind }: Candidate, index: number): AdapterInfo {
  const { vendor, architecture, device, description, isFallbackAdapter, subgroupMinSize, subgroupMaxSize } =
    adapter.info;
  const driver = description || [vendor, architecture, device].filter(Boolean).join(" ");
  return {
    index,
    name: request.name ?? driver,
    driver,
    kind: isFallbackAdapter ? "software" : kind !== "unknown" ? kind : KIND_OF_VENDOR[vendor] ?? "unknown",
    backend,
    features: [...adapter.features].sort(),
    limits: limitsOf(adapter),
    subgroupSizes: adapter.features.has("subgroups") ? [subgroupMinSize!, subgroupMaxSize!] : null,
    request,
  };
}

/** The vendors that make GPUs of one kind only. */
const KIND_OF_VENDOR: Readonly<Record<string, AdapterKind>> = {
  nvidia: "discrete",
  apple: "integrated",
  arm: "integrated",
  qualcomm: "integrated",
};

function limitsOf(adapter: GPUAdapter): Record<string, number> {
  const limits = adapter.limits as unknown as Readonly<Record<string, number | undefined>>;
  return Object.fromEntries(LIMITS.flatMap((name) => limits[name] === undefined ? [] : [[name, limits[name]]]));
}
