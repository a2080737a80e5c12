import { Track, type LocalTrack, type Participant, type RemoteTrack } from "livekit-client";

interface Sample {
  at: number;
  bytes: number;
}

/** Measures the camera pictures that a page sends and receives, and says what it found in a line. */
export class TrafficMeter {
  readonly #last = new WeakMap<Track, Sample>();

  /** Return a line for each participant whose picture flows. */
  async measure(participants: readonly Participant[]): Promise<Map<string, string>> {
    const lines = await Promise.all(
      participants.map(async ({ identity, isLocal, trackPublications }) => {
        const camera = [...trackPublications.values()].find(({ source }) => source === Track.Source.Camera);
        const line = camera?.track && (await this.#measureTrack(camera.track, isLocal));
        return line ? ([identity, line] as const) : undefined;
      }),
    );
    return new Map(lines.filter((line) => line !== undefined));
  }

  async #measureTrack(track: Track, isSent: boolean): Promise<string | undefined> {
    const report = await (track as LocalTrack | RemoteTrack).getRTCStatsReport();
    const all = [...(report?.values() ?? [])].filter(
      ({ type }) => type === (isSent ? "outbound-rtp" : "inbound-rtp"),
    );
    const streams = all.filter(({ active }) => active !== false);
    const rate = this.#rate(track, sum(all, isSent ? "bytesSent" : "bytesReceived"));
    if (rate === undefined || streams.length === 0) {
      return undefined;
    }
    const { frameWidth = 0, frameHeight = 0 } = streams.reduce((largest, stream) =>
      (stream.frameWidth ?? 0) > (largest.frameWidth ?? 0) ? stream : largest,
    );
    const layers = isSent
      ? `sends ${streams.length} ${streams.length === 1 ? "layer" : "layers"}`
      : "receives";
    return `${layers}, ${frameWidth}×${frameHeight}, ${rate} kbit/s`;
  }

  /** Return kbit/s since the last sample. */
  #rate(track: Track, bytes: number): number | undefined {
    const [at, last] = [performance.now(), this.#last.get(track)];
    this.#last.set(track, { at, bytes });
    return last && Math.max(0, Math.round(((bytes - last.bytes) * 8) / (at - last.at)));
  }
}

function sum(streams: Record<string, number>[], name: string): number {
  return streams.reduce((total, stream) => total + (stream[name] ?? 0), 0);
}
