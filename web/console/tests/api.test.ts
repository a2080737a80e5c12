import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, formatQuery, ops, reads, sendCommand, useSession } from "../src/lib/api";

const refused: ApiError[] = [];

function answer(status: number, body: unknown): Response {
  return new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
}

/** Answer the requests in turn, and return what was asked. */
function stubFetch(...answers: (Response | Error)[]) {
  const fetch = vi.fn<(path: string, init: RequestInit) => Promise<Response>>();
  for (const given of answers) {
    if (given instanceof Error) {
      fetch.mockRejectedValueOnce(given);
    } else {
      fetch.mockResolvedValueOnce(given);
    }
  }
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

beforeEach(() => {
  refused.length = 0;
  useSession({ token: () => "a.b.c", onRefused: (error) => refused.push(error) });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("a request", () => {
  it("has the token, and its path's parts are escaped", async () => {
    const fetch = stubFetch(answer(200, { roomId: "a/b" }));
    expect(await reads.room("a/b")).toEqual({ roomId: "a/b" });
    const [path, init] = fetch.mock.calls[0] ?? [];
    expect(path).toBe("/v1/rooms/a%2Fb");
    expect(init?.headers).toEqual({ Authorization: "Bearer a.b.c" });
  });

  it("has the query's values that are there", () => {
    expect(formatQuery({ reason: "a b", cursor: undefined, service: "", limit: 0 })).toBe(
      "?reason=a+b&limit=0",
    );
    expect(formatQuery({})).toBe("");
  });

  it("fails with the problem's reason and its sentence", async () => {
    stubFetch(
      answer(404, { reason: "room_not_found", detail: "There is no such room.", title: "Not Found" }),
    );
    await expect(reads.room("r")).rejects.toMatchObject({
      status: 404,
      reason: "room_not_found",
      message: "There is no such room.",
    });
    stubFetch(answer(502, "<html>"));
    await expect(reads.room("r")).rejects.toMatchObject({
      status: 502,
      message: "The gateway answered 502.",
    });
  });

  it("that has no answer is an error of its own", async () => {
    stubFetch(new TypeError("failed"));
    await expect(reads.room("r")).rejects.toMatchObject({ status: 0, reason: "unreachable" });
  });

  it("whose answer breaks off is an error of its own", async () => {
    stubFetch(answer(200, '{"roomId": '));
    await expect(reads.room("r")).rejects.toMatchObject({ status: 0, reason: "unreachable" });
  });

  it("that is aborted is no error of the gateway", async () => {
    const aborted = new AbortController();
    aborted.abort(new Error("the page is closed"));
    stubFetch(new TypeError("aborted"));
    await expect(reads.room("r", aborted.signal)).rejects.toThrow("the page is closed");
  });
});

describe("a refusal", () => {
  it("of the token ends the session", async () => {
    stubFetch(answer(401, { reason: "unauthorized" }));
    await expect(reads.room("r")).rejects.toBeInstanceOf(ApiError);
    stubFetch(answer(403, { reason: "forbidden" }));
    await expect(ops.overview()).rejects.toBeInstanceOf(ApiError);
    expect(refused.map(({ status }) => status)).toEqual([401, 403]);
  });

  it("of a command does not", async () => {
    stubFetch(answer(403, { reason: "not_room_host", message: "Only the host may do this." }));
    await expect(sendCommand("DELETE", "/v1/rooms/r/co-hosts/bob")).rejects.toThrow(
      "Only the host may do this.",
    );
    expect(refused).toEqual([]);
  });
});

describe("a command", () => {
  it("is repeated under its id until its outcome is known", async () => {
    vi.useFakeTimers();
    const accepted = { commandId: "c", outcome: "accepted", events: [] };
    const fetch = stubFetch(
      new TypeError("lost"),
      answer(503, { reason: "unavailable" }),
      answer(202, { commandId: "c", outcome: "pending" }),
      answer(200, accepted),
    );
    const sent = sendCommand("POST", "/v1/rooms/r/co-hosts/bob/mute", { source: "camera" });
    await vi.runAllTimersAsync();
    expect(await sent).toEqual(accepted);
    const keys = fetch.mock.calls.map(([, init]) => new Headers(init.headers).get("Idempotency-Key"));
    expect(new Set(keys).size).toBe(1);
    expect(fetch.mock.calls.map(([, init]) => init.body)).toEqual(Array(4).fill('{"source":"camera"}'));
  });

  it("has an id over plain HTTP too, where browsers lack randomUUID", async () => {
    vi.stubGlobal("crypto", { getRandomValues: (bytes: Uint8Array) => bytes.fill(7) });
    const accepted = { commandId: "c", outcome: "accepted", events: [] };
    const fetch = stubFetch(answer(200, accepted));
    expect(await sendCommand("DELETE", "/v1/x")).toEqual(accepted);
    const headers = new Headers(fetch.mock.calls[0]?.[1].headers);
    expect(headers.get("Idempotency-Key")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("is repeated when its answer broke off, or a proxy has lost the gateway", async () => {
    vi.useFakeTimers();
    const accepted = { commandId: "c", outcome: "accepted", events: [] };
    stubFetch(answer(200, '{"commandId": '), answer(502, "<html>"), answer(200, accepted));
    const sent = sendCommand("DELETE", "/v1/x");
    await vi.runAllTimersAsync();
    expect(await sent).toEqual(accepted);
  });

  it("is given up after four attempts", async () => {
    vi.useFakeTimers();
    const fetch = stubFetch(...Array.from({ length: 5 }, () => answer(503, { reason: "unavailable" })));
    const sent = expect(sendCommand("DELETE", "/v1/x")).rejects.toMatchObject({ status: 503 });
    await vi.runAllTimersAsync();
    await sent;
    expect(fetch).toHaveBeenCalledTimes(4);
  });
});
