// An AI agent on the page: it is chosen, tried by typing and with simulated callers, and what it made of calls is looked at; in
// both themes, wide and narrow, with nothing that axe finds. The model is the one of `browser.rs`.

import {
  DESKTOP,
  PHONE,
  accessibilityProblems,
  api,
  assert,
  base,
  browser,
  campaign,
  ok,
  overflow,
  settled,
  signIn,
  until,
  visit,
  watched,
} from './support.mjs';

const HOSTILE = '<img src=x onerror=alert(1)>';
const { id } = await campaign({
  success_criteria: 'The person confirms the appointment',
  script_template: 'Hello {first_name|there}, this is Lakeside Clinic. Can we see you on {day|Monday} at ten?',
});
const people = [`+12025550110,Ana,${HOSTILE}`, '+12025550115,Bo,Berg', '+12025550116,Cem,Kaya'];
await api('POST', `voice-campaigns/${id}/leads`, `phone,first_name,last_name\n${people.join('\n')}\n`);
const c = `#/campaigns/${id}`;

const { context, close } = await browser();
const { page, problems } = await watched(context, /status of 503/);
await signIn(page);
const found = [];
const CROSSED = [
  [DESKTOP, 'dark'],
  [PHONE, 'light'],
];
async function look(where, ways = [[DESKTOP, 'light'], [PHONE, 'dark'], ...CROSSED]) {
  for (const [size, theme] of ways) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    await settled(page);
    for (const problem of await accessibilityProblems(page)) found.push(`${where} ${theme} ${size.width}: ${problem}`);
    if ((await overflow(page)) > 0) found.push(`${where} ${size.width}: can be scrolled sideways`);
  }
  await page.setViewportSize(DESKTOP);
}
const button = (name, within = page) => within.getByRole('button', { name });
const sheet = page.locator('dialog.sheet[open]');

// It is chosen, and says in its own words what it is.
await visit(page, `${c}/edit?step=script`);
const talks = page.getByLabel('Who talks');
assert.match(await talks.locator('option').first().innerText(), /As this server is set up/);
await talks.selectOption('ai');
await page.getByText('On calls the simulator plays conversations').waitFor();
const itself = page.getByLabel('Before the script it says of itself');
await itself.selectOption('none');
await page.getByText('people must be told at once').waitFor();
await itself.selectOption('own');
await page.getByLabel('In your words, about the agent').fill(`I am a machine ${HOSTILE}.`);
await until('it is saved', async () =>
  (await api('GET', `voice-campaigns/${id}`)).agent_disclosure?.endsWith(`${HOSTILE}.`),
);
assert.equal((await api('GET', `voice-campaigns/${id}`)).agent, 'ai');
await look('who talks', CROSSED);
await visit(page, `${c}/script`);
await page.getByText(`“I am a machine ${HOSTILE}.”`).waitFor();
await page.getByRole('link', { name: 'Try the agent' }).click();
ok('it is chosen');

// Somebody types what a lead says.
await page.getByLabel('The person is').selectOption({ label: `Ana ${HOSTILE}, +12025550110` });
await page.getByText('Other values').click();
await page.getByLabel('{day}').fill('Tuesday');
await button('Start a conversation').click();
const words = sheet.getByLabel('What the person says');
await until('the place to type', () => words.evaluate((field) => field === document.activeElement));
await sheet
  .getByText('Hello Ana, this is Lakeside Clinic. Can we see you on Tuesday at ten?', { exact: false })
  .waitFor();
await sheet.getByText('Only a try: nobody was called').waitFor();
await page.keyboard.type(`Who is this? ${HOSTILE}`);
await page.keyboard.press('Enter');
await sheet.getByText('The automated assistant of Lakeside Clinic.').waitFor();
await sheet.getByText(`Who is this? ${HOSTILE}`).waitFor();
await look('a conversation', CROSSED);
// What cannot be answered is told, and what was typed stays.
await page.route(
  '**/turns',
  (route) =>
    route.fulfill({ status: 503, json: { error: `The agent failed: ${HOSTILE}`, code: 'agent_failed', details: [] } }),
  { times: 1 },
);
await words.fill('Yes, please.');
await button('Say', sheet).click();
await sheet.getByRole('alert').getByText(`The agent failed: ${HOSTILE}.`).waitFor();
assert.equal(await words.inputValue(), 'Yes, please.');
await words.press('Enter');
const verdict = sheet.getByRole('region', { name: 'How it came out' });
await verdict.getByText('Goal reached').waitFor();
await verdict.getByText('They confirmed.').waitFor();
await verdict.getByText('as the agent itself says').waitFor();
await verdict.getByRole('row', { name: `Preferred day ${HOSTILE}` }).waitFor();
await sheet.getByText('Would hang up.').waitFor();
assert.equal(await words.count(), 0, 'it is over');
await sheet.getByText('The agent at work').click();
await sheet.getByText(/\d+ read, \d+ written/).waitFor();
await look('a verdict');
await page.keyboard.press('Escape');
await sheet.waitFor({ state: 'detached' });
await page.getByRole('row', { name: /Typed by admin.*Goal reached/ }).waitFor();
assert.deepEqual(await api('GET', 'calls'), [], 'nobody was called');
ok('it is tried by typing');

