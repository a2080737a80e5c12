/** Requests to the gateway, with the token of the session. */
import { uuid7 } from "../../../client/src/ids";
import type {
  AcceptedCommand,
  Activity,
  CommandOutcome,
  DeadLetter,
  DeadLetterSummary,
  Diagnosis,
  Invitation,
  Lanes,
  ListPage,
  Overview,
  Problem,
  RedriveAnswer,
  RedriveRequest,
  Refusals,
  RoomHistory,
  RoomSummary,
  Stage,
  StageSummaries,
  System,
} from "./api-types";

const TIMEOUT_MS = 10_000;
const ATTEMPTS = 4;

/** A request that was refused, or, with status 0, had no answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
    readonly problem: Problem = {},
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** Return what was thrown as an `ApiError`. */
export function asApiError(thrown: unknown): ApiError {
  return thrown instanceof ApiError ? thrown : new ApiError(0, "unknown", String(thrown));
}

interface Session {
  token: () => string | null;
  /** Called with each answer that refuses the token itself. */
  onRefused: (error: ApiError) => void;
}

let session: Session = { token: () => null, onRefused: () => undefined };

/** Say where tokens come from. */
export function useSession(used: Session): void {
  session = used;
}

interface RequestOptions {
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

/** Send a request and return the JSON of its answer. Throws `ApiError`; an abort is thrown as it is. */
async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const token = session.token();
  const answer = await send(method, path, token, options);
  if (answer.ok) {
    return (await readAnswer(answer, options.signal)) as T;
  }
  const error = await readProblem(answer);
  if (token === session.token() && isAboutToken(path, error)) {
    session.onRefused(error);
  }
  throw error;
}

async function send(
  method: string,
  path: string,
  token: string | null,
  options: RequestOptions,
): Promise<Response> {
  const headers: Record<string, string> = { ...options.headers };
  if (token !== null) {
    headers["Authorization"] = `Bearer ${token}`;
  }
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const init: RequestInit = {
    method,
    headers,
    cache: "no-store",
    signal: options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
  };
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  try {
    return await fetch(path + formatQuery(options.query), init);
  } catch (error) {
    options.signal?.throwIfAborted();
    const message = timeout.aborted
      ? `No answer within ${TIMEOUT_MS / 1000} s.`
      : "The gateway is not reachable.";
    throw new ApiError(0, "unreachable", message, { detail: String(error) });
  }
}

/** Return a query string with the values that are there and not empty. */
export function formatQuery(query: RequestOptions["query"] = {}): string {
  const present = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return present.length === 0
    ? ""
    : `?${new URLSearchParams(present.map(([name, value]) => [name, String(value)]))}`;
}

/** Return an answer's JSON. One that breaks off, or is none of the gateway's, is as good as no answer. */
async function readAnswer(answer: Response, signal?: AbortSignal): Promise<unknown> {
  try {
    return await answer.json();
  } catch (error) {
    signal?.throwIfAborted();
    throw new ApiError(0, "unreachable", "The gateway's answer broke off.", { detail: String(error) });
  }
}

async function readProblem(answer: Response): Promise<ApiError> {
  const problem = (await answer.json().catch(() => ({}))) as Problem;
  const message =
    problem.message ?? problem.detail ?? problem.title ?? `The gateway answered ${answer.status}.`;
  return new ApiError(answer.status, problem.reason ?? "unknown", message, problem);
}

/** Return whether the answer refuses the token. Commands have refusals of their own with these statuses. */
function isAboutToken(path: string, error: ApiError): boolean {
  return error.status === 401 || (error.status === 403 && path.startsWith("/v1/ops/"));
}

/** Send a command and return its outcome. It keeps its id while it is repeated, so it takes effect once. */
export async function sendCommand(method: string, path: string, body?: unknown): Promise<AcceptedCommand> {
  const headers = { "Idempotency-Key": uuid7(), Prefer: "wait=8" };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await request<AcceptedCommand | { outcome: "pending"; commandId: string }>(
        method,
        path,
        {
          body,
          headers,
        },
      );
      if (answer.outcome === "accepted") {
        return answer;
      }
      if (attempt === ATTEMPTS) {
        throw new ApiError(202, "pending", `The command ${answer.commandId} has no outcome yet.`);
      }
    } catch (error) {
      const isPassing = error instanceof ApiError && (error.status === 0 || error.status >= 502);
      if (!isPassing || attempt === ATTEMPTS) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
    }
  }
}

