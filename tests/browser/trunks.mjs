// The phone line on the page: no phone rings, a carrier is added and tried out, it takes calls, and is removed again; in both
// themes, wide and narrow, with nothing that axe finds.

import dgram from 'node:dgram';
import { DESKTOP, PHONE, accessibilityProblems, api, assert, browser, ok, overflow, settled, signIn, visit, watched } from './support.mjs';

// A carrier that answers whatever it is asked, and is never asked for a call.
const carrier = dgram.createSocket('udp4');
const asked = [];
carrier.on('message', (message, { port, address }) => {
  const text = message.toString();
  if (!text.startsWith('OPTIONS') && !text.startsWith('REGISTER')) return text.trim() && asked.push(text);
  const head = text.split('\r\n').filter((line) => /^(via|from|call-id|cseq):/i.test(line));
  const to = text.split('\r\n').find((line) => /^to:/i.test(line));
  carrier.send(['SIP/2.0 200 OK', ...head, `${to};tag=x`, 'Content-Length: 0', '', ''].join('\r\n'), port, address);
});
await new Promise((bound) => carrier.bind(0, '127.0.0.1', bound));
const host = `127.0.0.1:${carrier.address().port}`;

const { context, close } = await browser();
const { page, problems } = await watched(context, /status of 409/);
await signIn(page);
const found = [];
async function look(where, isStill = settled) {
  for (const [size, theme] of [[DESKTOP, 'light'], [DESKTOP, 'dark'], [PHONE, 'light'], [PHONE, 'dark']]) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    await isStill(page);
    for (const problem of await accessibilityProblems(page)) found.push(`${where} ${theme} ${size.width}: ${problem}`);
    if ((await overflow(page)) > 0) found.push(`${where} ${size.width}: can be scrolled sideways`);
  }
  await page.setViewportSize(DESKTOP);
}

await visit(page, '#/settings');
await page.getByText('No phone rings').waitFor();
await look('the empty line');
await page.getByRole('button', { name: 'Add a carrier' }).click();
await page.getByRole('button', { name: 'Telnyx' }).click();
assert.equal(await page.getByLabel('Address of the carrier').inputValue(), 'sip.telnyx.com');
await page.getByLabel('Name', { exact: true }).fill('main');
await page.getByLabel('Address of the carrier').fill(host);
await page.getByLabel('User name').fill('alice');
await page.getByLabel('Password').fill('hunter2');
await page.getByLabel('The carrier wants this server to register').check();
await page.getByRole('button', { name: 'Test connection' }).click();
await page.getByText('it has us registered').waitFor();
assert.equal(await page.locator('.trial-step').count(), 4);
await look('the form');
await page.getByRole('button', { name: 'Add carrier', exact: true }).click();
await page.getByText('Let phones ring?').waitFor();
assert.deepEqual(await api('GET', 'trunks'), []);
// Behind the question the form waits for its answer, and says so.
await look('the question', () => page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))));
await page.getByRole('button', { name: 'Call real people' }).click();
await page.getByText('Takes calls').waitFor();
assert.equal((await api('GET', 'carrier')).driver, 'sip');
await page.getByRole('button', { name: 'More for main' }).click();
await page.getByRole('menuitem', { name: 'Test connection' }).click();
await page.getByText('it has us registered').waitFor();
await look('the line');
ok('a carrier is added and tried out');

await page.getByRole('button', { name: 'More for main' }).click();
await page.getByRole('menuitem', { name: 'Edit…' }).click();
assert.equal(await page.getByLabel('Password').inputValue(), '');
await page.getByLabel('Lines at the same time').fill('0');
await page.getByRole('button', { name: 'Save', exact: true }).click();
await page.getByText('Must be between 1 and 2000').waitFor();
await page.getByLabel('Lines at the same time').fill('3');
await page.getByRole('button', { name: 'Save', exact: true }).click();
await page.getByText(/of 3 lines in use/).first().waitFor();
assert.equal((await api('GET', 'trunks'))[0].has_password, true);
ok('it is changed, and keeps its password');

await page.getByRole('button', { name: 'More for main' }).click();
await page.getByRole('menuitem', { name: 'Remove…' }).click();
await page.getByText('no phone rings').waitFor();
await page.getByRole('button', { name: 'Remove carrier' }).click();
await page.getByText('No phone rings').waitFor();
assert.equal((await api('GET', 'carrier')).driver, 'simulator');
assert.deepEqual(asked, [], 'nobody is called');
assert.deepEqual([...found, ...problems.filter((problem) => !/status of 400/.test(problem))], []);
ok('it is removed');
await close();
carrier.close();