// Simulated callers: one to whom it is good, one to whom it is not.
for (const name of [/^Busy/, /^Unkind/, /^Wants a person/, /^Gives it other orders/])
  await page.getByRole('checkbox', { name }).uncheck();
await button('Let them talk').click();
await page.getByText('1 of 2 as it should be').waitFor();
await page.getByText('It did not end as a success.').waitFor();
await look('simulated callers');
await page.locator('.reports').getByRole('button', { name: 'Wants no more calls' }).click();
await sheet.getByText('As it should be.', { exact: true }).waitFor();
await sheet.getByText('Would put the number onto the do-not-call list', { exact: false }).waitFor();
await sheet.getByText('judged from the words, when it was over').waitFor();
assert.deepEqual(await api('GET', 'do-not-call'), [], 'it was only tried');
await page.keyboard.press('Escape');
ok('simulated callers');

// Calls of the simulator, on which recorded conversations are played.
await api('PATCH', `voice-campaigns/${id}/status`, { status: 'active' });
const ended = async () => (await api('GET', `voice-campaigns/${id}/calls?state=ended`)).length >= 3;
await until('calls', ended);
const calls = await api('GET', `voice-campaigns/${id}/calls`);
const callOf = (phone) => calls.findLast((call) => call.phone === phone).id;
// What takes time only on real calls is put in on the way.
await page.route(/\/api\/calls\/\d+$/, async (route) => {
  const response = await route.fetch();
  const call = await response.json();
  call.conversation.turns = [
    { first_sound_ms: 240, transcription_ms: null, model_ms: null, voice_ms: 240, barge_in_ms: null },
    { first_sound_ms: 1310, transcription_ms: 180, model_ms: 620, voice_ms: 210, barge_in_ms: 60 },
  ];
  await route.fulfill({ response, json: call });
});
await visit(page, `${c}/calls?call=${callOf('+12025550110')}`);
await verdict.getByText('Goal reached').waitFor();
await verdict.getByText('The person said yes.').waitFor();
await verdict.getByRole('row', { name: 'Answer yes' }).waitFor();
await sheet.getByRole('region', { name: 'Transcript' }).getByText('Yes, that sounds good.').waitFor();
await sheet.getByRole('region', { name: 'Tools' }).getByText('Hangs up').waitFor();
await sheet.getByText('The agent at work').click();
await sheet.getByText('240 ms after the answer').waitFor();
await sheet.getByRole('row', { name: '2 1.3 s 180 ms 620 ms 210 ms 60 ms' }).waitFor();
await look('a call');
await visit(page, `${c}/calls?call=${callOf('+12025550115')}`);
await sheet.getByText('Another call was promised').waitFor();
await visit(page, `${c}/calls?call=${callOf('+12025550116')}`);
await sheet.getByText('The agent could not go on.').waitFor();
ok('what it made of calls');

// Who may only read sees all of it and can try nothing.
const [tried] = await api('GET', `voice-campaigns/${id}/conversations`);
const { token: readers } = await api('POST', 'tokens', { name: 'a reader', scope: 'read' });
// Whose page is still open would be told that nobody is signed in.
await page.close();
await context.clearCookies();
const { page: other, problems: others } = await watched(context);
await other.goto(`${base}#token=${readers}`);
await other.locator('main h1').waitFor();
await visit(other, `${c}/agent?try=${tried.id}`);
await other.getByRole('region', { name: 'What was said' }).waitFor();
assert.equal(await other.getByRole('textbox').count(), 0);
await other.keyboard.press('Escape');
await other.getByText('1 of 2 as it should be').waitFor();
for (const name of ['Start a conversation', 'Let them talk']) assert.equal(await button(name, other).count(), 0, name);
ok('a reader');
assert.deepEqual([...found, ...problems, ...others], []);
await close();
