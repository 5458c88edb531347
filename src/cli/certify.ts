import { buildCommand } from "@stricli/core";
import process from "node:process";
import type { Certificate, Claim } from "../../mod.ts";
import { isRecord } from "../util/is-record.ts";
import { UsageError } from "./errors.ts";
import { readContent } from "./input.ts";
import { loadEngine, type ModelFlags, modelFlags } from "./models.ts";

interface CertifyFlags extends ModelFlags {
  readonly json: boolean;
}

export const certifyCommand = buildCommand({
  docs: {
    brief: "Check that a record's text is the verify model's own",
    fullDescription:
      "Takes a record that generate --json or --output-file wrote, feeds its text through the verify model, and says " +
      "of each token whether that model alone chooses it. It takes one pass for 16 tokens. Exit code 1 where it parts.",
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "File of the record, - is standard input", placeholder: "RECORD" }],
    },
    flags: { ...modelFlags, json: { kind: "boolean", brief: "As JSON", default: false } },
  },
  func: async (flags: CertifyFlags, file: string) => {
    const claim = await readClaim(file);
    const length = claim.promptTokens.length + claim.tokens.length;
    const engine = await loadEngine({ ...flags, drafter: "none" }, false, () => length + 1);
    let certificate: Certificate;
    try {
      certificate = await engine.certify(claim);
    } finally {
      await engine.close();
    }
    if (flags.json) console.log(JSON.stringify(certificate));
    else console.log(certificateText(certificate));
    if (certificate.parting) process.exitCode = 1;
  },
});

async function readClaim(file: string): Promise<Claim> {
  const wrong = (state: string) =>
    new UsageError(`Cannot certify "${file}": ${state}; give a record of generate --json or --output-file`);
  let record: unknown;
  try {
    record = JSON.parse(await readContent(file, "certify"));
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong("it is no JSON");
    throw error;
  }
  if (!isRecord(record)) throw wrong("it is no record");
  const { promptTokens, tokens, sampling, modelHash } = record;
  const isTokens = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length > 0 && value.every((token) => Number.isInteger(token));
  if (!isTokens(promptTokens) || !isTokens(tokens)) throw wrong('it has no "promptTokens" or no "tokens"');
  if (typeof modelHash !== "string") throw wrong('it has no "modelHash"');
  if (sampling !== null && !isSampling(sampling)) throw wrong('its "sampling" is none');
  return { promptTokens, tokens, sampling, modelHash };
}

function isSampling(value: unknown): value is NonNullable<Claim["sampling"]> {
  const fields = ["temperature", "topK", "topP", "minP", "seed"];
  return isRecord(value) && fields.every((field) => Number.isFinite(value[field]));
}

function certificateText({ certified, tokens, parting }: Certificate): string {
  const count = `certified: ${certified} of ${tokens} tokens`;
  if (!parting) return count;
  return `${count}; at token ${parting.index} the model chooses ${parting.chosen}, the record has ${parting.token}`;
}
