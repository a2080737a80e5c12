import type { DeadLetter, DeadLetterSummary, RedriveAnswer, RedriveRequest } from "./api-types";
import { ApiError } from "./api";
import { decodeBase64, encodeBase64, formatHex, parseHex } from "./bytes";
import { humanize } from "./format";
import { splitJson } from "./json-tokens";
import type { Tone } from "./tone";

/** A dead letter's value and key as they are edited. */
export interface Draft {
  form: "text" | "hex";
  value: string;
  key: string;
}

/** Return a dead letter as its editor begins; a record without a value is mended as text. */
export function draftOf(letter: DeadLetter): Draft {
  const isBinary = letter.text === null && letter.base64 !== null;
  return {
    form: isBinary ? "hex" : "text",
    value: isBinary ? formatHex(decodeBase64(letter.base64)) : (letter.text ?? ""),
    key: letter.key ?? "",
  };
}

/** Return what a redrive would send; an error as text where the draft cannot be sent. */
export function redriveRequest(letter: DeadLetter, draft: Draft): RedriveRequest | string {
  const request: RedriveRequest = {};
  if (draft.key !== (letter.key ?? "")) {
    request.key = draft.key;
  }
  if (draft.form === "text") {
    return draft.value === (letter.text ?? "") ? request : { ...request, text: draft.value };
  }
  const bytes = parseHex(draft.value);
  if (bytes === null) {
    return "The value is no hex: pairs of 0–9 and a–f, with any white space between.";
  }
  const base64 = encodeBase64(bytes);
  return base64 === letter.base64 ? request : { ...request, base64 };
}

/**
 * Return a text with JSON in it indented, as it is where it is none.
 *
 * White space alone changes: numbers of any size, names that come twice and escapes are what is to be mended.
 */
export function indentJson(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  const pieces = splitJson(text).flatMap(({ text: piece, kind }) =>
    kind === "plain" ? [...piece.replace(/\s/g, "")] : [piece],
  );
  return pieces.reduce((whole, piece, index) => {
    const isEmpty = /^[[{]$/.test(pieces[index - 1] ?? "");
    if (/^[\]}]$/.test(piece)) {
      depth -= 1;
      return whole + (isEmpty ? "" : line()) + piece;
    }
    const before = isEmpty || pieces[index - 1] === "," ? line() : "";
    if (/^[[{]$/.test(piece)) {
      depth += 1;
    }
    return whole + before + piece + (piece === ":" ? " " : "");
  }, "");
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

/** Return letters of two lists, newest first, each once: pages overlap when letters come meanwhile. */
export function mergeLetters(newest: DeadLetterSummary[], older: DeadLetterSummary[]): DeadLetterSummary[] {
  const byId = new Map([...newest, ...older].map((letter) => [letter.id, letter]));
  return [...byId.values()];
}

/** Return how many letters are chosen, and where that is as many as can be redriven at once. */
export function describeChoice(chosen: number, most: number): string {
  if (chosen === 0) {
    return "";
  }
  return chosen < most ? `${chosen} chosen` : `${chosen} chosen, the most at once`;
}
