import type { LocalParticipant } from "livekit-client";
import type { MuteSource } from "../messages.js";

/** What a user can publish: a source of the contract. `screen_share` includes its audio. */
export type Source = MuteSource;

export const SOURCES: readonly Source[] = ["camera", "microphone", "screen_share"];

// LiveKit's TrackSource.
const NUMBERS: Record<Source, number> = { camera: 1, microphone: 2, screen_share: 3 };

/** Return the sources that the participant may publish now. */
export function allowedSources({ permissions }: LocalParticipant): Set<Source> {
  if (!permissions?.canPublish) {
    return new Set();
  }
  const numbers: readonly number[] = permissions.canPublishSources;
  // To LiveKit an empty list means every source.
  return new Set(SOURCES.filter((source) => numbers.length === 0 || numbers.includes(NUMBERS[source])));
}
