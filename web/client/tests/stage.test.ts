import { getEventListeners } from "node:events";
import { ConnectionState, DisconnectReason, RoomEvent } from "livekit-client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Role, Source, Stage, StageOptions, UnmuteRequest } from "../src/index.js";
import { cloudEvent, FakeGateway, json, problem, tokenOf, type Reply } from "./fake-gateway.js";
import { FakeRoom } from "./fake-room.js";

const ALL = ["camera", "microphone", "screen_share", "screen_share_audio"] as const;
const DEFAULTS = { videoMaxBitrate: 1_700_000, videoMaxFramerate: 30, simulcast: true };
const LOW_DEFAULTS = { videoMaxBitrate: 450_000, videoMaxFramerate: 20, simulcast: false };
const NOT_ON_STAGE = problem(403, "not_on_stage");
const NOT_LIVE = problem(409, "room_not_live");

/** A gateway that knows the caller's place on stage, and takes reports of quality. */
class StageGateway extends FakeGateway {
  role: Role = "viewer";
  isLive = true;
  defaults = DEFAULTS;
  dataNumber = 0;
  readonly reports: unknown[] = [];

  constructor() {
    super((request) => this.#answer(request.path, request.body)(request));
  }

  #answer(path: string, body: unknown): Reply {
    if (path.endsWith("/stage/quality")) {
      this.reports.push(body);
      return json(202, {});
    }
    if (path.endsWith("?as=viewer")) {
      return this.isLive ? this.#data("viewer") : NOT_LIVE;
    }
    return this.role === "viewer" ? NOT_ON_STAGE : this.#data(this.role);
  }

  #data(role: Role): Reply {
    const identity = role === "viewer" && this.role !== "viewer" ? "alice#viewer" : "alice";
    return json(200, {
      roomId: "r",
      userId: "alice",
      role,
      serverUrl: "ws://livekit",
      token: tokenOf(identity, 600, { number: this.dataNumber++, ...(role !== "viewer" && badge(role)) }),
      publishDefaults: role === "viewer" ? null : this.defaults,
    });
  }
}

let gateway: StageGateway;
let room: FakeRoom;
let errors: unknown[];

