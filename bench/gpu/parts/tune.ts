// Every variant of the products by format and shape, the model's own shapes first, and the table that would ship.

import { chooseAdapters, listAdapters, openDevice } from "../../../src/gpu/adapters.ts";
import { Device } from "../../../src/gpu/device.ts";
import { tune } from "../../../src/llama/tune.ts";
import { partOptions, tell } from "../part.ts";
import { SHAPES } from "../random-model.ts";

const { scale } = partOptions();
const { hidden, feedForward } = SHAPES[scale]["8B"];
const small = SHAPES[scale]["1B"];
const shapes = [
  { n: 2 * feedForward, k: hidden },
  { n: hidden, k: feedForward },
  { n: hidden, k: hidden },
  { n: 2 * small.feedForward, k: small.hidden },
  { n: small.hidden, k: small.feedForward },
];

const device = new Device(await openDevice(chooseAdapters(await listAdapters()).verify));
for (const type of ["Q4_K", "Q8_0", "Q6_K", "F16"] as const) {
  for (const shape of scale === "full" ? shapes : shapes.slice(0, 1)) {
    for (const { variant, ms, score, problem, chosen } of await tune(device, { types: [type], shapes: [shape] })) {
      tell(`${type} ${shape.n} x ${shape.k}: ${variant}`, { ms, score, problem, chosen });
    }
  }
}
device.close();
