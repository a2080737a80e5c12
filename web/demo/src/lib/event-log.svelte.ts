import { ProblemError, type CloudEvent, type CoHost, type StreamItem } from "@cohost/client";

export interface EventLine {
  event: CloudEvent;
  name: string;
  /** The command that caused it, of whichever page, if it was one. */
  command: string | undefined;
}

const MAX_LINES = 200;
const MAX_COMMANDS = 500;

/** The events that a page has received, newest first, each with the command that caused it. */
export class EventLog {
  lines = $state.raw<EventLine[]>([]);
  /** The quality of each user's connection that was published last. */
  qualities = $state.raw<ReadonlyMap<string, string>>(new Map());
  readonly #commands = new Map<string, Promise<string | undefined>>();

  /** Create a log that asks with the rights of operations: another user's command is nobody else's to read. */
  constructor(private readonly ops: CoHost) {}

  /** Remember a command of this page. */
  noteCommand(commandId: string, name: string): void {
    this.#commands.set(commandId, Promise.resolve(name));
  }

  /** Add an event, unless it is known, and look its command up. */
  add(item: StreamItem): void {
    if (!("event" in item) || this.lines.some(({ event }) => event.id === item.event.id)) {
      return;
    }
    const event = item.event as CloudEvent;
    this.lines = [{ event, name: item.name, command: undefined }, ...this.lines].slice(0, MAX_LINES);
    if (item.name === "ParticipantQualityChanged") {
      this.qualities = new Map(this.qualities).set(item.data.userId, item.data.quality);
    }
    void this.#showCommand(event);
  }

  async #showCommand({ id, causationid, correlationid }: CloudEvent): Promise<void> {
    // What a report or a deadline caused still names the command at the beginning.
    const command = (await this.#nameOf(causationid)) ?? (await this.#nameOf(correlationid));
    if (command !== undefined) {
      this.lines = this.lines.map((line) => (line.event.id === id ? { ...line, command } : line));
    }
  }

  #nameOf(commandId: string | undefined): Promise<string | undefined> {
    if (commandId === undefined) {
      return Promise.resolve(undefined);
    }
    const known = this.#commands.get(commandId) ?? this.#fetchName(commandId);
    this.#commands.set(commandId, known);
    const oldest = this.#commands.keys().next();
    if (this.#commands.size > MAX_COMMANDS && !oldest.done) {
      this.#commands.delete(oldest.value);
    }
    return known;
  }

  async #fetchName(commandId: string): Promise<string | undefined> {
    try {
      const { commandType } = await this.ops.getCommand(commandId);
      return commandType.replace(/^cohost\.|\.v\d+$/g, "");
    } catch (error) {
      if (!(error instanceof ProblemError && error.status === 404)) {
        this.#commands.delete(commandId);
      }
      return undefined;
    }
  }
}
