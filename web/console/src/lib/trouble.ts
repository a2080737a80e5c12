import type { RoomSummary, StageSummary } from "./api-types";

/** A room in the list, with what is known of its stage; a closed room has none. */
export interface RoomRow {
  roomId: string;
  room: RoomSummary | null;
  stage: StageSummary | null;
  trouble: number;
}

export interface TroubleSign {
  tone: "bad" | "warn";
  text: string;
}

/** Return the rooms with most trouble first, as broadcast counts it; without trouble by their ids. */
export function orderByTrouble(rooms: readonly RoomSummary[], stages: readonly StageSummary[]): RoomRow[] {
  const byId = new Map<string, RoomRow>();
  for (const room of rooms) {
    byId.set(room.roomId, { roomId: room.roomId, room, stage: null, trouble: 0 });
  }
  for (const stage of stages) {
    const room = byId.get(stage.roomId)?.room ?? null;
    byId.set(stage.roomId, { roomId: stage.roomId, room, stage, trouble: stage.trouble });
  }
  return [...byId.values()].sort(
    (one, other) => other.trouble - one.trouble || (one.roomId < other.roomId ? -1 : 1),
  );
}

/** Return what is wrong on a stage, the worst first. */
export function troubleSigns(stage: StageSummary | null): TroubleSign[] {
  if (stage === null) {
    return [];
  }
  const counted: [number, TroubleSign["tone"], string][] = [
    [stage.failingGrants, "bad", stage.failingGrants === 1 ? "grant fails" : "grants fail"],
    [stage.inGrace, "warn", "in grace"],
    [stage.neverConnected, "warn", "never connected"],
    [stage.poorQuality, "warn", "poor quality"],
    [stage.outOfSync, "warn", "not confirmed by LiveKit"],
  ];
  return counted
    .filter(([count]) => count > 0)
    .map(([count, tone, text]) => ({ tone, text: `${count} ${text}` }));
}
