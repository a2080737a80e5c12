// Play a room, and look at it in the console: two windows on the room, one on the invitation and one on the
// diagnosis. COHOST_GATEWAY_URL and COHOST_CHROMIUM say where. It exits with 1 where a page does not show what
// the API answers, or shows it later than COHOST_WITHIN_MS.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { CoHost } from "@cohost/client";
import { findViolations } from "./accessibility.mjs";
import {
  fetchToken,
  launchBrowser,
  openPage,
  TIMEOUT_MS,
  url,
  violations,
  WITHIN_MS,
} from "./console-browser.mjs";

// More often would slow down what is measured.
const ASK_MS = 50;
// As long as an id may be, and nowhere to break it.
const ROOM = `show${randomUUID()}`.replaceAll("-", "").padEnd(64, "x");
// Who writes a title may turn its direction; that must not reach what is beside it.
const TITLE = "Friday \u202enight live";
// A page over plain HTTP from another machine: browsers keep some of their functions from it.
const FAR = new URL(url);
FAR.hostname = "console.test";
const [ALICE, BOB, CAROL, DAVE] = ["alice", "bob", "carol", "dave"].map((name) => `${name}-${randomUUID()}`);

const browser = await launchBrowser(
  "--no-proxy-server",
  `--host-resolver-rules=MAP ${FAR.hostname} ${new URL(url).hostname}`,
);
const times = [];

function connect(userId, scope) {
  return new CoHost(url, { token: () => fetchToken(userId, scope) });
}

async function open(name, address, token, origin = url) {
  const page = await openPage(browser, name, { viewport: { width: 1280, height: 900 } });
  if (token) {
    await page.addInitScript((kept) => sessionStorage.setItem("cohost.console.token", kept), token);
  }
  await page.goto(new URL(address, origin).href);
  return page;
}

async function openConsole(name, path, user = "operator", origin = url) {
  const page = await open(name, `/console/#${path}`, await fetchToken(user, "cohost:ops"), origin);
  await page.getByRole("status").getByText("Live", { exact: true }).waitFor();
  return page;
}

/** Wait until the API answers so; it is asked often. */
async function untilTrue(what, ask) {
  const deadline = Date.now() + TIMEOUT_MS;
  while (!(await ask())) {
    assert(Date.now() < deadline, `the API never answered: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
  }
}

/** Wait until a locator is visible, or is not; asked often, for Playwright's own waits have half a second between. */
async function untilShown(what, [name, locator, isShown = true]) {
  const deadline = Date.now() + TIMEOUT_MS;
  while ((await locator.first().isVisible()) !== isShown) {
    assert(Date.now() < deadline, `${name} never showed: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
  }
}

/** Once the API answers so, each page must show it within a second. */
async function shows(what, ask, ...views) {
  await untilTrue(what, ask);
  const since = performance.now();
  await Promise.all(
    views.map(async (view) => {
      await untilShown(what, view);
      times.push([Math.round(performance.now() - since), `${view[0]}: ${what}`]);
    }),
  );
}

const reader = connect("operator", "cohost:ops");
const [alice, bob, carol] = [connect(ALICE), connect(BOB), connect(CAROL)];

async function seat(userId) {
  return (await reader.getStage(ROOM)).items.find((person) => person.userId === userId);
}

/** Return the history's records, none where the log was not read in a request's time. */
async function readHistory() {
  const headers = { Authorization: `Bearer ${await fetchToken("operator", "cohost:ops")}` };
  return (await (await fetch(`${url}/v1/ops/rooms/${ROOM}/history`, { headers })).json()).items ?? [];
}

async function diagnosisStops(userId, step) {
  const { steps } = await reader.getDiagnosis(ROOM, userId);
  return steps.find(({ state }) => state !== "ok")?.step === step;
}

function card(page, userId) {
  return page.getByRole("article", { name: userId });
}

/** Nothing is wider than a phone's window. */
async function checkOnPhone(page) {
  await page.setViewportSize({ width: 360, height: 780 });
  await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth);
}

