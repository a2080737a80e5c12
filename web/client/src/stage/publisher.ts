import type { LocalTrack, LocalTrackPublication, Room, Track } from "livekit-client";
import type { PublishDefaults } from "../messages.js";
import { limitSender, publishOptions } from "./publish-options.js";
import { allowedSources, SOURCES, type Source } from "./rights.js";

export type LiveKit = typeof import("livekit-client");

/** Return the track to publish for a source: in place of the device that LiveKit would open. */
export type Capture = (source: Source) => MediaStreamTrack | Promise<MediaStreamTrack>;

/**
 * Keeps what is published equal to what is wanted and allowed.
 *
 * A source that the host took by a hard mute, also before this connection, is not published when the right
 * comes back, only when its owner wants it: nobody is unmuted from afar. What was muted is published muted.
 */
export class Publisher {
  readonly #wanted: Set<Source>;
  readonly #taken = new Set<Source>();
  readonly #held = new Set<Source>();
  readonly #muted = new Set<Source>();
  #allowed = new Set<Source>();
  #defaults: PublishDefaults | null = null;
  #work: Promise<void> = Promise.resolve();
  readonly #publishedWith = new WeakMap<LocalTrack, PublishDefaults | null>();

  constructor(
    private readonly room: Room,
    private readonly livekit: LiveKit,
    sources: readonly Source[],
    private readonly capture: Capture | undefined,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#wanted = new Set(sources);
  }

  isAllowed(source: Source): boolean {
    return this.#allowed.has(source);
  }

  /** Take over the rights as they are now; `isSeated` tells a hard mute from the end of a seat. */
  updateRights(isSeated: boolean, isNewConnection = false): void {
    const allowed = allowedSources(this.room.localParticipant);
    // A seat gives all rights at once, with its badge or a moment later: one that is missing alone was taken.
    const isComplete = isNewConnection || allowed.size > 0;
    for (const source of SOURCES) {
      if (!isSeated || allowed.has(source)) {
        this.#taken.delete(source);
      } else if (!this.#taken.has(source) && (isComplete || this.#allowed.has(source))) {
        this.#taken.add(source);
        this.#held.add(source);
      }
    }
    if (!isSeated) {
      this.#held.clear();
    }
    this.#allowed = allowed;
    void this.sync();
  }

  /** Use other limits for video, also for tracks that are published already. */
  async updateDefaults(defaults: PublishDefaults | null): Promise<void> {
    this.#defaults = defaults;
    for (const { track } of this.room.localParticipant.videoTrackPublications.values()) {
      const sender = (track as LocalTrack | undefined)?.sender;
      if (defaults && sender) {
        await limitSender(sender, this.#publishedWith.get(track as LocalTrack) ?? null, defaults);
      }
    }
  }

  async publish(source: Source): Promise<void> {
    this.#wanted.add(source);
    this.#held.delete(source);
    await this.sync();
  }

  async unpublish(source: Source): Promise<void> {
    this.#wanted.delete(source);
    await this.sync();
  }

  async mute(source: Source): Promise<void> {
    this.#muted.add(source);
    await Promise.all(this.#publications(source).map((publication) => publication.mute()));
  }

  /** Unmute a source, and publish it if it was not. */
  async unmute(source: Source): Promise<void> {
    this.#muted.delete(source);
    await this.publish(source);
    await Promise.all(this.#publications(source).map((publication) => publication.unmute()));
  }

  /** Remember that a source was muted or unmuted, by whomever: it stays so after a reconnection. */
  noteMute(source: string, isMuted: boolean): void {
    const known = SOURCES.find((name) => name === source);
    if (known && isMuted) {
      this.#muted.add(known);
    } else if (known) {
      this.#muted.delete(known);
    }
  }

  /** Forget a screen that is no longer shared: to share it again takes the user. */
  noteUnpublished({ source, track }: LocalTrackPublication): void {
    // LiveKit publishes a track that goes on again after a full reconnection.
    if (source === "screen_share" && track?.mediaStreamTrack.readyState !== "live") {
      this.#wanted.delete(source);
    }
  }

  /** Publish nothing before this is done; it may fail. */
  waitFor(step: () => Promise<void>): void {
    this.#work = this.#work.then(step).catch(this.onError);
  }

  /** Publish and stop until what is published is what is wanted and allowed. */
  sync(): Promise<void> {
    // One after the other: two at once could open a device twice.
    this.waitFor(() => this.#syncSources());
    return this.#work;
  }

  async #syncSources(): Promise<void> {
    for (const source of SOURCES) {
      // Without the camera there is still the microphone.
      await this.#syncSource(source).catch(this.onError);
    }
  }

  async #syncSource(source: Source): Promise<void> {
    const published = this.#publications(source);
    if (!this.#isDue(source)) {
      await Promise.all(published.map(({ track }) => this.#stopTrack(track)));
    } else if (published.length === 0 && this.#isConnected()) {
      await this.#publishSource(source);
    }
  }

  #isDue(source: Source): boolean {
    return this.#wanted.has(source) && !this.#held.has(source) && this.#allowed.has(source);
  }

  /** Return whether LiveKit takes tracks now. While it resumes, it brings back those that it has by itself. */
  #isConnected(): boolean {
    return this.room.state === this.livekit.ConnectionState.Connected;
  }

  async #publishSource(source: Source): Promise<void> {
    let tracks: LocalTrack[];
    try {
      tracks = await this.#captureTracks(source);
    } catch (error) {
      // Without the device, or the user's permission: not again until the user wants it.
      this.#wanted.delete(source);
      throw error;
    }
    try {
      for (const track of tracks) {
        await this.#publishTrack(source, track);
      }
    } catch (error) {
      tracks.forEach((track) => track.stop());
      throw error;
    }
  }

  async #publishTrack(source: Source, track: LocalTrack): Promise<void> {
    // The right, or the connection, may have gone while the device was opened.
    if (!this.#isDue(source) || !this.#isConnected()) {
      track.stop();
      return;
    }
    if (this.#muted.has(source)) {
      await track.mute();
    }
    this.#publishedWith.set(track, this.#defaults);
    const options = { ...publishOptions(this.#defaults), source: track.source };
    await this.room.localParticipant.publishTrack(track, options);
    // Muted meanwhile: there was no publication yet to mute.
    if (this.#muted.has(source) && !track.isMuted) {
      await track.mute();
    }
  }

  async #captureTracks(source: Source): Promise<LocalTrack[]> {
    const participant = this.room.localParticipant;
    if (this.capture) {
      const captured = await this.capture(source);
      const { LocalAudioTrack, LocalVideoTrack } = this.livekit;
      const LocalKind = captured.kind === "audio" ? LocalAudioTrack : LocalVideoTrack;
      const track = new LocalKind(captured, undefined, true) as LocalTrack;
      track.source = source as Track.Source;
      return [track];
    }
    if (source === "screen_share") {
      return participant.createScreenTracks({ audio: true });
    }
    return participant.createTracks(source === "camera" ? { video: true } : { audio: true });
  }

  async #stopTrack(track: LocalTrack | undefined): Promise<void> {
    if (track) {
      await this.room.localParticipant.unpublishTrack(track, true);
    }
  }

  #publications(source: Source): LocalTrackPublication[] {
    const names = source === "screen_share" ? [source, "screen_share_audio"] : [source];
    return [...this.room.localParticipant.trackPublications.values()].filter(
      (publication) => publication.track && names.includes(publication.source),
    ) as LocalTrackPublication[];
  }
}
