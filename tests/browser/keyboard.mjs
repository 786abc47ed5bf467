// A campaign from sign-in to pause by the keyboard alone: what has the focus is typed into, and nothing is clicked.

import fs from 'node:fs';
import { api, assert, base, browser, ok, settled, token, until, watched } from './support.mjs';

const { context, close } = await browser();
const { page, problems } = await watched(context, /status of 401/);
const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
const type = (text) => page.keyboard.type(text);
/** What has the focus, as somebody who listens to the page hears it. */
const focused = () =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (element === document.body) return 'nothing';
    const label = element.labels?.[0]?.innerText ?? element.getAttribute('aria-label') ?? element.innerText ?? '';
    return `${element.localName} ${element.type ?? ''} ${label}`.replace(/\s+/g, ' ').trim();
  });
/** Goes on with Tab until something of that name has the focus. */
async function tabTo(name, key = 'Tab') {
  const seen = [];
  for (let i = 0; i < 120; i += 1) {
    const here = await focused();
    if (name.test(here)) return;
    seen.push(here);
    await press(key);
  }
  assert.fail(`${name} cannot be reached; there was ${seen.slice(-40).join(' | ')}`);
}

await page.goto(base);
await page.waitForSelector('h1');
await tabTo(/Access token/);
await type(token);
await press('Enter');
await page.locator('.app').waitFor();
await settled(page);

// Places by two keys, the list of keys, and back out of it.
await press('g', 'h');
await page.getByRole('heading', { name: 'Call history', level: 1 }).waitFor();
await press('/');
assert.match(await focused(), /Search/);
await press('Escape');
await page.evaluate(() => document.activeElement.blur());
await press('?');
await page.getByRole('dialog').waitFor();
assert.ok(await page.evaluate(() => document.activeElement.closest('dialog') !== null), 'the dialog has the focus');
await press('Escape');
await page.getByRole('dialog').waitFor({ state: 'hidden' });
ok('shortcuts');

// A campaign in five steps.
await press('n');
await page.getByRole('heading', { name: 'New campaign' }).waitFor();
await tabTo(/^input text Name/);
await type('By keyboard');
await press('Tab');
assert.match(await focused(), /Who is calling/);
await type('Lakeside Clinic');
await tabTo(/radio/);
await press('ArrowUp'); // round to the last one
await tabTo(/^button .*Continue/);
await press('Enter');
await page.getByRole('heading', { name: 'What should the agent say?' }).waitFor();
await settled(page);
await tabTo(/^button .*Continue/);
await press('Enter');
await page.getByRole('heading', { name: 'Who should be called?' }).waitFor();
await settled(page);
const csv = 'people.csv';
fs.writeFileSync(csv, 'phone,first_name\n' + Array.from({ length: 30 }, (_, i) => `+1202555010${i % 10},Ana ${i}`).join('\n') +
  '\n' + Array.from({ length: 60 }, (_, i) => `+1212${2345000 + i},Bo ${i}`).join('\n') + '\n');
await tabTo(/^input file/);
await (await page.evaluateHandle(() => document.activeElement)).asElement().setInputFiles(csv);
await page.getByText('ready to come in').waitFor();
await tabTo(/Import and continue/);
await press('Enter');
await page.getByRole('heading', { name: 'When, how often and for how much?' }).waitFor();
await settled(page);
// At any hour of any day, so that this can be told at any hour.
const [draft] = await api('GET', 'voice-campaigns');
await tabTo(/^input checkbox .*Sat/);
await press('Space');
await tabTo(/^input checkbox .*Sun/);
await press('Space');
await tabTo(/^input .*From/);
await type('1200AM');
await tabTo(/^input .*(To|Until)/);
await type('1159PM');
await tabTo(/^button .*Continue/);
await press('Enter');
await page.getByRole('heading', { name: 'Check and start' }).waitFor();
await settled(page);
await tabTo(/Start calling/);
await press('Enter');
const question = page.getByRole('dialog');
await question.waitFor();
await tabTo(/Start calling/);
await press('Enter');
await until('calling', async () => (await api('GET', `voice-campaigns/${draft.id}`)).status === 'active');
ok('a campaign by keyboard');

// Pause, a menu by arrows, a chart by arrows, a call and back to where one was.
await page.locator('.hero-n').waitFor();
await until('calls', async () => (await api('GET', `voice-campaigns/${draft.id}/stats`)).completed_calls > 3);
await tabTo(/^button .*Pause/);
await press('Enter');
await until('the pause', async () => (await api('GET', `voice-campaigns/${draft.id}`)).status === 'paused');
await tabTo(/^button .*More actions/);
await press('Enter');
const entry = () => page.evaluate(() => document.activeElement.getAttribute('role') === 'menuitem' && document.activeElement.innerText);
const firstEntry = await until('the menu', entry);
await press('ArrowDown');
assert.ok((await entry()) && (await entry()) !== firstEntry, 'an arrow goes to the next entry');
await press('Escape');
assert.match(await focused(), /More actions/);
await tabTo(/^svg/);
await press('ArrowLeft');
await page.locator('.tip, [role=tooltip], .chart [aria-live]').first().waitFor({ state: 'attached' });
await page.evaluate((to) => { location.hash = to; }, `#/campaigns/${draft.id}/calls`);
await page.locator('table .linkbtn').first().waitFor();
await settled(page);
const name = await page.locator('table .linkbtn').first().innerText();
await tabTo(new RegExp(`^button .*${name}`));
await press('Enter');
await page.getByRole('dialog').getByText('Call placed').waitFor();
await press('Escape');
await page.getByRole('dialog').waitFor({ state: 'hidden' });
await until('the focus where it was', async () => new RegExp(name).test(await focused()), 3000).catch(async (error) => { console.error(name, '!=', await focused()); throw error; });
assert.deepEqual(problems, []);
ok('pause, menu, chart and call by keyboard');
await close();
