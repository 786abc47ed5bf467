// Below a path of a reverse proxy: signing in by the link, the files of the page, live events, a download and /docs.

import http from 'node:http';
import { api, assert, base as direct, browser, campaign, ok, token, until } from './support.mjs';

const PREFIX = '/calls';
const server = new URL(direct);
const strangers = [];
const proxy = http.createServer((request, response) => {
  if (request.url === PREFIX) return response.writeHead(308, { location: `${PREFIX}/` }).end();
  if (!request.url.startsWith(`${PREFIX}/`)) {
    strangers.push(request.url);
    return response.writeHead(404).end();
  }
  const { hostname, port } = server;
  const headers = { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress };
  const onward = http.request({ hostname, port, method: request.method, path: request.url.slice(PREFIX.length), headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  request.pipe(onward);
});
await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
const base = `http://127.0.0.1:${proxy.address().port}${PREFIX}/`;

const one = await campaign({ name: 'Below a path' });
await api('POST', `voice-campaigns/${one.id}/leads`, { phone: '+12025550104', first_name: 'Cem' });
const { context, close } = await browser();
const page = await context.newPage();
const problems = [];
page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
page.on('pageerror', (error) => problems.push(error.message));
page.on('request', (request) => request.url().startsWith(base) || problems.push(`outside: ${request.url()}`));
page.on('response', (response) => response.status() >= 400 && problems.push(`${response.status()} ${response.url()}`));

await page.goto(`${base}#token=${token}`);
await page.getByText('Below a path').first().waitFor();
assert.equal(page.url(), `${base}#/campaigns`);
await page.locator('.side').getByText('Live updates on').waitFor();
await api('PUT', `voice-campaigns/${one.id}`, { name: 'Told by an event' });
await page.getByText('Told by an event').first().waitFor();
ok('the link, the files and the events below a path');

// A write with the cookie, a place that is loaded when it is first visited, a file, and the short way to the reference.
await page.goto(`${base}#/dnc`);
await page.getByLabel('Add a number').fill('+13025550104');
await page.getByRole('button', { name: 'Add number' }).click();
await until('the number', async () => (await api('GET', 'do-not-call')).some(({ phone }) => phone === '+13025550104'));
await page.goto(`${base}#/calls`);
// The list that was there before can be exported as well.
await page.getByRole('heading', { name: 'Call history' }).waitFor();
const download = page.waitForEvent('download');
await page.getByRole('link', { name: /Export/ }).click();
assert.ok((await download).url().startsWith(`${base}api/calls/export`));
await page.goto(`${base}docs`);
await page.getByRole('heading', { name: 'API reference' }).waitFor();
assert.equal(page.url(), `${base}#/reference`);
assert.deepEqual(strangers, []);
assert.deepEqual(problems, []);
ok('a write, a file and the reference');
await close();
proxy.close();
proxy.closeAllConnections();
