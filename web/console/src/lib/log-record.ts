import type { Tone } from "../components/Badge.svelte";
import type { LogRecord } from "./api-types";
import { humanize, shortType } from "./format";

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
export function describeRecord({ topic, key, event }: LogRecord): DescribedRecord {
  const data = event?.data ?? {};
  const [keyRoom = null, keyUser = null] = key?.split("/") ?? [];
  const type = event === null ? (topic === "badges" ? "BadgeRemoved" : "Removed") : shortType(event.type);
  const causationId = event?.causationid ?? null;
  return {
    name: type === "CommandRejected" ? shortType(text(data["commandType"]) ?? type) : type,
    tone: topic.endsWith(".commands") ? "accent" : (TONES[type] ?? "neutral"),
    roomId: text(data["roomId"]) ?? (topic === "users" ? null : keyRoom),
    userId: text(data["userId"]) ?? (topic === "users" ? keyRoom : keyUser),
    note: noteOf(type, data),
    causationId,
    isCausedByCommand: causationId !== null && !/:\d+:\d+$/.test(causationId),
  };
}

function noteOf(type: string, data: Record<string, unknown>): string | null {
  if (type === "CommandRejected") {
    return `refused: ${humanize(text(data["reason"]) ?? "unknown")}`;
  }
  const word =
    text(data["reason"]) ?? text(data["closeReason"]) ?? text(data["status"]) ?? text(data["quality"]);
  return word === null ? null : humanize(word);
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
