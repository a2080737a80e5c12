import { describe, expect, it } from "vitest";
import { ApiError } from "../src/lib/api";
import type { DeadLetter, RedriveAnswer } from "../src/lib/api-types";
import {
  describeChoice,
  describeVerdict,
  draftOf,
  indentJson,
  mergeLetters,
  redriveRequest,
  withVerdict,
} from "../src/lib/redrive";

const LETTER: DeadLetter = {
  id: "invitations:3:17",
  service: "invitations",
  reason: "not_a_cloud_event",
  topic: "cohost.invitations.commands",
  partition: 3,
  offset: 4711,
  at: "2026-01-01T12:00:00.000Z",
  key: "room-1",
  bytes: 2,
  isTruncated: false,
  text: "{}",
  base64: "e30=",
  headers: [],
  explanation: "It is empty.",
  canRedrive: true,
  whyNot: null,
};
const ANSWER: RedriveAnswer = {
  id: LETTER.id,
  written: false,
  verdict: "not_a_cloud_event",
  explanation: "It is empty.",
  topic: LETTER.topic,
  partition: 3,
  commandId: null,
  causationId: null,
  warning: null,
};

describe("a draft", () => {
  it("sends only what was changed", () => {
    expect(redriveRequest(LETTER, { form: "text", value: "{}", key: "room-1" })).toEqual({});
    expect(redriveRequest(LETTER, { form: "hex", value: "7b 7d", key: "room-1" })).toEqual({});
    expect(redriveRequest(LETTER, { form: "text", value: "[]", key: "room-2" })).toEqual({
      text: "[]",
      key: "room-2",
    });
    expect(redriveRequest(LETTER, { form: "hex", value: "00FF", key: "room-1" })).toEqual({ base64: "AP8=" });
  });

  it("is not sent where its hex is none", () => {
    expect(redriveRequest(LETTER, { form: "hex", value: "0x", key: "room-1" })).toContain("no hex");
  });

  it.each([
    ["a tombstone", null, 0],
    ["an empty value", "", 0],
    ["bytes", "gP8=", 2],
  ])("that nobody touched sends nothing: %s", (_, base64, bytes) => {
    const text = base64 === "" ? "" : null;
    const letter = { ...LETTER, text, base64, bytes };
    expect(redriveRequest(letter, draftOf(letter))).toEqual({});
  });

  it("of a tombstone is mended as text", () => {
    const letter = { ...LETTER, text: null, base64: null };
    expect(redriveRequest(letter, { ...draftOf(letter), value: "{}" })).toEqual({ text: "{}" });
  });

  it.each([
    '{"n":12345678901234567890,"x":1.0,"a":1,"a":2,"s":"\\u0001 [,] \\"}"}',
    '[{"a":[1,[],{}]},null,-1e400]',
  ])("keeps all but white space when it is indented: %s", (text) => {
    const indented = indentJson(text);
    expect(
      indented
        .split("\n")
        .map((line) => line.trim().replace(/^("[^"]*":) /, "$1"))
        .join(""),
    ).toBe(text);
    expect(indented).toBe(indentJson(indented));
  });

  it("is indented where it is JSON", () => {
    expect(indentJson('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(indentJson("{a")).toBe("{a");
  });
});

describe("a list of letters", () => {
  it("has each once, also where pages overlap", () => {
    const [first, second, third] = ["1", "2", "3"].map((id) => ({ ...LETTER, id }));
    expect(mergeLetters([first!, second!], [second!, third!, third!])).toEqual([first, second, third]);
  });

  it("tells where no more can be chosen", () => {
    expect([0, 3, 100].map((chosen) => describeChoice(chosen, 100))).toEqual([
      "",
      "3 chosen",
      "100 chosen, the most at once",
    ]);
  });
});

describe("a verdict", () => {
  it("is read from a refusal too", async () => {
    const refusal = new ApiError(409, "still_broken", "It is still broken.", ANSWER as object);
    expect(await withVerdict(Promise.reject(refusal))).toEqual(ANSWER);
  });

  it("is not read from other failures", async () => {
    const failure = new ApiError(503, "unavailable", "Kafka does not answer.");
    await expect(withVerdict(Promise.reject(failure))).rejects.toBe(failure);
  });

  it.each<[Partial<RedriveAnswer>, string, string]>([
    [{}, "not a cloud event", "bad"],
    [{ verdict: "ok" }, "would be taken", "accent"],
    [{ verdict: "ok", written: true }, "redriven", "good"],
  ])("is shown for %j", (changed, text, tone) => {
    expect(describeVerdict({ ...ANSWER, ...changed })).toEqual({ text, tone });
  });
});
