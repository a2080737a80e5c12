import { createParser, type EventSourceMessage } from "eventsource-parser";
import { Backoff, pause } from "./backoff.js";
import { ProblemError } from "./errors.js";
import { checkPath, problemOf, readAnswer, type HttpConnection } from "./http.js";
import type { CloudEvent, EventName } from "./messages.js";
import type { EventData } from "./generated/messages.js";

export interface StreamOptions {
  /** Ends the stream: the loop over it is left without an error. */
  signal?: AbortSignal | undefined;
  /** Resume behind this position, exactly. */
  after?: string | undefined;
  /** How long the stream may be silent before it is opened again; the gateway sends a line every 15 s. */
  silenceMs?: number | undefined;
  /** Called when the stream is open, and when it is interrupted, with what went wrong. */
  onStatus?: (status: "open" | "interrupted", error?: unknown) => void;
}

/** The stream is open. What was committed before can be read; with `reset`, read it: it was not streamed. */
export interface ReadyItem {
  name: "ready";
  position: string;
  reset: boolean;
}

/** A user has no badge in a room any more. */
export interface BadgeRemovedItem {
  name: "BadgeRemoved";
  position: string;
  data: { roomId: string; userId: string };
}

/** An event, with its data and all of its CloudEvent. */
export interface EventItem<Name extends EventName> {
  name: Name;
  position: string;
  data: EventData[Name];
  event: CloudEvent<Name>;
}

/** What a stream yields. `position` may be stored: a stream with it as `after` begins behind the item. */
export type StreamItem = ReadyItem | BadgeRemovedItem | { [Name in EventName]: EventItem<Name> }[EventName];

const DEFAULT_SILENCE_MS = 40_000;
const POSITION_GONE = 410;
// What another attempt would not change.
const FINAL_STATUSES = new Set([400, 401, 403, 404, 422]);

/**
 * Yield the events of a stream, without gap or repetition across interruptions.
 *
 * Where the log no longer has the position, a `ready` with `reset` tells that the state must be read again.
 * Rejects with `ProblemError` where the stream is refused.
 */
export async function* followStream(
  connection: HttpConnection,
  path: string,
  { signal, after, silenceMs = DEFAULT_SILENCE_MS, onStatus }: StreamOptions = {},
): AsyncGenerator<StreamItem, void, undefined> {
  checkPath(path);
  const backoff = new Backoff();
  let position = after;
  let reset = false;
  while (!signal?.aborted) {
    // Without a position, the gateway begins at the present.
    reset ||= !position;
    const attempt = new AbortController();
    const stop = () => attempt.abort(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
    let interruption: unknown;
    try {
      const body = await openStream(connection, path, position, attempt, silenceMs);
      onStatus?.("open");
      for await (const message of readMessages(body, attempt, silenceMs)) {
        if (signal?.aborted) {
          return;
        }
        backoff.reset();
        position = message.id ?? position ?? "";
        yield toItem(message, position, reset);
        reset = false;
      }
    } catch (error) {
      if (isFinal(error) && !signal?.aborted) {
        throw error;
      }
      if (error instanceof ProblemError && error.status === POSITION_GONE) {
        position = undefined;
      }
      interruption = error;
    } finally {
      signal?.removeEventListener("abort", stop);
      // The consumer may have left the loop: nothing more is to be received.
      attempt.abort();
    }
    if (!signal?.aborted) {
      onStatus?.("interrupted", interruption);
      await pause(backoff.nextPause(), signal).catch(() => undefined);
    }
  }
}

async function openStream(
  connection: HttpConnection,
  path: string,
  position: string | undefined,
  attempt: AbortController,
  silenceMs: number,
): Promise<ReadableStream<Uint8Array>> {
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (position) {
    headers["Last-Event-ID"] = position;
  }
  const response = await abortIfSilent(attempt, silenceMs, () =>
    connection.send({ method: "GET", path, headers }, attempt.signal),
  );
  if (response.status !== 200 || response.body === null) {
    throw problemOf(await readAnswer(response));
  }
  const type = response.headers.get("Content-Type") ?? "no type";
  if (!type.startsWith("text/event-stream")) {
    throw new Error(`the answer is not the gateway's: ${type} in place of a stream`);
  }
  return response.body;
}

async function* readMessages(
  body: ReadableStream<Uint8Array>,
  attempt: AbortController,
  silenceMs: number,
): AsyncGenerator<EventSourceMessage, void, undefined> {
  let messages: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => messages.push(message) });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      // The clock runs while the gateway is waited for, not while the consumer is at work.
      const { done, value } = await abortIfSilent(attempt, silenceMs, () => reader.read());
      if (done) {
        return;
      }
      parser.feed(decoder.decode(value, { stream: true }));
      const parsed = messages;
      messages = [];
      yield* parsed;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** Wait for what the attempt receives next; rejects once it is aborted, by itself after a silence. */
function abortIfSilent<T>(attempt: AbortController, ms: number, receive: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(attempt.signal.reason);
    const timer = setTimeout(() => attempt.abort(new Error(`nothing was received for ${ms} ms`)), ms);
    attempt.signal.addEventListener("abort", abort, { once: true });
    receive()
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
        attempt.signal.removeEventListener("abort", abort);
      });
  });
}

function toItem(message: EventSourceMessage, position: string, reset: boolean): StreamItem {
  const name = message.event ?? "message";
  if (name === "ready") {
    return { name, position, reset };
  }
  const body = JSON.parse(message.data);
  if (name === "BadgeRemoved") {
    return { name, position, data: body };
  }
  // A name that is not known here is of a later version; readers ignore it.
  return { name, position, data: body.data, event: body } as StreamItem;
}

function isFinal(error: unknown): boolean {
  return error instanceof ProblemError && FINAL_STATUSES.has(error.status);
}
