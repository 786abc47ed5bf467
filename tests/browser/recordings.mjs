// Test calls, calls that come in, and what was recorded: listened to by mouse and by the keyboard, in both themes, wide and
// narrow, with nothing that axe finds. The sound is put where the recorder of a real call leaves it, and the server that is
// started again finds it there.

import fs from 'node:fs';
import { DESKTOP, PHONE, accessibilityProblems, api, assert, browser, campaign, endServer, ok, overflow, settled, signIn, startServer, until, visit, watched } from './support.mjs';

/** Ten seconds at 8,000 samples a second: the agent on the left, the person on the right. */
function sound() {
  const [rate, seconds] = [8000, 10];
  const file = Buffer.alloc(44 + rate * seconds * 4);
  file.write('RIFF', 0);
  file.writeUInt32LE(file.length - 8, 4);
  file.write('WAVEfmt ', 8);
  for (const [value, at, size] of [[16, 16, 4], [1, 20, 2], [2, 22, 2], [rate, 24, 4], [rate * 4, 28, 4], [4, 32, 2], [16, 34, 2]]) {
    file.writeUIntLE(value, at, size);
  }
  file.write('data', 36);
  file.writeUInt32LE(file.length - 44, 40);
  for (let n = 0; n < rate * seconds; n += 1) {
    const wave = Math.round(6000 * Math.sin((n * 2 * Math.PI * 440) / rate));
    const isOurs = n < (rate * seconds) / 2;
    file.writeInt16LE(isOurs ? wave : 0, 44 + n * 4);
    file.writeInt16LE(isOurs ? 0 : wave, 46 + n * 4);
  }
  return file;
}

// Somebody is called, and a colleague hears what they would hear.
const { id } = await campaign({ status: 'active' });
const lead = await api('POST', `voice-campaigns/${id}/leads`, { phone: '+1 202 555 0101', first_name: 'Ada' });
await until('the call', async () => (await api('GET', `voice-campaigns/${id}/calls`))[0]?.state === 'ended');
await api('POST', `voice-campaigns/${id}/test-calls`, { phone: '+1 203 555 0101', lead_id: lead.id });
await until('the test call', async () => (await api('GET', `voice-campaigns/${id}/test-calls/1`)).state === 'ended');
await endServer();
fs.mkdirSync('data/recordings', { recursive: true });
fs.writeFileSync('data/recordings/1.wav', sound());
fs.writeFileSync('data/recordings/-1.wav', sound());
await startServer();

const { context, close } = await browser();
const { page, problems } = await watched(context);
await signIn(page);
const found = [];
async function look(where) {
  for (const [size, theme] of [[DESKTOP, 'light'], [DESKTOP, 'dark'], [PHONE, 'light'], [PHONE, 'dark']]) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    await settled(page);
    for (const problem of await accessibilityProblems(page)) found.push(`${where} ${theme} ${size.width}: ${problem}`);
    if ((await overflow(page)) > 0) found.push(`${where} ${size.width}: can be scrolled sideways`);
  }
  await page.setViewportSize(DESKTOP);
}
const player = page.getByRole('region', { name: 'Recording' });
const place = player.getByRole('slider', { name: 'Place in the recording' });
const audio = () => player.locator('audio').evaluate(({ currentTime, duration, paused, playbackRate }) => ({ currentTime, duration, paused, playbackRate }));
const at = async (seconds) => until(`${seconds} s`, async () => Math.abs((await audio()).currentTime - seconds) < 0.6);

// By mouse.
await visit(page, `#/campaigns/${id}/calls`);
await page.getByRole('button', { name: 'Ada' }).click();
await player.waitFor();
await until('the sound', async () => Math.abs((await audio()).duration - 10) < 0.1);
assert.equal(await player.locator('.wave svg path').count() > 0, true, 'it is drawn');
await look('the recording');
await player.getByRole('button', { name: 'Play' }).click();
await until('it plays', async () => (await audio()).currentTime > 0.2);
await player.getByRole('button', { name: '2×' }).click();
assert.equal((await audio()).playbackRate, 2);
await player.getByRole('button', { name: 'Pause' }).click();
assert.equal((await audio()).paused, true);
const box = await place.boundingBox();
await page.mouse.click(box.x + box.width * 0.8, box.y + box.height / 2);
await at(8);
ok('it is listened to by mouse');

// By the keyboard alone.
await place.focus();
await page.keyboard.press('ArrowLeft');
await at(3);
assert.match(await place.getAttribute('aria-valuetext'), /of/);
await page.keyboard.press('ArrowRight');
await at(8);
await page.keyboard.press('Space');
await until('it plays', async () => !(await audio()).paused);
await page.keyboard.press('Space');
await until('it is quiet', async () => (await audio()).paused);
const line = page.getByRole('region', { name: 'Transcript' }).getByRole('button').first();
await line.focus();
await page.keyboard.press('Enter');
await until('it plays from there', async () => !(await audio()).paused);
ok('it is listened to by the keyboard');

