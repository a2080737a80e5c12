import { describe, expect, it } from "vitest";
import type { Diagnosis, DiagnosisStep, Invitation } from "../src/lib/api-types";
import { buildLine, type InvitationLine } from "../src/lib/invitation-line";
import { LogBuilder, playToAir } from "./log-builder";

const SENT_AT = "2026-01-01T12:00:00.000Z";
const ACCEPTED_AT = "2026-01-01T12:00:05.012Z";

function invitation(changes: Partial<Invitation> = {}): Invitation {
  return {
    invitationId: "inv-1",
    roomId: "room-1",
    userId: "bob",
    invitedBy: "alice",
    status: "pending",
    sentAt: SENT_AT,
    expiresAt: "2026-01-02T12:00:00.000Z",
    respondedAt: null,
    updatedAt: SENT_AT,
    closeReason: null,
    message: null,
    previousInvitationId: null,
    label: null,
    timesSent: 1,
    resentAt: null,
    seenAt: null,
    roomTitle: null,
    inviterName: null,
    userName: null,
    ...changes,
  };
}

const ACCEPTED = { status: "accepted", respondedAt: ACCEPTED_AT, updatedAt: ACCEPTED_AT } as const;

function diagnosis(...steps: (Pick<DiagnosisStep, "step" | "state"> & Partial<DiagnosisStep>)[]): Diagnosis {
  const whole = steps.map((step) => ({ at: null, detail: null, advice: null, ...step }));
  return { roomId: "room-1", userId: "bob", steps: whole };
}

const INVITED = { step: "invited", state: "ok", at: SENT_AT } as const;

function outline({ steps }: InvitationLine): string {
  return steps
    .map(({ name, state, since }) => `${name} ${state}${since === null ? "" : ` +${since}`}`)
    .join(", ");
}

describe("the line of an invitation", () => {
  it("goes all the way with the times between", () => {
    const log = new LogBuilder();
    playToAir(log);
    const line = buildLine(
      invitation({ ...ACCEPTED, seenAt: "2026-01-01T12:00:02.000Z" }),
      null,
      log.records,
    );
    expect(outline(line)).toBe(
      "sent ok, seen ok +2000, accepted ok +3012, granted ok +53, connected ok +700, publishing ok +90",
    );
    expect(line).toMatchObject({ stop: null, end: null, isLast: false });
  });

  it("waits for the invitee while it is pending, with the diagnosis' advice", () => {
    const seen = { step: "seen", state: "waiting", advice: "Wait for bob." } as const;
    const line = buildLine(invitation(), diagnosis(INVITED, seen), []);
    expect(line.stop).toMatchObject({ name: "seen", state: "waiting", advice: "Wait for bob." });
    expect(outline(line)).toContain("accepted unknown, granted unknown");
    expect(line.isLast).toBe(true);
  });

  it("waits for the acceptance, which was refused while the room was full", () => {
    const steps = [
      { step: "seen", state: "ok", at: "2026-01-01T12:00:03.000Z" },
      { step: "accepted", state: "waiting", detail: "room_full" },
    ] as const;
    const line = buildLine(invitation(), diagnosis(INVITED, ...steps), []);
    expect(outline(line)).toContain("sent ok, seen ok +3000, accepted waiting");
    expect(line.stop).toMatchObject({ detail: "room_full" });
  });

  it("stops where it was closed", () => {
    const closed = { status: "cancelled", closeReason: "cancelled_by_host" } as const;
    const line = buildLine(invitation({ ...closed, updatedAt: ACCEPTED_AT }), null, []);
    expect(line.stop).toMatchObject({
      name: "seen",
      state: "failed",
      at: ACCEPTED_AT,
      detail: "cancelled_by_host",
    });
  });

  it("stops at the acceptance where it was declined", () => {
    const declined = { status: "rejected", closeReason: "declined", respondedAt: ACCEPTED_AT } as const;
    const line = buildLine(invitation({ ...declined, updatedAt: ACCEPTED_AT }), null, []);
    expect(outline(line)).toContain("sent ok, seen ok, accepted failed +5012");
    expect(line.stop?.detail).toBe("declined");
  });

  it("stops at a grant that LiveKit refuses", () => {
    const granted = {
      step: "granted",
      state: "failed",
      detail: "livekit_refused",
      advice: "Check.",
    } as const;
    const line = buildLine(invitation(ACCEPTED), diagnosis(INVITED, granted), []);
    expect(line.stop).toMatchObject({ name: "granted", detail: "livekit_refused", advice: "Check." });
  });

  it("stops at a connection that is gone, though it was there", () => {
    const log = new LogBuilder();
    playToAir(log);
    const steps = [
      { step: "granted", state: "ok" },
      { step: "connected", state: "waiting", detail: "disconnected", at: "2026-01-01T12:01:00.000Z" },
      { step: "publishing", state: "waiting" },
    ] as const;
    const line = buildLine(invitation(ACCEPTED), diagnosis(INVITED, ...steps), log.records);
    expect(line.stop).toMatchObject({ name: "connected", at: "2026-01-01T12:01:00.000Z" });
    expect(outline(line)).toMatch(/publishing unknown$/);
  });

  it("goes by the history where broadcast does not answer", () => {
    const log = new LogBuilder();
    playToAir(log);
    const steps = [
      { step: "granted", state: "unknown" },
      { step: "connected", state: "unknown" },
      { step: "publishing", state: "unknown" },
    ] as const;
    expect(buildLine(invitation(ACCEPTED), diagnosis(INVITED, ...steps), log.records).stop).toBeNull();
  });

  it("says how the seat ended, and what was not reached before", () => {
    const log = new LogBuilder();
    playToAir(log);
    const records = log.records.filter(({ event }) => event?.type !== "cohost.CoHostMediaChanged.v1");
    log.wait(1_000);
    const seat = { userId: "bob", invitationId: "inv-1", reason: "removed_by_host" };
    records.push(log.effect("invitations.events", "CoHostLeft", "x", seat));
    const line = buildLine(invitation(ACCEPTED), null, records);
    expect(line.end).toEqual({ at: log.time, reason: "removed_by_host" });
    expect(line.stop).toMatchObject({ name: "publishing", state: "failed", detail: "removed_by_host" });
  });

  it("does not use a diagnosis of a later invitation", () => {
    const later = { step: "invited", state: "ok", at: "2026-01-01T13:00:00.000Z" } as const;
    const granted = { step: "granted", state: "failed", detail: "grant_failed" } as const;
    const line = buildLine(invitation(ACCEPTED), diagnosis(later, granted), []);
    expect(line).toMatchObject({ isLast: false, stop: { name: "granted", state: "unknown" } });
  });
});
