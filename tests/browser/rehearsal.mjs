// A draft is played before anybody is called: watched to its end, tried with other hours, both futures side by side, and what
// is better applied; the forecast and the suggestions beside it. Whoever may only read sees the same and changes nothing.

import { DESKTOP, PHONE, accessibilityProblems, api, assert, base, browser, campaign, ok, overflow, settled, signIn, until, visit, watched } from './support.mjs';

const WIDTHS = [320, 600, 768, 900, 1024, 1280, 1920];

const one = await campaign({
  name: 'Membership renewals', calls_per_day: 40, calling_hours_start: '09:00', calling_hours_end: '12:00', budget: 100, time_zone: 'Europe/Berlin',
  script_template: 'Hello {first_name|there}, this is Lakeside Clinic about your {plan} plan. Press 9 to be called no more.',
});
const rows = Array.from({ length: 200 }, (_, i) => `+1${201 + (i % 8)}555${1000 + i},Ana ${i},${i % 50 ? 'gold' : ''}`);
await api('POST', `voice-campaigns/${one.id}/leads`, `phone,first_name,plan\n${rows.join('\n')}\n`);
// Small, so that it has been played nine times in the background when the forecast is looked at.
const small = await campaign({ name: 'Few people', time_zone: 'Europe/Berlin', expected_completion_date: '2040-01-02' });
await api('POST', `voice-campaigns/${small.id}/leads`, `phone\n${rows.slice(0, 8).map((row) => row.split(',')[0]).join('\n')}\n`);
await api('GET', `voice-campaigns/${small.id}/forecast`);
const there = () => api('GET', `voice-campaigns/${one.id}`);
const kept = () => api('GET', `voice-campaigns/${one.id}/rehearsals`);

const { context, close } = await browser();
const { page, problems } = await watched(context, /status of 400/);
const button = (name) => page.getByRole('button', { name, exact: typeof name === 'string' });
const toast = (text) => page.locator('.toast', { hasText: text }).first().waitFor();
const main = page.locator('main');
const gates = async (where) => {
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    assert.deepEqual(await accessibilityProblems(page), [], `${where}, ${theme}`);
  }
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    assert.ok((await overflow(page)) <= 0, `${where} at ${width}`);
  }
  await page.setViewportSize(PHONE);
  assert.deepEqual(await accessibilityProblems(page), [], `${where} on a phone`);
  await page.setViewportSize(DESKTOP);
};

// As it is.
await signIn(page);
await visit(page, `#/campaigns/${one.id}`);
await page.getByRole('link', { name: 'Rehearsal' }).click();
await page.getByText('Not rehearsed yet').waitFor();
await page.getByText('Nobody was called yet').first().waitFor();
await button('Rehearse').click();
await page.getByRole('heading', { name: 'Calls per day' }).waitFor();
const [plain] = await kept();
assert.equal(plain.status, 'done');
const { result } = plain;
for (const words of [`${result.calls}`, `${result.people_reached}`, '4 people still to be called at the end.', 'The script needs a value that they do not have', 'The calls of the day are used up']) {
  await main.getByText(words).first().waitFor();
}
await page.getByRole('link', { name: `lead ${result.never_called.examples[0]}`, exact: true }).click();
await page.getByRole('dialog').getByText('Ana 0').first().waitFor();
await page.goBack();
await page.getByText('What holds it up').waitFor();
await page.locator('main summary', { hasText: 'What was assumed' }).click();
await gates('a rehearsal');
ok('a draft played to its end', `${result.calls} calls`);

// What the server refuses is said at its field, also where that was folded away.
await page.locator('main summary', { hasText: 'other assumptions' }).click();
await page.getByLabel('Lines of the carrier').fill('0');
await page.locator('main summary', { hasText: 'other assumptions' }).click();
await button('Rehearse').click();
await page.getByText('Must be between 1 and 10000; it is 0').waitFor();
await until('the focus', () => page.getByLabel('Lines of the carrier').evaluate((field) => field === document.activeElement));
await page.getByLabel('Lines of the carrier').fill('');

