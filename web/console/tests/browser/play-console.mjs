// Play rooms, and compare what the console shows with what the API answers: now, commands, dead letters, system.
// COHOST_GATEWAY_URL and COHOST_CHROMIUM say where; COHOST_BROKEN_ROOM is the key of a dead letter, a command
// without a type. It exits with 1 where a page does not show the truth, or shows it later than COHOST_WITHIN_MS.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
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

const { COHOST_BROKEN_ROOM: brokenRoom } = process.env;
const ROOMS = 20;
// So that an event is among the newest 50 for seconds.
const ROUND_MS = 8_000;
const OPS = "cohost:ops";

const browser = await launchBrowser();

/** Send a request as a user, and return the JSON of its answer; a refusal is an answer too. */
async function call(token, method, path, body) {
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  return await answer.json();
}

const opsToken = await fetchToken("operator", OPS);
const ask = (path) => call(opsToken, "GET", path);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Wait until a function's answer is true, and return how long it took. */
async function until(what, isTrue) {
  const since = performance.now();
  while (!(await isTrue())) {
    assert(performance.now() - since < TIMEOUT_MS, `never: ${what}`);
    await pause(20);
  }
  return performance.now() - since;
}

/** A room that is played: its host invites, guests accept, decline, and are refused. */
async function openRoom(roomId) {
  const platform = await fetchToken("platform", "cohost:platform");
  const host = `alice-${roomId}`;
  const guests = Array.from({ length: 3 }, (_, index) => `guest-${index}-${roomId}`);
  for (const user of [host, ...guests]) {
    await call(platform, "PUT", `/v1/users/${user}`, { status: "active" });
  }
  await call(platform, "PUT", `/v1/rooms/${roomId}`, { hostId: host, status: "live", maxCoHosts: 3 });
  await until(`room ${roomId}`, async () => (await ask(`/v1/rooms/${roomId}`)).open);
  const tokens = new Map(
    await Promise.all([host, ...guests].map(async (user) => [user, await fetchToken(user)])),
  );
  return { roomId, host, guests, tokens };
}

async function invite({ roomId, host, tokens }, userId) {
  const answer = await call(tokens.get(host), "POST", `/v1/rooms/${roomId}/invitations`, { userId });
  return answer.events?.at(-1).data.invitationId;
}

async function playRound(room, round) {
  const guest = room.guests[round % room.guests.length];
  const invitationId = await invite(room, guest);
  const path = `/v1/rooms/${room.roomId}/invitations/${invitationId}`;
  await call(room.tokens.get(room.host), "POST", `${path}/accept`);
  await call(room.tokens.get(guest), "POST", `${path}/${round % 2 ? "accept" : "decline"}`);
  await call(room.tokens.get(guest), "DELETE", `/v1/rooms/${room.roomId}/co-hosts/${guest}`);
}

async function openConsole(options) {
  const page = await openPage(browser, "console", options);
  await page.goto(`${url}/console/`);
  return page;
}

