/**
 * The layout entries of the bindings that a WGSL text declares in group 0, so that their types stand in WGSL alone. The
 * number of a binding may be a constant by its name.
 */
export function layoutEntries(code: string): GPUBindGroupLayoutEntry[] {
  const bindingOf = (text: string) =>
    Number(/^\d/.test(text) ? text : new RegExp(`const ${text} = (\\d+)u;`).exec(code)?.[1]);
  const textures = code.matchAll(
    /@group\(0\) @binding\((\w+)\) var \w+: texture_storage_2d<(\w+), (read|write)>/g,
  );
  const declared = code.matchAll(/@group\(0\) @binding\((\w+)\) var<(uniform|storage, read_write|storage, read)>/g);
  const types = { uniform: "uniform", "storage, read": "read-only-storage", "storage, read_write": "storage" } as const;
  const visibility = 4; // GPUShaderStage.COMPUTE
  return [
    ...[...declared].map(([, binding, space]) => (
      { binding: bindingOf(binding!), visibility, buffer: { type: types[space as keyof typeof types] } }
    )),
    ...[...textures].map(([, binding, format, access]) => ({
      binding: bindingOf(binding!),
      visibility,
      storageTexture: {
        format: format as GPUTextureFormat,
        access: access === "read" ? "read-only" as const : "write-only" as const,
      },
    })),
  ].sort((a, b) => a.binding - b.binding);
}

/** The compilation errors in one line, each with its line, column and source text; "" where there are no errors. */
export function describeShaderErrors(code: string, info: GPUCompilationInfo): string {
  const lines = code.split("\n");
  return info.messages.filter(({ type }) => type === "error")
    .map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message} in "${lines[lineNum - 1]?.trim() ?? ""}"`)
    .join("; ");
}

/**
 * The text of one WGSL module: `enable subgroups` if a part calls a subgroup function, then the constants (whole
 * numbers as u32, other numbers as f32), then the parts.
 */
export function shaderText(constants: Readonly<Record<string, number | boolean>>, parts: readonly string[]): string {
  const body = parts.join("\n");
  const head = Object.entries(constants).map(([name, value]) =>
    `const ${name} = ${typeof value === "boolean" ? value : Number.isInteger(value) ? `${value}u` : `${value}f`};`
  );
  if (/\bsubgroup[A-Z]/.test(body)) head.unshift("enable subgroups;");
  return `${head.join("\n")}\n${body}`;
}
