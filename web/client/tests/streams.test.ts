import { expect, test, vi } from "vitest";
import type { StreamItem, StreamOptions } from "../src/index.js";
import {
  cloudEvent,
  FakeGateway,
  FakeStream,
  json,
  networkFailure,
  problem,
  tokenOf,
  type Reply,
} from "./fake-gateway.js";

const ARRANGED = cloudEvent("StageArranged", { roomId: "r", userIds: ["bob"] });

/** Read items until there are so many, and leave the stream. */
async function take(items: AsyncIterable<StreamItem>, count: number): Promise<StreamItem[]> {
  const taken: StreamItem[] = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length === count) {
      break;
    }
  }
  return taken;
}

function follow(gateway: FakeGateway, options?: StreamOptions): AsyncIterable<StreamItem> {
  return gateway.client().followRoom("r", options);
}

function positionsOf(gateway: FakeGateway): (string | null)[] {
  return gateway.requests.map(({ headers }) => headers.get("Last-Event-ID"));
}

test("a stream yields typed events with their positions", async () => {
  const stream = new FakeStream().ready("p0").send("StageArranged", ARRANGED, "p1");
  stream.send("BadgeRemoved", { roomId: "r", userId: "bob" }, "p2");
  const gateway = new FakeGateway(stream.reply);
  expect(await take(follow(gateway), 3)).toEqual([
    { name: "ready", position: "p0", reset: true },
    { name: "StageArranged", position: "p1", data: ARRANGED.data, event: ARRANGED },
    { name: "BadgeRemoved", position: "p2", data: { roomId: "r", userId: "bob" } },
  ]);
  expect(gateway.requests[0]).toMatchObject({ method: "GET", path: "/v1/rooms/r/stream" });
  await stream.isCancelled;
});

test("one's own stream is that of the token's user", async () => {
  const gateway = new FakeGateway(new FakeStream().ready("p0").reply);
  await take(gateway.client().followMe(), 1);
  expect(gateway.requests[0]!.path).toBe("/v1/users/alice/stream");
});

test("a stream resumes behind the last event that was received", async () => {
  const first = new FakeStream().ready("p0").send("StageArranged", ARRANGED, "p1").end();
  const second = new FakeStream().ready("p1").end();
  const third = new FakeStream().ready("p1").send("StageArranged", ARRANGED, "p2");
  const gateway = new FakeGateway(
    first.reply,
    second.reply,
    networkFailure,
    problem(503, "unavailable"),
    third.reply,
  );
  const items = await take(follow(gateway), 5);
  expect(positionsOf(gateway)).toEqual([null, "p1", "p1", "p1", "p1"]);
  expect(items.map((item) => [item.name, item.position])).toEqual([
    ["ready", "p0"],
    ["StageArranged", "p1"],
    ["ready", "p1"],
    ["ready", "p1"],
    ["StageArranged", "p2"],
  ]);
  expect(items.filter((item) => item.name === "ready").map((item) => item.reset)).toEqual([
    true,
    false,
    false,
  ]);
});

test("an event that is cut off is received once, when it comes again", async () => {
  const text = `event: StageArranged\ndata: ${JSON.stringify(ARRANGED)}\nid: p1\n\n`;
  const cut = new FakeStream().ready("p0").write(text.slice(0, -1));
  const whole = new FakeStream().write(text.slice(0, 30)).write(text.slice(30));
  const gateway = new FakeGateway(cut.reply, whole.reply);
  const items = follow(gateway)[Symbol.asyncIterator]();
  await items.next();
  cut.fail();
  expect((await items.next()).value).toMatchObject({ name: "StageArranged", position: "p1" });
  expect(positionsOf(gateway)).toEqual([null, "p0"]);
  await items.return!();
});

test("a stream begins behind a position that was stored", async () => {
  const gateway = new FakeGateway(new FakeStream().ready("p7").reply);
  expect(await take(follow(gateway, { after: "p7" }), 1)).toEqual([
    { name: "ready", position: "p7", reset: false },
  ]);
  expect(positionsOf(gateway)).toEqual(["p7"]);
});

test("an empty position is none, so the state must be read", async () => {
  const gateway = new FakeGateway(new FakeStream().ready("p7").reply);
  expect(await take(follow(gateway, { after: "" }), 1)).toEqual([
    { name: "ready", position: "p7", reset: true },
  ]);
  expect(positionsOf(gateway)).toEqual([null]);
});

test("a position that the log no longer has resets the reader", async () => {
  const gone = problem(410, "position_gone");
  const gateway = new FakeGateway(
    gone,
    new FakeStream().ready("p9").end().reply,
    new FakeStream().ready("p9").reply,
  );
  const items = await take(follow(gateway, { after: "p1" }), 2);
  expect(items).toEqual([
    { name: "ready", position: "p9", reset: true },
    { name: "ready", position: "p9", reset: false },
  ]);
  expect(positionsOf(gateway)).toEqual(["p1", null, "p9"]);
});

