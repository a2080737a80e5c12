import { OutcomeUnknown, Refused, type ProblemBody, type ProblemError } from "./errors.js";
import {
  NoAnswer,
  problemOf,
  type CallOptions,
  type HttpAnswer,
  type HttpConnection,
  type HttpRequest,
} from "./http.js";
import { uuid7 } from "./ids.js";
import type { CloudEvent, EventName, RejectionReason } from "./messages.js";
import type { EventData } from "./generated/messages.js";

export interface CommandOptions extends CallOptions {
  /** The command's id, its idempotency key: a repeated id has the outcome of its first use. */
  commandId?: string | undefined;
}

/** A command that took effect: its own event, after others that it caused along the way. */
export interface Outcome<Name extends EventName> {
  commandId: string;
  data: EventData[Name];
  event: CloudEvent<Name>;
  events: CloudEvent[];
}

// What an answer says about the token, not about the command.
const TOKEN_STATUSES = new Set([401, 403]);
const MAX_WAIT_SECONDS = 10;
// What is left of an attempt for the way there and back.
const TRAVEL_MS = 1_000;

/**
 * Send a command until it has an outcome, always under the same key: that makes every repetition safe.
 *
 * Rejects with `Refused`, with `OutcomeUnknown` when time is over, and with `ProblemError` or the failure of
 * the token's provider where the request was certainly never taken.
 */
export async function runCommand<Name extends EventName>(
  connection: HttpConnection,
  request: HttpRequest,
  { commandId = uuid7(), ...options }: CommandOptions = {},
): Promise<Outcome<Name>> {
  let answer: HttpAnswer;
  try {
    // The same request again is answered with the outcome, once there is one.
    answer = await connection.retry(request, options, isDecided, (unchanged, leftMs) => ({
      ...unchanged,
      headers: { "Idempotency-Key": commandId, Prefer: `wait=${waitSeconds(leftMs)}` },
    }));
  } catch (error) {
    if (!(error instanceof NoAnswer)) {
      throw error;
    }
    throw error.hadNoEffect ? error.cause : new OutcomeUnknown(commandId, error.cause);
  }
  return readOutcome(commandId, answer);
}

function isDecided({ status }: HttpAnswer): boolean {
  // A server that failed may have taken the command before.
  return status !== 202 && status !== 429 && status < 500;
}

function waitSeconds(leftMs: number): number {
  return Math.max(0, Math.min(MAX_WAIT_SECONDS, Math.floor((leftMs - TRAVEL_MS) / 1000)));
}

function readOutcome<Name extends EventName>(commandId: string, answer: HttpAnswer): Outcome<Name> {
  if (answer.status >= 300) {
    throw refusalOf(commandId, answer) ?? rejectionOf(commandId, answer);
  }
  const { events } = (answer.body ?? {}) as { events?: CloudEvent[] };
  const event = events?.at(-1) as CloudEvent<Name> | undefined;
  if (!events || !event) {
    throw new OutcomeUnknown(commandId, new Error(`the answer with status ${answer.status} has no events`));
  }
  return { commandId, data: event.data, event, events };
}

/** Return the refusal that an answer is, if it is one: only that has a message. */
function refusalOf(commandId: string, { status, body }: HttpAnswer): Refused | undefined {
  const { reason, message, current, retryAt }: ProblemBody = body ?? {};
  if (message === undefined) {
    return undefined;
  }
  return new Refused(commandId, reason as RejectionReason, message, status, current, retryAt);
}

function rejectionOf(commandId: string, answer: HttpAnswer): OutcomeUnknown | ProblemError {
  const problem = problemOf(answer);
  return answer.mayRepeat && TOKEN_STATUSES.has(answer.status)
    ? new OutcomeUnknown(commandId, problem)
    : problem;
}
