import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { OutcomeUnknown, ProblemError, Refused } from "../src/index.js";
import {
  accepted,
  cloudEvent,
  FakeGateway,
  json,
  networkFailure,
  problem,
  tokenOf,
  type Reply,
} from "./fake-gateway.js";

const SENT = cloudEvent("InvitationSent", { invitationId: "i1", userId: "bob" });
const PENDING: Reply = json(202, { commandId: "c1", outcome: "pending" }, { Location: "/v1/commands/c1" });
const HANGING: Reply = ({ signal }) =>
  new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason as Error)));
const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function keysOf(gateway: FakeGateway): (string | null)[] {
  return gateway.requests.map(({ headers }) => headers.get("Idempotency-Key"));
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Let timers run until the promise is settled; return its value or its error. */
async function settle<T>(promise: Promise<T>): Promise<T | Error> {
  const settled = promise.catch((error: Error) => error);
  await vi.runAllTimersAsync();
  return settled;
}

describe("each command is the contract's request", () => {
  const gateway = new FakeGateway(accepted("c1", SENT));
  const cohost = gateway.client();
  const invitation = "/v1/rooms/r%2F1/invitations/i1";
  test.each<[string, () => Promise<unknown>, string, string, unknown]>([
    [
      "send",
      () => cohost.sendInvitation("r/1", "bob", { label: "Guitar", message: "Come", expiresInSeconds: 60 }),
      "POST",
      "/v1/rooms/r%2F1/invitations",
      { userId: "bob", label: "Guitar", message: "Come", expiresInSeconds: 60 },
    ],
    [
      "resend",
      () => cohost.resendInvitation("r/1", "i1", { expiresInSeconds: 60 }),
      "POST",
      `${invitation}/resend`,
      { expiresInSeconds: 60 },
    ],
    ["seen", () => cohost.markInvitationSeen("r/1", "i1"), "POST", `${invitation}/seen`, undefined],
    ["accept", () => cohost.acceptInvitation("r/1", "i1"), "POST", `${invitation}/accept`, undefined],
    ["decline", () => cohost.declineInvitation("r/1", "i1"), "POST", `${invitation}/decline`, undefined],
    ["cancel", () => cohost.cancelInvitation("r/1", "i1"), "POST", `${invitation}/cancel`, undefined],
    ["remove", () => cohost.removeCoHost("r", "bob"), "DELETE", "/v1/rooms/r/co-hosts/bob", undefined],
    ["leave", () => cohost.leaveStage("r"), "DELETE", "/v1/rooms/r/co-hosts/alice", undefined],
    [
      "arrange",
      () => cohost.arrangeStage("r", ["b", "a"]),
      "PUT",
      "/v1/rooms/r/co-hosts/order",
      { userIds: ["b", "a"] },
    ],
    [
      "mute",
      () => cohost.muteCoHost("r", "bob", "camera", { hard: true }),
      "POST",
      "/v1/rooms/r/co-hosts/bob/mute",
      { source: "camera", hard: true },
    ],
    [
      "unmute",
      () => cohost.unmuteCoHost("r", "bob", "camera"),
      "POST",
      "/v1/rooms/r/co-hosts/bob/unmute",
      { source: "camera" },
    ],
  ])("%s", async (_, call, method, path, body) => {
    gateway.requests.length = 0;
    await settle(call());
    const [request] = gateway.requests;
    expect(gateway.requests).toHaveLength(1);
    expect([request!.method, request!.path, request!.body]).toEqual([method, path, body]);
    expect(request!.headers.get("Prefer")).toBe("wait=10");
    expect(request!.headers.get("Idempotency-Key")).toMatch(UUID7);
    expect(request!.headers.get("Authorization")).toMatch(/^Bearer /);
  });
});

test("an outcome has the command's own event last", async () => {
  const expired = cloudEvent("InvitationExpired", { invitationId: "i0" });
  const cohost = new FakeGateway(accepted("c1", expired, SENT)).client();
  expect(await cohost.sendInvitation("r", "bob", { commandId: "c1" })).toEqual({
    commandId: "c1",
    data: SENT.data,
    event: SENT,
    events: [expired, SENT],
  });
});

test("a command is repeated under its key until it has an outcome", async () => {
  const busy = problem(503, "unavailable", { commandId: "c1" }, { "Retry-After": "2" });
  const limited = problem(429, "too_many_requests", {}, { "Retry-After": "3" });
  const gateway = new FakeGateway(
    networkFailure,
    busy,
    limited,
    json(502, "bad gateway"),
    PENDING,
    accepted("c1", SENT),
  );
  const begun = Date.now();
  const outcome = await settle(gateway.client().sendInvitation("r", "bob"));
  expect(outcome).toMatchObject({ data: { invitationId: "i1" } });
  expect(new Set(keysOf(gateway)).size).toBe(1);
  expect(gateway.requests).toHaveLength(6);
  expect(Date.now() - begun).toBeGreaterThanOrEqual(5_000);
});

test("each call has a key of its own", async () => {
  const gateway = new FakeGateway(accepted("c1", SENT));
  const cohost = gateway.client();
  await cohost.sendInvitation("r", "bob");
  await cohost.sendInvitation("r", "bob");
  await cohost.sendInvitation("r", "bob", { commandId: "mine" });
  expect(new Set(keysOf(gateway)).size).toBe(3);
  expect(keysOf(gateway)[2]).toBe("mine");
});

test("a refusal is thrown with its reason and the invitation as it is", async () => {
  const members = {
    message: "Too soon.",
    commandId: "c1",
    current: { invitationId: "i1" },
    retryAt: "2026-01-01T12:00:00.000Z",
  };
  const gateway = new FakeGateway(problem(409, "too_soon", members, { "Retry-After": "7" }));
  const error = await settle(gateway.client().resendInvitation("r", "i1", { commandId: "c1" }));
  expect(error).toBeInstanceOf(Refused);
  expect(error).toMatchObject({
    commandId: "c1",
    reason: "too_soon",
    message: "Too soon.",
    status: 409,
    current: { invitationId: "i1" },
    retryAt: "2026-01-01T12:00:00.000Z",
  });
  expect(gateway.requests).toHaveLength(1);
});

test("a wrong request is a problem and is not repeated", async () => {
  const gateway = new FakeGateway(problem(422, "idempotency_key_reused", { commandId: "c1" }));
  const error = await settle(gateway.client().acceptInvitation("r", "i1"));
  expect(error).toBeInstanceOf(ProblemError);
  expect(error).toMatchObject({ status: 422, reason: "idempotency_key_reused" });
  expect(gateway.requests).toHaveLength(1);
});

test.each<[string, Reply]>([
  ["pending", PENDING],
  ["unavailable", problem(503, "unavailable", { commandId: "c1" })],
  ["broken", json(500, "Internal Server Error")],
  ["unreachable", networkFailure],
])("an outcome that stays %s is unknown when time is over", async (_, reply) => {
  const gateway = new FakeGateway(reply);
  const error = await settle(
    gateway.client().acceptInvitation("r", "i1", { commandId: "c1", timeoutMs: 3_000 }),
  );
  expect(error).toBeInstanceOf(OutcomeUnknown);
  expect(error).toMatchObject({ commandId: "c1" });
  expect(gateway.requests.length).toBeGreaterThan(1);
});

test("a command whose first answer was lost is not said to have had no effect", async () => {
  const gateway = new FakeGateway(networkFailure, problem(401, "unauthorized"));
  const error = await settle(gateway.client().acceptInvitation("r", "i1", { commandId: "c1" }));
  expect(error).toBeInstanceOf(OutcomeUnknown);
  expect(error).toMatchObject({ commandId: "c1", cause: { status: 401 } });
});

test("a command without a token was not sent, and has the provider's error", async () => {
  const gateway = new FakeGateway(accepted("c1", SENT));
  const token = () => Promise.reject(new Error("signed out"));
  expect(await settle(gateway.client({ token }).acceptInvitation("r", "i1"))).toEqual(
    new Error("signed out"),
  );
  expect(await settle(gateway.client({ token }).getRoom("r"))).toEqual(new Error("signed out"));
  expect(gateway.requests).toEqual([]);
});

/** Let a signal's timeout pass with the test's clock. */
function fakeSignalTimeouts(): void {
  vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    const aborter = new AbortController();
    setTimeout(() => aborter.abort(new DOMException("timed out", "TimeoutError")), ms);
    return aborter.signal;
  });
}

