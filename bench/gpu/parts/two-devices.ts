// Two devices on the first adapter: how much of the one's work goes on beside the other's.

import { chooseAdapters, listAdapters, openDevice } from "../../../src/gpu/adapters.ts";
import { Device } from "../../../src/gpu/device.ts";
import { openModelFile } from "../../../src/engine/model-pair.ts";
import { Llama } from "../../../src/llama/llama.ts";
import { decode } from "../../fixture.ts";
import { partOptions, tell, timed } from "../part.ts";
import { randomModel } from "../random-model.ts";

const { scale, scratch } = partOptions();
const STEPS = scale === "full" ? 200 : 8;

const { path } = await randomModel(scratch, scale, "1B", "Q4_K_M");
const { verify: { adapter } } = chooseAdapters(await listAdapters());
const [one, two] = await Promise.all(["verify", "draft"].map(async (label) => {
  const device = new Device(await openDevice({ adapter, label }));
  const { checkpoint, config } = await openModelFile(path);
  const llama = await Llama.load(device, checkpoint, config, { capacity: 1024 });
  await checkpoint.close();
  await decode(llama, 1, 256, 4);
  return { llama, device };
})) as [{ llama: Llama; device: Device }, { llama: Llama; device: Device }];

const stepMs = async (llama: Llama) => (await decode(llama, 1, 256, STEPS)).wallMs / STEPS;
for (let round = 0; round < 3; round++) {
  const aloneMs = [await stepMs(one.llama), await stepMs(two.llama)];
  const { ms, value } = await timed(() => Promise.all([stepMs(one.llama), stepMs(two.llama)]));
  tell(`round ${round + 1}`, {
    aloneMs: aloneMs[0],
    otherAloneMs: aloneMs[1],
    togetherMs: value[0],
    otherTogetherMs: value[1],
    // 1: as if each had the card to itself; 2: as if they took turns.
    slowdown: ms / STEPS / Math.max(...aloneMs),
  });
}
for (const { device } of [one, two]) device.close();
