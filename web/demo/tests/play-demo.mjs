// Play the demo in a browser, as host and guest in two contexts of it, with a fake camera and a drawn one.
// COHOST_GATEWAY_URL and COHOST_CHROMIUM say where. It exits with 1 where the pages do not show what they should.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chromium } from "playwright-core";

const { COHOST_GATEWAY_URL: url, COHOST_CHROMIUM: executablePath } = process.env;
const TIMEOUT = { timeout: 30_000 };
const ROOM = `show-${randomUUID()}`;
const [ALICE, BOB] = [`alice-${randomUUID()}`, `bob-${randomUUID()}`];

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
  ],
});
const violations = [];

async function open(part, user, more = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT.timeout);
  page.on("pageerror", (error) => violations.push(`${part}: ${error}`));
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) {
      violations.push(`${part}: ${message.text()}`);
    }
  });
  await page.goto(`${url}/demo/?${new URLSearchParams({ part, room: ROOM, user, ...more })}`);
  await page.waitForSelector(".status.connected");
  return page;
}

function button(page, name) {
  return page.getByRole("button", { name, exact: true });
}

function tile(page, user) {
  return page.locator(`[data-user="${user}"]`);
}

/** Wait until a person's picture moves, and the element that plays the sound has some. */
async function waitForPicture(page, user, hasSound = false) {
  await page.waitForFunction(
    ([selector, isHeard]) => {
      const shown = document.querySelector(selector);
      const stream = shown?.querySelector("audio").srcObject;
      return (
        shown?.querySelector("video").currentTime > 1 && (!isHeard || stream?.getAudioTracks().length > 0)
      );
    },
    [`[data-user="${user}"]`, hasSound],
    TIMEOUT,
  );
}

try {
  const host = await open("host", ALICE);
  await waitForPicture(host, ALICE);
  const guest = await open("guest", BOB, { drawn: "" });
  await waitForPicture(guest, ALICE, true);
  assert.equal(await guest.locator(".chat input").count(), 0);

  // Invited, accepted, on stage, with a badge in the chat.
  await host.getByLabel("User").fill(BOB);
  await host.getByLabel("Announced as").fill("Guitar");
  await button(host, "Invite").click();
  await button(guest, "Accept").click();
  await guest.waitForSelector("header .badge.coHost");
  await waitForPicture(host, BOB, true);
  await tile(host, BOB).getByText("Guitar").waitFor();
  await guest.getByLabel("Message").fill("Hello");
  await button(guest, "Send").click();
  await host.locator(".chat li", { hasText: "Hello" }).locator(".badge.coHost").waitFor();

  // Muted hard, asked, unmuted by the guest.
  await button(tile(host, BOB), "Mute hard").click();
  await tile(host, BOB).getByText("muted by the host").waitFor();
  await button(guest, "Unmute microphone").waitFor();
  await button(tile(host, BOB), "Ask to unmute").click();
  await button(guest, "Unmute").click();
  await button(guest, "Mute microphone").waitFor();

  // The connection is lost and comes back within the grace.
  await button(guest, "Pull the plug").click();
  await tile(host, BOB).getByText("The seat is kept").waitFor();
  await button(guest, "Plug in again").click();
  await tile(host, BOB).getByText("The seat is kept").waitFor({ state: "detached" });
  await waitForPicture(host, BOB, true);

  // Left.
  await button(guest, "Leave the stage").click();
  await tile(host, BOB).waitFor({ state: "detached" });
  await guest.waitForSelector("header .badge.viewer");
  await host.locator(".events", { hasText: "GrantRevoked" }).waitFor();
  assert.deepEqual(violations, []);
  console.log("played the demo");
} finally {
  await browser.close();
}