test("a connection that is dead leaves time for another attempt", async () => {
  fakeSignalTimeouts();
  const gateway = new FakeGateway(HANGING, accepted("c1", SENT));
  expect(await settle(gateway.client().acceptInvitation("r", "i1"))).toMatchObject({ event: SENT });
  expect(new Set(keysOf(gateway)).size).toBe(1);
});

test("a provider that gives no token holds no call longer than its time, or its signal", async () => {
  fakeSignalTimeouts();
  const gateway = new FakeGateway(accepted("c1", SENT));
  const cohost = gateway.client({ token: () => new Promise(() => undefined) });
  expect(await settle(cohost.acceptInvitation("r", "i1"))).toMatchObject({ name: "TimeoutError" });
  const aborter = new AbortController();
  const caught = settle(cohost.acceptInvitation("r", "i1", { signal: aborter.signal }));
  aborter.abort(new Error("left the page"));
  expect(await caught).toEqual(new Error("left the page"));
  expect(gateway.requests).toEqual([]);
});

const LOGIN_PAGE: Reply = () =>
  new Response("<title>Wi-Fi</title>", { headers: { "Content-Type": "text/html" } });

test("an answer that is not the gateway's is no outcome", async () => {
  const gateway = new FakeGateway(LOGIN_PAGE, accepted("c1", SENT));
  expect(await settle(gateway.client().acceptInvitation("r", "i1"))).toMatchObject({ event: SENT });
  const options = { commandId: "c1", timeoutMs: 1_000 };
  for (const reply of [LOGIN_PAGE, json(200, { items: [] })]) {
    const error = await settle(new FakeGateway(reply).client().acceptInvitation("r", "i1", options));
    expect(error).toBeInstanceOf(OutcomeUnknown);
    expect(String((error as Error).cause)).toContain("the answer with status 200");
  }
});

