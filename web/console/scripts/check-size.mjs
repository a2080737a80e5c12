// Fail where the built console is larger than a page for operators may be: 150 kB in all, as gzip sends it.
import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const MAX_BYTES = 150_000;
const DIST = new URL("../dist/", import.meta.url);

const names = (await readdir(DIST, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath}/${entry.name}`);
const sizes = await Promise.all(names.map(async (name) => gzipSync(await readFile(name)).length));
const bytes = sizes.reduce((sum, size) => sum + size, 0);
console.log(`console: ${(bytes / 1000).toFixed(1)} kB gzip of at most ${MAX_BYTES / 1000} kB`);
if (bytes > MAX_BYTES) {
  console.error("The built console is too large.");
  process.exitCode = 1;
}
