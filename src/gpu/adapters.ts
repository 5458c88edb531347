import { type AdapterName, adapterNames, type AdapterRequest, prepareDawn, requestAdapter } from "./dawn.ts";
import type { Environment } from "./drivers/driver-folder.ts";
import { cpuCount, getEnv, isBrowser, pciDisplayDevices, system } from "../platform/platform.ts";
import { firstLine } from "../util/text.ts";
import { pollFor } from "./poll-shim.ts";
import { DRIVER_VARIABLE, provideSoftwareAdapter } from "./drivers/software-adapter.ts";
import { hasVulkanDriver } from "./drivers/vulkan-loader.ts";

/** A GPU with memory of its own, a GPU in the CPU's chip, a driver that computes on the CPU, or not known. */
export type AdapterKind = "discrete" | "integrated" | "software" | "unknown";

/** One GPU, or a CPU that stands in for one. All fields are plain data. */
export interface AdapterInfo {
  /** The adapter's place in the list, from 0 on; the strongest comes first. */
  readonly index: number;
  /** The driver's own name for the device. */
  readonly name: string;
  /** The driver and its version. */
  readonly driver: string;
  /** How the adapter computes; "unknown" where neither the driver nor the order of the list tells. */
  readonly kind: AdapterKind;
  /** The interface below WebGPU: "vulkan", "metal", "d3d12", or "webgpu" in a browser, which hides it. */
  readonly backend: string;
  /** The names of the WebGPU features that the adapter offers, sorted. */
  readonly features: readonly string[];
  /** The limits that a device opened on this adapter has, by WebGPU's names; sizes in bytes. */
  readonly limits: Readonly<Record<string, number>>;
  /** The sizes of the smallest and the largest subgroup in invocations, or `null` where there are no subgroups. */
  readonly subgroupSizes: readonly [number, number] | null;
  /** The request that finds this adapter again. */
  readonly request: AdapterRequest;
}

/** How a user names an adapter: by its index, by a part of its name, or as `listAdapters` gave it. */
export type AdapterSelector = number | string | AdapterInfo;

/** An adapter, and how a device is opened on it. */
export interface DeviceSelection {
  readonly adapter: AdapterInfo;
  /** The device's task, "draft", "middle" or "verify", by which errors and traces name the device. */
  readonly label: string;
  /** How many threads a software adapter may use; default: all. A user's LP_NUM_THREADS outranks this number. */
  readonly threads?: number;
}

/** A device as WebGPU has it, with the selection that it was opened by. */
export interface OpenedDevice {
  readonly gpu: GPUDevice;
  readonly adapter: AdapterInfo;
  readonly label: string;
  /** Whether the CPU does the work. */
  readonly software: boolean;
}

/**
 * A device gets these limits as its adapter has them: WebGPU's defaults have 128 MiB bindings and 8 storage buffers.
 */
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
/** The optional features that kernels use, where the adapter has them. */
export const USED_FEATURES: readonly string[] = ["shader-f16", "subgroups", "subgroup-size-control", "timestamp-query"];

/**
 * Dawn polls a GPU without pause for this time after each submission, in ms: a GPU is soon done, and the time until
 * somebody looks is lost. On a software adapter polling would take the very cores that compute, so there it naps.
 */
const POLL_MS = 20;

/**
 * Lists all adapters, strongest first: discrete, integrated, software. Where Linux has no Vulkan driver that Dawn
 * takes, a driver for the CPU is put in place first (software-adapter.ts). Throws an Error if there is no adapter.
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
 * The adapter with the index `selector`, or else the first one whose name has `selector` in it, in upper or lower case;
 * an adapter's description means the adapter of that index and name. Throws a RangeError, which lists all adapters,
 * where none is meant.
 */
export function findAdapter(adapters: readonly AdapterInfo[], selector: AdapterSelector): AdapterInfo {
  const found = typeof selector === "object"
    ? adapters.find(({ index, name }) => index === selector.index && name === selector.name)
    : adapterNamed(adapters, String(selector).trim().toLowerCase());
  if (found) return found;
  const wanted = typeof selector === "object" ? selector.name : selector;
  const list = adapters.map(({ index, name }) => `${index} "${name}"`).join(", ");
  throw new RangeError(`Cannot use device "${wanted}": no adapter has this index or name; there is ${list}`);
}

function adapterNamed(adapters: readonly AdapterInfo[], wanted: string): AdapterInfo | undefined {
  const byIndex = /^\d+$/.test(wanted) ? adapters[Number(wanted)] : undefined;
  return byIndex ?? adapters.find(({ name }) => wanted !== "" && name.toLowerCase().includes(wanted));
}

/**
 * Chooses the adapters that two models run on, or three where `chain` is given. Unless selected, the verify model gets
 * the strongest adapter, then the middle and the draft model another GPU if there is one, else another device on the
 * last one's adapter. Those that compute on the CPU share its threads evenly. Throws a RangeError where a selector
 * finds no adapter.
 */
