/** The API's answers, as the gateway publishes them. */
import type { components } from "../../../client/src/generated/openapi";

type Schemas = components["schemas"];

export type RoomSummary = Schemas["RoomSummary"];
export type Stage = Schemas["Stage"];
export type OnStage = Schemas["OnStage"];
export type Invitation = Schemas["InvitationDetails"];
export type Diagnosis = Schemas["Diagnosis"];
export type DiagnosisStep = Schemas["DiagnosisStep"];
export type CommandOutcome = Schemas["DetailedOutcome"];
export type AcceptedCommand = Schemas["AcceptedCommand"];
export type Problem = Partial<Schemas["CommandProblem"]>;

export interface ListPage<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** A CloudEvent as it is on its topic. */
export interface CloudEvent {
  specversion: string;
  id: string;
  source: string;
  type: string;
  time: string;
  subject?: string;
  causationid?: string;
  correlationid?: string;
  sequence?: string;
  data?: Record<string, unknown>;
  [attribute: string]: unknown;
}

/** A record of the log; `event` is null for a tombstone, whose subject is the key. */
export interface LogRecord {
  topic: string;
  partition: number;
  offset: number;
  at: string;
  key: string | null;
  event: CloudEvent | null;
}

export interface Overview {
  at: string;
  roomsOpen: number | null;
  pending: number | null;
  seats: number | null;
  connected: number | null;
  inGrace: number | null;
  outOfSync: number | null;
  failingGrants: number | null;
  lag: number | null;
  outboxBatches: number | null;
  lanes: number | null;
  lanesWithoutOwner: number | null;
  takeovers: number | null;
  unavailable: string[];
}

export interface Lane {
  service: string;
  lane: number;
  owner: string | null;
  epoch: number;
  lag: Record<string, number> | null;
  outboxBatches: number | null;
}

export interface Lanes {
  items: Lane[];
  unavailable: string[];
}

export interface StageSummary {
  roomId: string;
  hostConnected: boolean;
  seats: number;
  connected: number;
  inGrace: number;
  neverConnected: number;
  poorQuality: number;
  outOfSync: number;
  failingGrants: number;
  trouble: number;
}

export interface StageSummaries {
  items: StageSummary[];
  unavailable: string[];
}

export interface Part {
  name: string;
  version: string | null;
  detail: string | null;
}

export interface LastAudit {
  at: string;
  commands: number;
  outcomes: number;
  events: number;
  violations: string[];
  unchecked: string[];
}

export interface System {
  items: Part[];
  contractVersion: string;
  liveKit: { callsPending: number | null; oldestPendingSeconds: number | null };
  lastAudit: LastAudit | null;
}

export interface ActivitySample {
  at: string;
  accepted: number;
  rejected: number;
  deadLetters: number;
  events: number;
}

export interface Alarm {
  kind: "grant_failed" | "intruder_removed" | "dead_letter";
  at: string;
  roomId: string | null;
  userId: string | null;
  detail: string | null;
}

export interface Activity {
  since: string | null;
  commandsPerSecond: number;
  samples: ActivitySample[];
  refusals: { reason: string; count: number }[];
  alarms: Alarm[];
  newest: LogRecord[];
  /** Topics that this gateway may not read. */
  unreadable: string[];
}

export interface Refusals {
  items: LogRecord[];
  unreadable: string[];
}

export interface RoomHistory {
  roomId: string;
  items: LogRecord[];
  before: string | null;
  isComplete: boolean;
  unreadable: string[];
}

export interface DeadLetterSummary {
  id: string;
  service: string;
  reason: string;
  topic: string;
  partition: number;
  offset: number;
  at: string;
  key: string | null;
  bytes: number;
  isTruncated: boolean;
}

export interface DeadLetterHeader {
  name: string;
  text: string | null;
  base64: string | null;
}

export interface DeadLetter extends DeadLetterSummary {
  text: string | null;
  base64: string | null;
  headers: DeadLetterHeader[];
  explanation: string;
  canRedrive: boolean;
  whyNot: string | null;
}

export interface RedriveRequest {
  text?: string;
  base64?: string;
  key?: string;
  dryRun?: boolean;
}

export interface RedriveAnswer {
  id: string;
  written: boolean;
  verdict: string;
  explanation: string | null;
  topic: string | null;
  partition: number | null;
  commandId: string | null;
  causationId: string | null;
  warning: string | null;
}
