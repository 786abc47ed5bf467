// Everything is stopped while people are on the phone: their calls are ended where that is wanted, what is resumed meanwhile
// waits, and whoever is signed in by another link, or not any more, is told so.

import { api, assert, browser, campaign, ok, settled, signIn, until, visit, watched } from './support.mjs';

const talking = await campaign({ status: 'active', max_concurrent_calls: 3 });
const rows = Array.from({ length: 30 }, (_, i) => `+1212${2345000 + i},Bo ${i}`);
await api('POST', `voice-campaigns/${talking.id}/leads`, `phone,first_name\n${rows.join('\n')}\n`);
const alive = () => api('GET', 'calls?state=alive');
await until('calls', async () => (await alive()).length === 3);

const { context, close } = await browser();
const { page, problems } = await watched(context);
const toast = (text) => page.locator('.toast', { hasText: text }).first().waitFor();
await signIn(page);
await page.getByRole('button', { name: 'More actions for all campaigns' }).click();
await page.getByRole('menuitem', { name: /Stop all calling/ }).click();
const question = page.getByRole('dialog', { name: 'Stop all calling?' });
await question.getByRole('checkbox', { name: /Also end the .*calls? in progress/ }).check();
await question.getByRole('button', { name: 'Stop all calling' }).click();
await toast('Calls in progress are being ended.');
await until('the end of the calls', async () => (await alive()).length === 0);
const [last] = await api('GET', `voice-campaigns/${talking.id}/calls`);
assert.equal(last.outcome, 'canceled');
ok('stopped, with the calls in progress');

await visit(page, `#/campaigns/${talking.id}`);
await page.getByRole('button', { name: /^Pause/ }).first().click();
await page.getByRole('button', { name: /^Resume/ }).first().click();
await toast('It goes on when calling is allowed again.');
await until('the pause is over', async () => (await api('GET', `voice-campaigns/${talking.id}`)).status === 'active');
assert.equal((await alive()).length, 0);
ok('what is resumed waits');

// A link to sign in with is opened where the page is shown already.
const other = await api('POST', 'tokens', { name: 'a colleague', scope: 'write' });
await page.evaluate((to) => { location.hash = to; }, `#token=${other.token}`);
await page.getByRole('button', { name: 'Sign out a colleague' }).first().waitFor();
await settled(page);
assert.ok(!page.url().includes('vc_'), 'the token has left the address');
await api('DELETE', `tokens/${other.id}`);
await page.getByText('You were signed out.').waitFor();
assert.deepEqual(problems.filter((problem) => !/status of 401/.test(problem)), []);
ok('signed in by another link, and told why not any more');
await close();
