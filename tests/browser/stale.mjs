// Two tabs edit one campaign. The second that saves is told, keeps what it typed, and can save it over the other's or see
// theirs; so it is for a draft, which is saved as it is typed, and for a campaign that calls.

import { api, assert, browser, campaign, ok, settled, signIn, until, visit, watched } from './support.mjs';

const { context, close } = await browser();
const first = await watched(context, /status of 412/);
const second = await watched(context, /status of 412/);
await signIn(first.page);
await signIn(second.page);

const told = (page) => page.getByRole('alert').getByText('Someone changed this campaign in the meantime.');
async function openBoth(id) {
  for (const { page } of [first, second]) {
    await visit(page, '#/campaigns');
    await visit(page, `#/campaigns/${id}/edit?step=basics`);
  }
}
const nameOf = (page) => page.getByLabel('Name', { exact: true });

for (const status of ['draft', 'paused']) {
  const one = await campaign({ name: 'As it was', description: 'old', status: 'draft' });
  if (status === 'paused') {
    await api('POST', `voice-campaigns/${one.id}/leads`, { phone: '+12025550104', first_name: 'Cem' });
    await api('PATCH', `voice-campaigns/${one.id}/status`, { status: 'active' });
    await api('PATCH', `voice-campaigns/${one.id}/status`, { status: 'paused' });
  }
  const there = () => api('GET', `voice-campaigns/${one.id}`);
  const save = async (page) => {
    if (status !== 'draft') await page.getByRole('button', { name: 'Save changes' }).click();
  };

  // Overwritten: only what was typed in the second tab; the rest is as the first has saved it.
  await openBoth(one.id);
  await nameOf(first.page).fill('By the first');
  await save(first.page);
  await until('saved', async () => (await there()).name === 'By the first');
  const text = 'Good day {first_name|there}, this is what the second tab typed into it.';
  await second.page.getByRole('button', { name: /Script and voice/ }).click();
  await second.page.locator('textarea').first().fill(text);
  await save(second.page);
  await told(second.page).waitFor();
  assert.equal(await second.page.locator('textarea').first().inputValue(), text, 'what was typed is kept');
  assert.notEqual((await there()).script_template, text, 'and nothing was written');
  await second.page.getByRole('button', { name: 'Save mine over it' }).click();
  await until('written', async () => (await there()).script_template === text);
  assert.equal((await there()).name, 'By the first');
  await told(second.page).waitFor({ state: 'hidden' });
  // From here on the second saves as always.
  await second.page.getByRole('button', { name: /^1?\s*Name/ }).first().click();
  await until('theirs is shown', async () => (await nameOf(second.page).inputValue()) === 'By the first');
  await nameOf(second.page).fill('By the second');
  await save(second.page);
  await until('saved again', async () => (await there()).name === 'By the second');

  // Reloaded: theirs, and what was typed is gone, as it said.
  await openBoth(one.id);
  await nameOf(first.page).fill('First again');
  await save(first.page);
  await until('saved', async () => (await there()).name === 'First again');
  await nameOf(second.page).fill('Second again');
  await save(second.page);
  await told(second.page).waitFor();
  assert.equal(await nameOf(second.page).inputValue(), 'Second again');
  await second.page.getByRole('button', { name: 'Reload' }).click();
  await until('theirs', async () => (await nameOf(second.page).inputValue()) === 'First again');
  await told(second.page).waitFor({ state: 'hidden' });
  await settled(second.page);
  assert.equal((await there()).name, 'First again');
  ok('told, kept, overwritten, reloaded', status);
}

// Whoever leaves with something that is not saved is asked, and a draft is saved without a question.
{
  const { page } = first;
  const one = await campaign({ name: 'As it was' });
  const there = () => api('GET', `voice-campaigns/${one.id}`);
  const calls = page.getByRole('link', { name: 'Call history' });
  const arrived = page.getByRole('heading', { name: 'Call history', level: 1 });
  const edit = async (name) => {
    await visit(page, `#/campaigns/${one.id}/edit?step=basics`);
    await nameOf(page).fill(name);
    await calls.click();
  };
  await edit('Typed into a draft');
  await arrived.waitFor();
  await until('saved', async () => (await there()).name === 'Typed into a draft');
  await api('POST', `voice-campaigns/${one.id}/leads`, { phone: '+12025550104', first_name: 'Cem' });
  await api('PATCH', `voice-campaigns/${one.id}/status`, { status: 'active' });
  await api('PATCH', `voice-campaigns/${one.id}/status`, { status: 'paused' });
  await edit('Not saved');
  const question = page.getByRole('dialog', { name: 'Leave without saving?' });
  await question.getByRole('button', { name: 'Stay' }).click();
  assert.equal(await nameOf(page).inputValue(), 'Not saved', 'what was typed is still there');
  assert.ok(page.url().includes('/edit'), page.url());
  await calls.click();
  await question.getByRole('button', { name: 'Leave' }).click();
  await arrived.waitFor();
  await settled(page);
  assert.equal((await there()).name, 'Typed into a draft');
  ok('asked before what was typed is lost');
}
assert.deepEqual([...first.problems, ...second.problems], []);
await close();
