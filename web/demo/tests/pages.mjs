// The demo's pages in a browser: opened as people in rooms of their own, and what a test waits for on them.
import { randomUUID } from "node:crypto";
import { chromium } from "playwright-core";

const { COHOST_GATEWAY_URL: url, COHOST_CHROMIUM: executablePath } = process.env;
const TIMEOUT_MS = 60_000;

/** Start a browser with a fake camera and microphone. */
export function launchBrowser() {
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--use-fake-device-for-media-stream=fps=10",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
    ],
  });
}

/** A show in a room of its own. `violations` has what the pages threw, or tried against their policy. */
export class DemoShow {
  violations = [];

  constructor(browser, suffix = randomUUID(), room = `show-${suffix}`) {
    this.browser = browser;
    this.suffix = suffix;
    this.room = room;
  }

  userId(name) {
    return this.suffix ? `${name}-${this.suffix}` : name;
  }

  /** Open a page as somebody, in a browser context of its own, and wait until it is connected. */
  async open(part, name, { drawn = false, ...options } = {}) {
    const page = await this.openPage(options);
    const user = this.userId(name);
    const parameters = { part, room: this.room, user, ...(drawn && { drawn: "" }) };
    await page.goto(`${url}/demo/?${new URLSearchParams(parameters)}`);
    await page.waitForSelector(".status.connected");
    return page;
  }

  /** Open an empty page that notes violations. */
  async openPage(options) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    page.on("pageerror", (error) => this.violations.push(String(error)));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) {
        this.violations.push(message.text());
      }
    });
    return page;
  }

  tile(page, name) {
    return page.locator(`[data-user="${this.userId(name)}"]`);
  }

  /** Invite a guest whose page is open, and accept there. */
  async bringOnStage(host, guest, name, label = "") {
    await host.getByLabel("User").fill(this.userId(name));
    await host.getByLabel("Announced as").fill(label);
    await button(host, "Invite").click();
    await button(guest, "Accept").click();
    await guest.waitForSelector("header .badge.coHost");
  }

  /** Wait until a person's picture moves and its bytes arrive. */
  async waitForPicture(page, name) {
    await page.waitForFunction(
      (selector) => document.querySelector(`${selector} video`)?.currentTime > 1,
      `[data-user="${this.userId(name)}"]`,
    );
    await this.waitForTraffic(page, name, ({ kbits }) => kbits > 0);
  }

  /** Wait until what the tile says of the picture's stream is so, and return it. */
  async waitForTraffic(page, name, isAwaited) {
    const line = this.tile(page, name).locator(".traffic");
    const deadline = Date.now() + TIMEOUT_MS;
    for (;;) {
      const text = await line.textContent({ timeout: TIMEOUT_MS });
      const found = parseTraffic(text);
      if (found && isAwaited(found)) {
        return found;
      }
      if (Date.now() > deadline) {
        throw new Error(`the picture of ${name}: ${text}`);
      }
      await page.waitForFunction(
        ([node, before]) => node.textContent !== before,
        [await line.elementHandle(), text],
      );
    }
  }

  /** Wait until the sound of a person is loud enough on a page that somebody could hear it. */
  async waitForSound(page, name) {
    await page.waitForFunction(
      (selector) => {
        const { srcObject } = document.querySelector(`${selector} audio`) ?? {};
        if (!srcObject?.getAudioTracks().length) {
          return false;
        }
        // The sound comes with time, and only where the same analyser is asked again.
        if (window.listening?.srcObject !== srcObject) {
          window.listening?.context.close();
          const context = new AudioContext();
          const analyser = new AnalyserNode(context);
          context.createMediaStreamSource(srcObject).connect(analyser);
          window.listening = { srcObject, context, analyser };
        }
        const samples = new Float32Array(2048);
        window.listening.analyser.getFloatTimeDomainData(samples);
        const isHeard = Math.max(...samples.map(Math.abs)) > 0.005;
        if (isHeard) {
          window.listening.context.close();
          window.listening = undefined;
        }
        return isHeard;
      },
      `[data-user="${this.userId(name)}"]`,
    );
  }
}

export function button(page, name) {
  return page.getByRole("button", { name, exact: true });
}

function parseTraffic(text) {
  const found = /(?:sends (\d+) layers?|receives), (\d+)×(\d+), (\d+) kbit/.exec(text ?? "");
  if (!found) {
    return undefined;
  }
  const [layers, width, height, kbits] = found.slice(1).map(Number);
  return { layers, width, height, kbits };
}