// With other hours and more calls: both futures, and the one that is better is applied.
await page.locator('main summary', { hasText: 'What if' }).click();
await page.getByLabel('Until', { exact: true }).fill('18:00');
await page.getByRole('spinbutton', { name: 'Calls per day' }).fill('100');
await page.getByText('2 settings tried').waitFor();
await page.keyboard.press('Enter');
await page.getByText('Both futures side by side').waitFor();
await main.getByText(/^With these changes it .*earlier/).waitFor();
const [asItIs, changed] = await kept();
assert.deepEqual(changed.settings, { changes: { calling_hours_end: '18:00', calls_per_day: 100 } });
assert.deepEqual(asItIs.settings, {});
assert.ok(changed.result.per_day.length < asItIs.result.per_day.length);
await gates('two futures');
await button('Apply these settings…').click();
const question = page.getByRole('dialog', { name: 'Change “Membership renewals”?' });
await question.getByText('Hours until: 18:00 instead of 12:00').waitFor();
await question.getByText('Calls per day: 100 instead of 40').waitFor();
assert.deepEqual(await accessibilityProblems(page), []);
await question.getByRole('button', { name: 'Cancel' }).click();
assert.equal((await there()).calls_per_day, 40, 'who cancels changes nothing');
// Somebody else changes it while the question is open: nothing is written over theirs.
await button('Apply these settings…').click();
await question.waitFor();
await api('PUT', `voice-campaigns/${one.id}`, { notes: 'by somebody else' });
const expected = problems.length;
await question.getByRole('button', { name: 'Apply these settings' }).click();
await toast('Someone changed this in the meantime.');
problems.splice(expected, problems.length, ...problems.slice(expected).filter((problem) => !/status of 412/.test(problem)));
assert.equal((await there()).calls_per_day, 40);
await page.locator('.toast').getByRole('button', { name: 'Dismiss' }).click();
await button('Apply these settings…').click();
await question.getByRole('button', { name: 'Apply these settings' }).click();
await toast('The settings are applied.');
const { calling_hours_end: end, calls_per_day: perDay, notes } = await there();
assert.deepEqual([end, perDay, notes], ['18:00:00', 100, 'by somebody else']);
ok('other hours tried, compared and applied');

// Any two that are kept, and one deleted.
await page.getByLabel('Compare with').selectOption('');
await page.getByText('What holds it up').waitFor();
await page.getByLabel('Compare with').selectOption(String(plain.id));
await page.getByText('Both futures side by side').waitFor();
await button('Delete…').click();
await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
await toast('Rehearsal deleted.');
await until('one less', async () => (await kept()).length === 2);

// Suggestions are tried as a what-if; there are none of a campaign that has not called.
const suggested = {
  code: 'add_day', message: 'People pick up more often on Saturdays', changes: { working_days: ['Saturday', 'Sunday'] },
  evidence: { suggested: { low: 0.45, middle: 0.52, high: 0.6 }, current: { low: 0.3, middle: 0.38, high: 0.44 }, better_percent: 37, certain_percent: 96, calls: 120, own_calls: 80 },
};
await api('PUT', `voice-campaigns/${one.id}`, { working_days: ['Saturday'] });
await page.route('**/suggestions', async (route) => {
  const answer = await (await route.fetch()).json();
  await route.fulfill({ json: { ...answer, observations: { own: 80, siblings: 40, sibling_campaigns: 1 }, suggestions: [suggested] } });
});
await visit(page, '#/campaigns');
await visit(page, `#/campaigns/${one.id}/rehearsal`);
await page.getByText('Call on Sundays too').first().waitFor();
await page.getByText('96% certain to be better').waitFor();
await page.locator('main summary', { hasText: 'by hour' }).click();
assert.deepEqual(await accessibilityProblems(page), []);
await button(/^Try it in a rehearsal/).click();
await page.getByText('Both futures side by side').waitFor();
assert.deepEqual((await there()).working_days, ['Saturday'], 'nothing is applied by itself');
ok('any two side by side, one deleted, a suggestion tried');

// The forecast, where the estimate stands, and before the first call.
await visit(page, `#/campaigns/${small.id}`);
await main.getByText(/^Eight of ten of \d+ rehearsals/).waitFor();
await main.getByText(/^Started now, it finishes/).waitFor();
await main.getByText(/days before your plan/).waitFor();
assert.deepEqual(await accessibilityProblems(page), []);
await visit(page, `#/campaigns/${small.id}/edit?step=review`);
await main.getByText(/^Eight of ten of \d+ rehearsals/).waitFor();
assert.deepEqual(await accessibilityProblems(page), []);
ok('the forecast on the overview and before the start');
assert.deepEqual(problems, []);
await page.close();

// Whoever may only read.
const { token } = await api('POST', 'tokens', { name: 'a reader', scope: 'read' });
await context.clearCookies();
const reader = await watched(context);
const written = [];
await reader.page.goto(`${base}#token=${token}`);
await reader.page.locator('main h1').waitFor();
reader.page.on('request', (request) => request.method() !== 'GET' && written.push(request.url()));
const [second, first] = await kept();
await visit(reader.page, `#/campaigns/${one.id}/rehearsal?r=${second.id}&with=${first.id}`);
await reader.page.getByText('Both futures side by side').waitFor();
for (const name of [/^Rehearse/, /^Apply/, /^Delete/, /^Try/, /^Cancel/]) assert.equal(await reader.page.getByRole('button', { name }).count(), 0, String(name));
assert.equal(await reader.page.getByRole('link', { name: /Put it right|Edit|Raise/ }).count(), 0);
await settled(reader.page);
assert.deepEqual([written, reader.problems], [[], []]);
ok('a reader sees it all and changes nothing');
await close();
