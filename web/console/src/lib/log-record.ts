import type { Tone } from "./tone";
import type { LogRecord } from "./api-types";
import { humanize, shortType } from "./format";
import { kindOf, nameOf, textOf, userOf } from "./history/records";

/** A record of the log as a line shows it. */
export interface DescribedRecord {
  name: string;
  tone: Tone;
  roomId: string | null;
  userId: string | null;
  /** Why, where the record says so. */
  note: string | null;
  causationId: string | null;
  /** A record's place in the log stands for a cause without an id of its own. */
  isCausedByCommand: boolean;
}

const TONES: Record<string, Tone> = {
  CommandRejected: "warn",
  GrantFailed: "bad",
  IntruderRemoved: "bad",
  CoHostLost: "warn",
  CoHostDisconnected: "warn",
  HostDisconnected: "warn",
  InvitationAccepted: "good",
  GrantProvisioned: "good",
  CoHostConnected: "good",
  CoHostReconnected: "good",
  HostConnected: "good",
  HostReconnected: "good",
};

/** Return what a line about the record shows. */
export function describeRecord(record: LogRecord): DescribedRecord {
  const name = nameOf(record);
  const causationId = record.event?.causationid ?? null;
  return {
    name: name === "CommandRejected" ? shortType(textOf(record, "commandType") ?? name) : name,
    tone: kindOf(record) === "command" ? "accent" : (TONES[name] ?? "neutral"),
    roomId: textOf(record, "roomId") ?? record.key?.split("/")[0] ?? null,
    userId: userOf(record),
    note: noteOf(record),
    causationId,
    isCausedByCommand: causationId !== null && !/:\d+:\d+$/.test(causationId),
  };
}

function noteOf(record: LogRecord): string | null {
  if (nameOf(record) === "CommandRejected") {
    return `refused: ${humanize(textOf(record, "reason") ?? "unknown")}`;
  }
  const fields = ["reason", "closeReason", "status", "quality"];
  const [word = null] = fields.flatMap((field) => textOf(record, field) ?? []);
  return word === null ? null : humanize(word);
}