async function signIn(page, token) {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

async function show(page, path) {
  await page.evaluate((hash) => (location.hash = hash), path);
  await page.getByRole("status").getByText("Live", { exact: true }).waitFor();
}

function readNumber(page, name) {
  return page.locator(`[data-number="${name}"] .value`).innerText();
}

/** Without the scope, with a token of nobody's, and with one that is over, nothing is shown. */
async function checkRefusals() {
  const page = await openConsole();
  const refusal = page.getByRole("alert");
  const refused = [
    [await fetchToken("bob"), /lacks the scope cohost:ops\. Without the scope nothing is shown/],
    [`${opsToken}x`, /does not accept this token/],
    ["no token", /This is no token/],
  ];
  for (const [token, reason] of refused) {
    await signIn(page, token);
    await refusal.filter({ hasText: reason }).waitFor();
    assert.equal(await page.getByRole("navigation").count(), 0);
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  }
  assert.deepEqual(await findViolations(page), []);
  // A tab that is signed in shows nothing more once its token is refused.
  await signIn(page, opsToken);
  await page.getByRole("navigation").waitFor();
  await page.route("**/v1/ops/**", (route) =>
    route.fulfill({ status: 403, contentType: "application/problem+json", body: '{"reason":"forbidden"}' }),
  );
  await refusal.filter({ hasText: "Without the scope nothing is shown" }).waitFor();
  assert.equal(await page.getByRole("navigation").count(), 0);
  await page.context().close();
}

/** Each invitation is in the API's activity, and a second later at most among the newest events. */
async function checkNow(page, rooms) {
  await show(page, "/");
  const delays = [];
  for (const room of rooms.slice(0, 7)) {
    const user = `late-${randomUUID()}`;
    await call(await fetchToken("platform", "cohost:platform"), "PUT", `/v1/users/${user}`, {
      status: "active",
    });
    await until(user, async () => await invite(room, user));
    let record;
    await until(`activity with ${user}`, async () => {
      const { newest } = await ask("/v1/ops/activity");
      return (record = newest.find(({ event }) => event?.data?.userId === user));
    });
    const line = page.locator(`[data-record="${record.topic}:${record.partition}:${record.offset}"]`);
    delays.push(await until(`the page with ${user}`, async () => (await line.count()) === 1));
  }
  delays.sort((a, b) => a - b);
  assert(delays[3] <= WITHIN_MS, `the newest events came after ${delays.map(Math.round)} ms`);
  return delays.map(Math.round);
}

/** Once nothing is played any more, the numbers are the API's. */
async function checkNumbers(page) {
  await show(page, "/");
  const fields = [
    ["Rooms open", "roomsOpen"],
    ["Pending invitations", "pending"],
    ["Seats", "seats"],
    ["Co-hosts connected", "connected"],
    ["Lanes without owner", "lanesWithoutOwner"],
    ["Interruptions", "interruptions"],
  ];
  await until("the overview's numbers", async () => {
    const overview = await ask("/v1/ops/overview");
    overview.interruptions = overview.takeovers - overview.lanes;
    const shown = await Promise.all(fields.map(([name]) => readNumber(page, name)));
    return fields.every(([, field], index) => shown[index] === overview[field].toLocaleString("en"));
  });
  assert((await ask("/v1/ops/overview")).roomsOpen >= ROOMS);
  await until("the dead letter counted", async () => /^[1-9]/.test(await readNumber(page, "Dead letters")));
  await page.getByText("A dead letter came").first().waitFor();
}

async function checkSystem(page) {
  await show(page, "/system");
  await until("lanes and versions", async () => {
    const { items } = await ask("/v1/ops/lanes");
    const owned = await page.locator(".owned:not(.none)").count();
    const epochs = await page.locator("tfoot tr:first-child td").allInnerTexts();
    return (
      owned === items.filter(({ owner }) => owner !== null).length &&
      String(epochs) === String(items.map(({ epoch }) => epoch))
    );
  });
  const { items } = await ask("/v1/ops/system");
  const parts = page.getByRole("region", { name: "Table: Versions" });
  for (const { name, version } of items) {
    const row = parts.getByRole("row", { name: new RegExp(`^${name}\\b`) });
    await row.getByText(version ?? "not known", { exact: true }).waitFor();
  }
}

async function checkCommands(page) {
  await show(page, "/commands");
  await until("refusals by reason", async () => {
    const { refusals } = await ask("/v1/ops/activity");
    const shown = await page.locator("li button[aria-pressed] .count").allInnerTexts();
    return refusals.length > 0 && String(shown) === String(refusals.map(({ count }) => count));
  });
  const [newest] = (await ask("/v1/ops/refusals?reason=not_invitee")).items;
  await page.getByRole("button", { name: /^not invitee/ }).click();
  await page.locator(`a[href="#/commands/${newest.event.data.commandId}"]`).first().click();
  await page.locator('[data-outcome="rejected"]').getByText("not invitee").waitFor();
  await page.getByLabel("Command id").fill("nobody-knows-it");
  await page.keyboard.press("Enter");
  await page.getByText("No service knows this command").waitFor();
}

/** The dead letter is shown, tried, mended, redriven after a question; the command's outcome follows. */
async function checkDeadLetter(page, room) {
  await show(page, "/dead-letters");
  const { items } = await ask("/v1/ops/dead-letters");
  const letter = items.find(({ key }) => key === brokenRoom);
  await page.getByLabel(`Choose ${letter.id}`).check();
  await page.getByRole("button", { name: "Dry run" }).click();
  const verdict = page.getByRole("table").getByText("not a cloud event", { exact: true });
  await until("the verdict", async () => (await verdict.count()) === 2);
  await page.locator(`a[href="#/dead-letters/${encodeURIComponent(letter.id)}"]`).click();

  const details = await ask(`/v1/ops/dead-letters/${letter.id}`);
  await page.getByText(details.explanation).first().waitFor();
  await page.getByText("dead-letter-offset").waitFor();
  await page.getByRole("button", { name: "Show hex" }).click();
  await page.getByRole("region", { name: "Value in hex" }).getByText("000000").waitFor();
  await page.getByRole("button", { name: "Dry run" }).click();
  await page.getByText("Nothing is written.").waitFor();

  const userId = room.guests[0];
  const event = { ...JSON.parse(details.text), type: "cohost.SendInvitation.v1" };
  event.data = { roomId: room.roomId, userId, actorId: room.host };
  await page.getByRole("textbox", { name: "Value" }).fill(JSON.stringify(event));
  await page.getByRole("button", { name: "Dry run" }).click();
  await page.getByText("Nothing is written yet.").waitFor();
  await page.getByRole("button", { name: "Redrive …" }).click();
  const dialog = page.getByRole("dialog");
  assert.deepEqual(await findViolations(page), []);
  await dialog.getByRole("button", { name: "Redrive" }).click();
  await page.locator('[data-outcome="accepted"]').getByText("InvitationSent").waitFor();
  assert.equal((await ask(`/v1/commands/${event.id}`)).outcome, "accepted");
  return letter.id;
}

/** In both themes and on a phone: no serious finding, and nothing wider than the window. */
async function checkLooks(letterId) {
  const looks = [{ colorScheme: "dark" }, { colorScheme: "light", viewport: { width: 360, height: 780 } }];
  for (const look of looks) {
    const page = await openConsole(look);
    await page.getByRole("button", { name: "Sign in as an operator" }).click();
    await page.getByRole("navigation").waitFor();
    for (const path of [
      "/",
      "/system",
      "/commands",
      "/dead-letters",
      `/dead-letters/${letterId}`,
      "/nowhere",
    ]) {
      await page.evaluate((hash) => (location.hash = hash), path);
      await page.waitForFunction(() => document.querySelector(".stale") === null);
      await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth);
      assert.deepEqual(await findViolations(page), [], `${path} ${JSON.stringify(look)}`);
    }
    await page.context().close();
  }
}

try {
  await checkRefusals();
  const roomIds = [brokenRoom, ...Array.from({ length: ROOMS - 1 }, () => `room-${randomUUID()}`)];
  const rooms = await Promise.all(roomIds.map(openRoom));
  let isOver = false;
  const players = rooms.slice(1).map(async (room, index) => {
    await pause((index * ROUND_MS) / ROOMS);
    for (let round = 0; !isOver; round += 1) {
      await Promise.all([playRound(room, round), pause(ROUND_MS)]);
    }
  });
  const page = await openConsole();
  await signIn(page, opsToken);
  const delays = await checkNow(page, rooms);
  isOver = true;
  await Promise.all(players);
  await checkNumbers(page);
  await checkSystem(page);
  await checkCommands(page);
  const letterId = await checkDeadLetter(page, rooms[0]);
  await checkLooks(letterId);
  assert.deepEqual(violations, []);
  console.log(`played the console; newest events after ${delays} ms`);
} finally {
  await browser.close();
}
