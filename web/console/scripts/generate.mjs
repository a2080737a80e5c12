// Generate src/generated/openapi.ts from the gateway's published document: `generate.mjs` writes, `--check` compares.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const OPENAPI = new URL("../../../schemas/openapi/gateway.json", import.meta.url);
const FILE = new URL("../src/generated/openapi.ts", import.meta.url);
const HEAD = "// Generated from the published document by `npm run generate`; do not edit.\n";

/** Return the types of all answers and problems; those of paths are as much again. */
async function generateTypes() {
  // Titles of fields only repeat their names.
  const withoutTitle = (name, value) => (name === "title" && typeof value === "string" ? undefined : value);
  const { paths, ...document } = JSON.parse(await readFile(OPENAPI, "utf8"), withoutTitle);
  const redrive = paths["/v1/ops/dead-letters/{id}/redrive"].post.requestBody.content["application/json"];
  document.components.schemas.RedriveRequest = redrive.schema;
  return HEAD + astToString(await openapiTS({ ...document, paths: {} }, { defaultNonNullable: false }));
}

const types = await generateTypes();
if (!process.argv.includes("--check")) {
  await mkdir(new URL(".", FILE), { recursive: true });
  await writeFile(FILE, types);
} else if ((await readFile(FILE, "utf8").catch(() => "")) !== types) {
  console.error(`${fileURLToPath(FILE)} differs from the published document: run npm run generate`);
  process.exitCode = 1;
}
