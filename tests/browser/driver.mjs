// Drives one Chromium for a test: reads commands from standard input, one JSON object a line, and
// answers each with one on standard output. Knows tabs, elements and scripts, and nothing of calls:
// what a test does with them is written in Rust. Started by tests/kit (src/browser.rs) with one
// argument, a JSON object: where playwright-core is (`tools`), further `flags` for Chromium.
//
//   {"id", "do": "tab", "tab", "options"}              a tab of its own profile; answered when it is there
//   {"id", "do": "page", "tab", "method", "args"}      a method of playwright's Page
//   {"id", "do": "element", "tab", "selector", "method", "args"}   a method of its Locator
//   {"id", "do": "run", "tab", "script", "arg"}        a function of the page, given as text
//   {"id", "do": "serve", "tab", "url", "files"}       answers below `url` from tests/browser/FILES
//   {"id", "do": "complaints"}                         errors that pages threw or printed so far
//
// Answers: {"id", "value"} or {"id", "error"}. Console lines of the pages go to standard error.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(`${options.tools}/`)("playwright-core");
const here = fileURLToPath(new URL(".", import.meta.url));

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A tab that is not in front is to behave like one that is.
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
  // The tests' telephone is a page of nobody's network; it may speak to the gateway on this machine.
  "--disable-features=LocalNetworkAccessChecks",
  "--autoplay-policy=no-user-gesture-required",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

const tabs = new Map();
const complaints = [];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [...flags, ...options.flags],
});

function watch(name, page) {
  const complain = (what) => {
    complaints.push(`${name}: ${what}`);
    console.error(`${name}: ${what}`);
  };
  page.on("pageerror", (error) => complain(`uncaught: ${error.stack ?? error}`));
  page.on("crash", () => complain("the tab crashed"));
  page.on("console", (line) => {
    if (line.text().startsWith("content security policy:")) complain(line.text());
    else console.error(`${name}: ${line.type()}: ${line.text()}`);
  });
}

const commands = {
  async tab({ tab, options }) {
    const context = await browser.newContext({
      permissions: ["camera", "microphone", "notifications"],
      ...options,
    });
    await context.addInitScript({ path: `${here}observe.js` });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    watch(tab, page);
    tabs.set(tab, page);
  },
  async page({ tab, method, args }) {
    const value = await tabs.get(tab)[method](...args);
    return method === "goto" ? value?.status() : plain(value);
  },
  async element({ tab, selector, method, args }) {
    return plain(await tabs.get(tab).locator(selector)[method](...args));
  },
  run({ tab, script, arg }) {
    return tabs.get(tab).evaluate(`(${script})(${JSON.stringify(arg ?? null)})`);
  },
  async serve({ tab, url, files }) {
    await tabs.get(tab).route(`${url}/**`, (route) => {
      const name = route.request().url().slice(url.length + 1);
      return route.fulfill({ path: `${here}${files}/${name}` });
    });
  },
  complaints: () => complaints.splice(0),
};

// What a method of playwright's gives may be an object of its own (a handle), which is of no use to the test.
function plain(value) {
  const kind = typeof value;
  return kind === "string" || kind === "number" || kind === "boolean" || Array.isArray(value) ? value : null;
}

const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function obey({ id, ...command }) {
  try {
    answer({ id, value: (await commands[command.do](command)) ?? null });
  } catch (error) {
    answer({ id, error: String(error?.message ?? error) });
  }
}

answer({ id: 0, value: browser.version() });
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void obey(JSON.parse(line)));
lines.on("close", async () => {
  await browser.close();
  process.exit(0);
});
