/**
 * Builds `dist/`: ESM for browsers and Node, the script for a tag, types; and `build/parts.js`, which the tests look into.
 * esbuild, terser and TypeScript come from `node_modules` here, or from the repository's `.tools`.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const tools = [here, join(here, "..", "..", ".tools")].find((folder) => existsSync(join(folder, "node_modules", "esbuild")));
if (!tools) throw new Error("no esbuild: `npm install` here, or `make .tools/.npm` at the top of the repository");
const require = createRequire(join(tools, "node_modules", "x.js"));
const esbuild = require("esbuild");

const WHOLE = "true"; // src/whole.ts
const bundle = (source, target, options) => ({
  absWorkingDir: here,
  entryPoints: [`src/${source}.ts`],
  outfile: target,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  sourcemap: "external",
  mangleProps: /^_[a-z]/, // private members, of this source only
  define: { WHOLE },
  charset: "utf8",
  logLevel: "warning",
  metafile: true,
  write: false,
  ...options,
});

const core = { define: { WHOLE: "false" } };
const builds = [
  bundle("browser", "dist/browser.js"),
  bundle("core", "dist/core.js", core),
  bundle("script", "dist/stitchline.js", { format: "iife" }),
  bundle("core_script", "dist/stitchline.core.js", { format: "iife", ...core }),
  bundle("links", "dist/links.js"),
  bundle("node", "dist/node.js", { platform: "node", target: "node20" }),
  bundle("parts", "build/parts.js", { minify: false, mangleProps: undefined }),
];

const terser = existsSync(join(tools, "node_modules", "terser")) && require("terser");
if (!terser) console.warn("no terser: what is built works, and is 5 % larger");

/** What esbuild made, once more by terser: 5 % less after gzip, because it gives the same short names in each function. */
async function minified({ text }, map, { minify, format, outfile }) {
  if (!minify || !terser) return { code: text, map };
  return terser.minify(text, {
    module: format == "esm",
    toplevel: true,
    ecma: 2022,
    compress: { passes: 3, pure_getters: true, keep_fargs: false },
    sourceMap: { content: map, filename: basename(outfile) },
  });
}

rmSync(join(here, "dist"), { recursive: true, force: true });
for (const folder of ["dist", "build"]) mkdirSync(join(here, folder), { recursive: true });
const sizes = {};
await Promise.all(
  builds.map(async (build) => {
    const { outputFiles, metafile } = await esbuild.build(build);
    const [map, script] = outputFiles; // in this order
    const { code, map: itsMap } = await minified(script, map.text, build);
    writeFileSync(join(here, build.outfile), code);
    writeFileSync(join(here, `${build.outfile}.map`), itsMap);
    Object.assign(sizes, metafile.outputs);
  }),
);
// What each source file costs in each file that is published: the size test shows it.
writeFileSync(join(here, "build", "sizes.json"), JSON.stringify(sizes));
if (!process.argv.includes("--no-types"))
  execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", here], { stdio: "inherit" });
