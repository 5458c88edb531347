import { test } from "uvu";
import { installedPackage } from "./installed.ts";

/** Runs a file of tests of the command line by the npm package under Node; without npm it is a printed skip. */
export async function onNode(load: () => Promise<unknown>): Promise<void> {
  const folder = await installedPackage();
  if (folder === null) {
    console.log("skipped, there is no npm here: the command line runs under Deno alone");
    test.skip("the command line under Node", () => {});
    test.run();
    return;
  }
  Deno.env.set("AMUSD_TEST_HOST", folder);
  await load();
}
