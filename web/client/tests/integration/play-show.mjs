// Play a show as host and guest with the built package, over HTTP and streams, without media.
// COHOST_GATEWAY_URL and COHOST_JWT_SECRET say where. It exits with 1 where something is not as promised.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { CoHost, Refused } from "@cohost/client";

const { COHOST_GATEWAY_URL: url, COHOST_JWT_SECRET: secret } = process.env;
const SECONDS = 60;
// So short that the streams end several times during the show.
const TOKEN_SECONDS = 8;

function sign(claims) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + TOKEN_SECONDS;
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ ...claims, exp })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

function connect(sub, scope) {
  return new CoHost(url, { token: () => sign({ sub, ...(scope && { scope }) }) });
}

/** Repeat a step until it succeeds: facts take effect a moment later. */
async function eventually(step) {
  const deadline = Date.now() + SECONDS * 1000;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (Date.now() > deadline) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Everything that a stream yields, and a wait for what is expected. */
class Follower {
  items = [];
  interruptions = 0;
  #waiters = new Set();

  constructor(open) {
    this.aborter = new AbortController();
    const onStatus = (status) => {
      this.interruptions += status === "interrupted" ? 1 : 0;
      this.#wake();
    };
    this.done = this.#read(open({ signal: this.aborter.signal, onStatus }));
  }

  async waitUntil(condition, what) {
    const timeout = AbortSignal.timeout(SECONDS * 1000);
    while (!condition()) {
      assert(!timeout.aborted, `${what} did not come: ${this.items.map(({ name }) => name)}`);
      await Promise.race([
        new Promise((resolve) => this.#waiters.add(resolve)),
        new Promise((resolve) => timeout.addEventListener("abort", resolve)),
        this.done,
      ]);
    }
  }

  async find(name, matches = () => true) {
    const find = () => this.items.find((item) => item.name === name && matches(item.data));
    await this.waitUntil(() => find() !== undefined, name);
    return find();
  }

  async #read(items) {
    for await (const item of items) {
      this.items.push(item);
      this.#wake();
    }
  }

  #wake() {
    this.#waiters.forEach((wake) => wake());
    this.#waiters.clear();
  }
}

const room = `room-${randomUUID()}`;
const [alice, bob] = [`alice-${randomUUID()}`, `bob-${randomUUID()}`];
const platform = connect("platform", "cohost:platform");
const [host, guest] = [connect(alice), connect(bob)];

await platform.setUser(bob, { status: "active", displayName: "Bob" });
assert.match(await platform.setRoom(room, { hostId: alice, status: "live", title: "Friday" }), /\S/);
await eventually(() => host.getRoom(room));
const seenByHost = new Follower((options) => host.followRoom(room, options));
const seenByGuest = new Follower((options) => guest.followMe(options));
assert.equal((await seenByHost.find("ready")).reset, true);
await seenByGuest.find("ready");

// Invited, seen, accepted.
const sent = await eventually(() => host.sendInvitation(room, bob, { label: "Guitar", message: "Come up" }));
const invitation = sent.data.invitationId;
assert.equal(invitation, sent.commandId);
const received = await seenByGuest.find("InvitationSent");
assert.deepEqual(received.event, sent.event);
const again = await host.sendInvitation(room, bob, { label: "Guitar", commandId: sent.commandId });
assert.deepEqual(again, sent);
const [listed] = (await guest.listMyInvitations({ roomId: room })).items;
assert.deepEqual([listed.invitationId, listed.roomTitle, listed.userName], [invitation, "Friday", "Bob"]);
await guest.markInvitationSeen(room, invitation);
const accepted = await guest.acceptInvitation(room, invitation);
assert.equal(accepted.data.status, "accepted");
await seenByHost.find("InvitationAccepted");
await seenByHost.find("BadgeChanged", (data) => data.userId === bob && data.badge === "coHost");
assert.equal((await guest.getCommand(accepted.commandId)).outcome, "accepted");

// Refused, with what is stored.
const refused = await guest.acceptInvitation(room, invitation).catch((error) => error);
assert(refused instanceof Refused);
assert.deepEqual([refused.reason, refused.current.status], ["invitation_not_pending", "accepted"]);
await assert.rejects(host.sendInvitation(room, bob), { name: "Refused", reason: "already_co_host" });
await assert.rejects(guest.getStage("no-such-room"), { name: "ProblemError", reason: "room_not_found" });

// On stage.
const data = await guest.getBroadcastData(room);
assert.deepEqual([data.role, data.publishDefaults.simulcast], ["coHost", true]);
await guest.reportQuality(room, "good", { roundTripMs: 40 });
assert.equal((await host.muteCoHost(room, bob, "microphone", { hard: true })).data.hard, true);
await host.unmuteCoHost(room, bob, "microphone");
assert.deepEqual((await host.arrangeStage(room, [bob])).data.userIds, [bob]);
const stage = await host.getStage(room);
assert.deepEqual(
  stage.items.map(({ userId, label }) => [userId, label]),
  [
    [alice, null],
    [bob, "Guitar"],
  ],
);

// Both streams have ended with their tokens, and have missed nothing.
await seenByHost.waitUntil(() => seenByHost.interruptions > 1, "the second interruption");
const { position } = seenByHost.items.at(-1);
assert.equal((await guest.leaveStage(room)).data.reason, "left");
await seenByHost.find("BadgeRemoved", (data) => data.userId === bob);
await seenByGuest.find("CoHostLeft");
const next = await eventually(() => host.sendInvitation(room, bob));
await host.cancelInvitation(room, next.data.invitationId);
await seenByHost.find("InvitationCancelled");
await seenByGuest.find("InvitationCancelled");

// A stream from a stored position has the rest once more.
const resumed = new Follower((options) => host.followRoom(room, { ...options, after: position }));
await resumed.find("InvitationCancelled");
assert.equal(resumed.items.find(({ name }) => name === "ready").reset, false);

for (const follower of [seenByHost, seenByGuest, resumed]) {
  follower.aborter.abort();
  await follower.done;
  const ids = follower.items.flatMap(({ event }) => (event ? [event.id] : []));
  assert.equal(new Set(ids).size, ids.length, "an event came twice");
}
const expected = ["Sent", "Seen", "Accepted", "Sent", "Cancelled"].map((name) => `Invitation${name}`);
for (const follower of [seenByHost, seenByGuest]) {
  const names = follower.items.map(({ name }) => name).filter((name) => name.startsWith("Invitation"));
  assert.deepEqual(names, expected);
}
await platform.deleteRoom(room);
await platform.deleteUser(bob);
console.log(`played with ${seenByHost.interruptions} interruptions of the host's stream`);
