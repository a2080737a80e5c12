import type {
  DisconnectReason,
  Participant,
  Room,
  RoomEventCallbacks,
  TrackPublication,
} from "livekit-client";
import type { CoHost } from "../client.js";
import type { BroadcastData, Role } from "../messages.js";
import { callApp } from "./call-app.js";
import { fetchBroadcastData, StageConnection } from "./connection.js";
import type { StageEnd, StageOptions, StageStatus } from "./options.js";
import { Publisher, type LiveKit } from "./publisher.js";
import { QualityReporter } from "./quality-reporter.js";
import type { Source } from "./rights.js";
import { DATA_TOPIC, parseUnmuteRequest } from "./unmute-requests.js";

const BADGE_ATTRIBUTE = "cohost.badge";
const ROLES: Record<string, Role> = { host: "host", coHost: "coHost" };
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * The caller's connection to a room: it publishes as rights come and go, and comes back by itself.
 *
 * What others publish is in `room`, LiveKit's own. Leaving it keeps the seat: `CoHost.leaveStage` gives it up.
 */
export class Stage {
  status: StageStatus = "connecting";
  role: Role = "viewer";
  userId = "";
  /** Resolves once the connection is not coming back. */
  readonly ended: Promise<StageEnd>;
  #end: (end: StageEnd) => void = () => undefined;
  readonly #aborter = new AbortController();
  readonly #connection: StageConnection;
  readonly #publisher: Publisher;
  readonly #quality: QualityReporter;
  readonly #unlisten: (() => void)[] = [];
  readonly #answered = new Set<string>();

