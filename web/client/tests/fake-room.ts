import { EventEmitter } from "node:events";
import { ConnectionState, DisconnectReason, RoomEvent, type Room } from "livekit-client";
import type { Source } from "../src/index.js";
import { tokenClaims } from "../src/tokens.js";

const NUMBERS: Record<string, number> = { camera: 1, microphone: 2, screen_share: 3, screen_share_audio: 4 };

/** The part of an `RTCRtpSender` that limits are set on. */
export class FakeSender {
  parameters = {
    encodings: [
      { rid: "q", active: true, maxBitrate: 150_000, maxFramerate: 30 },
      { rid: "h", active: true, maxBitrate: 500_000, maxFramerate: 30 },
      { rid: "f", active: true, maxBitrate: 1_700_000, maxFramerate: 30 },
    ],
  };

  getParameters(): FakeSender["parameters"] {
    return structuredClone(this.parameters);
  }

  async setParameters(parameters: FakeSender["parameters"]): Promise<void> {
    this.parameters = parameters;
  }
}

export class FakeTrack {
  isMuted = false;
  isStopped = false;
  sender = new FakeSender();

  constructor(public source: string) {}

  get mediaStreamTrack(): { readyState: string } {
    return { readyState: this.isStopped ? "ended" : "live" };
  }

  async mute(): Promise<void> {
    this.isMuted = true;
  }

  stop(): void {
    this.isStopped = true;
  }

  async getRTCStatsReport(): Promise<Map<string, object>> {
    return new Map([["pair", { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.0421 }]]);
  }
}

export class FakePublication {
  constructor(
    readonly track: FakeTrack,
    readonly options: object,
    private readonly room: FakeRoom,
  ) {}

  get source(): string {
    return this.track.source;
  }

  get isMuted(): boolean {
    return this.track.isMuted;
  }

  async mute(): Promise<void> {
    this.track.isMuted = true;
    this.room.emit(RoomEvent.TrackMuted, this, this.room.localParticipant);
  }

  async unmute(): Promise<void> {
    this.track.isMuted = false;
    this.room.emit(RoomEvent.TrackUnmuted, this, this.room.localParticipant);
  }
}

export class FakeParticipant {
  permissions = { canPublish: false, canPublishSources: [] as number[] };
  attributes: Record<string, string> = {};
  connectionQuality = "unknown";
  readonly trackPublications = new Map<string, FakePublication>();
  readonly opened: FakeTrack[] = [];
  readonly brokenDevices = new Set<string>();

  constructor(private readonly room: FakeRoom) {}

  get videoTrackPublications(): Map<string, FakePublication> {
    return new Map([...this.trackPublications].filter(([source]) => source !== "microphone"));
  }

  async createTracks(options: { video?: boolean; audio?: boolean }): Promise<FakeTrack[]> {
    return [this.#open(options.video ? "camera" : "microphone")];
  }

  async createScreenTracks(): Promise<FakeTrack[]> {
    return [this.#open("screen_share"), this.#open("screen_share_audio")];
  }

  async publishTrack(track: FakeTrack, options: object): Promise<FakePublication> {
    const publication = new FakePublication(track, options, this.room);
    this.trackPublications.set(track.source, publication);
    this.room.emit(RoomEvent.LocalTrackPublished, publication, this);
    return publication;
  }

  async unpublishTrack(track: FakeTrack, stopOnUnpublish = true): Promise<void> {
    const publication = this.trackPublications.get(track.source);
    this.trackPublications.delete(track.source);
    if (stopOnUnpublish) {
      track.stop();
    }
    this.room.emit(RoomEvent.LocalTrackUnpublished, publication, this);
  }

  #open(source: string): FakeTrack {
    if (this.brokenDevices.has(source)) {
      throw new Error(`${source} is in use`);
    }
    const track = new FakeTrack(source);
    this.opened.push(track);
    return track;
  }
}

/** LiveKit's room as far as the stage uses it; the test is the server. */
export class FakeRoom extends EventEmitter {
  state: ConnectionState = ConnectionState.Disconnected;
  readonly localParticipant = new FakeParticipant(this);
  readonly connections: { url: string; token: string }[] = [];
  failures = 0;

  get asRoom(): Room {
    return this as unknown as Room;
  }

  get published(): Map<string, FakePublication> {
    return this.localParticipant.trackPublications;
  }

  async connect(url: string, token: string): Promise<void> {
    this.connections.push({ url, token });
    if (this.failures-- > 0) {
      this.emit(RoomEvent.Disconnected, DisconnectReason.JOIN_FAILURE);
      throw new Error("could not connect");
    }
    const { attributes = {} } = tokenClaims(token) as { attributes?: Record<string, string> };
    this.localParticipant.attributes = attributes;
    this.state = ConnectionState.Connected;
  }

  async disconnect(): Promise<void> {
    this.drop(DisconnectReason.CLIENT_INITIATED);
  }

  /** End the connection as LiveKit does: the tracks are stopped first. */
  drop(reason?: DisconnectReason): void {
    for (const { track } of this.published.values()) {
      void this.localParticipant.unpublishTrack(track);
    }
    this.state = ConnectionState.Disconnected;
    this.emit(RoomEvent.Disconnected, reason);
  }

  /** Reconnect in full, as LiveKit does by itself: each track is unpublished and published again. */
  async restart(): Promise<void> {
    this.state = ConnectionState.Reconnecting;
    this.emit(RoomEvent.Reconnecting);
    for (const { track, options } of [...this.published.values()]) {
      await this.localParticipant.unpublishTrack(track, false);
      track.sender = new FakeSender();
      await this.localParticipant.publishTrack(track, options);
    }
    this.state = ConnectionState.Connected;
    this.emit(RoomEvent.Reconnected);
  }

  /** Lose the signal connection only, and bring it back: the tracks go on. */
  async resume(): Promise<void> {
    this.state = ConnectionState.SignalReconnecting;
    this.emit(RoomEvent.SignalReconnecting);
    await Promise.resolve();
    this.state = ConnectionState.Connected;
    this.emit(RoomEvent.Reconnected);
  }

  /** Give the participant these rights, as the server does. */
  allow(...sources: (Source | "screen_share_audio")[]): this {
    this.localParticipant.permissions = {
      canPublish: sources.length > 0,
      canPublishSources: sources.map((source) => NUMBERS[source]!),
    };
    this.emit(RoomEvent.ParticipantPermissionsChanged, undefined, this.localParticipant);
    return this;
  }

  wear(badge: string): this {
    this.localParticipant.attributes = { "cohost.badge": badge };
    this.emit(RoomEvent.ParticipantAttributesChanged, { "cohost.badge": badge }, this.localParticipant);
    return this;
  }

  measure(quality: string): void {
    this.localParticipant.connectionQuality = quality;
    this.emit(RoomEvent.ConnectionQualityChanged, quality, this.localParticipant);
  }

  receive(message: object, topic = "cohost", sender?: object): void {
    this.emit(RoomEvent.DataReceived, new TextEncoder().encode(JSON.stringify(message)), sender, 0, topic);
  }
}
