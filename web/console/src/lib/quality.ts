import type { Diagnosis, LogRecord, OnStage } from "./api-types";
import { nameOf, textOf } from "./history/records";

export interface Quality {
  quality: "excellent" | "good" | "poor" | "lost";
  roundTripMs: number | null;
}

/** Return the quality that was published last for a person since they came on stage. */
export function qualityOf(records: readonly LogRecord[], { userId, since }: OnStage): Quality | null {
  const record = records.findLast(
    (candidate) =>
      nameOf(candidate) === "ParticipantQualityChanged" &&
      textOf(candidate, "userId") === userId &&
      Date.parse(candidate.at) >= Date.parse(since),
  );
  const roundTrip = record?.event?.data?.["roundTripMs"];
  return record === undefined
    ? null
    : {
        quality: textOf(record, "quality") as Quality["quality"],
        roundTripMs: typeof roundTrip === "number" ? roundTrip : null,
      };
}

/** Return the quality that a diagnosis names: those alone that keep a person from being seen. */
export function diagnosedQuality(diagnosis: Diagnosis): Quality | null {
  const step = diagnosis.steps.find((candidate) => candidate.step === "quality");
  return step?.detail === "poor" || step?.detail === "lost"
    ? { quality: step.detail, roundTripMs: null }
    : null;
}
