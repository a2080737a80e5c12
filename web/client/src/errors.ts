import type { RejectionReason, StoredInvitation } from "./messages.js";

/** The members of an `application/problem+json` body. */
export interface ProblemBody {
  reason?: string;
  detail?: string;
  message?: string;
  commandId?: string;
  current?: StoredInvitation | null;
  retryAt?: string;
}

/** The gateway answered with problem details; `reason` is one of the contract's reasons. */
export class ProblemError extends Error {
  override readonly name: string = "ProblemError";

  constructor(
    readonly status: number,
    readonly reason: string,
    readonly body: ProblemBody = {},
  ) {
    super([`${status} ${reason}`, body.detail].filter(Boolean).join(": "));
  }
}

/** The command was refused and changed nothing. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly commandId: string,
    readonly reason: RejectionReason,
    /** A sentence for a person. */
    message: string,
    readonly status: number,
    /** The invitation as it is stored, if the command named one that its actor may see. */
    readonly current: StoredInvitation | null = null,
    /** The time from which `too_soon` no longer holds. */
    readonly retryAt: string | null = null,
  ) {
    super(message);
  }
}

/**
 * There was no outcome in time. The command may have taken effect, or may yet: calling again with
 * `{ commandId: error.commandId }` is safe, and has the one outcome of that id.
 */
export class OutcomeUnknown extends Error {
  override readonly name = "OutcomeUnknown";

  constructor(
    readonly commandId: string,
    cause: unknown,
  ) {
    super(`the outcome of command ${commandId} is unknown`, { cause });
  }
}
