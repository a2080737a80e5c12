import type { LogRecord } from "../src/lib/api-types";

const START = Date.parse("2026-01-01T12:00:00.000Z");

/** Builds a room's history: each record is a few milliseconds after the one before it. */
export class LogBuilder {
  readonly records: LogRecord[] = [];
  #now = START;
  readonly #offsets = new Map<string, number>();

  /** Let time go by, and return what time it then is. */
  wait(ms: number): string {
    this.#now += ms;
    return this.time;
  }

  get time(): string {
    return new Date(this.#now).toISOString();
  }

  command(service: string, name: string, id: string, data: object): LogRecord {
    return this.#add(`${service}.commands`, name, id, { data });
  }

  /** Add an event or rejection that this record caused, of an id for a cause that is not in the history. */
  effect(
    topic: string,
    name: string,
    cause: LogRecord | string,
    data: object,
    correlation?: string,
  ): LogRecord {
    const causationid = typeof cause === "string" ? cause : (cause.event?.id ?? "");
    const correlationid =
      correlation ?? (typeof cause === "string" ? cause : (cause.event?.correlationid ?? causationid));
    const id = `${name}-${this.records.length}`;
    return this.#add(topic, name, id, { data, causationid, correlationid });
  }

  tombstone(topic: string, key: string): LogRecord {
    return this.#push(topic, key, null);
  }

  #add(topic: string, name: string, id: string, attributes: object): LogRecord {
    const event = {
      specversion: "1.0",
      id,
      source: "/test",
      type: `cohost.${name}.v1`,
      time: this.time,
      ...attributes,
    };
    return this.#push(topic, "room-1", event);
  }

  #push(topic: string, key: string, event: LogRecord["event"]): LogRecord {
    const offset = this.#offsets.get(topic) ?? 0;
    this.#offsets.set(topic, offset + 1);
    const record = { topic, partition: 3, offset, at: this.time, key, event };
    this.records.push(record);
    return record;
  }
}

/** Play an invitation to the end of it that a test needs: bob is on air. */
export function playToAir(log: LogBuilder, invitationId = "inv-1"): void {
  const seat = { roomId: "room-1", userId: "bob", invitationId };
  const send = log.command("invitations", "SendInvitation", invitationId, {
    roomId: "room-1",
    userId: "bob",
    actorId: "alice",
  });
  log.wait(12);
  log.effect("invitations.events", "InvitationSent", send, seat);
  log.wait(5_000);
  const accept = log.command("invitations", "AcceptInvitation", `accept-${invitationId}`, {
    ...seat,
    actorId: "bob",
  });
  log.wait(9);
  const accepted = log.effect("invitations.events", "InvitationAccepted", accept, seat);
  log.wait(14);
  log.effect("badges", "BadgeChanged", accepted, { ...seat, badge: "coHost" });
  log.wait(30);
  log.effect("broadcast.events", "GrantProvisioned", "signal-1", seat, accept.event?.id);
  log.wait(700);
  log.effect("broadcast.events", "CoHostConnected", "signal-2", seat);
  log.wait(90);
  log.effect("broadcast.events", "CoHostMediaChanged", "signal-3", { ...seat, published: ["camera"] });
}