test.each([
  [403, "forbidden"],
  [404, "room_not_found"],
  [422, "invalid_request"],
])("a stream that is refused with %i throws", async (status, reason) => {
  const gateway = new FakeGateway(problem(status, reason));
  await expect(take(follow(gateway), 1)).rejects.toMatchObject({ name: "ProblemError", status, reason });
  expect(gateway.requests).toHaveLength(1);
});

test("a stream asks for a token again when the last one expired", async () => {
  let number = 0;
  const token = vi.fn(async () => tokenOf("alice", 3_600, { jti: number++ }));
  const gateway = new FakeGateway(
    new FakeStream().ready("p0").end().reply,
    problem(401, "unauthorized"),
    new FakeStream().ready("p0").reply,
  );
  await take(gateway.client({ token }).followRoom("r"), 2);
  expect(token).toHaveBeenCalledTimes(2);
  expect(positionsOf(gateway)).toEqual([null, "p0", "p0"]);
});

test("a token that stays refused ends the stream", async () => {
  const gateway = new FakeGateway(problem(401, "unauthorized"));
  const items = gateway.client({ token: () => tokenOf("alice") }).followRoom("r");
  await expect(take(items, 1)).rejects.toMatchObject({ status: 401 });
  expect(gateway.requests).toHaveLength(2);
});

test("a silent stream is opened again", async () => {
  const silent = new FakeStream().ready("p0");
  const gateway = new FakeGateway(silent.reply, new FakeStream().ready("p0").reply);
  const statuses: string[] = [];
  const onStatus = (status: string, error?: unknown) =>
    statuses.push(`${status} ${String(error ?? "")}`.trim());
  await take(follow(gateway, { silenceMs: 20, onStatus }), 2);
  await silent.isCancelled;
  expect(statuses).toEqual(["open", "interrupted Error: nothing was received for 20 ms", "open"]);
});

test("comments keep a stream open", async () => {
  const stream = new FakeStream().ready("p0");
  const gateway = new FakeGateway(stream.reply);
  const items = follow(gateway, { silenceMs: 200 })[Symbol.asyncIterator]();
  await items.next();
  const next = items.next();
  const beat = setInterval(() => stream.write(": ping\n\n"), 50);
  await new Promise((resolve) => setTimeout(resolve, 500));
  clearInterval(beat);
  stream.send("StageArranged", ARRANGED, "p1");
  expect((await next).value).toMatchObject({ position: "p1" });
  expect(gateway.requests).toHaveLength(1);
  await items.return!();
});

test("a stream that does not open in time is tried again", async () => {
  const hanging: Reply = () => new Promise(() => undefined);
  const gateway = new FakeGateway(hanging, new FakeStream().ready("p0").reply);
  expect(await take(follow(gateway, { silenceMs: 20 }), 1)).toHaveLength(1);
});

test("an aborted stream ends without an error", async () => {
  const stream = new FakeStream().ready("p0").send("StageArranged", ARRANGED, "p1");
  const aborter = new AbortController();
  const items: StreamItem[] = [];
  for await (const item of follow(new FakeGateway(stream.reply), { signal: aborter.signal })) {
    items.push(item);
    aborter.abort();
  }
  expect(items).toHaveLength(1);
  await stream.isCancelled;
});

test.each<[string, Reply]>([
  ["waits", new FakeStream().ready("p0").reply],
  ["pauses", networkFailure],
])("an aborted stream that %s ends at once", async (_, reply) => {
  const aborter = new AbortController();
  const onStatus = () => setTimeout(() => aborter.abort(), 5);
  for await (const item of follow(new FakeGateway(reply), { signal: aborter.signal, onStatus })) {
    expect(item.name).toBe("ready");
  }
});

test("an event of a later version is yielded under its own name", async () => {
  const unknown = cloudEvent("StageLit", { roomId: "r" });
  const gateway = new FakeGateway(new FakeStream().send("StageLit", unknown, "p1").reply);
  expect(await take(follow(gateway), 1)).toMatchObject([{ name: "StageLit", data: { roomId: "r" } }]);
});

test("an answer that is no stream is an interruption", async () => {
  const gateway = new FakeGateway(json(502, "no gateway"), new FakeStream().ready("p0").reply);
  expect(await take(follow(gateway), 1)).toHaveLength(1);
});

test("an answer of another type is an interruption that names it", async () => {
  const page: Reply = () =>
    new Response("<title>Wi-Fi</title>", { headers: { "Content-Type": "text/html" } });
  const gateway = new FakeGateway(page, new FakeStream().ready("p0").reply);
  const statuses: string[] = [];
  const onStatus = (status: string, error?: unknown) => statuses.push(`${status} ${String(error ?? "")}`);
  expect(await take(follow(gateway, { onStatus }), 1)).toHaveLength(1);
  expect(statuses[0]).toContain("interrupted Error: the answer is not the gateway's: text/html");
});
