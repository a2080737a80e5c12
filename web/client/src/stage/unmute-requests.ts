import type { CloudEvent } from "../messages.js";
import type { Source } from "./rights.js";

/** The host asks to unmute a source. */
export interface UnmuteRequest {
  /** The command's id: the same id again is the same request. */
  id: string;
  source: Source;
  /** The user who asks. */
  by: string;
}

export const DATA_TOPIC = "cohost";

const TYPE = "cohost.CoHostUnmuteRequested.v1";

/** Return the request that a data message is to this user in this room, if it is one. */
export function parseUnmuteRequest(
  payload: Uint8Array,
  roomId: string,
  userId: string,
): UnmuteRequest | undefined {
  try {
    const { id, type, data } = JSON.parse(
      new TextDecoder().decode(payload),
    ) as CloudEvent<"CoHostUnmuteRequested">;
    const isMine = type === TYPE && data.roomId === roomId && data.userId === userId;
    return isMine ? { id, source: data.source, by: data.by } : undefined;
  } catch {
    return undefined;
  }
}
