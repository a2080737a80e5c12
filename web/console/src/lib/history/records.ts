import type { LogRecord } from "../api-types";
import { shortType } from "../format";

export type RecordKind = "command" | "event" | "rejection" | "badge" | "fact";

const KINDS: Record<string, RecordKind> = {
  commands: "command",
  rejections: "rejection",
  badges: "badge",
  rooms: "fact",
};

export function positionOf({ topic, partition, offset }: LogRecord): string {
  return `${topic}:${partition}:${offset}`;
}

export function kindOf({ topic }: LogRecord): RecordKind {
  return KINDS[topic.split(".").at(-1) ?? ""] ?? "event";
}

/** Return the type's name, such as `InvitationSent`; tombstones get one. */
export function nameOf({ topic, event }: LogRecord): string {
  if (event === null) {
    return topic === "badges" ? "BadgeRemoved" : "RoomRemoved";
  }
  return shortType(event.type);
}

/** Return a field of the record's data where it is text. */
export function textOf(record: LogRecord, field: string): string | null {
  const value = dataOf(record)[field];
  return typeof value === "string" && value !== "" ? value : null;
}

export function listOf(record: LogRecord, field: string): string[] {
  const value = dataOf(record)[field];
  return Array.isArray(value) ? value.map(String) : [];
}

/** Return the user whom a record is about; a badge's tombstone has the user in its key alone. */
export function userOf(record: LogRecord): string | null {
  return textOf(record, "userId") ?? (record.topic === "badges" ? (record.key?.split("/")[1] ?? null) : null);
}

/** Return the invitation, or the seat that came of it. The invitation of a sending has the command's id. */
export function invitationOf(record: LogRecord): string | null {
  const isSending = kindOf(record) === "command" && nameOf(record) === "SendInvitation";
  return isSending ? (record.event?.id ?? null) : textOf(record, "invitationId");
}

/**
 * Add pages or newer readings to what is known: each record once, by time, and within a log in its order.
 * Where nothing is new, the list that is known is returned itself.
 */
export function mergeRecords(known: LogRecord[], read: readonly LogRecord[]): LogRecord[] {
  const byPosition = new Map(known.map((record) => [positionOf(record), record]));
  const added = read.filter((record) => !byPosition.has(positionOf(record)));
  if (added.length === 0) {
    return known;
  }
  added.forEach((record) => byPosition.set(positionOf(record), record));
  const inLogOrder = [...byPosition.values()].sort(
    (one, other) => rankOf(one) - rankOf(other) || one.offset - other.offset,
  );
  // A record counts as no earlier than the one before it in its log.
  const latest = new Map<string, number>();
  const timed = inLogOrder.map((record) => {
    const log = `${record.topic}:${record.partition}`;
    const time = Math.max(Date.parse(record.at), latest.get(log) ?? 0);
    latest.set(log, time);
    return { record, time };
  });
  return timed.sort((one, other) => one.time - other.time).map(({ record }) => record);
}

/** At one time, causes come before effects. */
function rankOf(record: LogRecord): number {
  const ranks: RecordKind[] = ["fact", "command", "rejection", "event", "badge"];
  return ranks.indexOf(kindOf(record)) * 2 + Number(record.topic.startsWith("broadcast."));
}

/** Return the data; those of commands come from anybody and may be of any kind. */
function dataOf({ event }: LogRecord): Record<string, unknown> {
  const data: unknown = event?.data;
  return typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
}
