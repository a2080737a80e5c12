// Look at every page of the demo as people do who see little, use the keyboard, or hold a phone.
// COHOST_GATEWAY_URL and COHOST_CHROMIUM say where. It exits with 1 where a page has a serious fault.
import assert from "node:assert/strict";
import axe from "axe-core";
import { button, DemoShow, launchBrowser } from "./pages.mjs";

const THEMES = ["light", "dark"];
const WIDTHS = [1280, 360];

const browser = await launchBrowser();
const show = new DemoShow(browser);

/** Check a page in both themes, wide and narrow. */
async function check(name, page) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await seriousFaults(page), [], `${name}, ${width} px, ${colorScheme}`);
    }
    assert.deepEqual(await overflowing(page), [], `${name}, ${width} px`);
  }
  console.log(`checked: ${name}`);
}

/** Return axe's serious findings, each with the elements. */
async function seriousFaults(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** Return what is wider than the window, where the page would have to be scrolled sideways. */
function overflowing(page) {
  return page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    const wide = [...document.body.querySelectorAll("*")].filter(
      (element) => element.getBoundingClientRect().right > clientWidth + 1,
    );
    return scrollWidth > clientWidth ? wide.map(({ outerHTML }) => outerHTML.slice(0, 120)) : [];
  });
}

/** Press Tab until the button has the focus, as a user does who has no mouse, and press it. */
async function pressByKeyboard(page, name) {
  const wanted = await button(page, name).elementHandle();
  for (let steps = 0; steps < 100; steps++) {
    if (await wanted.evaluate((element) => element === document.activeElement)) {
      await page.keyboard.press("Enter");
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error(`the keyboard does not reach ${name}`);
}

/** Invite, accept, ask and answer without a mouse. */
async function playByKeyboard(host, guest) {
  await host.getByLabel("User").focus();
  await host.keyboard.type(show.userId("bob"));
  await host.keyboard.press("Enter");
  await pressByKeyboard(guest, "Accept");
  await guest.waitForSelector("header .badge.coHost");
  await button(guest, "Mute microphone").waitFor();
  await pressByKeyboard(guest, "Mute microphone");
  await show.tile(host, "bob").getByText("muted", { exact: true }).waitFor();
  await pressByKeyboard(host, "Ask to unmute");
  // The question has the focus already.
  await button(guest, "Unmute").waitFor();
}

try {
  const first = await show.openPage();
  await first.goto(`${process.env.COHOST_GATEWAY_URL}/`);
  await first.getByRole("heading").waitFor();
  await check("first page", first);
  const host = await show.open("host", "alice");
  const guest = await show.open("guest", "bob", { drawn: true });
  const viewer = await show.open("viewer", "vera", { drawn: true });
  await check("host, alone", host);
  await playByKeyboard(host, guest);
  await check("guest, who is asked to unmute", guest);
  await guest.keyboard.press("Enter");
  await button(guest, "Mute microphone").waitFor();
  await check("host, with a guest", host);
  await check("viewer", viewer);
  await button(guest, "Pull the plug").click();
  await show.tile(host, "bob").getByText("The seat is kept").waitFor();
  await check("host, while a guest is away", host);
  assert.deepEqual(show.violations, []);
  console.log("checked the pages");
} finally {
  await browser.close();
}