export function chooseAdapters(
  adapters: readonly AdapterInfo[],
  draftSelector?: AdapterSelector,
  verifySelector?: AdapterSelector,
  chain?: { readonly middleSelector: AdapterSelector | undefined },
): { draft: DeviceSelection; verify: DeviceSelection; middle?: DeviceSelection } {
  const chosen: AdapterInfo[] = [];
  const choose = (selector?: AdapterSelector) => {
    const another = adapters.find((adapter) => !chosen.includes(adapter) && adapter.kind !== "software");
    const byDefault = chosen.length === 0 ? adapters[0]! : another ?? chosen.at(-1)!;
    chosen.push(selector === undefined ? byDefault : findAdapter(adapters, selector));
    return chosen.at(-1)!;
  };
  const [verify, middle, draft] = [
    choose(verifySelector),
    chain && choose(chain.middleSelector),
    choose(draftSelector),
  ];
  const onCpu = chosen.filter(({ kind }) => kind === "software").length;
  const selected = (adapter: AdapterInfo, label: string): DeviceSelection => {
    const shares = onCpu > 1 && adapter.kind === "software";
    return { adapter, label, threads: shares ? Math.max(1, Math.floor(cpuCount() / onCpu)) : undefined };
  };
  return {
    draft: selected(draft, "draft"),
    verify: selected(verify, "verify"),
    ...(middle && { middle: selected(middle, "middle") }),
  };
}

/**
 * Opens a new device with all limits that the adapter has, and with those of its features that kernels use. Two devices
 * on one adapter know nothing of each other. Throws an Error if the adapter gives no device.
 */
export async function openDevice(selection: DeviceSelection): Promise<OpenedDevice> {
  const { adapter: info, label, threads } = selection;
  const environment: Record<string, string> = { ...info.request.environment };
  if (threads !== undefined && getEnv("LP_NUM_THREADS") === undefined) {
    // With 0, llvmpipe computes on its queue's own thread. With 1 it wakes another thread for each dispatch, so that
    // even an empty dispatch takes 10 to 27 us instead of 0.1 us.
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

/** Whether an adapter of this name is SwiftShader, which wants shaders of its own (unrolled-text.ts). */
export function isSwiftShader(name: string): boolean {
  return /swiftshader/i.test(name);
}

interface Candidate {
  readonly request: AdapterRequest;
  readonly backend: string;
  /** The kind by the order in which Dawn lists adapters, or "unknown" where that order does not tell. */
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

/** The machine's own drivers. On Linux, where it has none or DRIVER_VARIABLE says so, a software adapter instead. */
async function findDriver(): Promise<Driver> {
  const choice = getEnv(DRIVER_VARIABLE) || undefined;
  const isLinux = system.startsWith("linux-");
  const asksOwn = choice === undefined || choice === "off";
  if (!isLinux || (asksOwn && await hasVulkanDriver())) {
    const names = await adapterNames("high-performance");
    if (names.length > 0 || !isLinux) return { environment: {}, names };
  }
  if (choice === "off") return { environment: {}, names: [] };
  await prepareDawn(); // This throws on a machine without Dawn, before a driver is fetched for nothing.
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
  // SwiftShader is the slowest adapter: a step of the embedded model takes 8 times as long on it as on llvmpipe (two
  // cores, 2026-11).
  const isSlowest = ({ request }: Candidate) => Number(isSwiftShader(request.name!));
  return candidates.sort((a, b) => isSlowest(a) - isSlowest(b));
}

/**
 * The kinds of the adapters `high`, in their order. Dawn does not tell the kind of an adapter, but sorts by it: `high`,
 * the list for high performance, has discrete, integrated, then software adapters, and `low`, the list for low power,
 * has integrated, discrete, then software adapters. So two GPUs that change places tell their kinds. Where all GPUs are
 * of one kind, both orders are the same and the kinds are "unknown".
 */
export function kindsByOrder(high: readonly AdapterName[], low: readonly AdapterName[]): AdapterKind[] {
  const rank = ({ name }: AdapterName) => low.findIndex((other) => other.name === name);
  return high.map((adapter, i) => {
    if (high.slice(i + 1).some((later) => rank(later) < rank(adapter))) return "discrete";
    return high.slice(0, i).some((earlier) => rank(earlier) > rank(adapter)) ? "integrated" : "unknown";
  });
}

/**
 * The environment in which Dawn finds GPU number `twin` of `twins` GPUs with the same name: Mesa's device-select layer,
 * which serves all drivers, moves the GPU with the PCI address in DRI_PRIME to the front. Where that layer is not
 * installed, Dawn finds the first GPU each time. This is untested for want of a machine with such GPUs.
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

/** Vendors that make GPUs of one kind only, by the names that WebGPU gives them. */
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
