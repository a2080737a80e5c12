import { describe, expect, it } from "vitest";
import type { Lane } from "../src/lib/api-types";
import { countInterruptions, describeLag, groupLanes, totalLag } from "../src/lib/lanes";

function lane(service: Lane["service"], number: number, owner: string | null, lag: Lane["lag"] = {}): Lane {
  return { service, lane: number, owner, epoch: 1, lag, outboxBatches: 0 };
}

describe("lanes", () => {
  it("are grouped by service and worker", () => {
    const items = [
      lane("broadcast", 1, "w2"),
      lane("broadcast", 0, "w1"),
      lane("broadcast", 2, null),
      lane("invitations", 0, "w3"),
    ];
    const [first, second] = groupLanes(items);
    expect(first?.lanes.map((item) => item.lane)).toEqual([0, 1, 2]);
    expect(first?.workers).toEqual([
      { owner: "w1", lanes: new Set([0]) },
      { owner: "w2", lanes: new Set([1]) },
    ]);
    expect([first?.ownerless, second?.service, second?.ownerless]).toEqual([1, "invitations", 0]);
  });

  it("tell their lag by topic", () => {
    const behind = lane("invitations", 0, "w", { rooms: 0, "invitations.commands": 5, users: 2 });
    expect([totalLag(behind), describeLag(behind)]).toEqual([7, "invitations.commands: 5, users: 2"]);
    const unknown = lane("invitations", 0, "w", null);
    expect([totalLag(unknown), describeLag(unknown)]).toEqual([null, "not known"]);
    expect(describeLag(lane("invitations", 0, "w"))).toBe("everything is read");
  });

  it("are interrupted by each takeover but the first", () => {
    expect(countInterruptions({ takeovers: 24, lanes: 24 })).toBe(0);
    expect(countInterruptions({ takeovers: 36, lanes: 24 })).toBe(12);
    expect(countInterruptions({ takeovers: 7, lanes: 24 })).toBe(0);
    expect(countInterruptions({ takeovers: null, lanes: 24 })).toBeNull();
  });
});
