// The server goes while somebody watches, and comes back: the page says so, keeps what it shows, and then shows what happened
// meanwhile, without being loaded again.

import { api, assert, base, browser, campaign, endServer, ok, settled, signIn, startServer, until, visit, watched } from './support.mjs';

const watchedOne = await campaign({ name: 'Before the power cut' });
await api('POST', `voice-campaigns/${watchedOne.id}/leads`, { phone: '+12025550104', first_name: 'Cem' });

const { context, close } = await browser();
const { page, problems } = await watched(context, /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
const state = (words) => page.locator('.side').getByText(words).waitFor();
await signIn(page);
await visit(page, `#/campaigns/${watchedOne.id}`);
await visit(page, '#/campaigns');
await state('Live updates on');
await page.evaluate(() => { window.__isTheSame = true; });
const isTheSame = () => page.evaluate(() => window.__isTheSame === true);
const go = (to) => page.evaluate((hash) => { location.hash = hash; }, to);

await endServer();
await state('Reconnecting…');
assert.ok(await page.getByText('Before the power cut').first().isVisible(), 'what was there stays');
const banner = page.getByText('What is shown here is as it was at');
await banner.waitFor();
// Where nothing can be shown, it says why.
await go(`#/campaigns/${watchedOne.id}`);
await page.getByText('The server cannot be reached. Is it still running?').first().waitFor();
await page.getByRole('button', { name: 'Try again' }).click();
await page.getByText('The server cannot be reached. Is it still running?').first().waitFor();
ok('lost', 'said, and nothing is taken away');
await startServer();
await state('Live updates on');
await page.getByRole('heading', { name: 'Before the power cut' }).waitFor();
await banner.waitFor({ state: 'hidden' });
assert.ok(await isTheSame(), 'it was not loaded again');
// The same for a place whose script is not there yet, which takes a reload.
await endServer();
await state('Reconnecting…');
await go('#/dnc');
await page.getByText('This page could not be loaded').waitFor();
await startServer();
await state('Live updates on');
await page.getByRole('heading', { name: 'Do not call', level: 1 }).waitFor();
await state('Live updates on');
await page.evaluate(() => { window.__isTheSame = true; });
await visit(page, '#/campaigns');
ok('back', 'everything is there without a click');

// Now somebody looks at the list while the server is away for longer, and the world goes on before the page is back.
await endServer();
await state('Reconnecting…');
await page.context().setOffline(true);
await startServer();
const made = await campaign({ name: 'Made meanwhile' });
await api('PUT', `voice-campaigns/${watchedOne.id}`, { name: 'Renamed meanwhile' });
await page.context().setOffline(false);
await state('Live updates on');
await page.getByText('Made meanwhile').first().waitFor();
await page.getByText('Renamed meanwhile').first().waitFor();
assert.ok(!(await page.getByText('Before the power cut').first().isVisible()));
// And it hears again what happens from now on.
await api('PUT', `voice-campaigns/${made.id}`, { name: 'Heard again' });
await page.getByText('Heard again').first().waitFor();
assert.ok(await isTheSame(), 'it was not loaded again');
assert.ok(page.url().startsWith(base), 'and nobody had to sign in again');
await settled(page);
await visit(page, '#/campaigns');
assert.deepEqual(problems, []);
ok('shows what happened meanwhile');
await close();
process.exit(0);