  /** Use `CoHost.joinStage`. */
  constructor(
    readonly room: Room,
    private readonly livekit: LiveKit,
    private readonly cohost: CoHost,
    readonly roomId: string,
    private readonly options: StageOptions,
  ) {
    this.ended = new Promise((resolve) => (this.#end = resolve));
    const { signal } = this.#aborter;
    const onError = (error: unknown) => this.#report(error);
    const sources = options.as === "viewer" ? [] : (options.sources ?? ["camera", "microphone"]);
    const refresh = () => void this.refreshDefaults().catch(onError);
    this.#publisher = new Publisher(room, livekit, sources, options.capture, onError);
    this.#quality = new QualityReporter(cohost, roomId, room.localParticipant, refresh, onError, signal);
    this.#connection = new StageConnection(
      room,
      () => this.#fetchData(),
      new Set(this.#finalReasons().keys()),
      {
        onConnected: (data) => this.#handleConnected(data),
        onInterrupted: () => this.#setStatus("interrupted"),
        onEnded: (reason, error) => this.#handleEnded(reason, error),
      },
      signal,
    );
  }

  /** Connect, and stay connected. */
  async connect(): Promise<void> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = this.options;
    signal?.throwIfAborted();
    const leave = () => void this.leave().catch((error) => this.#report(error));
    // The app's signal outlives the stage.
    signal?.addEventListener("abort", leave, { once: true, signal: this.#aborter.signal });
    this.#listen();
    try {
      await this.#connection.connect(timeoutMs);
    } catch (error) {
      this.#finish({ reason: "refused", error });
      throw error;
    }
  }

  isAllowed(source: Source): boolean {
    return this.#publisher.isAllowed(source);
  }

  /** Publish a source, now or as soon as the rights allow it. */
  publish(source: Source): Promise<void> {
    return this.#publisher.publish(source);
  }

  /** Stop a source, and do not publish it again by itself. */
  unpublish(source: Source): Promise<void> {
    return this.#publisher.unpublish(source);
  }

  mute(source: Source): Promise<void> {
    return this.#publisher.mute(source);
  }

  /** Unmute a source, and publish it if it was not. */
  unmute(source: Source): Promise<void> {
    return this.#publisher.unmute(source);
  }

  /**
   * Ask how to publish video, and publish it so. It happens by itself some seconds after a change of quality;
   * an app that follows `ParticipantQualityChanged` may do it at once.
   */
  async refreshDefaults(): Promise<void> {
    if (this.role !== "viewer" && this.status === "connected") {
      const { publishDefaults } = await this.cohost.getBroadcastData(this.roomId, {
        signal: this.#aborter.signal,
      });
      await this.#publisher.updateDefaults(publishDefaults);
    }
  }

  /** Disconnect and stop all tracks. The seat is kept for the grace period, then it ends. */
  async leave(): Promise<void> {
    this.#finish({ reason: "left" });
    await this.room.disconnect(true);
  }

  #fetchData(): Promise<BroadcastData> {
    return fetchBroadcastData(this.cohost, this.roomId, this.options.as, this.#aborter.signal);
  }

  #listen(): void {
    const { RoomEvent } = this.livekit;
    const isLocal = (participant?: Participant) => participant === this.room.localParticipant;
    const changed = () => this.#notify();
    const noteMute = ({ source, isMuted }: TrackPublication, participant: Participant) => {
      if (isLocal(participant)) {
        this.#publisher.noteMute(source, isMuted);
        changed();
      }
    };
    this.#on(RoomEvent.Disconnected, (reason) => void this.#connection.handleDisconnected(reason));
    this.#on(RoomEvent.SignalReconnecting, () => this.#setStatus("interrupted"));
    this.#on(RoomEvent.Reconnecting, () => this.#setStatus("interrupted"));
    this.#on(RoomEvent.Reconnected, () => this.#handleReconnected());
    this.#on(RoomEvent.ParticipantPermissionsChanged, (_, who) => isLocal(who) && this.#updateRights());
    this.#on(RoomEvent.ParticipantAttributesChanged, (_, who) => isLocal(who) && this.#updateRole());
    this.#on(RoomEvent.ConnectionQualityChanged, (quality, who) => isLocal(who) && this.#measure(quality));
    this.#on(RoomEvent.TrackMuted, noteMute);
    this.#on(RoomEvent.TrackUnmuted, noteMute);
    this.#on(RoomEvent.LocalTrackPublished, changed);
    this.#on(RoomEvent.LocalTrackUnpublished, (publication) => {
      this.#publisher.noteUnpublished(publication);
      changed();
    });
    this.#on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
      // Only the server's messages have no sender: another participant may write to this topic, too.
      if (participant === undefined && topic === DATA_TOPIC) {
        void this.#answer(payload);
      }
    });
  }

  #on<Event extends keyof RoomEventCallbacks>(event: Event, listener: RoomEventCallbacks[Event]): void {
    this.room.on(event, listener);
    this.#unlisten.push(() => this.room.off(event, listener));
  }

  #handleConnected(data: BroadcastData): void {
    this.userId = data.userId;
    // A seat may have come or gone since the data was fetched.
    this.role = this.#readRole();
    this.#publisher.updateDefaults(data.publishDefaults).catch((error) => this.#report(error));
    this.#setStatus("connected");
    if (this.role !== data.role) {
      this.#publisher.waitFor(() => this.refreshDefaults());
    }
    this.#updateRights(true);
    this.#restartQuality();
  }

  /** LiveKit brought the connection back by itself. */
  #handleReconnected(): void {
    this.#setStatus("connected");
    // Tracks that were published again have none of the limits that were set since.
    this.#publisher.waitFor(() => this.refreshDefaults());
    this.#updateRights();
  }

  #readRole(): Role {
    return ROLES[this.room.localParticipant.attributes[BADGE_ATTRIBUTE] ?? ""] ?? "viewer";
  }

  #updateRole(): void {
    const role = this.#readRole();
    if (role !== this.role) {
      this.role = role;
      // A viewer had none.
      this.#publisher.waitFor(() => this.refreshDefaults());
      this.#updateRights();
      this.#restartQuality();
    }
  }

  #updateRights(isNewConnection = false): void {
    this.#publisher.updateRights(this.role !== "viewer", isNewConnection);
    this.#notify();
  }

  #measure(quality: string): void {
    if (this.role !== "viewer") {
      this.#quality.report(quality);
    }
  }

  #restartQuality(): void {
    if (this.role !== "viewer") {
      this.#quality.report(this.room.localParticipant.connectionQuality);
      this.#quality.restart();
    }
  }

  async #answer(payload: Uint8Array): Promise<void> {
    const request = parseUnmuteRequest(payload, this.roomId, this.userId);
    if (!request || this.#answered.has(request.id)) {
      return;
    }
    // A request arrives at least once.
    this.#answered.add(request.id);
    try {
      if (await this.options.onUnmuteRequest?.(request)) {
        await this.#publisher.unmute(request.source);
      }
    } catch (error) {
      this.#report(error);
    }
  }

  #finalReasons(): Map<DisconnectReason | undefined, StageEnd["reason"]> {
    const { DisconnectReason: Reason } = this.livekit;
    return new Map<DisconnectReason | undefined, StageEnd["reason"]>([
      [Reason.CLIENT_INITIATED, "left"],
      [Reason.DUPLICATE_IDENTITY, "replaced"],
      [Reason.PARTICIPANT_REMOVED, "removed"],
      [Reason.ROOM_DELETED, "room_closed"],
      [Reason.ROOM_CLOSED, "room_closed"],
    ]);
  }

  #handleEnded(reason: DisconnectReason | undefined, error: unknown): void {
    const found = error === undefined ? this.#finalReasons().get(reason) : undefined;
    this.#finish(found ? { reason: found } : { reason: "refused", error });
  }

  #finish(end: StageEnd): void {
    if (!this.#aborter.signal.aborted) {
      this.#aborter.abort(new DOMException("the stage was left", "AbortError"));
      this.#unlisten.forEach((unlisten) => unlisten());
      this.#setStatus("ended");
      this.#end(end);
    }
  }

  #setStatus(status: StageStatus): void {
    this.status = status;
    this.#notify();
  }

  #notify(): void {
    callApp(() => this.options.onChange?.(this));
  }

  #report(error: unknown): void {
    callApp(() => this.options.onError?.(error));
  }
}