/** No text that a user wrote turns what is beside it: each is on its own, with its direction. */
async function checkDirection(locator) {
  const kinds = await locator
    .locator("*")
    .evaluateAll((parts) => parts.map((part) => getComputedStyle(part).unicodeBidi));
  assert.deepEqual(new Set(kinds), new Set(["isolate"]));
}

/** The same in both windows on the room. */
function inBoth(find) {
  return [
    ["the first window", find(first)],
    ["the second window", find(second)],
  ];
}

const platform = connect("platform", "cohost:platform");
for (const user of [BOB, CAROL, DAVE]) {
  await platform.setUser(user, { status: "active", displayName: user });
}
await platform.setRoom(ROOM, { hostId: ALICE, status: "live", title: TITLE });
await untilTrue("the room", () => reader.getRoom(ROOM).catch(() => false));
const first = await openConsole("room", `/rooms/${ROOM}`);
const second = await openConsole("room again", `/rooms/${ROOM}`);

try {
  // Invited, seen, accepted, on air.
  const sent = await alice.sendInvitation(ROOM, BOB, { label: "Guitar" });
  const id = sent.data.invitationId;
  const pending = (page) => page.getByRole("listitem").filter({ hasText: "left" }).filter({ hasText: BOB });
  await shows("the invitation", () => true, ...inBoth(pending));
  const invitation = await openConsole("invitation", `/invitations/${id}`);
  const why = await openConsole("why", `/why/${ROOM}/${BOB}`);
  const stop = (page, step) => page.locator('[aria-current="step"]').filter({ hasText: step });
  await shows(
    "that it is not seen",
    () => diagnosisStops(BOB, "seen"),
    ["the invitation's page", stop(invitation, "seen")],
    ["the diagnosis' page", stop(why, "seen")],
  );
  await bob.markInvitationSeen(ROOM, id);
  await shows(
    "that it is seen",
    () => diagnosisStops(BOB, "accepted"),
    ...inBoth((page) => pending(page).filter({ hasText: ", seen" })),
    ["the invitation's page", stop(invitation, "accepted")],
    ["the diagnosis' page", stop(why, "accepted")],
  );
  // His page marks an invitation as seen itself, so it is opened now.
  const guest = await open(
    "guest",
    `/demo/?${new URLSearchParams({ part: "guest", room: ROOM, user: BOB, drawn: "" })}`,
  );
  await guest.waitForSelector(".status.connected");
  await bob.acceptInvitation(ROOM, id);
  await shows(
    "the connection",
    async () => {
      const { grant, connection, tracks } = (await seat(BOB)) ?? {};
      return grant === "provisioned" && connection === "connected" && tracks.length === 2;
    },
    ...inBoth((page) =>
      card(page, BOB)
        .filter({ has: page.getByText("connected", { exact: true }) })
        .filter({ hasText: "confirmed by LiveKit" })
        .filter({ has: page.getByRole("row", { name: "Camera allowed live" }) })
        .filter({ has: page.getByRole("row", { name: "Microphone allowed live" }) }),
    ),
  );
  await shows(
    "that bob is on air",
    () => diagnosisStops(BOB, undefined),
    ["the invitation's page", invitation.getByText("It went all the way")],
    ["the diagnosis' page", why.getByText("Every step is reached.")],
  );

  // What led to what, in both windows alike.
  const chain = (page) => page.locator(".chain").filter({ hasText: "AcceptInvitation" });
  for (const page of [first, second]) {
    const names = () =>
      chain(page)
        .locator("[data-name]")
        .evaluateAll((rows) => rows.map((row) => row.dataset.name));
    await chain(page).locator('[data-name="CoHostMediaChanged"]').waitFor();
    const found = await names();
    const expected = ["AcceptInvitation", "InvitationAccepted", "GrantProvisioned", "CoHostConnected"];
    assert.deepEqual(
      found.filter((name) => expected.includes(name)),
      expected,
    );
    assert.match(await chain(page).locator('[data-name="InvitationAccepted"]').innerText(), /\+\d+ ms/);
  }

  // Muted by the host.
  await alice.muteCoHost(ROOM, BOB, "microphone", { hard: true });
  await shows(
    "the mute",
    async () => {
      const { hardMuted, tracks } = await seat(BOB);
      const isLive = ({ source, muted }) => source === "microphone" && !muted;
      return hardMuted.includes("microphone") && !tracks.some(isLive);
    },
    ...inBoth((page) => card(page, BOB).getByRole("row", { name: /^Microphone taken away (muted|–)$/ })),
  );

  // A co-host without a connection of her own says that it is a poor one.
  const asked = await alice.sendInvitation(ROOM, CAROL);
  await carol.acceptInvitation(ROOM, asked.data.invitationId);
  await untilTrue("carol's seat", () => seat(CAROL));
  await carol.reportQuality(ROOM, "poor", { roundTripMs: 400 });
  await shows(
    "the poor quality",
    async () => (await readHistory()).some(({ event }) => event?.data.quality === "poor"),
    ...inBoth((page) => card(page, CAROL).getByText("poor", { exact: true })),
  );

  // The connection is lost and comes back within the grace.
  await guest.getByRole("button", { name: "Pull the plug" }).click();
  await shows(
    "the lost connection",
    async () => (await seat(BOB)).graceEndsAt !== null,
    ...inBoth((page) => card(page, BOB).getByRole("timer")),
    ["the invitation's page", stop(invitation, "connected")],
    ["the diagnosis' page", stop(why, "connected")],
  );
  await guest.getByRole("button", { name: "Plug in again" }).click();
  await shows(
    "the new connection",
    async () => (await seat(BOB)).connection === "connected",
    ...inBoth((page) => card(page, BOB).getByRole("timer")).map((view) => [...view, false]),
  );

  // The operator is not the host: refused. The host is not.
  await card(first, BOB).getByRole("button", { name: "Remove" }).click();
  const dialog = (page) => page.getByRole("dialog", { name: `Remove ${BOB}` });
  await dialog(first).getByRole("button", { name: "Remove" }).click();
  await dialog(first).getByText("not_room_host").waitFor();
  await dialog(first).getByRole("button", { name: "Keep it as it is" }).click();
  assert.equal((await seat(BOB)).badge, "coHost");
  for (const page of [first, second]) {
    await page.locator('.chain:has-text("RemoveCoHost") [data-name="CommandRejected"]').waitFor();
  }
  const byHost = await openConsole("host", `/rooms/${ROOM}`, ALICE, FAR);
  assert.equal(await byHost.evaluate(() => isSecureContext), false);
  await card(byHost, BOB).getByRole("button", { name: "Remove" }).click();
  await dialog(byHost).getByRole("button", { name: "Remove" }).click();
  await byHost.getByText(`${BOB} is removed from the stage.`).waitFor();
  await shows(
    "the end of the seat",
    async () => (await seat(BOB)) === undefined,
    ...inBoth((page) => card(page, BOB)).map((view) => [...view, false]),
    ["the invitation's page", invitation.getByText("removed by host").first()],
    ["the diagnosis' page", stop(why, "seated")],
  );

  // An invitation cancelled in one window is gone from the other.
  await alice.sendInvitation(ROOM, DAVE);
  const cancel = (page) => page.getByRole("button", { name: `Cancel the invitation of ${DAVE}` });
  await shows("the other invitation", () => true, ...inBoth(cancel));
  await cancel(byHost).click();
  await byHost.getByRole("dialog").getByRole("button", { name: "Cancel invitation" }).click();
  await byHost.getByText(`The invitation of ${DAVE} is cancelled.`).waitFor();
  await shows("that it is cancelled", () => true, ...inBoth(cancel).map((view) => [...view, false]));

  const rooms = await openConsole("rooms", "/rooms");
  await rooms.getByRole("link", { name: ROOM }).waitFor();
  for (const page of [first, invitation, why, rooms]) {
    assert.deepEqual(await findViolations(page), []);
    await checkOnPhone(page);
  }
  await checkDirection(rooms.locator("td", { hasText: ROOM }).first());
  assert.deepEqual(violations, []);
  assert.deepEqual(
    times.filter(([took]) => took > WITHIN_MS),
    [],
  );
  const slowest = Math.max(...times.map(([took]) => took));
  console.log(`played a room; the slowest page showed the truth after ${slowest} ms`);
} finally {
  await browser.close();
}
