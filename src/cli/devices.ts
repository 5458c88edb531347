import { buildCommand } from "@stricli/core";
import { type AdapterInfo, listAdapters, USED_FEATURES } from "../gpu/adapters.ts";

export const devicesCommand = buildCommand({
  docs: { brief: "List the devices that models can run on" },
  parameters: { flags: { json: { kind: "boolean", brief: "As JSON", default: false } } },
  func: async ({ json }: { readonly json: boolean }) => {
    const adapters = await listAdapters();
    if (json) console.log(JSON.stringify(adapters.map(({ request: _, ...shown }) => shown), null, 2));
    else for (const adapter of adapters) console.log(describeAdapter(adapter));
  },
});

function describeAdapter({ index, name, driver, kind, backend, features, limits, subgroupSizes }: AdapterInfo): string {
  const mib = (bytes = 0) => `${Math.floor(bytes / 2 ** 20)} MiB`;
  return [
    `${index}  ${name}`,
    `   ${kind}, ${backend}, ${driver}`,
    `   features: ${features.filter((f) => USED_FEATURES.includes(f)).join(", ") || "none"}; ` +
    `subgroups: ${subgroupSizes?.join(" to ") ?? "none"}`,
    `   buffers of ${mib(limits.maxBufferSize)}, bindings of ${mib(limits.maxStorageBufferBindingSize)}, ` +
    `${limits.maxStorageBuffersPerShaderStage} a shader`,
  ].join("\n");
}
