// Check the package as it would be published: its size, its manifest, its types.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAX_PACKED_BYTES = 30_000;

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "cohost-client-"));

function run(command, ...args) {
  return execFileSync(command, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

try {
  const [{ filename }] = JSON.parse(run("npm", "pack", "--json", "--pack-destination", folder));
  const archive = join(folder, filename.replace("@", "").replace("/", "-"));
  const { size } = statSync(archive);
  console.log(`packed: ${size} bytes of at most ${MAX_PACKED_BYTES}`);
  if (size > MAX_PACKED_BYTES) {
    throw new Error("the package is too large");
  }
  process.stdout.write(run("npx", "--no-install", "publint", "run", "--strict", archive));
  process.stdout.write(run("npx", "--no-install", "attw", archive, "--profile", "esm-only"));
} catch (error) {
  process.stdout.write(String(error.stdout ?? ""));
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
