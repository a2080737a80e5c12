// Check the types of the examples in the READMEs, as a program that has installed the package would.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));
const PAGES = ["README.md", "../../README.md"];
const MIN_EXAMPLES = 4;
// What the examples leave to the app.
const PRELUDE = `
declare function fetchMyToken(): Promise<string>;
declare function show(list: unknown): void;
declare function setBadge(userId: string, badge: string | null): void;
`;

const examples = new Map(
  PAGES.flatMap((page) => [...readFileSync(root + page, "utf8").matchAll(/^```ts\n(.*?)^```$/gms)]).map(
    ([, code], index) => [`${root}example-${index + 1}.ts`, PRELUDE + code],
  ),
);
if (examples.size < MIN_EXAMPLES) {
  throw new Error(`only ${examples.size} examples were found`);
}
const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, root);
const checked = { ...options, noUnusedLocals: false };
const host = ts.createCompilerHost(checked);
const { fileExists, readFile, getSourceFile } = host;
host.fileExists = (path) => examples.has(path) || fileExists(path);
host.readFile = (path) => examples.get(path) ?? readFile(path);
host.getSourceFile = (path, ...rest) =>
  examples.has(path) ? ts.createSourceFile(path, examples.get(path), ...rest) : getSourceFile(path, ...rest);
const program = ts.createProgram([...examples.keys()], checked, host);
const faults = ts.getPreEmitDiagnostics(program);
if (faults.length > 0) {
  console.error(ts.formatDiagnostics(faults, { ...host, getCurrentDirectory: () => root }));
  process.exitCode = 1;
}
