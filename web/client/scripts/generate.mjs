// Generate src/generated from the published documents: `generate.mjs` writes, `--check` compares.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { compile } from "json-schema-to-typescript";
import openapiTS, { astToString } from "openapi-typescript";

const SCHEMAS = new URL("../../../schemas/json/", import.meta.url);
const OPENAPI = new URL("../../../schemas/openapi/gateway.json", import.meta.url);
const GENERATED = new URL("../src/generated/", import.meta.url);
const HEAD = "// Generated from the published documents by `npm run generate`; do not edit.\n";

/** Return the schemas of everything that the services write; their envelopes have a sequence. */
async function readEventSchemas() {
  const names = (await readdir(SCHEMAS)).filter((name) => name.endsWith(".json")).sort();
  const schemas = await Promise.all(
    names.map(async (name) => JSON.parse(await readFile(new URL(name, SCHEMAS), "utf8"))),
  );
  return schemas.filter((schema) => schema.required.includes("sequence"));
}

/** Merge the definitions of all schemas. The documents are self-contained, so they repeat each other. */
function mergeDefinitions(schemas) {
  const merged = {};
  for (const [name, definition] of schemas.flatMap((schema) => Object.entries(schema.$defs))) {
    if (name in merged && !isDeepStrictEqual(merged[name], definition)) {
      throw new Error(`${name} is defined in two ways`);
    }
    merged[name] = definition;
  }
  return merged;
}

/** Return the types of all data, and `EventData`, which has each by the name of its event. */
async function generateMessages() {
  const schemas = await readEventSchemas();
  const names = schemas.map((schema) => schema.$id.split(".")[0]);
  const root = {
    title: "EventData",
    description: "The data of each event, by the event's name.",
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, { $ref: `#/$defs/${name}` }])),
    required: names,
    $defs: mergeDefinitions(schemas),
  };
  return HEAD + (await compile(root, "EventData", { additionalProperties: false, bannerComment: "" }));
}

/** Return the names of the schemas that a part of the document needs, those that these need included. */
function findSchemas(document, part, found = new Set()) {
  for (const [, name] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    if (!found.has(name)) {
      found.add(name);
      findSchemas(document, document.components.schemas[name], found);
    }
  }
  return found;
}

/** Remove the schemas that only routes for ops have: apps have no use for them. */
function removeOpsSchemas(document) {
  const paths = Object.entries(document.paths);
  const needed = (isOps) =>
    findSchemas(
      document,
      paths.filter(([path]) => path.startsWith("/v1/ops/") === isOps),
    );
  const others = needed(false);
  for (const name of needed(true)) {
    if (!others.has(name)) {
      delete document.components.schemas[name];
    }
  }
}

/** Return the types of all answers, and of the facts' bodies; those of paths are as much again. */
async function generateOpenapi() {
  // Titles of fields only repeat their names.
  const withoutTitle = (name, value) => (name === "title" && typeof value === "string" ? undefined : value);
  const document = JSON.parse(await readFile(OPENAPI, "utf8"), withoutTitle);
  removeOpsSchemas(document);
  for (const name of ["Room", "User"]) {
    const path = document.paths[`/v1/${name.toLowerCase()}s/{${name.toLowerCase()}Id}`];
    document.components.schemas[`${name}Fact`] = path.put.requestBody.content["application/json"].schema;
  }
  return HEAD + astToString(await openapiTS({ ...document, paths: {} }, { defaultNonNullable: false }));
}

const files = { "messages.ts": await generateMessages(), "openapi.ts": await generateOpenapi() };
for (const [name, text] of Object.entries(files)) {
  const file = new URL(name, GENERATED);
  if (!process.argv.includes("--check")) {
    await writeFile(file, text);
  } else if ((await readFile(file, "utf8").catch(() => "")) !== text) {
    console.error(`${fileURLToPath(file)} differs from the published documents: run npm run generate`);
    process.exitCode = 1;
  }
}
