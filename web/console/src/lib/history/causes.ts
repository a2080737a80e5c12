import type { LogRecord } from "../api-types";
import { invitationOf, kindOf, listOf, nameOf, textOf, userOf } from "./records";

/** `caused`: the record names its cause. `followed`: it answers to it by way of LiveKit or a clock. */
export type LinkKind = "caused" | "followed";

export interface Link {
  parent: LogRecord;
  kind: LinkKind;
}

// What LiveKit, a clock or compaction puts between a record and what led to it: the first of these names that
// the seat, or where the record has none its user, had before.
const FOLLOWS: Record<string, readonly string[]> = {
  GrantProvisioned: ["InvitationAccepted"],
  GrantFailed: ["InvitationAccepted"],
  GrantRevoked: ["CoHostLeft"],
  CoHostConnected: ["GrantProvisioned", "InvitationAccepted"],
  CoHostReconnected: ["CoHostDisconnected"],
  CoHostLost: ["CoHostDisconnected"],
  ReleaseSeat: ["CoHostLost", "InvitationAccepted"],
  HostReconnected: ["HostDisconnected"],
  BadgeRemoved: ["CoHostLeft"],
};
const MUTES = ["CoHostMuted", "CoHostUnmuteRequested"];
// LiveKit tells of what a hard mute took away in a webhook of its own.
const MUTE_EFFECT_MS = 5_000;

/** Finds what each record follows from. */
export class LinkFinder {
  readonly #byId = new Map<string, LogRecord>();
  readonly #tombstones: LogRecord[] = [];
  readonly #lastNamed = new Map<string, LogRecord>();
  readonly #seatsOnAir = new Set<string>();

  /** Index all records by id first: between topics, an effect may have the earlier time. */
  constructor(records: readonly LogRecord[]) {
    for (const record of records) {
      this.#index(record);
    }
  }

  /** Return what a record follows from, and remember it for later ones. Call it for the oldest first. */
  next(record: LogRecord): Link | null {
    const link = this.#causeOf(record) ?? this.#repeatedCommand(record) ?? this.#predecessorOf(record);
    this.#remember(record);
    return link;
  }

  #causeOf(record: LogRecord): Link | null {
    const id = record.event?.causationid;
    if (id === undefined) {
      return null;
    }
    const parent = this.#byId.get(ownId(record, id)) ?? this.#byId.get(id) ?? this.#tombstones.find(isAt(id));
    return parent && parent !== record ? { parent, kind: "caused" } : null;
  }

  #repeatedCommand(record: LogRecord): Link | null {
    const first =
      record.event && kindOf(record) === "command" ? this.#byId.get(ownId(record, record.event.id)) : record;
    return first && first !== record ? { parent: first, kind: "followed" } : null;
  }

  #predecessorOf(record: LogRecord): Link | null {
    const parent = this.#muteBefore(record) ?? this.#muteInEffect(record) ?? this.#stepBefore(record);
    return parent ? { parent, kind: "followed" } : null;
  }

  /** Return the mute that a change of tracks or a failure to change the rights has the correlation of. */
  #muteBefore(record: LogRecord): LogRecord | undefined {
    return ["CoHostMediaChanged", "GrantFailed"].includes(nameOf(record))
      ? MUTES.map((name) => this.#lastNamed.get(correlatedKey(name, record))).find(Boolean)
      : undefined;
  }

  /** Return the mute whose source is live no longer, if it was muted just before. */
  #muteInEffect(record: LogRecord): LogRecord | undefined {
    const before = this.#lastNamed.get(seatKey("CoHostMediaChanged", record));
    const mute = this.#lastNamed.get(userKey("CoHostMuted", record));
    if (nameOf(record) !== "CoHostMediaChanged" || before === undefined || mute === undefined) {
      return undefined;
    }
    const source = textOf(mute, "source") ?? "";
    const isSoon = Date.parse(record.at) - Date.parse(mute.at) <= MUTE_EFFECT_MS;
    return isSoon && isLive(before, source) && !isLive(record, source) ? mute : undefined;
  }

  #stepBefore(record: LogRecord): LogRecord | undefined {
    const names = this.#isFirstOnAir(record) ? ["CoHostConnected"] : (FOLLOWS[nameOf(record)] ?? []);
    const keyOf = invitationOf(record) === null ? userKey : seatKey;
    return names.map((name) => this.#lastNamed.get(keyOf(name, record))).find(Boolean);
  }

  #isFirstOnAir(record: LogRecord): boolean {
    return (
      nameOf(record) === "CoHostMediaChanged" &&
      listOf(record, "published").length > 0 &&
      !this.#seatsOnAir.has(seatKey("", record))
    );
  }

  #remember(record: LogRecord): void {
    if (this.#isFirstOnAir(record)) {
      this.#seatsOnAir.add(seatKey("", record));
    }
    for (const keyOf of [seatKey, userKey, correlatedKey]) {
      this.#lastNamed.set(keyOf(nameOf(record), record), record);
    }
  }

  #index(record: LogRecord): void {
    if (record.event === null) {
      this.#tombstones.push(record);
      return;
    }
    // The first of a repeated command is the one with the outcome.
    for (const key of [ownId(record, record.event.id), record.event.id]) {
      if (!this.#byId.has(key)) {
        this.#byId.set(key, record);
      }
    }
  }
}

function seatKey(name: string, record: LogRecord): string {
  return `${name} of seat ${invitationOf(record)}`;
}

function userKey(name: string, record: LogRecord): string {
  return `${name} of user ${userOf(record)}`;
}

function correlatedKey(name: string, record: LogRecord): string {
  return `${name} of user ${userOf(record)} with ${record.event?.correlationid}`;
}

function isLive(record: LogRecord, source: string): boolean {
  return listOf(record, "published").includes(source) && !listOf(record, "muted").includes(source);
}

/** Return an id together with its service: each commands topic has its own memory of ids. */
function ownId({ topic }: LogRecord, id: string): string {
  return `${topic.startsWith("broadcast.") ? "broadcast" : "invitations"} ${id}`;
}

/** Return whether a record is at a position `<topic>:<partition>:<offset>`, whatever the topics' prefix. */
function isAt(position: string): (record: LogRecord) => boolean {
  const [, topic = "", partition, offset] = /^(.*):(\d+):(\d+)$/.exec(position) ?? [];
  return (record) =>
    topic.endsWith(record.topic) &&
    record.partition === Number(partition) &&
    record.offset === Number(offset);
}
