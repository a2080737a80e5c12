// A browser for the console's pages, and tokens of the gateway. COHOST_GATEWAY_URL and COHOST_CHROMIUM say where;
// without COHOST_WITHIN_MS no page is too slow: a limit is for a machine that does nothing else.
import { chromium } from "playwright-core";

const { COHOST_GATEWAY_URL, COHOST_CHROMIUM: executablePath, COHOST_WITHIN_MS } = process.env;

export const url = COHOST_GATEWAY_URL;
export const TIMEOUT_MS = 60_000;
export const WITHIN_MS = Number(COHOST_WITHIN_MS ?? Infinity);

/** What the pages threw, or tried against their policy. */
export const violations = [];

/** Start a browser with a fake camera and microphone, and with further options of its command line. */
export function launchBrowser(...more) {
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
      ...more,
    ],
  });
}

/** Open an empty page in a browser context of its own, and note its violations under the name. */
export async function openPage(browser, name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on("pageerror", (error) => violations.push(`${name}: ${error}`));
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) {
      violations.push(`${name}: ${message.text()}`);
    }
  });
  return page;
}

/** Return a token that the gateway signs in development. */
export async function fetchToken(userId, scope) {
  const body = JSON.stringify({ userId, name: userId, ...(scope && { scope }) });
  const answer = await fetch(`${url}/demo/token`, { method: "POST", body });
  return (await answer.json()).token;
}
