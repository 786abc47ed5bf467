// Somebody who may only read: every place is there, nothing on it changes anything, and nothing was asked that is refused.

import { api, assert, base, browser, campaign, ok, settled, until, visit, watched } from './support.mjs';

const calling = await campaign({ name: 'Appointment reminders', status: 'active' });
const rows = Array.from({ length: 40 }, (_, i) => `+1${303 + i}5550101,Bo,Berg`);
await api('POST', `voice-campaigns/${calling.id}/leads`, `phone,first_name,last_name\n${rows.join('\n')}\n`);
const draft = await campaign({ name: 'Membership renewals' });
await api('POST', 'do-not-call', { phone: '+12125550199', reason: 'asked by letter' });
await api('POST', 'webhooks', { url: 'https://crm.example.com/calls', events: ['call.completed'] });
await until('calls', async () => (await api('GET', `voice-campaigns/${calling.id}/stats`)).completed_calls > 3);
const [call] = await api('GET', `voice-campaigns/${calling.id}/calls?state=ended`);
await api('POST', `voice-campaigns/${calling.id}/rehearsals`, { changes: { calls_per_day: 20 } });
const [lead] = await api('GET', `voice-campaigns/${calling.id}/leads`);
const { token } = await api('POST', 'tokens', { name: 'a reader', scope: 'read' });

const { context, close } = await browser();
const { page, problems } = await watched(context);
const refused = [];
page.on('response', (response) => [401, 403].includes(response.status()) && refused.push(`${response.status()} ${response.url()}`));
const written = [];
// A preview is asked for by POST and changes nothing.
const writes = (request) => !['GET', 'HEAD'].includes(request.method()) && !request.url().endsWith('/preview');
page.on('request', (request) => writes(request) && written.push(`${request.method()} ${request.url()}`));
await page.goto(`${base}#token=${token}`);
await page.locator('main h1').waitFor();
written.length = 0; // it signed in

const OFFERS = 'main button, main a.btn, main input, main select, main textarea, dialog button, dialog a.btn, dialog input, dialog select, dialog textarea';
/** Everything that can be pressed or filled in, in the words of somebody who hears the page. */
const offers = () =>
  page.evaluate((selector) => [...document.querySelectorAll(selector)]
    .filter((element) => element.checkVisibility())
    .map((element) => {
      const words = element.getAttribute('aria-label') || element.labels?.[0]?.innerText || element.innerText || element.getAttribute('placeholder') || '';
      return { words: words.replace(/\s+/g, ' ').trim(), kind: element.localName, download: element.hasAttribute('download') };
    }), OFFERS);
/** Words of buttons that change something. */
const CHANGES = /\b(add|edit|change|save|start|pause|resume|stop|end|delete|remove|import|upload|revoke|make|new|create|cancel|skip|call now|call again|do not call again|send|rotate|turn|duplicate|raise|complete|erase|schedule|retry|undo|forget|put)\b/i;

const c = `#/campaigns/${calling.id}`;
const places = ['#/campaigns', '#/campaigns?q=nobody', c, `${c}/calls`, `${c}/calls?call=${call.id}`, `${c}/leads`, `${c}/leads?lead=${lead.id}`, `${c}/script`, `${c}/agent`, `${c}/rehearsal`,
  `#/campaigns/${draft.id}`, `#/campaigns/${draft.id}/leads`, '#/live', '#/calls', `#/calls?call=${call.id}`, '#/dnc', '#/webhooks', '#/reference', '#/no-such-place'];
const found = [];
const isChange = (words, isFile) => !isFile && words !== 'Do not call' && CHANGES.test(words);
for (const place of places) {
  await visit(page, place);
  // The reference tries out what is asked with GET alone; its words are those of the API.
  for (const { words, kind, download } of place === '#/reference' ? [] : await offers()) {
    if (isChange(words, download)) found.push(`${place}: ${kind} “${words}”`);
  }
  // Menus are drawn when they are opened.
  const above = (await page.locator('dialog[open]').count()) ? 'dialog[open]' : 'main';
  const menus = page.locator(`${above} [aria-haspopup="menu"]`);
  for (let i = 0; i < Math.min(2, await menus.count()); i += 1) {
    await menus.nth(i).click();
    const entries = await page.locator('.menu:popover-open [role=menuitem]').evaluateAll((all) => all.map((e) => [e.innerText.trim(), e.hasAttribute('download')]));
    assert.ok(entries.length, `${place}: an empty menu`);
    for (const [words, isFile] of entries) if (isChange(words, isFile)) found.push(`${place}: menu “${words}”`);
    await page.keyboard.press('Escape');
  }
}
assert.deepEqual(found, []);
ok('nothing that changes anything', `${places.length} places`);

// Places of others: not in the navigation, and by their address they say why not.
for (const name of ['API tokens', 'Settings', 'New campaign']) assert.equal(await page.getByRole('link', { name }).count(), 0, name);
for (const [place, words] of [['#/settings', /sees the settings/], ['#/tokens', /can see and make tokens/], ['#/campaigns/new', /only read/], [`${c}/edit`, /only read/]]) {
  await visit(page, place);
  assert.match(await page.locator('main').innerText(), words, place);
  assert.deepEqual((await offers()).map(({ words: name }) => name), [], place);
}
// The keys that begin something do nothing.
await visit(page, '#/campaigns');
await page.keyboard.press('n');
await settled(page);
assert.ok(!page.url().includes('/new'), page.url());
assert.deepEqual(written, []);
assert.deepEqual(refused, []);
assert.deepEqual(problems, []);
ok('nothing is asked that would be refused');
await close();
