import { describe, expect, it } from "vitest";
import { graceAt, graceLength } from "../src/lib/grace";
import { ServerClock } from "../src/lib/server-clock";
import { LogBuilder } from "./log-builder";

const ENDS_AT = "2026-01-01T12:01:00.000Z";
const ENDS = Date.parse(ENDS_AT);

describe("a grace", () => {
  it("shrinks from all to nothing", () => {
    expect(graceAt(ENDS_AT, 60_000, ENDS - 60_000)).toEqual({ leftMs: 60_000, fraction: 1 });
    expect(graceAt(ENDS_AT, 60_000, ENDS - 15_000)).toEqual({ leftMs: 15_000, fraction: 0.25 });
    expect(graceAt(ENDS_AT, 60_000, ENDS + 5_000)).toEqual({ leftMs: 0, fraction: 0 });
  });

  it("is whole while its length is unknown or shorter than what is left", () => {
    expect(graceAt(ENDS_AT, null, ENDS - 20_000).fraction).toBe(1);
    expect(graceAt(ENDS_AT, 10_000, ENDS - 20_000).fraction).toBe(1);
  });

  it("has the length from the disconnection to its end", () => {
    const log = new LogBuilder();
    const data = { userId: "bob", at: "2026-01-01T12:00:30.000Z", graceEndsAt: ENDS_AT };
    log.effect("broadcast.events", "CoHostDisconnected", "s", data);
    expect(graceLength(log.records, "bob", ENDS_AT)).toBe(30_000);
    expect(graceLength(log.records, "carol", ENDS_AT)).toBeNull();
  });
});

describe("the server's clock", () => {
  it("is this machine's until an answer names the time", () => {
    expect(new ServerClock().offset).toBe(0);
  });

  it("goes by the answer that was least behind", () => {
    const clock = new ServerClock(() => 10_000);
    for (const time of [12_500, 13_000, 12_800]) {
      clock.observe(new Date(time).toISOString());
    }
    expect(clock.offset).toBe(3_000);
  });

  it("learns again after a clock was set", () => {
    let now = 10_000;
    const clock = new ServerClock(() => now);
    clock.observe(new Date(10_000).toISOString());
    now = 70_000;
    for (let count = 0; count < 10; count += 1) {
      clock.observe(new Date(10_000).toISOString());
    }
    expect(clock.offset).toBe(-60_000);
  });

  it("ignores what is no time", () => {
    const clock = new ServerClock(() => 10_000);
    clock.observe("soon");
    expect(clock.offset).toBe(0);
  });
});
