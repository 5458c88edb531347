import { buildCommand } from "@stricli/core";
import { chooseAdapters, listAdapters, openDevice } from "../gpu/adapters.ts";
import { Device } from "../gpu/device.ts";
import { chosenOf, type Measurement, tune, TUNED_ROWS } from "../llama/tune.ts";
import { tuningKey, writeTuning } from "../llama/tuning.ts";
import { textTable } from "../util/text-table.ts";
import { text } from "./flags.ts";
import { Progress } from "./output.ts";

interface TuneFlags {
  readonly device?: string;
  readonly json: boolean;
}

export const tuneCommand = buildCommand({
  docs: {
    brief: "Measure which kernels suit a device, and keep the choice",
    fullDescription:
      "Times products of 1, 2, 4 and 8 rows (one row counts twice) by every variant of the kernels that the device " +
      "can run and that gives right results, for each weight format and two shapes, and keeps the fastest in the " +
      "user's cache folder, where loading a model finds it. A default that is hardly slower stays. Another choice " +
      "sums in another order, so the text may change.",
  },
  parameters: {
    flags: {
      device: text("Index or part of the name (see the devices command); default: the verify model's", "DEVICE"),
      json: { kind: "boolean", brief: "As JSON", default: false },
    },
  },
  func: async ({ device: selector, json }: TuneFlags) => {
    // The device gets the threads that a verify lane has beside a draft lane: with others another variant may win.
    const { verify } = chooseAdapters(await listAdapters(), selector, selector);
    const device = new Device(await openDevice({ ...verify, label: "tuned" }));
    const progress = new Progress();
    try {
      const measurements = await tune(device, {
        onProgress: (done, total) => progress.show(`measuring ${done + 1} of ${total}`),
      });
      progress.clear();
      const file = await writeTuning(device, chosenOf(measurements));
      const key = tuningKey(device);
      if (json) console.log(JSON.stringify({ ...key, rows: TUNED_ROWS, measurements, file }, null, 2));
      else {
        console.log(`${key.adapter}, ${key.driver}: ms a product`);
        console.log(measurementsText(measurements));
        console.log(`kept in ${file}`);
      }
    } finally {
      progress.clear();
      device.close();
    }
  },
});

function measurementsText(measurements: readonly Measurement[]): string {
  const ms = (value: number | undefined) => value === undefined ? "-" : value.toFixed(value < 10 ? 3 : 1);
  return textTable([
    ["format", "matrix", "kernels", ...TUNED_ROWS.map((rows) => `${rows} row${rows > 1 ? "s" : ""}`), "mean", ""],
    ...measurements.map(({ type, n, k, variant, ms: times, score, problem, isDefault, chosen }) => [
      type,
      `${n} x ${k}`,
      variant,
      ...TUNED_ROWS.map((_, i) => ms(times?.[i])),
      ms(score ?? undefined),
      problem ?? [chosen && "chosen", isDefault && "default"].filter(Boolean).join(", "),
    ]),
  ]);
}
