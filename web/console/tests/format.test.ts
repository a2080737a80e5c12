import { describe, expect, it } from "vitest";
import {
  formatAge,
  formatBytes,
  formatDateTime,
  formatDuration,
  formatNumber,
  formatRate,
  formatTime,
  humanize,
  shortType,
} from "../src/lib/format";

describe("numbers", () => {
  it.each([
    [null, "–"],
    [undefined, "–"],
    [0, "0"],
    [1234567, "1,234,567"],
  ])("show %s as %s", (value, text) => expect(formatNumber(value)).toBe(text));

  it.each([
    [null, "–"],
    [0, "0.0"],
    [51.26, "51.3"],
    [1234.5, "1,235"],
  ])("show the rate %s as %s", (value, text) => expect(formatRate(value)).toBe(text));

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1500, "1.5 kB"],
    [3_200_000, "3.2 MB"],
  ])("show %s bytes as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe("times", () => {
  it.each([
    [12, "12 ms"],
    [1500, "1 s"],
    [60_000, "1 min"],
    [250_000, "4 min 10 s"],
    [7_260_000, "2 h 1 min"],
    [90_000_000, "1 d 1 h"],
  ])("show %s ms as %s", (milliseconds, text) => expect(formatDuration(milliseconds)).toBe(text));

  it.each([
    [0, "now"],
    [-1500, "now"],
    [5000, "5 s ago"],
    [-5000, "in 5 s"],
  ])("show an age of %s ms as %s", (age, text) => expect(formatAge(1_000_000, 1_000_000 + age)).toBe(text));

  it("are local, with milliseconds where they matter", () => {
    const at = new Date(2026, 0, 31, 4, 5, 6, 7);
    expect(formatTime(at.getTime())).toBe("04:05:06.007");
    expect(formatDateTime(at.toISOString())).toBe("2026-01-31 04:05:06");
  });
});

describe("names", () => {
  it.each([
    ["cohost.InvitationSent.v1", "InvitationSent"],
    ["com.example.Other", "com.example.Other"],
  ])("show the type %s as %s", (type, text) => expect(shortType(type)).toBe(text));

  it.each([
    ["invitation_not_pending", "invitation not pending"],
    ["waitingReconnect", "waiting reconnect"],
  ])("show %s as %s", (word, text) => expect(humanize(word)).toBe(text));
});
