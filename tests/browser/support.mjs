// What the tests of the page share: a real Chromium, what must never happen in it, and a client of the API.
// They get BASE (the server), TOKEN (scope admin), MODULES (where playwright-core and axe-core are installed), and to end the
// server and start it again SERVER (its process), PROGRAM and, as the folder they work in, its own, where TMPDIR is as well.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';

const { BASE, TOKEN, MODULES, SERVER, PROGRAM, CHROMIUM = '/usr/bin/chromium' } = process.env;
const require = createRequire(path.resolve(MODULES) + '/');
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export { assert };
export const base = BASE.replace(/\/?$/, '/');
export const token = TOKEN;
export const DESKTOP = { width: 1360, height: 860 };
export const PHONE = { width: 390, height: 844 };

// What a failure looked like is worth more than where in the script it was.
const open = new Set();
process.on('uncaughtException', async (error) => {
  console.error(error.stack);
  for (const page of open) {
    const picture = path.join(MODULES, `failed-${path.basename(process.argv[1], '.mjs')}.png`);
    const words = await page.innerText('body', { timeout: 1000 }).catch(() => 'gone');
    await page.screenshot({ path: picture, timeout: 3000 }).catch(() => null);
    console.error(`at ${page.url()}, see ${picture}:\n${words.slice(0, 3000)}`);
  }
  process.exit(1);
});

/** Says what was shown to be so. */
export const ok = (what, detail = '') => console.log('ok', what, detail);

/** Asks the API; fails unless it answers with 2xx. Objects are sent as JSON, text as CSV. */
export async function api(method, path, body) {
  const isText = typeof body === 'string';
  const headers = { authorization: 'Bearer ' + token };
  if (body !== undefined) headers['content-type'] = isText ? 'text/csv' : 'application/json';
  const response = await fetch(base + 'api/' + path, { method, headers, body: isText ? body : JSON.stringify(body) });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
  return text ? JSON.parse(text) : null;
}

/** A campaign that may call at any time, with more or other fields. */
export const campaign = (fields = {}) =>
  api('POST', 'voice-campaigns', {
    name: 'Appointment reminders',
    status: 'draft',
    calls_per_day: 1000,
    calling_hours_start: '00:00:00',
    calling_hours_end: '23:59:59',
    working_days: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
    system_prompt: 'You confirm appointments.',
    script_template: 'Hello {first_name|there}, this is Lakeside Clinic. Press 9 to be called no more.',
    cost_per_call: 0.05,
    budget: 100,
    ...fields,
  });

/** A browser with nothing in it. `close` ends it. */
export async function browser(options = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vc-browser-'));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: CHROMIUM,
    headless: true,
    viewport: DESKTOP,
    locale: 'en-US',
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce',
    acceptDownloads: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
    ...options,
  });
  context.setDefaultTimeout(20_000);
  const close = () => context.close();
  return { context, close };
}

/**
 * Opens a page and writes down what must not happen: errors on the console (violations of the content security policy
 * are among them), exceptions, requests to anywhere else. `expected` is what a test provokes on purpose.
 */
