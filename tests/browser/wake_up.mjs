// A server that works on a copy of its data calls nobody. Every page says so; whoever may write sees whom it would call
// within the next hour, and lets it go on.

import { execFileSync } from 'node:child_process';
import { DESKTOP, PHONE, accessibilityProblems, api, assert, browser, campaign, endServer, ok, overflow, settled, signIn, startServer, until, visit, watched } from './support.mjs';

const { PROGRAM } = process.env;
const { context, close } = await browser();
const { page, problems } = await watched(context, /ERR_|status of (4|5)/);

const one = await campaign({ name: 'Comes back', status: 'draft' });
await api('POST', `voice-campaigns/${one.id}/leads`, { phone: '+12025550104', first_name: 'Cem' });
execFileSync(PROGRAM, ['backup', 'copy.db']);
await endServer();
execFileSync(PROGRAM, ['restore', 'copy.db']);
await startServer();

await signIn(page);
const banner = page.getByText('Nobody is called before somebody has looked.');
for (const place of ['#/campaigns', '#/calls', `#/campaigns/${one.id}`]) {
  await visit(page, place);
  await banner.waitFor();
}
for (const size of [DESKTOP, PHONE]) {
  await page.setViewportSize(size);
  await settled(page);
  assert.deepEqual(await accessibilityProblems(page), []);
  assert.ok((await overflow(page)) <= 0);
}

const look = page.getByRole('button', { name: 'Look, then let go on' });
await look.click();
const question = page.getByRole('dialog', { name: 'Let calling go on?' });
await question.getByText(/within the next hour/).waitFor();
assert.deepEqual(await accessibilityProblems(page), []);
await page.keyboard.press('Escape');
assert.equal((await api('GET', 'wake-up')).held, true, 'who looks and goes away lets nobody be called');

await look.click();
await question.getByRole('button', { name: 'Let it go on' }).click();
await banner.waitFor({ state: 'hidden' });
await until('released', async () => (await api('GET', 'wake-up')).held === false);
assert.deepEqual(problems, []);
await close();
ok('a copy calls nobody before somebody has looked');
process.exit(0);