test("a command that was only ever turned away had no effect", async () => {
  const gateway = new FakeGateway(problem(429, "too_many_requests", {}, { "Retry-After": "60" }));
  const error = await settle(gateway.client().acceptInvitation("r", "i1"));
  expect(error).toMatchObject({ name: "ProblemError", status: 429 });
  expect(gateway.requests).toHaveLength(1);
});

test("the gateway is asked to wait no longer than there is time", async () => {
  const gateway = new FakeGateway(accepted("c1", SENT));
  const cohost = gateway.client();
  await cohost.acceptInvitation("r", "i1", { timeoutMs: 4_500 });
  await cohost.acceptInvitation("r", "i1", { timeoutMs: 500 });
  expect(gateway.requests.map(({ headers }) => headers.get("Prefer"))).toEqual(["wait=3", "wait=0"]);
});

test("a request without an answer is given up and repeated", async () => {
  vi.useRealTimers();
  const gateway = new FakeGateway(HANGING);
  const error = await gateway
    .client()
    .acceptInvitation("r", "i1", { timeoutMs: 50 })
    .catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(OutcomeUnknown);
});

test("an aborted call ends at once with the signal's reason", async () => {
  const gateway = new FakeGateway(networkFailure);
  const aborter = new AbortController();
  const call = gateway.client().acceptInvitation("r", "i1", { signal: aborter.signal });
  const caught = call.catch((error: unknown) => error);
  aborter.abort(new Error("left the page"));
  expect(await caught).toEqual(new Error("left the page"));
});

test("a token is asked for again when the gateway refuses it", async () => {
  const tokens = [tokenOf("alice", 3_600, { jti: 1 }), tokenOf("alice", 3_600, { jti: 2 })];
  const provide = vi.fn(async () => tokens[provide.mock.calls.length - 1]!);
  const gateway = new FakeGateway(accepted("c1", SENT), problem(401, "unauthorized"), accepted("c1", SENT));
  const cohost = gateway.client({ token: provide });
  await cohost.acceptInvitation("r", "i1");
  await cohost.acceptInvitation("r", "i1");
  await cohost.acceptInvitation("r", "i1");
  const sent = gateway.requests.map(({ headers }) => headers.get("Authorization")!.slice("Bearer ".length));
  expect(sent).toEqual([tokens[0], tokens[0], tokens[1], tokens[1]]);
});

test("a token is asked for again before it expires, once for all who wait", async () => {
  const provide = vi.fn(async () => tokenOf("alice", 60));
  const cohost = new FakeGateway(accepted("c1", SENT)).client({ token: provide });
  await Promise.all([cohost.acceptInvitation("r", "i1"), cohost.acceptInvitation("r", "i2")]);
  expect(provide).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(56_000);
  await cohost.acceptInvitation("r", "i3");
  expect(provide).toHaveBeenCalledTimes(2);
});

test("a provider that throws is asked again", async () => {
  let isSignedIn = false;
  const provide = () => {
    if (!isSignedIn) {
      throw new Error("signed out");
    }
    return tokenOf("alice");
  };
  const cohost = new FakeGateway(accepted("c1", SENT)).client({ token: provide });
  await expect(cohost.userId()).rejects.toThrow("signed out");
  isSignedIn = true;
  expect(await cohost.userId()).toBe("alice");
});

test("a token that stays refused is a problem", async () => {
  const refuse = problem(401, "unauthorized");
  const fixed = new FakeGateway(refuse);
  expect(await settle(fixed.client().acceptInvitation("r", "i1"))).toMatchObject({ status: 401 });
  expect(fixed.requests).toHaveLength(1);
  const provided = new FakeGateway(refuse);
  const cohost = provided.client({ token: () => tokenOf("alice") });
  expect(await settle(cohost.acceptInvitation("r", "i1"))).toMatchObject({ status: 401 });
  expect(provided.requests).toHaveLength(2);
});
