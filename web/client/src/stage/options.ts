import type { Room } from "livekit-client";
import type { Capture } from "./publisher.js";
import type { Source } from "./rights.js";
import type { Stage } from "./stage.js";
import type { UnmuteRequest } from "./unmute-requests.js";

export type StageStatus = "connecting" | "connected" | "interrupted" | "ended";

/** How the connection ended, once it is not coming back. */
export interface StageEnd {
  /**
   * `left`: by this side. `replaced`: the user joined from elsewhere. `removed`: by the server.
   * `room_closed`: with the room. `refused`: there was no broadcast data to come back with; see `error`.
   */
  reason: "left" | "replaced" | "removed" | "room_closed" | "refused";
  error?: unknown;
}

export interface StageOptions {
  /** `viewer`: only watch, beside one's own place on stage. By default as what one is, and becomes. */
  as?: "viewer" | undefined;
  /** What to publish whenever the rights allow it; by default camera and microphone. */
  sources?: readonly Source[] | undefined;
  /** Makes the tracks to publish, in place of the user's devices. */
  capture?: Capture | undefined;
  /** LiveKit's room, to connect with options of your own. */
  room?: Room | undefined;
  /** Asks the user whether to unmute; by default the answer is no. */
  onUnmuteRequest?: ((request: UnmuteRequest) => boolean | Promise<boolean>) | undefined;
  /** Called when the role, the status, the rights or one's own tracks have changed. */
  onChange?: ((stage: Stage) => void) | undefined;
  /** Called with what failed in the background, such as a camera that cannot be opened. */
  onError?: ((error: unknown) => void) | undefined;
  /** Leaves the stage. */
  signal?: AbortSignal | undefined;
  /** How long to try the first connection. */
  timeoutMs?: number | undefined;
}
