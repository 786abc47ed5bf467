// The same on a phone: 390 pixels wide, by touch. Nothing is to be scrolled sideways, and every target is large enough.

import fs from 'node:fs';
import { PHONE, api, assert, browser, ok, overflow, settled, signIn, until, watched } from './support.mjs';

const { context, close } = await browser({ viewport: PHONE, hasTouch: true, isMobile: true });
const { page, problems } = await watched(context);
const tap = (target) => target.first().tap();
const button = (name) => page.getByRole('button', { name });
/** Targets under 24 pixels (WCAG 2.2, 2.5.8), but for links within a text. */
const small = () =>
  page.evaluate(() =>
    [...document.querySelectorAll('button, select, input:not([type=hidden]), a.btn, a.nav-link, .tabbar a, .tabs a')]
      .map((element) => [element, (element.closest('label') ?? element).getBoundingClientRect()])
      .filter(([element, { width, height }]) => width > 1 && height > 1 && (width < 24 || height < 24) && element.checkVisibility())
      .map(([element, { width, height }]) => `${element.outerHTML.slice(0, 90)} ${width}x${height}`));
async function fits(where) {
  await settled(page);
  assert.ok((await overflow(page)) <= 0, `${where} can be scrolled sideways`);
  assert.deepEqual(await small(), [], where);
}

await signIn(page);
await fits('campaigns');
await tap(page.locator('.tabbar').getByRole('button', { name: 'More' }));
await page.getByRole('dialog').getByRole('link', { name: 'Do not call' }).waitFor();
await fits('the menu');
await tap(page.getByRole('dialog').getByRole('link', { name: 'Do not call' }));
await page.getByLabel('Add a number').fill('+13035550142');
await tap(button('Add number'));
await page.getByText('+13035550142').first().waitFor();
await fits('do not call');
ok('the menu, and a number that is not called');

await tap(page.locator('.tabbar').getByRole('link', { name: 'Campaigns' }));
await tap(page.getByRole('link', { name: /New campaign/ }));
await page.getByLabel('Name', { exact: true }).fill('By phone');
await page.getByLabel('Who is calling?').fill('Lakeside Clinic');
await page.getByRole('radio', { name: /My own text/ }).check();
await fits('step 1');
await tap(button(/Continue/));
await page.getByRole('heading', { name: 'What should the agent say?' }).waitFor();
await fits('step 2');
await tap(button(/Continue/));
await page.getByRole('heading', { name: 'Who should be called?' }).waitFor();
const csv = 'people.csv';
fs.writeFileSync(csv, 'phone,first_name\n' + Array.from({ length: 80 }, (_, i) => `+1212${2345000 + i},Bo ${i}`).join('\n') + '\nnonsense,Cem\n');
await page.locator('input[type=file]').setInputFiles(csv);
await page.getByText('ready to come in').waitFor();
await fits('step 3');
await tap(button(/Import and continue/));
await page.getByRole('heading', { name: 'When, how often and for how much?' }).waitFor();
for (const day of ['Sat', 'Sun']) await page.getByRole('checkbox', { name: new RegExp(day) }).first().check({ force: true });
await page.getByLabel(/^From/).first().fill('00:00');
await page.getByLabel(/^(To|Until)/).first().fill('23:59');
await fits('step 4');
await tap(button(/Continue/));
await page.getByRole('heading', { name: 'Check and start' }).waitFor();
await fits('step 5');
await tap(button('Start calling'));
await tap(page.getByRole('dialog').getByRole('button', { name: 'Start calling' }));
const [made] = await api('GET', 'voice-campaigns');
await until('calls', async () => (await api('GET', `voice-campaigns/${made.id}/stats`)).completed_calls > 3);
await fits('overview');
await tap(button(/^Pause/));
await until('the pause', async () => (await api('GET', `voice-campaigns/${made.id}`)).status === 'paused');
ok('a campaign by touch');

await tap(page.locator('.tabbar').getByRole('link', { name: 'Calls' }));
await tap(page.locator('.linkbtn'));
await page.getByRole('dialog').getByText('Call placed').waitFor();
await fits('a call');
assert.deepEqual(problems, []);
ok('a call on the phone');
await close();
