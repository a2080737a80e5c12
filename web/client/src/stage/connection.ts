import type { DisconnectReason, Room } from "livekit-client";
import { Backoff, pause } from "../backoff.js";
import type { CoHost } from "../client.js";
import { ProblemError } from "../errors.js";
import type { BroadcastData } from "../messages.js";
import { tokenClaims } from "../tokens.js";

// Broadcast reads of rooms and seats a moment later than invitations, which answered the caller's command.
const SETTLE_MS = 5_000;
const SETTLING_REASONS = new Set(["room_not_found", "room_not_open", "room_not_live"]);
const FINAL_STATUSES = new Set([401, 403, 404, 409, 422]);
const VIEWER_SUFFIX = "#viewer";

export interface ConnectionEvents {
  onConnected(data: BroadcastData): void;
  onInterrupted(): void;
  /** The connection is not coming back: by LiveKit's reason, or because broadcast refused data. */
  onEnded(reason: DisconnectReason | undefined, error?: unknown): void;
}

/** Return the caller's broadcast data: as host or co-host, or as a viewer where that is what the caller is. */
export async function fetchBroadcastData(
  cohost: CoHost,
  roomId: string,
  as: "viewer" | undefined,
  signal: AbortSignal,
): Promise<BroadcastData> {
  if (as === "viewer") {
    return cohost.getBroadcastData(roomId, { as, signal });
  }
  try {
    return await cohost.getBroadcastData(roomId, { signal });
  } catch (error) {
    if (!(error instanceof ProblemError) || error.reason !== "not_on_stage") {
      throw error;
    }
  }
  const data = await cohost.getBroadcastData(roomId, { as: "viewer", signal });
  // With a seat since a moment ago this is a second connection, which would never be promoted.
  const { sub } = tokenClaims(data.token);
  const isSecond = typeof sub === "string" && sub.endsWith(VIEWER_SUFFIX);
  return isSecond ? cohost.getBroadcastData(roomId, { signal }) : data;
}

/** A LiveKit connection that comes back with new broadcast data. */
export class StageConnection {
  #isConnecting = false;

  constructor(
    private readonly room: Room,
    private readonly fetchData: () => Promise<BroadcastData>,
    private readonly finalReasons: ReadonlySet<DisconnectReason | undefined>,
    private readonly events: ConnectionEvents,
    private readonly signal: AbortSignal,
  ) {}

  /** Connect. Rejects with the last failure when the time is over, or when another attempt would not help. */
  async connect(timeoutMs: number): Promise<void> {
    const backoff = new Backoff();
    const begunAt = Date.now();
    this.#isConnecting = true;
    try {
      for (;;) {
        const failure = await this.#attempt();
        if (failure === undefined) {
          return;
        }
        const passedMs = Date.now() - begunAt;
        const wait = backoff.nextPause();
        if (isFinal(failure.error, passedMs) || passedMs + wait >= timeoutMs) {
          throw failure.error;
        }
        await pause(wait, this.signal);
      }
    } finally {
      this.#isConnecting = false;
    }
  }

  /** React to LiveKit's disconnection, which comes after its own attempts to resume. */
  async handleDisconnected(reason: DisconnectReason | undefined): Promise<void> {
    if (this.#isConnecting || this.signal.aborted) {
      return;
    }
    if (this.finalReasons.has(reason)) {
      this.events.onEnded(reason);
      return;
    }
    this.events.onInterrupted();
    try {
      await this.connect(Infinity);
    } catch (error) {
      if (!this.signal.aborted) {
        this.events.onEnded(reason, error);
      }
    }
  }

  async #attempt(): Promise<{ error: unknown } | undefined> {
    try {
      const data = await this.fetchData();
      this.signal.throwIfAborted();
      await this.room.connect(data.serverUrl, data.token);
      this.signal.throwIfAborted();
      this.events.onConnected(data);
      return undefined;
    } catch (error) {
      this.signal.throwIfAborted();
      return { error };
    }
  }
}

function isFinal(error: unknown, passedMs: number): boolean {
  if (!(error instanceof ProblemError) || !FINAL_STATUSES.has(error.status)) {
    return false;
  }
  return !(SETTLING_REASONS.has(error.reason) && passedMs < SETTLE_MS);
}