const part = encodeURIComponent;

/** What ops read and do. */
export const ops = {
  overview: (signal?: AbortSignal) => request<Overview>("GET", "/v1/ops/overview", { signal }),
  lanes: (signal?: AbortSignal) => request<Lanes>("GET", "/v1/ops/lanes", { signal }),
  stages: (signal?: AbortSignal, limit?: number) =>
    request<StageSummaries>("GET", "/v1/ops/stages", { signal, query: { limit } }),
  system: (signal?: AbortSignal) => request<System>("GET", "/v1/ops/system", { signal }),
  activity: (signal?: AbortSignal) => request<Activity>("GET", "/v1/ops/activity", { signal }),
  refusals: (signal?: AbortSignal, reason?: string, limit?: number) =>
    request<Refusals>("GET", "/v1/ops/refusals", { signal, query: { reason, limit } }),
  history: (roomId: string, signal?: AbortSignal, query: { limit?: number; before?: string } = {}) =>
    request<RoomHistory>("GET", `/v1/ops/rooms/${part(roomId)}/history`, { signal, query }),
  deadLetters: (
    signal?: AbortSignal,
    query: { service?: string; reason?: string; limit?: number; cursor?: string } = {},
  ) => request<ListPage<DeadLetterSummary>>("GET", "/v1/ops/dead-letters", { signal, query }),
  deadLetter: (id: string, signal?: AbortSignal) =>
    request<DeadLetter>("GET", `/v1/ops/dead-letters/${part(id)}`, { signal }),
  redrive: (id: string, body: RedriveRequest) =>
    request<RedriveAnswer>("POST", `/v1/ops/dead-letters/${part(id)}/redrive`, { body }),
  redriveMany: (ids: string[], dryRun: boolean) =>
    request<{ items: RedriveAnswer[] }>("POST", "/v1/ops/dead-letters/redrive", { body: { ids, dryRun } }),
};

/** What everybody reads, and ops of all rooms. */
export const reads = {
  rooms: (signal?: AbortSignal, query: { status?: string; limit?: number } = {}) =>
    request<ListPage<RoomSummary>>("GET", "/v1/rooms", { signal, query }),
  room: (roomId: string, signal?: AbortSignal) =>
    request<RoomSummary>("GET", `/v1/rooms/${part(roomId)}`, { signal }),
  stage: (roomId: string, signal?: AbortSignal) =>
    request<Stage>("GET", `/v1/rooms/${part(roomId)}/stage`, { signal }),
  roomInvitations: (
    roomId: string,
    signal?: AbortSignal,
    query: { status?: string; limit?: number; cursor?: string } = {},
  ) => request<ListPage<Invitation>>("GET", `/v1/rooms/${part(roomId)}/invitations`, { signal, query }),
  userInvitations: (
    userId: string,
    signal?: AbortSignal,
    query: { status?: string; roomId?: string; limit?: number } = {},
  ) => request<ListPage<Invitation>>("GET", `/v1/users/${part(userId)}/invitations`, { signal, query }),
  invitation: (invitationId: string, signal?: AbortSignal) =>
    request<Invitation>("GET", `/v1/invitations/${part(invitationId)}`, { signal }),
  diagnosis: (roomId: string, userId: string, signal?: AbortSignal) =>
    request<Diagnosis>("GET", `/v1/rooms/${part(roomId)}/users/${part(userId)}/diagnosis`, { signal }),
  command: (commandId: string, signal?: AbortSignal) =>
    request<CommandOutcome>("GET", `/v1/commands/${part(commandId)}`, { signal }),
};

/** Commands of an operator; the services decide whether the operator may. */
export const commands = {
  cancelInvitation: (roomId: string, invitationId: string) =>
    sendCommand("POST", `/v1/rooms/${part(roomId)}/invitations/${part(invitationId)}/cancel`),
  removeCoHost: (roomId: string, userId: string) =>
    sendCommand("DELETE", `/v1/rooms/${part(roomId)}/co-hosts/${part(userId)}`),
  muteCoHost: (
    roomId: string,
    userId: string,
    source: "microphone" | "camera" | "screen_share",
    hard = false,
  ) => sendCommand("POST", `/v1/rooms/${part(roomId)}/co-hosts/${part(userId)}/mute`, { source, hard }),
};
