// Every place of the page, in both themes, wide and narrow: no violation of the content security policy, no request to
// anywhere else, no error on the console, nothing that axe finds, nothing to scroll sideways.

import { DESKTOP, PHONE, accessibilityProblems, api, assert, base, browser, campaign, ok, overflow, settled, signIn, until, visit, watched } from './support.mjs';

const WIDTHS = [320, 600, 768, 900, 1024, 1180, 1280, 1600, 1920];

// People to look at: a campaign that has called, one that has not, one without leads.
const told = await campaign({ name: 'Appointment reminders', status: 'active' });
const rows = Array.from({ length: 30 }, (_, i) => `+1202555010${i % 10},Ana,Novak ${i},${i}\n+1${303 + i}5550101,Bo,Berg,${i}`);
await api('POST', `voice-campaigns/${told.id}/leads`, 'phone,first_name,last_name,plan\n' + rows.join('\n') + '\nnot a number,X,Y,1\n');
await campaign({ name: 'Membership renewals' });
const waiting = await campaign({ name: 'Donor thank-you', calling_hours_start: '03:00', calling_hours_end: '03:01' });
await api('POST', `voice-campaigns/${waiting.id}/leads`, { phone: '+12025550104', first_name: 'Cem' });
await api('PATCH', `voice-campaigns/${waiting.id}/status`, { status: 'active' });
await api('POST', 'do-not-call', { phone: '+12125550199', reason: 'asked by letter' });
await api('POST', 'webhooks', { url: 'https://crm.example.com/calls', events: ['call.completed'], description: 'our CRM' });
await until('calls', async () => (await api('GET', `voice-campaigns/${told.id}/stats`)).completed_calls > 10);
const [call] = await api('GET', `voice-campaigns/${told.id}/calls?outcome=success`);
const [delivery] = await until('a delivery', () => api('GET', 'webhook-deliveries'));
const [lead] = await api('GET', `voice-campaigns/${told.id}/leads`);

const c = `#/campaigns/${told.id}`;
const PLACES = [
  '#/campaigns', '#/campaigns?filter=draft', '#/campaigns?q=nobody', c, `${c}/calls`, `${c}/calls?call=${call.id}`, `${c}/leads`,
  `${c}/leads?lead=${lead.id}`, `${c}/script`, `${c}/agent`, `#/campaigns/${waiting.id}`, '#/campaigns/2', '#/campaigns/2/leads', '#/campaigns/999999',
  '#/campaigns/new', '#/live', '#/calls', `#/calls?call=${call.id}`, '#/calls?q=nobody-is-called-so', '#/dnc', '#/webhooks', `#/webhooks?delivery=${delivery.id}`, '#/tokens', '#/settings',
  '#/reference', '#/no-such-place',
];

const { context, close } = await browser();
const expected = /status of 404/; // of the campaign that does not exist
const found = [];
for (const [size, theme] of [[DESKTOP, 'light'], [DESKTOP, 'dark'], [PHONE, 'light'], [PHONE, 'dark']]) {
  const { page, problems } = await watched(context, expected);
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
  await signIn(page);
  for (const place of PLACES) {
    await visit(page, place);
    const here = `${place} ${theme} ${size.width}`;
    for (const problem of await accessibilityProblems(page)) found.push(`${here}: ${problem}`);
    if ((await overflow(page)) > 0) found.push(`${here}: can be scrolled sideways`);
    for (const problem of problems.splice(0)) found.push(`${here}: ${problem}`);
  }
  await page.close();
}
assert.deepEqual(found, []);
ok('places', `${PLACES.length} places in two themes and two widths`);

{
  const { page } = await watched(context);
  await signIn(page);
  for (const place of PLACES) {
    await visit(page, place);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      if ((await overflow(page)) > 0) found.push(`${place} at ${width}`);
    }
  }
  assert.deepEqual(found, []);
  ok('nothing to scroll sideways', WIDTHS.join(' '));
}

// The dialogs, and the page before anybody has signed in.
{
  const { page, problems } = await watched(context);
  await signIn(page);
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open]');
  found.push(...(await accessibilityProblems(page)));
  await page.keyboard.press('Escape');
  await visit(page, c);
  await page.click('[aria-label^="More actions"]');
  found.push(...(await accessibilityProblems(page)));
  await page.getByRole('menuitem', { name: /Complete/ }).click();
  await page.waitForSelector('dialog[open]');
  found.push(...(await accessibilityProblems(page)));
  await page.keyboard.press('Escape');
  await page.emulateMedia({ media: 'print' });
  await settled(page);
  await page.emulateMedia({ media: 'screen' });
  await context.clearCookies();
  await page.goto(base);
  await page.waitForSelector('h1');
  found.push(...(await accessibilityProblems(page)), ...problems);
  assert.deepEqual(found, []);
  ok('dialogs, print and the page to sign in');
}
await close();
