// The whole story by clicks: from the link that the server prints to a campaign that has called the people of a file with
// ugly rows, and everything beside it that a person does in a day.

import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { api, assert, base, browser, ok, settled, signIn, until, visit, watched } from './support.mjs';

// A receiver of webhooks that checks what it gets as the specification says.
const received = [];
const receiver = http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    received.push({ headers: request.headers, body: Buffer.concat(pieces).toString() });
    response.statusCode = 204;
    response.end();
  });
});
await new Promise((done) => receiver.listen(0, '127.0.0.1', done));
const isSigned = ({ headers, body }, secret) => {
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const mac = crypto.createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(text).digest('base64');
  return headers['webhook-signature'].split(' ').includes('v1,' + mac);
};

const AREAS = [201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234, 239, 240, 248,
  251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 272, 276, 281, 301];
const csv = 'people.csv';
fs.writeFileSync(csv, [
  'Vorname;Nachname;Handy;Tarif',
  ...AREAS.map((area, i) => `Ana${i};Novak;+1 ${area} 555-010${(i % 3) + 1};Plus`),
  'Bo;Berg;not a number;Basic', 'Cem;Can;+1 201 555-0101;Basic', ';;;', 'Dalia;"O""Hara, jr.";+49 30 901820;Gold', '=1+1;Evil;(302) 555-0104;Basic',
].join('\r\n'));

const { context, close } = await browser();
const { page, problems } = await watched(context);
const button = (name) => page.getByRole('button', { name, exact: typeof name === 'string' });
const toast = (text) => page.locator('.toast', { hasText: text }).first().waitFor();

// Sign in.
await signIn(page);
ok('signed in by the link');

// A campaign in five steps.
await page.getByRole('link', { name: /New campaign/ }).first().click();
await page.getByLabel('Name', { exact: true }).waitFor();
await button(/Continue/).click();
await page.getByText('Give the campaign a name').waitFor();
await page.getByLabel('Name', { exact: true }).fill('Plans in winter');
await page.getByLabel('Who is calling?').fill('Lakeside Telecom');
await page.getByRole('radio', { name: /My own text/ }).check();
await button(/Continue/).click();
await page.getByRole('heading', { name: 'What should the agent say?' }).waitFor();
// Back leaves the steps, and comes to no empty first step of another campaign.
await page.goBack();
await page.getByRole('heading', { name: 'Campaigns', level: 1 }).waitFor();
await page.goForward();
await page.getByRole('heading', { name: 'What should the agent say?' }).waitFor();
const script = page.getByLabel(/Opening script|Script/).first();
await script.fill('Hello {first_name|there}, this is Lakeside Telecom about your {tarif|present} plan. Press 9 to be called no more.');
const listen = async () => {
  await button('Listen').click();
  await until('sound', () => page.locator('audio').evaluate((sound) => Math.abs(sound.duration - 0.5) < 0.01));
};
await listen();
await until('the draft on the server', async () => (await api('GET', 'voice-campaigns'))[0].script_template.includes('{tarif|present}'));
await button(/Continue/).click();
await page.getByRole('heading', { name: 'Who should be called?' }).waitFor();
await page.locator('input[type=file]').setInputFiles(csv);
await page.getByText('Rows that will be left out').waitFor();
await page.getByLabel('Country of the numbers').selectOption('US');
await page.getByText('42 people').or(page.getByText('42', { exact: true })).first().waitFor();
await button(/Import and continue/).click();
await page.getByRole('heading', { name: 'When, how often and for how much?' }).waitFor();
const [draft] = await api('GET', 'voice-campaigns');
await until('the import', async () => (await api('GET', `voice-campaigns/${draft.id}/stats`)).total_leads === 42);
// At any hour, so that the story can be told at any hour.
await api('GET', `voice-campaigns/${draft.id}`);
for (const day of ['Sat', 'Sun']) {
  const box = page.getByLabel(day, { exact: false }).first();
  if (await box.count()) if (!(await box.isChecked().catch(() => true))) await box.check({ force: true });
}
await page.getByLabel(/^From/).first().fill('00:00');
await page.getByLabel(/^(To|Until)/).first().fill('23:59');
await page.getByText('People are called before 8:00 or after 21:00.').waitFor();
// A day that is over, and amounts with a mark between thousands, are no settings; a comma for the decimals is one.
await page.getByLabel('Last day').fill('2020-01-31');
await page.getByLabel('Cost per call').fill('1.000,50');
await page.getByLabel('Budget').fill('1,000');
await button(/Continue/).click();
await page.getByText('This day is over.').waitFor();
assert.equal(await page.getByText('Write it without a mark between thousands').count(), 2);
await page.getByLabel('Last day').fill('');
await page.getByLabel('Cost per call').fill('0,12');
await page.getByLabel('Budget').fill('1000');
// Each step is one of the history.
await page.goBack();
await page.getByRole('heading', { name: 'Who should be called?' }).waitFor();
await page.goForward();
await page.getByRole('heading', { name: 'When, how often and for how much?' }).waitFor();
await button(/Continue/).click();
await page.getByRole('heading', { name: 'Check and start' }).waitFor();
const typed = await api('GET', `voice-campaigns/${draft.id}`);
assert.deepEqual([typed.cost_per_call, typed.budget, typed.end_date], [0.12, 1000, null]);
assert.equal((await api('GET', 'voice-campaigns')).length, 1);
await button('Start calling').click();
await page.getByRole('dialog').getByText(/every day 00:00–23:59 \(.+\), at most 200 calls a day, with a budget of 1,000/).waitFor();
await page.getByRole('dialog').getByRole('button', { name: 'Start calling' }).click();
await toast('Calling has started');
ok('a campaign in five steps', '42 of 44 rows came in');