beforeEach(() => {
  vi.useFakeTimers();
  gateway = new StageGateway();
  room = new FakeRoom();
  errors = [];
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function pass(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

async function join(options: StageOptions = {}): Promise<Stage> {
  const cohost = gateway.client();
  const onError = (error: unknown) => errors.push(error);
  const joining = cohost.joinStage("r", { room: room.asRoom, onError, ...options });
  joining.catch(() => undefined);
  await vi.dynamicImportSettled();
  await pass(60_000);
  const stage = await joining;
  await pass();
  return stage;
}

/** Join with a seat, as the host or a co-host. */
async function joinSeated(options?: StageOptions, role: Role = "coHost"): Promise<Stage> {
  gateway.role = role;
  room.allow(...ALL);
  return join(options);
}

function badge(role: Role): object {
  return { attributes: { "cohost.badge": role } };
}

function publishedSources(): string[] {
  return [...room.published.keys()].sort();
}

function unmuteRequest(source: string, userId = "alice", id = "u1"): object {
  return cloudEvent("CoHostUnmuteRequested", { roomId: "r", userId, source, by: "host" }, id);
}

test("a host connects with broadcast data and publishes by its defaults", async () => {
  const stage = await joinSeated({}, "host");
  expect([stage.role, stage.status, stage.userId]).toEqual(["host", "connected", "alice"]);
  expect(room.connections).toHaveLength(1);
  expect(room.connections[0]!.url).toBe("ws://livekit");
  expect(publishedSources()).toEqual(["camera", "microphone"]);
  expect(room.published.get("camera")!.options).toEqual({
    source: "camera",
    videoEncoding: { maxBitrate: 1_700_000, maxFramerate: 30 },
    screenShareEncoding: { maxBitrate: 1_700_000, maxFramerate: 30 },
    simulcast: true,
  });
});

test("a viewer publishes once promoted, and stops once demoted", async () => {
  const stage = await join();
  expect([stage.role, publishedSources()]).toEqual(["viewer", []]);
  gateway.role = "coHost";
  room.wear("coHost").allow(...ALL);
  await pass(100);
  expect([stage.role, publishedSources()]).toEqual(["coHost", ["camera", "microphone"]]);
  expect(room.published.get("camera")!.options).toMatchObject({ simulcast: true });
  const opened = [...room.localParticipant.opened];
  gateway.role = "viewer";
  room.wear("").allow();
  await pass(100);
  expect([stage.role, publishedSources()]).toEqual(["viewer", []]);
  expect(opened.every((track) => track.isStopped)).toBe(true);
  expect(room.connections).toHaveLength(1);
});

test("a user with a new seat publishes again", async () => {
  await joinSeated();
  room.wear("").allow();
  await pass(100);
  room.wear("coHost").allow(...ALL);
  await pass(100);
  expect(publishedSources()).toEqual(["camera", "microphone"]);
});

test("a seat that comes a moment after the join is waited for", async () => {
  gateway.isLive = false;
  setTimeout(() => (gateway.role = "coHost"), 1_000);
  expect((await join()).role).toBe("coHost");
});

test("a seat that comes between the requests makes no second connection", async () => {
  const first = gateway.fetch;
  const cohost = gateway.client({
    fetch: async (input, init) => {
      const answer = await first(input, init);
      gateway.role = "coHost";
      return answer;
    },
  });
  const joining = cohost.joinStage("r", { room: room.asRoom });
  await vi.dynamicImportSettled();
  await pass(1_000);
  expect((await joining).role).toBe("coHost");
  expect(room.connections).toHaveLength(1);
});

test.each<[string, Role, Role]>([
  ["comes", "viewer", "coHost"],
  ["goes", "coHost", "viewer"],
])("a seat that %s while the connection is made counts", async (_, before, after) => {
  gateway.role = before;
  const connect = room.connect.bind(room);
  room.connect = async (url, token) => {
    await connect(url, token);
    room.state = ConnectionState.Connecting;
    gateway.role = after;
    room.wear(after === "viewer" ? "" : after).allow(...(after === "viewer" ? [] : ALL));
    await new Promise((resolve) => setTimeout(resolve, 10));
    room.state = ConnectionState.Connected;
  };
  const stage = await join();
  expect(stage.role).toBe(after);
  const options = [...room.published.values()].map((publication) => publication.options);
  expect(options).toHaveLength(after === "viewer" ? 0 : 2);
  expect(options.every((given) => "simulcast" in given)).toBe(true);
});

test("a viewer of a room that is not live is refused", async () => {
  gateway.isLive = false;
  await expect(join()).rejects.toMatchObject({ reason: "room_not_live" });
  await expect(join({ as: "viewer" })).rejects.toMatchObject({ reason: "room_not_live" });
});

test("a viewer beside the own seat publishes nothing", async () => {
  await joinSeated({ as: "viewer" });
  expect(publishedSources()).toEqual([]);
});

test("a failed connection is tried again with new broadcast data", async () => {
  room.failures = 2;
  const stage = await joinSeated();
  expect(stage.status).toBe("connected");
  expect(new Set(room.connections.map(({ token }) => token)).size).toBe(3);
});

test("a hard mute stops the source until its owner unmutes", async () => {
  const stage = await joinSeated();
  room.allow("camera");
  await pass();
  expect(publishedSources()).toEqual(["camera"]);
  room.allow(...ALL);
  await pass();
  expect(publishedSources()).toEqual(["camera"]);
  await stage.unmute("microphone");
  expect(publishedSources()).toEqual(["camera", "microphone"]);
});

test.each<[string, Source[], string[]]>([
  ["one source", ["camera", "screen_share"], ["camera"]],
  ["every source", [], []],
])("a hard mute of %s from before the join stands until its owner unmutes", async (_, left, published) => {
  gateway.role = "coHost";
  room.allow(...left);
  const stage = await join();
  room.allow(...ALL);
  await pass();
  expect(publishedSources()).toEqual(published);
  await stage.unmute("microphone");
  expect(publishedSources()).toEqual([...published, "microphone"]);
});

test("a hard mute that comes with the seat stands until its owner unmutes", async () => {
  await join();
  gateway.role = "coHost";
  room.wear("coHost").allow("camera");
  await pass();
  room.allow(...ALL);
  await pass();
  expect(publishedSources()).toEqual(["camera"]);
});

test("a request to unmute is answered by the user", async () => {
  const requests: UnmuteRequest[] = [];
  let answer = false;
  await joinSeated({
    onUnmuteRequest: (request) => {
      requests.push(request);
      return answer;
    },
  });
  const microphone = room.published.get("microphone")!;
  await microphone.mute();
  room.receive(unmuteRequest("microphone"));
  await pass();
  expect([requests, microphone.isMuted]).toEqual([[{ id: "u1", source: "microphone", by: "host" }], true]);
  answer = true;
  room.receive(unmuteRequest("microphone"));
  await pass();
  expect([requests.length, microphone.isMuted]).toEqual([1, true]);
  room.receive(unmuteRequest("microphone", "alice", "u2"));
  await pass();
  expect([requests.length, microphone.isMuted]).toEqual([2, false]);
});

test("an accepted request publishes what a hard mute took", async () => {
  await joinSeated({ onUnmuteRequest: async () => true });
  room.allow("camera");
  await pass();
  room.receive(unmuteRequest("microphone"));
  await pass();
  expect(publishedSources()).toEqual(["camera"]);
  room.allow(...ALL);
  await pass();
  expect(publishedSources()).toEqual(["camera", "microphone"]);
});

test("requests of other participants, to others, or on other topics are ignored", async () => {
  const onUnmuteRequest = vi.fn(() => true);
  await joinSeated({ onUnmuteRequest });
  room.receive(unmuteRequest("microphone"), "cohost", { identity: "mallory" });
  room.receive(unmuteRequest("microphone"), "chat");
  room.receive(unmuteRequest("microphone", "carol"));
  room.receive({ type: "cohost.CoHostMuted.v1" });
  room.receive([]);
  await pass();
  expect(onUnmuteRequest).not.toHaveBeenCalled();
  expect(errors).toEqual([]);
});

test("a lost connection comes back with new data, and what was muted stays muted", async () => {
  const stage = await joinSeated();
  await stage.mute("microphone");
  room.drop(DisconnectReason.SIGNAL_CLOSE);
  expect(stage.status).toBe("interrupted");
  await pass(1_000);
  expect(stage.status).toBe("connected");
  expect(room.connections).toHaveLength(2);
  expect(room.connections[0]!.token).not.toBe(room.connections[1]!.token);
  expect(publishedSources()).toEqual(["camera", "microphone"]);
  expect(room.published.get("microphone")!.isMuted).toBe(true);
});

test("a seat that ended meanwhile leaves a viewer", async () => {
  const stage = await joinSeated();
  gateway.role = "viewer";
  room.localParticipant.permissions = { canPublish: false, canPublishSources: [] };
  room.drop();
  await pass(1_000);
  expect([stage.role, stage.status, publishedSources()]).toEqual(["viewer", "connected", []]);
});

test("a connection without new broadcast data ends", async () => {
  const stage = await joinSeated();
  gateway.role = "viewer";
  gateway.isLive = false;
  room.drop();
  await pass(20_000);
  const { reason, error } = await stage.ended;
  expect([stage.status, reason]).toEqual(["ended", "refused"]);
  expect(error).toMatchObject({ reason: "room_not_live" });
});

test.each([
  [DisconnectReason.DUPLICATE_IDENTITY, "replaced"],
  [DisconnectReason.PARTICIPANT_REMOVED, "removed"],
  [DisconnectReason.ROOM_DELETED, "room_closed"],
  [DisconnectReason.CLIENT_INITIATED, "left"],
])("LiveKit's reason %i ends the connection: %s", async (reason, end) => {
  const stage = await joinSeated();
  room.drop(reason);
  await pass(20_000);
  expect(await stage.ended).toEqual({ reason: end });
  expect(room.connections).toHaveLength(1);
});

test("what an app throws is its own, and ends nothing", async () => {
  const thrown = vi.fn();
  vi.stubGlobal("reportError", thrown);
  const fail = () => {
    throw new Error("a fault of the app");
  };
  room.localParticipant.brokenDevices.add("camera");
  const stage = await joinSeated({ onChange: fail, onError: fail });
  expect([stage.status, room.connections.length, publishedSources()]).toEqual([
    "connected",
    1,
    ["microphone"],
  ]);
  expect(thrown).toHaveBeenCalledWith(new Error("a fault of the app"));
});

test("a stage that ended leaves no listener on the app's signal", async () => {
  const { signal } = new AbortController();
  const stage = await joinSeated({ signal });
  await stage.leave();
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("leaving stops the tracks and everything else", async () => {
  const aborter = new AbortController();
  const stage = await joinSeated({ signal: aborter.signal });
  const opened = [...room.localParticipant.opened];
  aborter.abort();
  await pass(20_000);
  expect(await stage.ended).toEqual({ reason: "left" });
  expect(opened.every((track) => track.isStopped)).toBe(true);
  room.state = "connected" as typeof room.state;
  room.allow(...ALL);
  room.measure("poor");
  await pass(20_000);
  expect([publishedSources(), gateway.reports]).toEqual([[], []]);
});

test("each change of quality is reported, by those on stage", async () => {
  await joinSeated();
  room.measure("unknown");
  room.measure("good");
  room.measure("poor");
  room.measure("poor");
  await pass(100);
  expect(gateway.reports).toEqual([
    { quality: "good", roundTripMs: 42 },
    { quality: "poor", roundTripMs: 42 },
  ]);
  room.measure("good");
  await pass(100);
  expect(gateway.reports.at(-1)).toEqual({ quality: "good", roundTripMs: 42 });
  gateway.role = "viewer";
  room.wear("").allow();
  room.measure("lost");
  await pass(100);
  expect(gateway.reports).toHaveLength(3);
});

test("a quality measured before the seat is reported with it", async () => {
  await join();
  room.measure("good");
  await pass(100);
  gateway.role = "coHost";
  room.wear("coHost").allow(...ALL);
  await pass(100);
  expect(gateway.reports).toEqual([{ quality: "good" }]);
});

test("lower publishing defaults reach the running tracks, and rise again", async () => {
  await joinSeated();
  const { sender } = room.published.get("camera")!.track;
  const before = structuredClone(sender.parameters);
  gateway.defaults = LOW_DEFAULTS;
  room.measure("poor");
  await pass(8_000);
  expect(sender.parameters.encodings).toEqual([
    { rid: "q", active: false, maxBitrate: 39_706, maxFramerate: 20 },
    { rid: "h", active: false, maxBitrate: 132_353, maxFramerate: 20 },
    { rid: "f", active: true, maxBitrate: 450_000, maxFramerate: 20 },
  ]);
  gateway.defaults = DEFAULTS;
  room.measure("good");
  await pass(8_000);
  expect(sender.parameters).toEqual(before);
});

test("lower publishing defaults leave layers off that LiveKit switched off", async () => {
  await joinSeated();
  const { sender } = room.published.get("camera")!.track;
  sender.parameters.encodings[2]!.active = false;
  const active = () => sender.parameters.encodings.map((encoding) => encoding.active);
  gateway.defaults = LOW_DEFAULTS;
  room.measure("poor");
  await pass(8_000);
  expect(active()).toEqual([false, true, false]);
  gateway.defaults = DEFAULTS;
  room.measure("good");
  await pass(8_000);
  expect(active()).toEqual([true, true, false]);
});

test("a device that cannot be opened is reported, and the others are published", async () => {
  room.localParticipant.brokenDevices.add("camera");
  const stage = await joinSeated();
  expect(errors).toEqual([new Error("camera is in use")]);
  expect(publishedSources()).toEqual(["microphone"]);
  room.localParticipant.brokenDevices.clear();
  await stage.publish("camera");
  expect(publishedSources()).toEqual(["camera", "microphone"]);
});

test("a source that is muted while it is being published is muted", async () => {
  let stage: Stage | undefined;
  const publish = room.localParticipant.publishTrack.bind(room.localParticipant);
  room.localParticipant.publishTrack = async (track, options) => {
    if (track.source === "microphone") {
      await stage?.mute("microphone");
    }
    return publish(track, options);
  };
  await joinSeated({ onChange: (changed) => (stage = changed) });
  expect(room.published.get("microphone")!.isMuted).toBe(true);
  expect(room.published.get("camera")!.isMuted).toBe(false);
});

test("a right that goes while the device is opened publishes nothing", async () => {
  const open = room.localParticipant.createTracks.bind(room.localParticipant);
  room.localParticipant.createTracks = async (options) => {
    const tracks = await open(options);
    room.wear("").allow();
    return tracks;
  };
  await joinSeated();
  expect(publishedSources()).toEqual([]);
  expect(room.localParticipant.opened.every((track) => track.isStopped)).toBe(true);
});

test("what is published stays while LiveKit resumes, and what is wanted meanwhile follows", async () => {
  const stage = await joinSeated();
  const opened = [...room.localParticipant.opened];
  room.state = ConnectionState.SignalReconnecting;
  await stage.publish("screen_share");
  expect(publishedSources()).toEqual(["camera", "microphone"]);
  room.allow("camera", "screen_share", "screen_share_audio");
  await pass();
  expect(publishedSources()).toEqual(["camera"]);
  room.state = ConnectionState.Connected;
  room.emit(RoomEvent.Reconnected);
  await pass();
  expect(publishedSources()).toEqual(["camera", "screen_share", "screen_share_audio"]);
  expect(opened.map(({ isStopped }) => isStopped)).toEqual([false, true]);
});

test("a screen that is no longer shared is not shared again by itself", async () => {
  const stage = await joinSeated({ sources: ["microphone"] });
  await stage.publish("screen_share");
  expect(publishedSources()).toEqual(["microphone", "screen_share", "screen_share_audio"]);
  await room.localParticipant.unpublishTrack(room.published.get("screen_share")!.track);
  room.drop();
  await pass(1_000);
  expect(publishedSources()).toEqual(["microphone"]);
});

test("a screen stays shared when LiveKit publishes all tracks again", async () => {
  const stage = await joinSeated({ sources: ["microphone"] });
  await stage.publish("screen_share");
  const { track } = room.published.get("screen_share")!;
  await room.restart();
  await pass();
  expect(room.published.get("screen_share")?.track).toBe(track);
  expect(track.isStopped).toBe(false);
});

test.each(["resume", "restart"] as const)("the status tells that LiveKit reconnects: %s", async (kind) => {
  const seen: string[] = [];
  const stage = await joinSeated({ onChange: ({ status }) => seen.push(status) });
  seen.length = 0;
  await room[kind]();
  await pass();
  expect(seen[0]).toBe("interrupted");
  expect([stage.status, seen.at(-1)]).toEqual(["connected", "connected"]);
});

test("tracks that LiveKit publishes again have the limits of now", async () => {
  await joinSeated();
  gateway.defaults = LOW_DEFAULTS;
  room.measure("poor");
  await pass(8_000);
  await room.restart();
  await pass();
  const { encodings } = room.published.get("camera")!.track.sender.parameters;
  expect(encodings.map(({ active }) => active)).toEqual([false, false, true]);
});

test("an app is called when something has changed", async () => {
  const seen: string[] = [];
  await joinSeated({ onChange: ({ role, status }) => seen.push(`${role} ${status}`) });
  room.drop();
  await pass(1_000);
  expect(new Set(seen)).toEqual(new Set(["coHost connected", "coHost interrupted"]));
});
