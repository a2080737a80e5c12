import { CoHost } from "../src/index.js";
import type { ConnectionOptions } from "../src/http.js";

/** What the fake gateway does with a request: it answers, or fails like a network. */
export type Reply = (request: SeenRequest) => Response | Promise<Response>;

export interface SeenRequest {
  method: string;
  path: string;
  headers: Headers;
  body: unknown;
  signal: AbortSignal | undefined;
}

/** A gateway that gives prepared replies in their order, the last one again and again. */
export class FakeGateway {
  readonly requests: SeenRequest[] = [];
  readonly #replies: Reply[];

  constructor(...replies: Reply[]) {
    this.#replies = replies;
  }

  readonly fetch: typeof globalThis.fetch = async (input, init = {}) => {
    const request: SeenRequest = {
      method: init.method ?? "GET",
      path: String(input).replace("https://gateway", ""),
      headers: new Headers(init.headers),
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
      signal: init.signal ?? undefined,
    };
    this.requests.push(request);
    const reply = this.#replies[Math.min(this.requests.length, this.#replies.length) - 1]!;
    return reply(request);
  };

  client(options: Partial<ConnectionOptions> = {}): CoHost {
    return new CoHost("https://gateway/", { token: tokenOf("alice"), fetch: this.fetch, ...options });
  }
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return () => new Response(JSON.stringify(body), { status, headers });
}

export function problem(
  status: number,
  reason: string,
  more: object = {},
  headers?: Record<string, string>,
): Reply {
  return json(status, { type: "about:blank", title: "", status, reason, ...more }, headers);
}

export const networkFailure: Reply = () => {
  throw new TypeError("fetch failed");
};

/** Return a JWT of a user, with a signature that is none. */
export function tokenOf(sub: string, expiresInSeconds = 3_600, more: object = {}): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const claims = { sub, exp: Math.floor(Date.now() / 1000) + expiresInSeconds, ...more };
  return `${encode({ alg: "HS256" })}.${encode(claims)}.signature`;
}

export function cloudEvent(name: string, data: object, id = name): Record<string, unknown> {
  return {
    specversion: "1.0",
    id,
    type: `cohost.${name}.v1`,
    source: "/cohost/invitations",
    subject: "r",
    data,
  };
}

export function accepted(commandId: string, ...events: object[]): Reply {
  return json(200, { commandId, outcome: "accepted", events });
}

/** An event stream under the test's control. */
export class FakeStream {
  readonly isCancelled: Promise<void>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly #body: ReadableStream<Uint8Array>;

  constructor() {
    let cancelled: () => void;
    this.isCancelled = new Promise((resolve) => (cancelled = resolve));
    this.#body = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      cancel: () => cancelled(),
    });
  }

  readonly reply: Reply = () =>
    new Response(this.#body, { status: 200, headers: { "Content-Type": "text/event-stream" } });

  write(text: string): this {
    this.#controller.enqueue(new TextEncoder().encode(text));
    return this;
  }

  send(name: string, data: object, id: string): this {
    return this.write(`event: ${name}\ndata: ${JSON.stringify(data)}\nid: ${id}\n\n`);
  }

  ready(id: string): this {
    return this.send("ready", {}, id);
  }

  end(): this {
    this.#controller.close();
    return this;
  }

  fail(): this {
    this.#controller.error(new TypeError("network failure"));
    return this;
  }
}
