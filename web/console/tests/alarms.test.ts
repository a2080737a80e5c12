import { describe, expect, it } from "vitest";
import { collectAlarms } from "../src/lib/alarms";
import type { Activity, Overview } from "../src/lib/api-types";

const AT = "2026-01-01T12:00:00.000Z";
const CALM: Overview = {
  at: AT,
  roomsOpen: 1,
  pending: 0,
  seats: 0,
  connected: 0,
  inGrace: 0,
  outOfSync: 0,
  failingGrants: 0,
  lag: 0,
  outboxBatches: 0,
  lanes: 24,
  lanesWithoutOwner: 0,
  takeovers: 24,
  unavailable: [],
};
const SILENT: Activity = {
  since: AT,
  commandsPerSecond: 0,
  samples: [],
  refusals: [],
  alarms: [],
  newest: [],
  unreadable: [],
};

describe("alarms", () => {
  it("are none while all is well, or nothing is known", () => {
    expect(collectAlarms(CALM, SILENT)).toEqual([]);
    expect(collectAlarms(null, null)).toEqual([]);
  });

  it.each<[Partial<Overview>, string, string]>([
    [{ lanesWithoutOwner: 1 }, "A lane has no owner", "#/system"],
    [{ lanesWithoutOwner: 3 }, "3 lanes have no owner", "#/system"],
    [{ unavailable: ["broadcast"] }, "broadcast does not answer", "#/system"],
    [{ failingGrants: 1 }, "A grant is failing", "#/rooms"],
    [{ failingGrants: 2 }, "2 grants are failing", "#/rooms"],
  ])("come from the state: %j", (changed, title, link) => {
    expect(collectAlarms({ ...CALM, ...changed }, SILENT)).toMatchObject([{ title, link, at: null }]);
  });

  it("that are alike are one, so that a burst hides no other", () => {
    const letter: Activity["alarms"][0] = {
      kind: "dead_letter",
      at: AT,
      roomId: null,
      userId: null,
      detail: "invalid_fact",
    };
    const older = { ...letter, at: "2026-01-01T11:00:00.000Z" };
    const intruder = { ...letter, kind: "intruder_removed" as const, roomId: "room-1", userId: "eve" };
    const alarms = [letter, intruder, ...Array.from({ length: 98 }, () => older)];
    expect(collectAlarms(CALM, { ...SILENT, alarms })).toMatchObject([
      { title: "A dead letter came × 99", at: AT },
      { title: "An intruder was removed", at: AT },
    ]);
  });

  it("come from the log, with where to look", () => {
    const alarms: Activity["alarms"] = [
      { kind: "dead_letter", at: AT, roomId: "room-1", userId: null, detail: "invalid_fact" },
      { kind: "intruder_removed", at: AT, roomId: "room-1", userId: "mallory", detail: "removed" },
      { kind: "grant_failed", at: AT, roomId: "room-1", userId: "bob", detail: null },
    ];
    expect(collectAlarms(CALM, { ...SILENT, alarms })).toEqual([
      {
        title: "A dead letter came",
        detail: "invalid fact",
        at: AT,
        link: "#/dead-letters",
        linkText: "Dead letters",
      },
      {
        title: "An intruder was removed",
        detail: "mallory: removed",
        at: AT,
        link: "#/rooms/room-1",
        linkText: "room-1",
      },
      { title: "A grant failed for good", detail: "bob", at: AT, link: "#/rooms/room-1", linkText: "room-1" },
    ]);
  });

  it("say what the gateway may not read", () => {
    const [alarm] = collectAlarms(CALM, { ...SILENT, unreadable: ["badges"] });
    expect(alarm).toMatchObject({ title: "A topic cannot be read", link: "#/system" });
    expect(alarm?.detail).toContain("badges");
  });
});
