import type { DeadLetter, RedriveAnswer, RedriveRequest } from "./api-types";
import { ApiError } from "./api";
import { encodeBase64, parseHex } from "./bytes";
import { humanize } from "./format";
import type { Tone } from "./tone";

/** A dead letter's value and key as they are edited. */
export interface Draft {
  form: "text" | "hex";
  value: string;
  key: string;
}

/** Return what a redrive would send; an error as text where the draft cannot be sent. */
export function redriveRequest(letter: DeadLetter, draft: Draft): RedriveRequest | string {
  const request: RedriveRequest = {};
  if (draft.key !== (letter.key ?? "")) {
    request.key = draft.key;
  }
  if (draft.form === "text") {
    return draft.value === letter.text ? request : { ...request, text: draft.value };
  }
  const bytes = parseHex(draft.value);
  if (bytes === null) {
    return "The value is no hex: pairs of 0–9 and a–f, with any white space between.";
  }
  const base64 = encodeBase64(bytes);
  return base64 === letter.base64 ? request : { ...request, base64 };
}

/** Return a text with JSON in it indented, as it is where it is none. */
export function indentJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Return the answer to a redrive, also where it is a refusal that has the same fields. */
export async function withVerdict(redrive: Promise<RedriveAnswer>): Promise<RedriveAnswer> {
  try {
    return await redrive;
  } catch (error) {
    if (error instanceof ApiError && error.reason === "still_broken") {
      return error.problem as unknown as RedriveAnswer;
    }
    throw error;
  }
}

/** Return how a verdict is shown. */
export function describeVerdict({ written, verdict }: RedriveAnswer): { text: string; tone: Tone } {
  if (written) {
    return { text: "redriven", tone: "good" };
  }
  return verdict === "ok"
    ? { text: "would be taken", tone: "accent" }
    : { text: humanize(verdict), tone: "bad" };
}
