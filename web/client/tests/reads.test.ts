import { describe, expect, test } from "vitest";
import { FakeGateway, json, networkFailure, problem } from "./fake-gateway.js";

describe("each read and fact is the contract's request", () => {
  const gateway = new FakeGateway(json(200, { items: [], nextCursor: null, causationId: "x" }));
  const cohost = gateway.client();
  test.each<[string, () => Promise<unknown>, string, unknown?]>([
    [
      "rooms",
      () => cohost.listRooms({ status: "any", hostId: "alice", limit: 2, cursor: "c+1" }),
      "GET /v1/rooms?status=any&hostId=alice&limit=2&cursor=c%2B1",
    ],
    ["room", () => cohost.getRoom("r"), "GET /v1/rooms/r"],
    [
      "room's invitations",
      () => cohost.listRoomInvitations("r", { status: "pending" }),
      "GET /v1/rooms/r/invitations?status=pending",
    ],
    [
      "my invitations",
      () => cohost.listMyInvitations({ roomId: "r" }),
      "GET /v1/users/alice/invitations?roomId=r",
    ],
    ["invitation", () => cohost.getInvitation("i1"), "GET /v1/invitations/i1"],
    ["co-hosts", () => cohost.listCoHosts("r"), "GET /v1/rooms/r/co-hosts"],
    ["hosts", () => cohost.listHosts("r"), "GET /v1/rooms/r/hosts"],
    ["command", () => cohost.getCommand("c1"), "GET /v1/commands/c1"],
    ["broadcast data", () => cohost.getBroadcastData("r"), "GET /v1/rooms/r/broadcast-data"],
    [
      "viewer's data",
      () => cohost.getBroadcastData("r", { as: "viewer" }),
      "GET /v1/rooms/r/broadcast-data?as=viewer",
    ],
    ["stage", () => cohost.getStage("r"), "GET /v1/rooms/r/stage"],
    ["diagnosis", () => cohost.getDiagnosis("r", "bob"), "GET /v1/rooms/r/users/bob/diagnosis"],
    [
      "quality",
      () => cohost.reportQuality("r", "poor", { roundTripMs: 80 }),
      "POST /v1/rooms/r/stage/quality",
      { quality: "poor", roundTripMs: 80 },
    ],
    [
      "room fact",
      () => cohost.setRoom("r", { hostId: "alice", status: "live" }),
      "PUT /v1/rooms/r",
      { hostId: "alice", status: "live" },
    ],
    ["room's end", () => cohost.deleteRoom("r"), "DELETE /v1/rooms/r"],
    [
      "user fact",
      () => cohost.setUser("bob", { status: "active" }),
      "PUT /v1/users/bob",
      { status: "active" },
    ],
    ["user's end", () => cohost.deleteUser("bob"), "DELETE /v1/users/bob"],
  ])("%s", async (_, call, line, body) => {
    gateway.requests.length = 0;
    await call();
    const [request] = gateway.requests;
    expect([`${request!.method} ${request!.path}`, request!.body]).toEqual([line, body]);
  });
});

test("a read is repeated while the gateway is away", async () => {
  const gateway = new FakeGateway(networkFailure, problem(503, "unavailable"), json(200, { roomId: "r" }));
  expect(await gateway.client().getRoom("r")).toEqual({ roomId: "r" });
  expect(gateway.requests).toHaveLength(3);
});

test("a read that stays without an answer has the last failure", async () => {
  const away = new FakeGateway(problem(503, "unavailable", { detail: "Try again." }));
  await expect(away.client({ timeoutMs: 300 }).getRoom("r")).rejects.toMatchObject({
    name: "ProblemError",
    status: 503,
    message: "503 unavailable: Try again.",
  });
  const unreachable = new FakeGateway(networkFailure);
  await expect(unreachable.client({ timeoutMs: 300 }).getRoom("r")).rejects.toThrow("fetch failed");
});

test("an answer without JSON is a failure", async () => {
  const gateway = new FakeGateway(() => new Response("<title>Wi-Fi</title>"));
  await expect(gateway.client({ timeoutMs: 300 }).getRoom("r")).rejects.toThrow("it has no JSON");
});

test("a refused read is a problem and is not repeated", async () => {
  const gateway = new FakeGateway(problem(404, "room_not_found"));
  await expect(gateway.client().getRoom("r")).rejects.toMatchObject({
    status: 404,
    reason: "room_not_found",
  });
  expect(gateway.requests).toHaveLength(1);
});

test.each(["", ".", ".."])("%j as an id never becomes another request", async (id) => {
  const gateway = new FakeGateway(json(200, { items: [], causationId: "x" }));
  const cohost = gateway.client();
  const calls = [
    cohost.getRoom(id),
    cohost.removeCoHost("r", id),
    cohost.deleteRoom(id),
    cohost.followRoom(id).next(),
  ];
  for (const result of await Promise.allSettled(calls)) {
    expect(result).toMatchObject({ status: "rejected", reason: { name: "TypeError" } });
  }
  expect(gateway.requests).toEqual([]);
});
