import { Backoff, pause, untilAborted } from "./backoff.js";
import { ProblemError, type ProblemBody } from "./errors.js";
import { TokenSource, type TokenProvider } from "./tokens.js";

export interface ConnectionOptions {
  /** The user's JWT, or a function that returns one: it is called again when a token has expired. */
  token: string | TokenProvider;
  /** How long a call may take, with all its attempts. */
  timeoutMs?: number | undefined;
  /** In place of the global `fetch`. */
  fetch?: typeof globalThis.fetch;
}

export interface HttpRequest {
  method: string;
  /** Path and query. */
  path: string;
  body?: object;
  headers?: Record<string, string>;
}

export interface CallOptions {
  /** Ends the call; what was sent before may have taken effect. */
  signal?: AbortSignal | undefined;
  /** How long the call may take, with all its attempts. */
  timeoutMs?: number | undefined;
}

/** An answer whose body was read. */
export interface HttpAnswer {
  status: number;
  body: unknown;
  retryAfterMs: number;
  /** Whether an attempt before this one may have had an effect: its answer was lost, or not final. */
  mayRepeat: boolean;
}

/** No attempt had a final answer in time. `cause` is the last answer, as a `ProblemError`, or failure. */
export class NoAnswer extends Error {
  constructor(
    cause: unknown,
    /** Whether every attempt was certainly refused before it had an effect. */
    readonly hadNoEffect: boolean,
  ) {
    super("there was no final answer in time", { cause });
  }
}

/** The provider gave no token, so nothing was sent; `cause` says why. */
class NoToken extends Error {
  constructor(cause: unknown) {
    super("there is no token to send a request with", { cause });
  }
}

const DEFAULT_TIMEOUT_MS = 30_000;
const RETRIED_STATUSES = new Set([429, 502, 503, 504]);
// Twice the longest wait for an outcome, and so short that a dead connection leaves time for another attempt.
const MAX_ATTEMPT_MS = 20_000;

/** Requests to the gateway with the caller's token. */
export class HttpConnection {
  readonly tokens: TokenSource;
  readonly #baseUrl: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #timeoutMs: number;

  constructor(baseUrl: string, options: ConnectionOptions) {
    this.#baseUrl = baseUrl.replace(/\/+$/, "");
    // Browsers refuse `fetch` as the method of another object.
    this.#fetch = options.fetch ?? ((...parameters) => globalThis.fetch(...parameters));
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.tokens = new TokenSource(options.token);
  }

  /**
   * Send a request that may be repeated, until the answer is final or the time is over: by default one
   * that asks for no other attempt. `prepare` may change the request by the milliseconds that are left.
   *
   * Rejects with `NoAnswer`, or with the signal's reason.
   */
  async retry(
    request: HttpRequest,
    { signal, timeoutMs = this.#timeoutMs }: CallOptions = {},
    isFinal: (answer: HttpAnswer) => boolean = (answer) => !RETRIED_STATUSES.has(answer.status),
    prepare: (request: HttpRequest, leftMs: number) => HttpRequest = (unchanged) => unchanged,
  ): Promise<HttpAnswer> {
    checkPath(request.path);
    const deadline = Date.now() + timeoutMs;
    const backoff = new Backoff();
    let hadNoEffect = true;
    for (;;) {
      const leftMs = Math.max(1, deadline - Date.now());
      const timeout = AbortSignal.timeout(Math.min(leftMs, MAX_ATTEMPT_MS));
      const result = await this.#attempt(prepare(request, leftMs), signal, timeout);
      if ("status" in result && isFinal(result)) {
        return { ...result, mayRepeat: !hadNoEffect };
      }
      hadNoEffect &&= "status" in result ? result.status === 429 : result.failure instanceof NoToken;
      const wait = Math.max(backoff.nextPause(), "status" in result ? result.retryAfterMs : 0);
      if (Date.now() + wait >= deadline) {
        throw new NoAnswer("status" in result ? problemOf(result) : reasonOf(result.failure), hadNoEffect);
      }
      await pause(wait, signal);
    }
  }

  /** Return the JSON of an answer that must be 2xx. Rejects with `ProblemError`, or the last failure. */
  async call<Body>(request: HttpRequest, options?: CallOptions): Promise<Body> {
    let answer: HttpAnswer;
    try {
      answer = await this.retry(request, options);
    } catch (error) {
      throw error instanceof NoAnswer ? error.cause : error;
    }
    if (answer.status >= 300) {
      throw problemOf(answer);
    }
    return answer.body as Body;
  }

  /** Send a request once, with a new token where the provider's last one was refused. */
  async send(request: HttpRequest, signal?: AbortSignal): Promise<Response> {
    const token = await this.#token(signal);
    const response = await this.#sendWith(token, request, signal);
    if (response.status !== 401 || !this.tokens.discard(token)) {
      return response;
    }
    await response.body?.cancel();
    return this.#sendWith(await this.#token(signal), request, signal);
  }

  async #token(signal: AbortSignal | undefined): Promise<string> {
    try {
      return await untilAborted(this.tokens.token(), signal);
    } catch (error) {
      throw new NoToken(error);
    }
  }

  async #attempt(
    request: HttpRequest,
    signal: AbortSignal | undefined,
    timeout: AbortSignal,
  ): Promise<HttpAnswer | { failure: unknown }> {
    try {
      return await readAnswer(
        await this.send(request, AbortSignal.any(signal ? [signal, timeout] : [timeout])),
      );
    } catch (failure) {
      if (signal?.aborted) {
        throw signal.reason;
      }
      return { failure };
    }
  }

  #sendWith(
    token: string,
    { method, path, body, headers }: HttpRequest,
    signal?: AbortSignal,
  ): Promise<Response> {
    return this.#fetch(this.#baseUrl + path, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body && { "Content-Type": "application/json" }),
        ...headers,
      },
      cache: "no-store",
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  }
}

/** Return an answer with its body read. Rejects where it succeeded without JSON; a problem may have no body. */
export async function readAnswer(response: Response): Promise<HttpAnswer> {
  const body = parseJson(await response.text());
  if (response.ok && body === undefined) {
    // Something on the way answered in the gateway's place, such as the login page of a network.
    throw new Error(`the answer with status ${response.status} is not the gateway's: it has no JSON`);
  }
  const seconds = Number(response.headers.get("Retry-After"));
  return {
    status: response.status,
    body,
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : 0,
    mayRepeat: false,
  };
}

function reasonOf(failure: unknown): unknown {
  return failure instanceof NoToken ? failure.cause : failure;
}

export function problemOf(answer: HttpAnswer): ProblemError {
  const body: ProblemBody = typeof answer.body === "object" ? (answer.body ?? {}) : {};
  return new ProblemError(answer.status, body.reason ?? "unknown", body);
}

/** Fill a path: each value is one segment. */
export function path(strings: TemplateStringsArray, ...values: string[]): string {
  return String.raw({ raw: strings }, ...values.map(encodeURIComponent));
}

/** Throw a `TypeError` for an id that would vanish from the path: the request would be for something else. */
export function checkPath(requestPath: string): void {
  const [segments = ""] = requestPath.split("?");
  const id = segments
    .slice(1)
    .split("/")
    .find((segment) => ["", ".", ".."].includes(segment));
  if (id !== undefined) {
    throw new TypeError(`"${id}" is no id: ${requestPath}`);
  }
}

/** Return a query with its `?`, without the values that are undefined. */
export function query(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
