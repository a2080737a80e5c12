/** The API's answers, by the names that the console has for them. Their types are generated. */
import type { components } from "../generated/openapi";

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

/** A CloudEvent as it is on its topic. The document leaves open what is in it. */
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
export type LogRecord = Omit<Schemas["LogRecord"], "event"> & { event: CloudEvent | null };

type WithRecords<Answer, Field extends keyof Answer> = Omit<Answer, Field> & Record<Field, LogRecord[]>;

export type Overview = Schemas["StateOverview"];
export type Lane = Schemas["LaneState"];
export type Lanes = Schemas["LaneStates"];
export type StageSummary = Schemas["StageCondition"];
export type StageSummaries = Schemas["StageConditions"];
export type Part = Schemas["SystemPart"];
export type LastAudit = Schemas["LastAudit"];
export type System = Schemas["SystemState"];
export type ActivitySample = Schemas["ActivitySample"];
export type Alarm = Schemas["Alarm"];
export type Activity = WithRecords<Schemas["Activity"], "newest">;
export type Refusals = WithRecords<Schemas["Refusals"], "items">;
export type RoomHistory = WithRecords<Schemas["RoomHistory"], "items">;
export type DeadLetterSummary = Schemas["DeadLetter"];
export type DeadLetterHeader = Schemas["RecordHeader"];
export type DeadLetter = Schemas["DeadLetterDetails"];
export type RedriveRequest = Partial<Schemas["RedriveRequest"]>;
export type RedriveAnswer = Schemas["RedriveResult"];