export async function watched(context, expected = /^$/) {
  const page = await context.newPage();
  open.add(page);
  page.on('close', () => open.delete(page));
  const asked = new Set();
  underway.set(page, asked);
  page.on('request', (request) => request.url().endsWith('/api/events') || asked.add(request));
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => asked.delete(request));
  const problems = [];
  const note = (text) => expected.test(text) || problems.push(text.slice(0, 300));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && note(`console: ${message.text()}`));
  page.on('pageerror', (error) => note(`exception: ${error.stack ?? error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !/^(data|blob):/.test(url)) note(`outside request: ${url}`);
  });
  return { page, problems };
}

/** Signs in by the link that the server prints. */
export async function signIn(page, hash = '') {
  await page.goto(base + '#token=' + token);
  await page.waitForSelector('main h1');
  assert.ok(!page.url().includes('vc_'), 'the token has left the address');
  if (hash) await visit(page, hash);
}

/** Goes to a place of the page, and waits until its data is there. */
export async function visit(page, hash) {
  await page.evaluate((to) => { location.hash = to; }, hash);
  await page.waitForFunction((to) => location.hash.split('?')[0] === to.split('?')[0] && document.querySelector('main h1'), hash);
  await settled(page);
}

/** What each page has asked for and not got yet. */
const underway = new WeakMap();

/** Waits until nothing loads any more; the stream of events never ends and does not count. */
export async function settled(page) {
  let quiet = 0;
  await until('quiet', async () => (quiet = underway.get(page).size ? 0 : quiet + 1) > 2);
  await page.waitForFunction(() => !document.querySelector('main .skel, main [aria-busy="true"], .boot'));
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** What the browser measures of a page, whenever it is asked; work is `TaskDuration`, in seconds of the page's thread. */
export async function meter(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await cdp.send('Performance.getMetrics');
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
}

/** A stopwatch for the work that the thread of a page does: `await start()` gives what tells it, in milliseconds since. */
export async function workClock(page) {
  const measured = await meter(page);
  return async () => {
    const { TaskDuration: before } = await measured();
    return async () => ((await measured()).TaskDuration - before) * 1000;
  };
}

/** What the yardstick takes in a second on the machine on which the limits were set. */
const YARDSTICK = 17.7;

/**
 * A yardstick of work, four seconds long: elements are made, laid out and thrown away, on a page that is not ours. In small
 * pieces with pauses, as news come: a processor that has slept or done something else in between is several times slower.
 */
export async function yardstick(context) {
  const page = await context.newPage();
  await page.goto('data:text/html,<p>');
  const clock = await workClock(page);
  const measure = async () => {
    const spent = await clock();
    await page.evaluate(async () => {
      for (let piece = 0; piece < 16; piece += 1) {
        await new Promise((done) => setTimeout(done, 240));
        const table = document.body.appendChild(document.createElement('table'));
        for (let i = 0; i < 60; i += 1) {
          const row = table.insertRow();
          for (const word of ['Ana Novak', `+1 202 555 ${i}`, 'No answer', String(i * piece)]) row.insertCell().textContent = word;
        }
        table.getBoundingClientRect();
        table.remove();
      }
    });
    return spent();
  };
  await measure(); // warms up
  return measure;
}

/**
 * Holds a page to a limit of the work that it does by itself, in milliseconds a second of a machine as fast as usual: the yardstick
 * is measured at the same time. What happened in one window may be much, so another follows; one that is good says enough.
 */
export async function worksLittle(page, measure, limit) {
  const clock = await workClock(page);
  const found = [];
  for (let i = 0; i < 6 && !(found.at(-1)?.scaled <= limit); i += 1) {
    const [spent, began] = [await clock(), Date.now()];
    const yard = await measure();
    const seconds = (Date.now() - began) / 1000;
    const [work, slower] = [(await spent()) / seconds, Math.max(1, yard / seconds / YARDSTICK)];
    found.push({ scaled: work / slower, words: `${work.toFixed(1)}/${slower.toFixed(2)}` });
  }
  const best = Math.min(...found.map(({ scaled }) => scaled));
  const words = `${best.toFixed(1)} ms of work a second (${found.map((one) => one.words).join(' ')})`;
  assert.ok(best > 0 && best <= limit, `${page.url()}: ${words}`);
  return words;
}

/** What axe finds wrong. It runs in a world of its own, so that the page's content security policy stays on. */
export async function accessibilityProblems(page) {
  const cdp = await page.context().newCDPSession(page);
  const { frameTree } = await cdp.send('Page.getFrameTree');
  const world = await cdp.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
  const contextId = world.executionContextId;
  await cdp.send('Runtime.evaluate', { expression: axe, contextId });
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const expression = `axe.run(document, { runOnly: ${JSON.stringify(tags)} }).then((found) => found.violations.map((v) =>
    v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' (' + (n.any[0] ?? n.all[0] ?? n.none[0])?.message + ')').join('; ')))`;
  const answer = await cdp.send('Runtime.evaluate', { contextId, awaitPromise: true, returnByValue: true, expression });
  await cdp.detach();
  return answer.result.value ?? [`axe failed: ${JSON.stringify(answer).slice(0, 300)}`];
}

/** By how many pixels the page, or what is open above it, can be scrolled sideways. */
export const overflow = (page) =>
  page.evaluate(() => {
    const above = [...document.querySelectorAll('dialog[open], dialog[open] > *')];
    return Math.max(document.documentElement.scrollWidth - innerWidth, ...above.map((one) => one.scrollWidth - one.clientWidth));
  });

/** Looks again until something is so. */
export async function until(what, isSo, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await isSo();
    if (found) return found;
    if (Date.now() > end) assert.fail(`${what} did not come`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

let child = null;
process.on('exit', () => child?.kill('SIGKILL'));

/** Ends the server as a power cut would, and waits until nobody listens any more. */
export async function endServer() {
  if (child) child.kill('SIGKILL');
  else process.kill(Number(SERVER), 'SIGKILL');
  await until('the end of the server', async () => !(await isListening()));
}

/**
 * Whether somebody takes connections where the server is. Not by `fetch`: of a server that ends while it is asked, Node may
 * wait for ever with nothing that keeps it alive, and ends itself.
 */
const isListening = () =>
  new Promise((found) => {
    const { hostname: host, port } = new URL(base);
    const socket = net.connect({ host, port: Number(port) });
    socket.once('connect', () => found(true)).once('error', () => found(false));
    for (const told of ['connect', 'error']) socket.once(told, () => socket.destroy());
  });

/** Starts it again, on the same port and with the same data. */
export async function startServer(settings = {}) {
  const env = { ...process.env, VC_SIMULATOR_SPEED: '40', ...settings };
  child = spawn(PROGRAM, ['--port', new URL(base).port], { env, stdio: 'ignore' });
  await until('the server', () => fetch(base + 'ready').then(({ ok: isReady }) => isReady, () => false));
}
