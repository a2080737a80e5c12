import { describe, expect, it } from "vitest";
import type { OnStage } from "../src/lib/api-types";
import { sourceRows } from "../src/lib/sources";

function person(changes: Partial<OnStage>): OnStage {
  return {
    userId: "bob",
    role: "coHost",
    badge: "coHost",
    invitationId: "inv-1",
    since: "2026-01-01T12:00:00.000Z",
    grant: "provisioned",
    connection: "connected",
    graceEndsAt: null,
    tracks: [],
    published: [],
    hardMuted: [],
    label: null,
    order: 1,
    ...changes,
  };
}

describe("the sources of a person on stage", () => {
  it("are off, muted or live as LiveKit has them", () => {
    const rows = sourceRows(
      person({
        published: ["camera", "microphone"],
        tracks: [
          { sid: "t-1", source: "camera", muted: true },
          { sid: "t-2", source: "microphone", muted: false },
        ],
      }),
    );
    expect(rows.map(({ name, actual }) => `${name} ${actual}`)).toEqual([
      "Camera muted",
      "Microphone live",
      "Screen off",
      "Screen sound off",
    ]);
  });

  it("are wrong where they are live though they were taken away", () => {
    const tracks = [{ sid: "t-1", source: "microphone", muted: false }] as const;
    const rows = sourceRows(person({ hardMuted: ["microphone", "screen_share"], tracks: [...tracks] }));
    expect(rows.filter(({ isAllowed }) => !isAllowed).map(({ source }) => source)).toEqual([
      "microphone",
      "screen_share",
      "screen_share_audio",
    ]);
    expect(rows.filter(({ isWrong }) => isWrong).map(({ source }) => source)).toEqual(["microphone"]);
  });
});