// It calls, and the page tells without being asked to. The campaign is told to stop in time for the rest of the story.
const finished = async () => Number((await page.locator('.hero-n .v').innerText()).match(/[\d,]+/)[0].replace(',', ''));
const first = await finished();
await until('progress on the page', async () => (await finished()) > first);
await button(/^Pause/).first().click();
await toast(/[Pp]aused/);
assert.equal((await api('GET', `voice-campaigns/${draft.id}`)).status, 'paused');
await page.locator('.toast').getByRole('button', { name: 'Undo' }).first().click();
await until('Undo', async () => (await api('GET', `voice-campaigns/${draft.id}`)).status === 'active');
// Who hears a script out may press a key for some seconds, which no simulator makes shorter; with more lines it is over sooner.
await api('PUT', `voice-campaigns/${draft.id}`, { max_concurrent_calls: 40 });
await until('calls to all', async () => (await api('GET', `voice-campaigns/${draft.id}/stats`)).attempts >= 42);
ok('progress live, pause and undo');

// What people hear.
const c = `#/campaigns/${draft.id}`;
await visit(page, `${c}/script`);
await listen();
ok('listened to a script while it was written and after');

// One call from beginning to end, and everybody as a file.
await visit(page, `${c}/calls`);
await page.locator('table .linkbtn').first().click();
const sheet = page.getByRole('dialog');
await sheet.getByText('Call placed').waitFor();
await sheet.getByText(/attempt 1 of 3/).waitFor();
await page.keyboard.press('Escape');
await sheet.waitFor({ state: 'hidden' });
assert.ok(!page.url().includes('call='));
await page.locator('table .linkbtn').first().click();
await sheet.getByText('Call placed').waitFor();
await page.goBack();
await sheet.waitFor({ state: 'hidden' });
assert.ok(page.url().endsWith('/calls'), 'Back closes the call and stays with the calls');
await visit(page, '#/calls');
const download = page.waitForEvent('download');
await page.getByRole('link', { name: /Export/ }).click();
const file = fs.readFileSync(await (await download).path(), 'utf8');
assert.ok(file.includes('+12015550101') && file.split('\n').length > 20, file.slice(0, 300));
assert.ok(!/(^|,)=/m.test(file), 'formulas are defused');
ok('a call, and the history as a file');

// A webhook, shown its secret once, and a signed test.
await visit(page, '#/webhooks');
await button(/Add webhook/).first().click();
await page.getByLabel('Address').fill(`http://127.0.0.1:${receiver.address().port}/calls`);
await page.getByRole('dialog').getByRole('button', { name: /^(Add|Save)/ }).click();
const secret = (await page.getByLabel('Secret', { exact: true }).innerText()).trim();
assert.match(secret, /^whsec_/);
await button('Done').click();
await button('Send test').click();
await until('the test', () => received.some(({ body }) => JSON.parse(body).type === 'webhook.test'));
await toast(/204/);
assert.ok(received.every((request) => isSigned(request, secret)), 'every signature is right');
assert.ok(!(await page.innerText('body')).includes(secret), 'the secret is not shown again');
ok('a webhook, its secret once, a signed test', `${received.length} received`);

// A token, shown once, used, revoked.
await visit(page, '#/tokens');
await button(/New token/).first().click();
await page.getByLabel('What is it for?').fill('CRM');
await page.getByLabel('Last day').fill('2099-12-31');
await page.getByRole('dialog').getByRole('button', { name: /^(Make|Create)/ }).click();
const made = (await page.getByLabel('The token').innerText()).trim();
const status = async () => (await fetch(base + 'api/voice-campaigns', { headers: { authorization: 'Bearer ' + made } })).status;
assert.equal(await status(), 200);
await button('Done').click();
assert.ok(!(await page.innerText('body')).includes(made));
await page.getByRole('row', { name: /CRM/ }).getByRole('cell', { name: '2099-12-31' }).waitFor();
await page.getByRole('button', { name: 'Revoke CRM…' }).click();
await page.getByRole('dialog').getByRole('button', { name: /^Revoke/ }).click();
await until('revoked', async () => (await status()) === 401);
ok('a token made and revoked');

// Nobody calls this number any more.
await visit(page, '#/dnc');
await page.getByLabel('Add a number').fill('+1 302 555 0104');
await button('Add number').click();
await page.getByRole('cell', { name: '+13025550104', exact: true }).waitFor();
const [forbidden] = await api('GET', `voice-campaigns/${draft.id}/leads?search=13025550104`);
assert.equal(forbidden.status, 'do_not_call');
ok('a number put on the do-not-call list');

// Signing out ends the session on the server as well.
const cookies = await context.cookies();
await button(/^Sign out/).first().click();
await page.getByLabel('Access token').waitFor();
const old = await fetch(base + 'api/voice-campaigns', { headers: { cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; ') } });
assert.equal(old.status, 401);
await page.getByLabel('Access token').fill('vc_wrong');
await page.keyboard.press('Enter');
await page.getByText(/not valid/).waitFor();
problems.splice(0, problems.length, ...problems.filter((problem) => !/status of 401/.test(problem)));
assert.deepEqual(problems, []);
ok('signed out');
await settled(page);
await close();
receiver.close();
