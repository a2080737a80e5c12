import type { OnStage } from "./api-types";

export type Source = OnStage["published"][number];

/** A source of a person on stage: what the rights allow, and what LiveKit has. */
export interface SourceRow {
  source: Source;
  name: string;
  isAllowed: boolean;
  actual: "live" | "muted" | "off";
  /** Whether it is heard or seen though it was taken away. */
  isWrong: boolean;
}

const NAMES: [Source, string][] = [
  ["camera", "Camera"],
  ["microphone", "Microphone"],
  ["screen_share", "Screen"],
  ["screen_share_audio", "Screen sound"],
];

/** Return the sources in the contract's order. */
export function sourceRows(person: OnStage): SourceRow[] {
  return NAMES.map(([source, name]) => {
    const isAllowed = !isTaken(person.hardMuted, source);
    const actual = actualOf(person, source);
    return { source, name, isAllowed, actual, isWrong: !isAllowed && actual === "live" };
  });
}

/** A hard mute of the screen takes its sound, too. */
function isTaken(hardMuted: OnStage["hardMuted"], source: Source): boolean {
  return hardMuted.some((taken) => taken === source || `${taken}_audio` === source);
}

function actualOf({ tracks, published }: OnStage, source: Source): SourceRow["actual"] {
  const found = tracks.filter((track) => track.source === source);
  if (found.length === 0) {
    return published.includes(source) ? "live" : "off";
  }
  return found.every(({ muted }) => muted) ? "muted" : "live";
}
