import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { AdapterInfo } from "../../gpu/adapters.ts";
import type { Reading, Source } from "./reading.ts";

const VENDORS = { amd: "0x1002", intel: "0x8086" } as const;

interface Card {
  readonly folder: string;
  readonly address: string | undefined;
  readonly vendor: string | null;
  /** The size of the card's own memory; 0 where it shares the machine's. */
  readonly vramBytes: number;
}

/**
 * An AMD or Intel GPU as Linux's drivers tell of it under `root`. The card is found by its PCI address. Where that is
 * not known, it is found by the vendor, and of several cards of one vendor by whether the adapter is the discrete or
 * the integrated one. Null where there is no such card, or it can't be told which one it is.
 */
export async function cardSource(
  adapter: Pick<AdapterInfo, "name" | "driver" | "kind">,
  address: string | undefined,
  root = "/sys",
): Promise<Source | null> {
  const names = `${adapter.name} ${adapter.driver}`;
  const vendor = /\b(amd|radeon|radv)\b/i.test(names) ? VENDORS.amd : /\bintel\b/i.test(names) ? VENDORS.intel : null;
  const cards = (await cardsOf(root)).filter((card) => card.vendor === vendor);
  const card = address !== undefined ? cards.find((card) => card.address === address) : cardOfKind(cards, adapter.kind);
  return card ? readerOf(card.folder) : null;
}

function cardOfKind(cards: readonly Card[], kind: AdapterInfo["kind"]): Card | undefined {
  if (cards.length < 2) return cards[0];
  // Intel's integrated GPU always has this address; AMD's has a small piece of the machine's memory set aside.
  const size = ({ address, vramBytes }: Card) => address === "0000:00:02.0" ? -1 : vramBytes;
  const sorted = cards.toSorted((a, b) => size(a) - size(b));
  const [chosen, next] = kind === "discrete" ? [sorted.at(-1)!, sorted.at(-2)!] : [sorted[0]!, sorted[1]!];
  return kind !== "unknown" && size(chosen) !== size(next) ? chosen : undefined;
}

async function cardsOf(root: string): Promise<Card[]> {
  const drm = path.join(root, "class", "drm");
  const names = (await list(drm)).filter((name) => /^card\d+$/.test(name));
  return await Promise.all(names.map(async (name) => {
    const folder = path.join(drm, name, "device");
    return {
      folder,
      address: /^PCI_SLOT_NAME=(.+)$/m.exec(await read(path.join(folder, "uevent")) ?? "")?.[1]?.toLowerCase(),
      vendor: await read(path.join(folder, "vendor")),
      vramBytes: await readNumber(path.join(folder, "mem_info_vram_total")) ?? 0,
    };
  }));
}

async function readerOf(folder: string): Promise<Source> {
  const monitors = (await list(path.join(folder, "hwmon"))).map((name) => path.join(folder, "hwmon", name));
  const readPower = async () => {
    for (
      const file of monitors.flatMap((at) => ["power1_average", "power1_input"].map((name) => path.join(at, name)))
    ) {
      const microwatts = await readNumber(file);
      if (microwatts !== null) return microwatts / 1e6;
    }
    return null;
  };
  const readEnergy = async () => {
    for (const at of monitors) {
      const microjoules = await readNumber(path.join(at, "energy1_input"));
      if (microjoules !== null) return microjoules / 1e6;
    }
    return null;
  };
  let before: { readonly joules: number; readonly ms: number } | null = null;
  return async (nowMs): Promise<Reading> => {
    const [percent, memoryBytes, watts, joules] = await Promise.all([
      readNumber(path.join(folder, "gpu_busy_percent")),
      readNumber(path.join(folder, "mem_info_vram_used")),
      readPower(),
      readEnergy(),
    ]);
    // Energy since the sample before. The counter begins anew when the driver does.
    const spent = before !== null && joules !== null && nowMs > before.ms && joules >= before.joules
      ? 1000 * (joules - before.joules) / (nowMs - before.ms)
      : null;
    before = joules === null ? null : { joules, ms: nowMs };
    return {
      utilization: percent === null || percent > 100 ? null : percent / 100,
      memoryBytes,
      powerWatts: watts ?? spent,
    };
  };
}

async function readNumber(file: string): Promise<number | null> {
  const text = await read(file);
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

/** A file's text without the spaces around it; null where it can't be read. */
function read(file: string): Promise<string | null> {
  return readFile(file, "utf8").then((text) => text.trim(), () => null);
}

function list(folder: string): Promise<string[]> {
  return readdir(folder).then((names) => names.sort(), () => []);
}