// What is deleted is gone for good, and says so.
const sure = page.getByRole('dialog', { name: 'Delete this recording?' });
await player.getByRole('button', { name: 'Delete…' }).click();
await sure.getByRole('button', { name: 'Delete the recording' }).click();
await page.getByText('The recording was deleted.').waitFor();
assert.equal(fs.existsSync('data/recordings/1.wav'), false);
await page.keyboard.press('Escape');
ok('it is deleted');

// The test call is in the list of its kind, and in the history of the lead whose values were said.
await page.getByRole('button', { name: 'Test calls' }).click();
await page.getByText('count in none of the results').waitFor();
await look('the test calls');
await page.getByRole('button', { name: '+12035550101' }).click();
await player.waitFor();
await page.getByText('It counts in none of the results of the campaign.').waitFor();
await page.getByText('Lead 1').waitFor();
await until('the sound', async () => Math.abs((await audio()).duration - 10) < 0.1);
await look('the test call');
const [download] = await Promise.all([page.waitForEvent('download'), player.getByRole('link', { name: 'Download' }).click()]);
assert.equal(download.suggestedFilename(), 'test-call-1.wav');
await page.keyboard.press('Escape');
await visit(page, `#/campaigns/${id}/leads?lead=${lead.id}`);
await page.getByText('Test call, counts in no result').waitFor();
assert.equal(await page.getByRole('region', { name: 'Calls' }).getByRole('listitem').count(), 2);
await look('the lead');
await page.keyboard.press('Escape');
ok('test calls are found where people look for them');

// A test call that cannot be made says why before anybody tries.
await api('POST', 'dialing/stop', {});
const ask = async () => {
  await visit(page, `#/campaigns/${id}`);
  await page.getByRole('button', { name: 'More actions for Appointment reminders' }).click();
  await page.getByRole('menuitem', { name: 'Make a test call…' }).click();
  await page.getByLabel('Number to call').fill('+1 202 555 0101');
};
await ask();
await page.getByText('All calling of this server is stopped').waitFor();
assert.equal(await page.getByRole('button', { name: 'Call', exact: true }).isDisabled(), true);
await look('no test call');
await api('POST', 'dialing/start', {});
await page.getByRole('button', { name: 'Look again' }).click();
await until('it can be made', async () => !(await page.getByRole('button', { name: 'Call', exact: true }).isDisabled()));
await page.keyboard.press('Escape');
ok('a test call that cannot be made says why');

// A campaign that takes calls is made and changed by clicks.
await visit(page, '#/campaigns/new');
await page.getByLabel('Name', { exact: true }).fill('Hotline');
await page.getByLabel('Who is calling?').fill('Lakeside Telecom');
await page.getByRole('radio', { name: /Take calls/ }).check();
await page.getByRole('button', { name: /Continue/ }).click();
await page.getByText('Enter the number that people call').waitFor();
await look('the number is missing');
await page.getByLabel('Number that people call').fill('+1 202 555 0199');
await page.getByRole('button', { name: /Continue/ }).click();
await page.getByRole('heading', { name: 'What should the agent say?' }).waitFor();
const [hotline] = await api('GET', 'voice-campaigns');
assert.deepEqual([hotline.campaign_type, hotline.inbound_number], ['inbound', '+12025550199']);
await visit(page, `#/campaigns/${hotline.id}/edit?step=basics`);
await page.getByRole('radio', { name: /Call people/ }).check();
await until('it calls people', async () => (await api('GET', `voice-campaigns/${hotline.id}`)).campaign_type === 'outbound');
assert.equal((await api('GET', `voice-campaigns/${hotline.id}`)).inbound_number, null);
await page.getByRole('radio', { name: /Take calls/ }).check();
await page.getByLabel('Number that people call').fill('+12025550198');
await until('it has a number again', async () => (await api('GET', `voice-campaigns/${hotline.id}`)).inbound_number === '+12025550198');
await look('the kind of a campaign');
await visit(page, `#/campaigns/${hotline.id}/edit?step=review`);
await page.getByText('Nobody is called.').waitFor();
await look('the last step');
await page.getByRole('button', { name: 'Take calls' }).click();
await page.getByRole('dialog').getByRole('button', { name: 'Take calls' }).click();
await page.getByRole('heading', { name: 'This campaign takes calls' }).waitFor();
assert.equal((await api('GET', `voice-campaigns/${hotline.id}`)).status, 'active');
await look('a campaign that takes calls');
await page.getByRole('link', { name: 'Incoming calls' }).click();
await page.getByText('Nobody has called yet').waitFor();
ok('a campaign that takes calls is made by clicks');

assert.deepEqual([...found, ...problems], []);
await close();
process.exit(0);
