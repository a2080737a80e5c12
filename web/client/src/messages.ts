import type { EventData } from "./generated/messages.js";
import type { components } from "./generated/openapi.js";

type Schemas = components["schemas"];

/** The name of an event, such as `InvitationSent`. */
export type EventName = keyof EventData;

/** A CloudEvent of one of these names, as it is on the topic. */
export interface CloudEvent<Name extends EventName = EventName> {
  specversion: "1.0";
  id: string;
  source: string;
  type: `cohost.${Name}.v1`;
  subject: string;
  time: string;
  datacontenttype: string;
  /** Copied from the cause, otherwise the cause's id. */
  correlationid: string;
  /** The id of the record that caused the event: for the outcome of a command, the command's id. */
  causationid: string;
  /** Dense from 1 per topic and partition: 20 digits. */
  sequence: string;
  traceparent?: string;
  tracestate?: string;
  data: EventData[Name];
}

export type Invitation = Schemas["InvitationDetails"];
export type Room = Schemas["RoomSummary"];
export type RoomHost = Schemas["RoomHost"];
export type CoHostSeat = Schemas["CoHost"];
export type CommandOutcome = Schemas["CommandOutcome"] & Partial<Schemas["DetailedOutcome"]>;
export type BroadcastData = Schemas["BroadcastData"];
export type PublishDefaults = Schemas["PublishDefaults"];
export type Permissions = Schemas["Permissions"];
export type StageView = Schemas["Stage"];
export type OnStage = Schemas["OnStage"];
export type Diagnosis = Schemas["Diagnosis"];

export type RejectionReason = EventData["CommandRejected"]["reason"];
export type MuteSource = EventData["CoHostMuted"]["source"];
export type Quality = EventData["ParticipantQualityChanged"]["quality"];
export type Role = BroadcastData["role"];
/** The invitation as the services store it; answers to reads also have names and titles. */
export type StoredInvitation = NonNullable<EventData["CommandRejected"]["current"]>;

/** One page of a list; `nextCursor` is null on the last one. */
export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}
