/**
 * Builds `dist/`: ESM for browsers and Node, the script for a tag, types; and `build/parts.js`, which the tests look into.
 * esbuild and TypeScript come from `node_modules` here, or from the repository's `.tools`.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const tools = [here, join(here, "..", "..", ".tools")].find((folder) => existsSync(join(folder, "node_modules", "esbuild")));
if (!tools) throw new Error("no esbuild: `npm install` here, or `make .tools/.npm` at the top of the repository");
const require = createRequire(join(tools, "node_modules", "x.js"));
const esbuild = require("esbuild");

const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  sourcemap: true,
  target: "es2020",
  mangleProps: /^_/, // private members, of this source only
  charset: "utf8",
  logLevel: "warning",
};

rmSync(join(here, "dist"), { recursive: true, force: true });
const builds = [
  { entryPoints: ["src/browser.ts"], outfile: "dist/browser.js", format: "esm" },
  { entryPoints: ["src/core.ts"], outfile: "dist/core.js", format: "esm" },
  { entryPoints: ["src/script.ts"], outfile: "dist/stitchline.js", format: "iife" },
  { entryPoints: ["src/core_script.ts"], outfile: "dist/stitchline.core.js", format: "iife" },
  { entryPoints: ["src/links.ts"], outfile: "dist/links.js", format: "esm" },
  { entryPoints: ["src/node.ts"], outfile: "dist/node.js", format: "esm", platform: "node", target: "node20" },
  { entryPoints: ["src/parts.ts"], outfile: "build/parts.js", format: "esm", minify: false, mangleProps: undefined },
];
const built = await Promise.all(builds.map((build) => esbuild.build({ ...common, metafile: true, ...build })));
// What each source file costs in each file that is published: the size test shows it.
mkdirSync(join(here, "build"), { recursive: true });
writeFileSync(join(here, "build", "sizes.json"), JSON.stringify(Object.assign({}, ...built.map(({ metafile }) => metafile.outputs))));
if (!process.argv.includes("--no-types"))
  execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", here], { stdio: "inherit" });
