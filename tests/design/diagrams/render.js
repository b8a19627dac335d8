// Renders each Mermaid block of the pages (*.md) that are named, as DIRECTORY/PAGE-LINE.png. Prints page:line and what is wrong
// where one does not render, and ends with status 1 then.
//
// usage: node render.js DIRECTORY PAGE...; CHROMIUM is the browser's program.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { renderMermaid } from "@mermaid-js/mermaid-cli";
import puppeteer from "puppeteer";

const LIMIT_MS = 300000; // of each step in the browser: on a busy machine it needs long to start

// The blocks of a page: the line of the fence, and what stands in it.
function blocks(text) {
  const found = [];
  let block;
  text.split("\n").forEach((line, i) => {
    if (block && /^\s*```\s*$/.test(line)) {
      found.push(block);
      block = undefined;
    } else if (block) {
      block.lines.push(line);
    } else if (/^\s*```mermaid\s*$/.test(line)) {
      block = { number: i + 1, lines: [] };
    }
  });
  return block ? [...found, block] : found;
}

const launch = () => puppeteer.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND"],
  timeout: LIMIT_MS,
  protocolTimeout: LIMIT_MS,
});

const [directory, ...pages] = process.argv.slice(2);
mkdirSync(directory, { recursive: true });
let browser = await launch();
let rendered = 0, failed = 0;
try {
  for (const page of pages) {
    for (const { number, lines } of blocks(readFileSync(page, "utf8"))) {
      try {
        if (!browser.connected) {
          browser = await launch(); // the last one died, which is no reason to give up all that follow
        }
        const { data } = await renderMermaid(browser, lines.join("\n"), "png",
          { viewport: { width: 1000, height: 800, deviceScaleFactor: 1.5 } });
        writeFileSync(`${directory}/${page.replace(/\.md$/, "").replaceAll("/", "-")}-${number}.png`, data);
        rendered++;
      } catch (error) {
        console.log(`${page}:${number}: ${error.message ?? error}`);
        failed++;
      }
    }
  }
} finally {
  await browser.close();
}
console.log(`${rendered} diagrams are in ${directory}, ${failed} do not render`);
process.exitCode = failed || !rendered ? 1 : 0;
