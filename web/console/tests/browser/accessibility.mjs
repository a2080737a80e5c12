import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Return the serious findings of axe about a page. The policy of the pages allows it in by the debugger alone. */
export async function findViolations(page) {
  const debuggerSession = await page.context().newCDPSession(page);
  await debuggerSession.send("Runtime.evaluate", { expression: axe });
  const found = await page.evaluate(async () => (await globalThis.axe.run()).violations);
  return found
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target)}`);
}
