import type { Device } from "../gpu/device.ts";
import lanesSubgroup from "./lanes-subgroup.wgsl" with { type: "text" };
import lanesWorkgroup from "./lanes-workgroup.wgsl" with { type: "text" };

/** How a device's invocations share a matrix product; see the heads of lanes-subgroup.wgsl and lanes-workgroup.wgsl. */
export interface Lanes {
  readonly kind: "subgroup" | "workgroup";
  /** Invocations of a workgroup. */
  readonly lanes: number;
  /** How many of them own rows: all, or 1 where they split k. */
  readonly rowLanes: number;
  readonly source: string;
}

/** Row lanes of 4 or 8, at most the smallest subgroup. */
export function subgroupLanes(lanes: 4 | 8): Lanes {
  return { kind: "subgroup", lanes, rowLanes: lanes, source: lanesSubgroup };
}

/** Lanes that split k; needs no subgroups. */
export function workgroupLanes(lanes = 64): Lanes {
  return { kind: "workgroup", lanes, rowLanes: 1, source: lanesWorkgroup };
}

/** Row lanes on a software adapter with subgroups (a CPU's vector lanes), split k on all else. */
export function lanesFor(device: Device): Lanes {
  if (!device.software || device.smallestSubgroup < 4) return workgroupLanes();
  return subgroupLanes(device.smallestSubgroup >= 8 ? 8 : 4);
}
