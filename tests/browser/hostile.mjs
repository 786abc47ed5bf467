// Whatever people, files and other servers write, the page shows it as text: nothing of it runs, nothing becomes an element.

import http from 'node:http';
import { api, assert, browser, campaign, ok, signIn, until, visit, watched } from './support.mjs';

const RUN = 'window.__ran=1';
const SHAPES = [
  `<script>${RUN}</script>`, `<img src=x onerror="${RUN}">`, `<svg onload=${RUN}>`, `"><script>${RUN}</script>`, `'><img src=x onerror=${RUN}>`,
  `<iframe srcdoc="<script>parent.__ran=1</script>">`, `javascript:${RUN}`, `<a href="javascript:${RUN}">x</a>`, `<math><mi xlink:href="javascript:${RUN}">`,
  `<style>*{display:none}</style>`, `<base href="https://evil.example/">`, `<meta http-equiv=refresh content="0;url=https://evil.example">`,
  `<form action=https://evil.example><button>x</form>`, `{{constructor.constructor('${RUN}')()}}`, '${' + RUN + '}', `<!--<img src=x onerror=${RUN}>-->`,
  `<template><script>${RUN}</script></template>`, `</script><script>${RUN}</script>`, `]]><script>${RUN}</script>`, `<object data="data:text/html,<script>${RUN}</script>">`,
];
const SALTS = ['', ' ', '\u202e', 'é', '&lt;', '&#60;', '\u0000'.replace('\u0000', '\ufffd'), '%3Cscript%3E', '\\u003c', '𝕏'];
const PAYLOADS = SHAPES.flatMap((shape) => SALTS.map((salt) => salt + shape + salt));
assert.equal(PAYLOADS.length, 200);

const receiver = http.createServer((request, response) => {
  request.resume();
  request.on('end', () => { response.statusCode = 500; response.end(PAYLOADS.slice(0, 3).join('\n')); });
});
await new Promise((done) => receiver.listen(0, '127.0.0.1', done));

const cell = (text) => `"${text.replaceAll('"', '""')}"`;
const hostile = await campaign({ name: PAYLOADS[0].slice(0, 200), description: PAYLOADS[1], notes: PAYLOADS[2], tags: [PAYLOADS[3]], status: 'active',
  webhooks: [{ url: `http://127.0.0.1:${receiver.address().port}/${encodeURIComponent(PAYLOADS[1])}`, description: PAYLOADS[4] }] });
const rows = PAYLOADS.map((text, i) => [`+1202${String(2000000 + i * 37)}`, cell(text), cell(text), cell(text), cell(text)].join(','));
const report = await api('POST', `voice-campaigns/${hostile.id}/leads?default_country=US`, `phone,first_name,last_name,company_name,plan\n${rows.join('\n')}\n`);
assert.equal(report.imported, 200, JSON.stringify(report.reasons));
await api('POST', 'do-not-call', PAYLOADS.slice(0, 50).map((reason, i) => ({ phone: `+1303555${String(100 + i).padStart(4, '0')}`, reason: reason.slice(0, 200) })));
await until('calls and deliveries', async () =>
  (await api('GET', `voice-campaigns/${hostile.id}/stats`)).attempts > 40 && (await api('GET', 'webhook-deliveries')).some((d) => d.tries > 0));

const { context, close } = await browser();
const { page, problems } = await watched(context);
await signIn(page);
const elements = () => page.evaluate(() => ({
  ran: window.__ran,
  strange: [...document.querySelectorAll('script:not([src]):not([type=importmap]), iframe, object, embed, base, math, template, [onerror], [onload], a[href^="javascript"]')].map((e) => e.outerHTML.slice(0, 80)),
}));
const seen = new Set();
const c = `#/campaigns/${hostile.id}`;
const [call] = await api('GET', `voice-campaigns/${hostile.id}/calls`);
const [delivery] = await api('GET', 'webhook-deliveries');
const [lead] = await api('GET', `voice-campaigns/${hostile.id}/leads`);
const places = ['#/campaigns', c, `${c}/calls`, `${c}/leads`, `${c}/leads?lead=${lead.id}`, `${c}/script`, '#/live', '#/calls', `#/calls?call=${call.id}`, '#/dnc', '#/webhooks', `#/webhooks?delivery=${delivery.id}`];
for (const place of places) {
  await visit(page, place);
  const found = await elements();
  assert.deepEqual(found, { ran: undefined, strange: [] }, place);
  const text = await page.evaluate(() => document.body.innerText);
  SHAPES.filter((shape) => text.includes(shape)).forEach((shape) => seen.add(shape));
}
// Page after page, so that each was really drawn.
await visit(page, `${c}/leads`);
for (let pages = 1; ; pages += 1) {
  const text = await page.locator('main').innerText();
  SHAPES.filter((shape) => text.includes(shape)).forEach((shape) => seen.add(shape));
  assert.deepEqual(await elements(), { ran: undefined, strange: [] });
  const older = page.locator('.pager').getByRole('button').last();
  if (await older.isDisabled()) break;
  assert.ok(pages < 10, 'the list has an end');
  const first = await page.locator('table tbody tr').first().innerText();
  await older.click();
  await until('the next page', async () => (await page.locator('table tbody tr').first().innerText()) !== first);
}
assert.deepEqual(problems, []);
assert.equal(seen.size, SHAPES.length, 'every shape was read on the page');
ok('hostile text stays text', `${PAYLOADS.length} payloads`);
await close();
receiver.close();
