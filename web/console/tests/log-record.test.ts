import { describe, expect, it } from "vitest";
import type { CloudEvent, LogRecord } from "../src/lib/api-types";
import { splitJson } from "../src/lib/json-tokens";
import { describeRecord } from "../src/lib/log-record";

function record(
  topic: string,
  type: string | null,
  data: Record<string, unknown> = {},
  more = {},
): LogRecord {
  const event: CloudEvent | null =
    type === null
      ? null
      : {
          specversion: "1.0",
          id: "1",
          source: "/tests",
          type,
          time: "2026-01-01T12:00:00.000Z",
          data,
          ...more,
        };
  return { topic, partition: 1, offset: 2, at: "2026-01-01T12:00:00.000Z", key: "room-1", event };
}

describe("a record", () => {
  it("shows an event by its name, room, user and reason", () => {
    const data = { roomId: "room-1", userId: "bob", reason: "host_left" };
    const shown = describeRecord(
      record("broadcast.events", "cohost.GrantRevoked.v1", data, { causationid: "c-1" }),
    );
    expect(shown).toEqual({
      name: "GrantRevoked",
      tone: "neutral",
      roomId: "room-1",
      userId: "bob",
      note: "host left",
      causationId: "c-1",
      isCausedByCommand: true,
    });
  });

  it("shows a refusal by its command", () => {
    const data = { commandType: "cohost.AcceptInvitation.v1", reason: "room_full", roomId: "room-1" };
    expect(describeRecord(record("invitations.rejections", "cohost.CommandRejected.v1", data))).toMatchObject(
      {
        name: "AcceptInvitation",
        tone: "warn",
        note: "refused: room full",
      },
    );
  });

  it("shows a tombstone by its key, and no cause that is a place in the log as a command", () => {
    const badge = { ...record("badges", null), key: "room-1/bob" };
    expect(describeRecord(badge)).toMatchObject({ name: "BadgeRemoved", roomId: "room-1", userId: "bob" });
    expect(describeRecord(record("rooms", null))).toMatchObject({ name: "RoomRemoved", roomId: "room-1" });
    const caused = record(
      "invitations.events",
      "cohost.StageChanged.v1",
      {},
      { causationid: "cohost.rooms:3:17" },
    );
    expect(describeRecord(caused).isCausedByCommand).toBe(false);
  });
});

describe("JSON", () => {
  it("is split into pieces that are the whole", () => {
    const text = JSON.stringify({ a: 'x"y: 1', b: [1, -2.5e3, true, null], c: {} }, null, 2);
    const tokens = splitJson(text);
    expect(tokens.map((token) => token.text).join("")).toBe(text);
    expect(tokens.filter(({ kind }) => kind !== "plain").map((token) => [token.kind, token.text])).toEqual([
      ["name", '"a"'],
      ["string", '"x\\"y: 1"'],
      ["name", '"b"'],
      ["number", "1"],
      ["number", "-2500"],
      ["word", "true"],
      ["word", "null"],
      ["name", '"c"'],
    ]);
  });
});
