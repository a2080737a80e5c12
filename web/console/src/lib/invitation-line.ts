import type { Diagnosis, DiagnosisStep, Invitation, LogRecord } from "./api-types";
import { invitationOf, listOf, nameOf, textOf } from "./history/records";

export type LineStepName = "sent" | "seen" | "accepted" | "granted" | "connected" | "publishing";

/** A step of an invitation's way. `at` is when it was reached or ended otherwise, `since` the time from the last. */
export interface LineStep {
  name: LineStepName;
  state: DiagnosisStep["state"];
  at: string | null;
  since: number | null;
  detail: string | null;
  advice: string | null;
}

export interface InvitationLine {
  steps: LineStep[];
  /** The step at which it stopped, or that is waited for; null where it went all the way. */
  stop: LineStep | null;
  /** How the seat ended, if it did. */
  end: { at: string | null; reason: string } | null;
  /** Whether the diagnosis of the user is about this invitation: that of the last one is. */
  isLast: boolean;
}

type Outcome = Omit<LineStep, "name" | "since">;

const NAMES: LineStepName[] = ["sent", "seen", "accepted", "granted", "connected", "publishing"];
const WAITING: Outcome = { state: "waiting", at: null, detail: null, advice: null };

/** Return an invitation's way from being sent to being on air. `records` is the room's history, oldest first. */
export function buildLine(
  invitation: Invitation,
  diagnosis: Diagnosis | null,
  records: readonly LogRecord[],
): InvitationLine {
  const ofSeat = records.filter((record) => invitationOf(record) === invitation.invitationId);
  const diagnosed = diagnosedSteps(invitation, diagnosis);
  const end = seatEnd(ofSeat, diagnosed);
  const outcomes: Record<LineStepName, Outcome> = {
    sent: reached(invitation.sentAt, timesSent(invitation)),
    seen: seenOutcome(invitation, diagnosed),
    accepted: acceptedOutcome(invitation, diagnosed),
    granted: seatOutcome("granted", ofSeat, diagnosed, end),
    connected: seatOutcome("connected", ofSeat, diagnosed, end),
    publishing: seatOutcome("publishing", ofSeat, diagnosed, end),
  };
  const steps = withIntervals(NAMES.map((name) => ({ name, ...outcomes[name] })));
  const stop = steps.find(({ state }) => state !== "ok") ?? null;
  return { steps: stop === null ? steps : untilStop(steps, stop), stop, end, isLast: diagnosed !== null };
}

type Diagnosed = Map<string, DiagnosisStep>;

function diagnosedSteps(invitation: Invitation, diagnosis: Diagnosis | null): Diagnosed | null {
  const steps = new Map(diagnosis?.steps.map((step) => [step.step, step]));
  const invited = steps.get("invited");
  return invited?.state === "ok" && invited.at === invitation.sentAt ? steps : null;
}

function timesSent({ timesSent, resentAt }: Invitation): string | null {
  return timesSent > 1 && resentAt !== null ? `sent ${timesSent} times` : null;
}

function seenOutcome(invitation: Invitation, diagnosed: Diagnosed | null): Outcome {
  if (invitation.seenAt !== null) {
    return reached(invitation.seenAt);
  }
  if (invitation.respondedAt !== null) {
    return reached(null, "not reported");
  }
  const isSeen = diagnosed?.get("seen")?.state === "ok";
  return isSeen ? reached(diagnosed?.get("seen")?.at ?? null) : openOutcome("seen", invitation, diagnosed);
}

function acceptedOutcome(invitation: Invitation, diagnosed: Diagnosed | null): Outcome {
  return invitation.status === "accepted"
    ? reached(invitation.respondedAt)
    : openOutcome("accepted", invitation, diagnosed);
}

/** Return how a step stands that was not taken: it is waited for, or the invitation was closed before it. */
function openOutcome(step: string, invitation: Invitation, diagnosed: Diagnosed | null): Outcome {
  const { detail = null, advice = null } = diagnosed?.get(step) ?? {};
  return invitation.status === "pending"
    ? { ...WAITING, detail, advice }
    : { state: "failed", at: invitation.updatedAt, detail: invitation.closeReason, advice };
}

const SIGNS: Record<string, (record: LogRecord) => boolean> = {
  granted: (record) => nameOf(record) === "GrantProvisioned",
  connected: (record) => nameOf(record) === "CoHostConnected",
  publishing: (record) => nameOf(record) === "CoHostMediaChanged" && listOf(record, "published").length > 0,
};

/**
 * Return how a step of the seat stands: as diagnosed while the seat goes on, else whether the history has it.
 * A step that was reached keeps the time of the first time.
 */
function seatOutcome(
  name: "granted" | "connected" | "publishing",
  ofSeat: readonly LogRecord[],
  diagnosed: Diagnosed | null,
  end: InvitationLine["end"],
): Outcome {
  const sign = ofSeat.find((record) => SIGNS[name]?.(record));
  const step = end === null ? diagnosed?.get(name) : undefined;
  const isKnown = step !== undefined && !(step.state === "unknown" && sign !== undefined);
  if (isKnown && step.state !== "ok") {
    return { state: step.state, at: step.at, detail: step.detail, advice: step.advice };
  }
  if (sign !== undefined || step !== undefined) {
    return reached(sign?.at ?? step?.at ?? null);
  }
  const failure =
    name === "granted" ? ofSeat.findLast((record) => nameOf(record) === "GrantFailed") : undefined;
  if (failure !== undefined) {
    return { state: "failed", at: failure.at, detail: textOf(failure, "error"), advice: null };
  }
  return end === null
    ? { ...WAITING, state: "unknown" }
    : { ...WAITING, state: "failed", at: end.at, detail: end.reason };
}

function seatEnd(ofSeat: readonly LogRecord[], diagnosed: Diagnosed | null): InvitationLine["end"] {
  const left = ofSeat.findLast((record) => nameOf(record) === "CoHostLeft");
  if (left !== undefined) {
    return { at: left.at, reason: textOf(left, "reason") ?? "left" };
  }
  const seated = diagnosed?.get("seated");
  return seated?.state === "failed" && diagnosed?.get("accepted")?.state === "ok"
    ? { at: seated.at, reason: seated.detail ?? "left" }
    : null;
}

function reached(at: string | null, detail: string | null = null): Outcome {
  return { state: "ok", at, detail, advice: null };
}

/** Give each step that was reached the milliseconds since the last one that has a time. */
function withIntervals(steps: Omit<LineStep, "since">[]): LineStep[] {
  let last: number | null = null;
  return steps.map((step) => {
    const at = step.at === null ? null : Date.parse(step.at);
    // A seat's step that is not there now has the time since when: that is no time on the way.
    const isOnWay = step.state === "ok" || !(step.name in SIGNS);
    const since = at === null || last === null || !isOnWay ? null : Math.max(0, at - last);
    last = at ?? last;
    return { ...step, since };
  });
}

/** After the step at which it stopped nothing has happened, whatever the history has of an earlier time. */
function untilStop(steps: LineStep[], stop: LineStep): LineStep[] {
  const index = steps.indexOf(stop);
  return steps.map((step, place) =>
    place <= index || step.state === "ok" ? step : { ...step, state: "unknown", at: null, since: null },
  );
}
