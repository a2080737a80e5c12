import { describe, expect, it } from "vitest";
import type { RoomSummary, StageSummary } from "../src/lib/api-types";
import { orderByTrouble, troubleSigns } from "../src/lib/trouble";

function room(roomId: string): RoomSummary {
  const counts = { maxCoHosts: 5, pending: 0, seats: 0 };
  return { roomId, hostId: "alice", title: null, status: "live", open: true, ...counts };
}

function stage(roomId: string, changes: Partial<StageSummary> = {}): StageSummary {
  const counts = { seats: 1, connected: 1, inGrace: 0, neverConnected: 0, poorQuality: 0 };
  return {
    roomId,
    hostConnected: true,
    ...counts,
    outOfSync: 0,
    failingGrants: 0,
    trouble: 0,
    ...changes,
  };
}

describe("rooms", () => {
  it("are ordered by trouble, then by id, with those that only one service knows", () => {
    const rows = orderByTrouble(
      [room("c"), room("b"), room("a")],
      [stage("other", { trouble: 3 }), stage("b", { trouble: 100 }), stage("c")],
    );
    expect(rows.map(({ roomId, trouble }) => `${roomId} ${trouble}`)).toEqual([
      "b 100",
      "other 3",
      "a 0",
      "c 0",
    ]);
    expect(rows[1]).toMatchObject({ room: null, stage: { roomId: "other" } });
    expect(rows[2]).toMatchObject({ room: { roomId: "a" }, stage: null });
  });

  it("say what is wrong with them, the worst first", () => {
    const signs = troubleSigns(stage("a", { outOfSync: 2, inGrace: 1, failingGrants: 1 }));
    expect(signs.map(({ text }) => text)).toEqual([
      "1 grant fails",
      "1 in grace",
      "2 not confirmed by LiveKit",
    ]);
    expect(troubleSigns(null)).toEqual([]);
  });
});
