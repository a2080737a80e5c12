import type { LocalParticipant } from "livekit-client";
import type { CoHost } from "../client.js";
import { ProblemError } from "../errors.js";
import type { Quality } from "../messages.js";

const QUALITIES: readonly string[] = ["excellent", "good", "poor", "lost"] satisfies Quality[];
const MAX_ROUND_TRIP_MS = 60_000;
// A quality is published once it has held for 5 s, and the publishing defaults follow what was published.
const SETTLE_MS = 7_000;

/** Reports the quality of the own connection as LiveKit measures it: each change, the newest first. */
export class QualityReporter {
  #measured: Quality | undefined;
  #reported: Quality | undefined;
  #isReporting = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly cohost: CoHost,
    private readonly roomId: string,
    private readonly participant: LocalParticipant,
    /** Called some time after a report: the defaults for publishing may be others. */
    private readonly onSettled: () => void,
    private readonly onError: (error: unknown) => void,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** Report a quality, unless LiveKit does not know it. */
  report(quality: string): void {
    if (QUALITIES.includes(quality)) {
      this.#measured = quality as Quality;
      void this.#reportChanges();
    }
  }

  /** Report the last quality again: what was reported is forgotten when a user leaves the stage. */
  restart(): void {
    this.#reported = undefined;
    void this.#reportChanges();
  }

  async #reportChanges(): Promise<void> {
    if (this.#isReporting) {
      return;
    }
    this.#isReporting = true;
    try {
      while (this.#measured !== undefined && this.#measured !== this.#reported && !this.signal.aborted) {
        const quality = this.#measured;
        await this.#send(quality);
        this.#reported = quality;
        clearTimeout(this.#timer);
        this.#timer = setTimeout(this.onSettled, SETTLE_MS);
      }
    } catch (error) {
      // Whoever is no longer on stage has nothing to report.
      if (!this.signal.aborted && !(error instanceof ProblemError && error.status === 403)) {
        this.onError(error);
      }
    } finally {
      this.#isReporting = false;
    }
  }

  async #send(quality: Quality): Promise<void> {
    const roundTripMs = await measureRoundTrip(this.participant);
    const options = { signal: this.signal, ...(roundTripMs !== undefined && { roundTripMs }) };
    await this.cohost.reportQuality(this.roomId, quality, options);
  }
}

/** Return the round trip to LiveKit in milliseconds, if a published track has measured one. */
async function measureRoundTrip(participant: LocalParticipant): Promise<number | undefined> {
  for (const { track } of participant.trackPublications.values()) {
    const report = await track?.getRTCStatsReport().catch(() => undefined);
    for (const stats of report?.values() ?? []) {
      if (stats.type === "candidate-pair" && stats.nominated && stats.currentRoundTripTime !== undefined) {
        return Math.min(MAX_ROUND_TRIP_MS, Math.round(stats.currentRoundTripTime * 1000));
      }
    }
  }
  return undefined;
}
