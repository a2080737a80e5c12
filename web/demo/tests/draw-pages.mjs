// Draw every page into a folder, in both themes, while a show is on: `node draw-pages.mjs FOLDER`.
// COHOST_GATEWAY_URL and COHOST_CHROMIUM say where. The gateway must be new: the people have fixed names.
import { writeFile } from "node:fs/promises";
import UPNG from "upng-js";
import { button, DemoShow, launchBrowser } from "./pages.mjs";

const [folder] = process.argv.slice(2);
const { COHOST_GATEWAY_URL: url } = process.env;
const THEMES = ["light", "dark"];
const ROOM = "friday-night";
const COLOURS = 256;

/** The console's pages: the picture's name, and the address behind `#`. */
const CONSOLE_PAGES = [
  ["now", "/"],
  ["rooms", "/rooms"],
  ["room", `/rooms/${ROOM}`],
  ["invitation", ({ invitationId }) => `/invitations/${invitationId}`],
  ["why", `/why/${ROOM}/bob`],
  ["commands", "/commands"],
  ["dead-letters", "/dead-letters"],
  ["system", "/system"],
];

const browser = await launchBrowser();
const show = new DemoShow(browser, "", ROOM);

async function draw(name, page) {
  for (const colorScheme of THEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    // Two frames later everything has the theme's colours.
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
    const drawn = UPNG.decode(await page.screenshot({ caret: "hide" }));
    // A palette makes it a third as large.
    const small = UPNG.encode([UPNG.toRGBA8(drawn)[0]], drawn.width, drawn.height, COLOURS);
    await writeFile(`${folder}/${name}-${colorScheme}.png`, Buffer.from(small));
  }
  console.log(`drawn: ${name}`);
}

/** Play a show up to the moment that is worth a picture; return the pages, and the guest's invitation. */
async function play() {
  const [host, guest, viewer] = [
    await show.open("host", "alice", { drawn: true }),
    await show.open("guest", "bob", { drawn: true }),
    await show.open("viewer", "vera", { drawn: true }),
  ];
  await show.bringOnStage(host, guest, "bob", "Guitar");
  await guest.getByLabel("Message").fill("Hello everybody!");
  await button(guest, "Send").click();
  await viewer.locator(".chat li", { hasText: "Hello" }).waitFor();
  await host.getByLabel("Message").fill("Welcome, Bob.");
  await button(host, "Send").click();
  await viewer.locator(".chat li", { hasText: "Welcome" }).waitFor();
  await host.getByLabel("User").fill("vera");
  await host.getByLabel("Announced as").fill("Drums");
  await button(host, "Invite").click();
  await host.getByText("has seen it").waitFor();
  for (const page of [host, guest, viewer]) {
    await show.waitForPicture(page, "alice");
    await show.waitForPicture(page, "bob");
    await page.locator(".quality.excellent").first().waitFor();
  }
  const sent = host.locator(".events li", { hasText: "InvitationSent" }).last().locator("pre");
  const { invitationId } = JSON.parse(await sent.textContent()).data;
  return { host, guest, viewer, invitationId };
}

/** Have a command refused, for the console to show. */
async function refuse({ host }) {
  await host.getByLabel("User").fill("bob");
  await button(host, "Invite").click();
  await host.getByRole("alert").waitFor();
}

async function drawConsole(played) {
  const page = await show.openPage();
  const answer = await page.goto(`${url}/console/`);
  if (!answer.ok()) {
    console.log("NOT DRAWN: the console, which is not built.");
    return;
  }
  await draw("console-sign-in", page);
  await button(page, "Sign in as an operator").click();
  for (const [name, address] of CONSOLE_PAGES) {
    const path = typeof address === "function" ? address(played) : address;
    await page.evaluate((hash) => (location.hash = hash), path);
    // What a page asks for comes within a second, and its streams never end.
    await page.getByRole("heading").first().waitFor();
    await page.waitForTimeout(2_000);
    await page.waitForFunction(() => !document.body.innerText.includes("One moment …"));
    await draw(`console-${name}`, page);
  }
}

try {
  const first = await show.openPage();
  await first.goto(`${url}/`);
  await first.getByRole("heading").waitFor();
  await draw("demo-first", first);
  const played = await play();
  for (const name of ["host", "guest", "viewer"]) {
    await draw(`demo-${name}`, played[name]);
  }
  await refuse(played);
  await drawConsole(played);
} finally {
  await browser.close();
}
