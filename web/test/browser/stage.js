// What the tests in a real browser stand on: this directory as the gateway serves it, with its policy,
// an account API and a home socket that say what a test wants. Debian's Chromium with made-up devices.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tools = execFileSync(path.join(root, '../tests/support/tools-dir'), { encoding: 'utf8' }).trim();
if (!existsSync(tools)) throw new Error(`${tools} is not there; tests/support/install-servers makes it`);
const require = createRequire(path.join(tools, 'package.json'));
const { chromium } = require('playwright-core');

/** The source of axe, which looks for what keeps people out. */
export const axe = require('axe-core').source;

const KINDS = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml', '.webmanifest': 'application/manifest+json' };
/** As `src/http/web/policy.rs` has it. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

async function serve(request, response) {
  const { pathname } = new URL(request.url, 'http://x');
  const name = pathname === '/app/' ? 'index.html' : pathname.startsWith('/call/') ? 'call.html' : pathname.replace(/^\/app\//, '');
  try {
    const content = await readFile(path.join(root, path.normalize(name)));
    response.writeHead(200, { 'Content-Type': KINDS[path.extname(name)], 'Content-Security-Policy': POLICY });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}

/** A server and a browser; `page(options)` opens the client, signed in as alice. */
export class Stage {
  static async open() {
    const stage = new Stage();
    stage.server = createServer(serve);
    await new Promise((resolve) => stage.server.listen(0, '127.0.0.1', resolve));
    stage.host = `localhost:${stage.server.address().port}`;
    stage.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--auto-select-desktop-capture-source=Entire screen'],
    });
    return stage;
  }

  async close() {
    await this.browser.close();
    this.server.closeAllConnections();
    this.server.close();
  }

  /** Closes every page. */
  async clear() {
    for (const context of this.browser.contexts()) await context.close();
  }

  at(name) {
    return `@${name}:${this.host}`;
  }

  /** A page in which nothing goes wrong unseen: `problems` has what the browser complained about. */
  async blank(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
    const page = await context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
    return page;
  }

  /**
   * The client of alice: `conversations` and `messages` (by address, newest first) are what the API
   * has; every request on the socket is answered with 200. `page.push(frame)` pushes one.
   */
  async page({ conversations = [], messages = {}, ...options } = {}) {
    const page = await this.blank(options);
    const json = (route, body) => route.fulfill({ contentType: 'application/json', body: JSON.stringify(body) });
    await page.route('**/api/v1/me**', (route) => {
      const { pathname } = new URL(route.request().url());
      const address = decodeURIComponent(/conversations\/([^/]+)/.exec(pathname)?.[1] ?? '');
      if (pathname.endsWith('/conversations')) return json(route, { items: conversations });
      if (pathname.endsWith('/messages')) return json(route, { items: messages[address] ?? [] });
      if (pathname.endsWith('/read')) return route.fulfill({ status: 204 });
      if (pathname.endsWith('/ice-servers')) return json(route, { iceServers: [] });
      return json(route, { address: this.at('alice'), name: 'alice', nickname: 'Alice', socket: `ws://${this.host}/alice` });
    });
    await page.routeWebSocket(/\/alice\?/, (socket) => {
      page.push = (frame) => socket.send(JSON.stringify(frame));
      socket.onMessage((text) => {
        const frame = JSON.parse(text);
        if (frame.statusCode) return;
        const info = frame.code === '1000' && { statusCode: '100', nickname: 'Somebody', accountType: '1', info: [{ title: 'about', value: 'a person' }] };
        socket.send(JSON.stringify({ messageId: frame.messageId, statusCode: '200', ...info }));
      });
    });
    await page.goto(`http://${this.host}/app/`);
    await page.getByTestId('signin-account').fill('alice');
    await page.getByTestId('signin-token').fill('token');
    await page.getByTestId('signin-submit').click();
    await page.getByTestId('conversations').waitFor();
    await page.getByTestId('connection').waitFor({ state: 'hidden' });
    return page;
  }
}
