import { test } from "uvu";
import * as assert from "uvu/assert";
import { describeTypeId, FORMATS, type TensorType, typeOfId } from "../../src/checkpoint/formats.ts";

test("a type is found by its number in the file", () => {
  for (const type of Object.keys(FORMATS) as TensorType[]) assert.is(typeOfId(FORMATS[type].id), type);
  assert.is(typeOfId(17), undefined);
  assert.is(describeTypeId(17), "IQ2_XS (17)");
  assert.is(describeTypeId(12), "Q4_K (12)");
  assert.is(describeTypeId(4242), "unknown (4242)");
});

test.run();
